"""Our notebooks measure what the published ones do, are the same in every run, and warn of nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.podworkloads import TOLERANCE, WORKLOADS, reference

NOTEBOOKS = ("skltweet", "msciedaw", "nbupdate")
DATA = {
    "skltweet": ("df",),
    "msciedaw": ("df_cite_test_x", "df_cite_train_x", "df_cite_train_y", "df_meta", "df_multi_train_x"),
    "nbupdate": (),
}
# Runs a notebook and measures its versions, as a reference run does, but without portraits.
MEASURE = """
import contextlib, io, json, sys
from harness.podworkloads import WORKLOADS
from harness.podworkloads._measure import Measure, mutation_rate
measure, versions, namespace = Measure(), [], {"__name__": "__main__"}
for cell in WORKLOADS[sys.argv[1]].cells():
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(cell, "<cell>", "exec", dont_inherit=True), namespace)
    versions.append(measure.look({k: v for k, v in namespace.items() if not k.startswith("__")}))
mean = sum(version.snapshot_bytes for version in versions) / len(versions)
objects = max(version.objects for version in versions)
print(json.dumps([len(versions), mean, objects, mutation_rate(versions)]))
"""


@pytest.mark.parametrize("name", NOTEBOOKS)
@pytest.mark.timeout(300)
def test_what_it_measures_is_within_a_fifth_of_what_was_published(name: str, tmp_path: Path) -> None:
    workload = WORKLOADS[name]
    published, scale = workload.published, workload.default_scale
    workload.prepare(tmp_path, scale)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, name],
        env={**os.environ, **workload.environment(tmp_path, scale)},
        capture_output=True,
        text=True,
        check=True,
    )
    cells, snapshot_bytes, objects, mutation_rate = json.loads(done.stdout)

    assert published is not None
    assert cells == published.cells
    assert snapshot_bytes / scale == pytest.approx(published.snapshot_bytes, rel=TOLERANCE)
    assert mutation_rate == pytest.approx(published.mutation_rate, rel=TOLERANCE)
    assert objects / scale == pytest.approx(published.objects or objects / scale, rel=TOLERANCE)


@pytest.mark.parametrize("name", NOTEBOOKS)
@pytest.mark.timeout(300)
def test_two_runs_agree_and_nothing_is_warned_of(name: str, tmp_path: Path) -> None:
    found = reference(WORKLOADS[name], {}, WORKLOADS[name].default_scale / 10, tmp_path)

    assert found.unstable == ()
    assert [cell.warnings for cell in found.cells] == [()] * len(found.cells)
    assert [cell.opaque for cell in found.cells] == [()] * len(found.cells)
    assert found.data_names == DATA[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
@pytest.mark.timeout(600)
def test_two_runs_agree_at_the_default_scale(name: str, tmp_path: Path) -> None:
    found = reference(WORKLOADS[name], {}, WORKLOADS[name].default_scale, tmp_path)

    assert (found.unstable, found.data_names) == ((), DATA[name])


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_needs_grow_with_the_scale(name: str) -> None:
    workload = WORKLOADS[name]
    published = workload.published

    small, full = workload.needs(0.1), workload.needs(1.0)

    assert published is not None
    assert full[0] >= published.cells * published.snapshot_bytes
    assert (small[0] < full[0], small[1] < full[1]) == (True, True)
