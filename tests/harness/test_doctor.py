from __future__ import annotations

import pytest

from harness.doctor import findings
from harness.errors import SuiteError
from harness.suite import suite_names
from harness.systems.fuse import SYSTEMS


def test_the_doctor_names_every_system_and_suite_and_how_to_get_what_is_missing() -> None:
    found = {finding.name: finding for finding in findings()}

    assert {f"system {name}" for name in SYSTEMS} <= found.keys()
    assert {f"suite {name}" for name in suite_names()} <= found.keys()
    for name, system in SYSTEMS.items():
        assert found[f"system {name}"].found is (system.how_to_get() is None)
    assert all(finding.detail for finding in found.values())
    assert {"/dev/fuse", "fusermount3", "cgroups", "drop_caches", "quiet"} <= found.keys()


def test_for_one_suite_it_looks_at_that_suites_systems() -> None:
    names = [finding.name for finding in findings("quick")]

    assert "system tmpfs" in names
    assert "system pond" in names
    assert "system pond-blind" not in names
    assert [name for name in names if name.startswith("suite")] == ["suite quick"]


def test_an_unknown_suite_is_refused() -> None:
    with pytest.raises(SuiteError, match="no suite 'nothing'"):
        list(findings("nothing"))
