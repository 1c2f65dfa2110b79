"""What every test may rely on: markers that cannot hide a skip, mounts that cannot outlive the run.

A test marked `fuse`, `root`, `s3`, `postgres`, `redis`, `criu` or `kishu` is skipped where the machine cannot run it, and
counted at the end of the run. Under `REQUIRE=fuse,s3` such a skip is a failure, whoever skipped, unless what lacks is one
of the optional systems. A FUSE mount of ours that is still there when the last test has ended fails the run. Ctrl-C
interrupts each test, also where a shell started the run in the background, with SIGINT ignored, or a test imported dask_jobqueue,
which has it end the process: some tests send it.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Generator, Sequence
from functools import cache, partial
from pathlib import Path

import pytest

COUNTED = ("fuse", "root", "s3", "postgres", "redis", "criu", "kishu", "slow")
OPTIONAL_SYSTEMS = ("mount-s3", "s3fs", "geesefs", "torch", "torchvision")
OUR_MOUNTS = ("pond", "mountpoint-s3", "rclone", "s3fs", "geesefs")
_MOUNTS = Path("/proc/self/mountinfo")
_MOUNTS_BEFORE: pytest.StashKey[set[str]] = pytest.StashKey()
_LEAKED: pytest.StashKey[list[str]] = pytest.StashKey()
_COUNTS: pytest.StashKey[Counter[tuple[str, str]]] = pytest.StashKey()


@pytest.fixture(autouse=True)
def _ctrl_c_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@cache
def why_no_fuse() -> str | None:
    """Return why this machine cannot mount through FUSE, or None when it can."""
    if importlib.util.find_spec("pyfuse3") is None:
        return "pyfuse3 is not installed"
    if shutil.which("fusermount3") is None:
        return "fusermount3 is not installed"
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        return f"/dev/fuse cannot be opened: {error.strerror}"
    return None


def why_no_root() -> str | None:
    """Return why tests that need root cannot run, or None when they can."""
    return None if os.geteuid() == 0 else "root is needed"


@cache
def why_no_s3() -> str | None:
    """Return why no S3 server can be talked to from here, or None when one can."""
    return None if importlib.util.find_spec("boto3") is not None else "boto3 is not installed"


@cache
def why_no_postgres() -> str | None:
    """Return why no PostgreSQL server can be started here, or None when one can."""
    if not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")) and shutil.which("initdb") is None:
        return "postgres is not installed"
    return None


def why_no_redis() -> str | None:
    """Return why no Redis server can be started here, or None when one can."""
    return None if shutil.which("redis-server") else "redis is not installed"


@cache
def why_no_peer(name: str) -> str | None:
    """Return why a system that ours are measured against cannot run here, or None when it can."""
    from harness.systems.pod import how_to_get

    how = how_to_get(name)
    return None if how is None else f"{name} is not installed: {how}"


_REASONS = {
    "fuse": why_no_fuse,
    "root": why_no_root,
    "s3": why_no_s3,
    "postgres": why_no_postgres,
    "redis": why_no_redis,
    "criu": partial(why_no_peer, "criu"),
    "kishu": partial(why_no_peer, "kishu"),
}


def required() -> frozenset[str]:
    """Return the markers that REQUIRE names: there a skip is a failure."""
    return frozenset(name.strip() for name in os.environ.get("REQUIRE", "").split(",") if name.strip())


def forbidden_skip(markers: frozenset[str], reason: str) -> str | None:
    """Return the required marker that a skip for `reason` offends against, if any."""
    if any(reason.endswith(f"{system} is not installed") for system in OPTIONAL_SYSTEMS):
        return None
    named = {marker for marker in COUNTED if re.search(rf"\b{marker}\b", reason, re.IGNORECASE)}
    offended = (markers | named) & required()
    return min(offended, default=None)


def our_fuse_mounts(mountinfo: str) -> set[str]:
    """Return the mountpoints of the FUSE file systems that this project mounts, from the text of a mountinfo file."""
    mounts = set()
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        kind, source = right.split(" ")[:2]
        if (
            kind.startswith("fuse")
            and kind != "fusectl"
            and any(name in kind + source for name in OUR_MOUNTS)
        ):
            mounts.add(left.split(" ")[4])
    return mounts


def _mounts_now() -> set[str]:
    return our_fuse_mounts(_MOUNTS.read_text()) if _MOUNTS.exists() else set()


def pytest_configure(config: pytest.Config) -> None:
    unknown = required() - set(COUNTED)
    if unknown:
        raise pytest.UsageError(f"REQUIRE={','.join(sorted(unknown))}: there are {', '.join(COUNTED)}")
    config.stash[_COUNTS] = Counter()
    config.stash[_LEAKED] = []
    config.stash[_MOUNTS_BEFORE] = _mounts_now()


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, reason in _REASONS.items():
        if item.get_closest_marker(marker) is not None and (why := reason()) is not None:
            pytest.skip(why)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    markers = frozenset(marker for marker in COUNTED if item.get_closest_marker(marker) is not None)
    skipped = report.skipped and not hasattr(report, "wasxfail")
    if skipped:
        _refuse_skip(report, markers)
    if skipped or report.when == "call" or (report.when == "setup" and report.failed):
        item.config.stash[_COUNTS].update((marker, "skipped" if skipped else "ran") for marker in markers)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped:
        _refuse_skip(report, frozenset())
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport, markers: frozenset[str]) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    if (marker := forbidden_skip(markers, reason)) is not None:
        report.outcome = "failed"
        report.longrepr = f"REQUIRE={marker} forbids to skip: {reason}"


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    for item in items:
        for marker in COUNTED:
            if item.get_closest_marker(marker) is not None:
                item.config.stash[_COUNTS][marker, "deselected"] += 1


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    stash = session.config.stash
    # Other work on this machine may mount, too, unless this is CI: then only this run's folder is ours.
    base = str(session.config._tmp_path_factory.getbasetemp())
    for mount in sorted(_mounts_now() - stash[_MOUNTS_BEFORE]):
        if "CI" in os.environ or mount.startswith(base):
            stash[_LEAKED].append(mount)
            subprocess.run(["fusermount3", "-u", "-z", mount], check=False, capture_output=True)
    if stash[_LEAKED] and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    counts = config.stash[_COUNTS]
    for marker in COUNTED:
        line = f"{marker}: {counts[marker, 'ran']} ran, {counts[marker, 'skipped']} skipped"
        if counts[marker, "deselected"]:
            line += f", {counts[marker, 'deselected']} deselected"
        terminalreporter.write_line(line)
    for mount in config.stash[_LEAKED]:
        terminalreporter.write_line(f"LEAKED: a FUSE mount outlived the tests: {mount}", red=True)
