from __future__ import annotations

import pytest

from harness.doctor import findings
from harness.errors import SuiteError
from harness.suite import suite_names
from harness.systems import pod
from harness.systems.fuse import SYSTEMS


def test_the_doctor_names_every_system_and_suite_and_how_to_get_what_is_missing() -> None:
    found = {finding.name: finding for finding in findings()}

    assert {f"system {name}" for name in SYSTEMS} <= found.keys()
    assert {f"suite {name}" for name in suite_names()} <= found.keys()
    for name, system in SYSTEMS.items():
        assert found[f"system {name}"].found is (system.how_to_get() is None)
    assert all(finding.detail for finding in found.values())
    assert {"/dev/fuse", "fusermount3", "cgroups", "drop_caches", "quiet"} <= found.keys()


def test_each_system_of_pod_bench_is_in_one_group_with_what_all_in_it_need() -> None:
    groups = [finding for finding in findings() if finding.name.startswith("pod-bench ")]
    members = {name: finding for finding in groups for name in finding.detail.rpartition(": ")[2].split(", ")}

    assert sorted(members) == sorted(pod.names())
    assert sum(len(finding.detail.rpartition(": ")[2].split(", ")) for finding in groups) == len(members)
    for name, finding in members.items():
        lacks = pod.how_to_get(name) or pod.refuses(name, "nb-small")
        assert finding.found is (lacks is None)
        assert (lacks or pod.version_of(name)) in finding.detail
    assert members["pga"] is members["pgcache16"]
    assert members["exhaust"].found
    assert not any(finding.needed for finding in groups)


def test_a_system_of_pod_bench_that_is_missing_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRIU", "/nowhere/criu")
    found = next(finding for finding in findings() if finding.name == "pod-bench criu and 1 more")

    assert not found.found
    assert found.detail.startswith("make peers PEERS=criu")
    assert found.detail.endswith(": criu, crii")


def test_for_one_suite_it_looks_at_that_suites_systems() -> None:
    names = [finding.name for finding in findings("quick")]

    assert "system tmpfs" in names
    assert "system pond" in names
    assert "system pond-blind" not in names
    assert not any(name.startswith("pod-bench") for name in names)
    assert [name for name in names if name.startswith("suite")] == ["suite quick"]


def test_an_unknown_suite_is_refused() -> None:
    with pytest.raises(SuiteError, match="no suite 'nothing'"):
        list(findings("nothing"))
