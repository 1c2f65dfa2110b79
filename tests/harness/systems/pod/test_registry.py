"""The names that SUT= takes."""

from __future__ import annotations

import json
import sys

import pytest

from harness.errors import UsageError
from harness.systems.pod import how_to_get, names, open_system, options_of, python_of, refuses, version_of

# The lists of the published README, word for word.
README = (
    "snp,dill,shev,zosp,zodb,criu,crii,pga,pfl,pfa,pg0,pg1,pgcache0,pgcache0noavf,pgcache0,pgcache4,pgcache16,pgcache64,"
    "pgcache256,pgcache1024,pgcache4096,pgcache16384,pgcache65536,pgcache262144,pgcache1048576,pgl,pglnoavlstatic,"
    "pglnostatic,pgnoavf,pgnoavl,pgnoavlstatic,pgnostatic,pnb,pnv,prand",
    "snp,shev,zosp,zodb,criu,crii,pga",
    "snz,pgaz",
    "snp,dill,shev,zosp,zodb,criu,crii,pga",
    "noop,pgnoop",
)
# Those that the published scripts know and its README does not name, and ours.
OTHERS = (
    "snx,cpkl,exhaust,imm,ppg,prd,pgcache1m,pgcache2m,pgcache4m,pgcache8m,pgcache15m,pgcache31m,pgcache62m,pgcache125m,"
    "pgcache250m,pgcache500m,pgcache1g,pgcache2g,pgcache4g,pgcache8g,pgcache10g,pgcache16g,pgcache100g",
    "pod,snpc,kishu",
)


def listed(lists: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys(name for text in lists for name in text.split(",")))


def test_all_published_names_are_there_in_the_order_of_the_readme() -> None:
    readme = listed(README)
    assert names()[: len(readme)] == readme
    assert sorted(names()[len(readme) :]) == sorted(listed(OTHERS))


@pytest.mark.parametrize("ask", [open_system, how_to_get, version_of, options_of, python_of, refuses])
def test_an_unknown_name_is_answered_with_those_that_are_known(ask: object) -> None:
    more = ("rmtree",) if ask is refuses else (None,) if ask is open_system else ()
    with pytest.raises(UsageError, match=r"unknown system 'pgaa'; there are: snp, dill, .*, pod") as caught:
        ask("pgaa", *more)  # type: ignore[operator]
    assert all(name in str(caught.value) for name in names())


def test_an_unknown_fidelity_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown fidelity 'papier'; there are: fixed, paper"):
        options_of("pga", "papier")


@pytest.mark.parametrize("name", names())
def test_what_is_recorded_can_be_written_down(name: str) -> None:
    for fidelity in ("fixed", "paper"):
        options = options_of(name, fidelity)
        assert json.loads(json.dumps(options)) == options
        assert options["mode"] in {"sync", "thread", "thread-deferred"}
    assert how_to_get(name) is not None or version_of(name)


def test_all_but_those_with_a_python_of_their_own_run_here() -> None:
    others = [name for name in names() if python_of(name) != sys.executable]
    assert set(others) <= {"kishu"}


@pytest.mark.parametrize("name", [name for name in names() if name not in {"exhaust", "crii"}])
def test_hardly_a_system_refuses_workloads(name: str) -> None:
    assert refuses(name, "skltweet") is None


def test_images_of_changed_pages_are_refused_where_the_kernel_does_not_tell_them() -> None:
    found = refuses("crii", "skltweet")
    assert found is None or "CONFIG_MEM_SOFT_DIRTY" in found
