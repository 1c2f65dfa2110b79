"""The house: what the Makefile, the setup scripts, the locks and the tests' own rules promise."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parent.parent
BARE = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}


def make(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def pyproject() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def targets() -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_make_alone_lists_every_target() -> None:
    listed = make()
    assert listed.returncode == 0
    assert set(re.findall(r"^  make (\S+)", listed.stdout, re.MULTILINE)) == targets()


@pytest.mark.parametrize(
    ("target", "verb"),
    [
        ("bench", "run"),
        ("bench-fuse", "run"),
        ("bench-pod", "pod-bench"),
        ("bench-pod-exp2", "pod-bench-exp2"),
        ("bench-pod-micro", "pod-micro"),
    ],
)
def test_a_dry_run_touches_nothing(target: str, verb: str, tmp_path: Path) -> None:
    before = {path for path in ROOT.iterdir() if path.name != "__pycache__"}
    dry = make(target, "DRY_RUN=1", f"VENV={tmp_path / 'absent'}", "LOADER=pillow")
    assert dry.returncode == 0, dry.stderr
    assert f"would run: harness {verb} " in dry.stdout
    assert not (tmp_path / "absent").exists()
    assert {path for path in ROOT.iterdir() if path.name != "__pycache__"} == before


@pytest.mark.parametrize(
    ("variable", "listed"),
    [
        ("CONFIG=typo", "2GiB, 19GiB, 2GiB+pagecache"),
        ("ACCESS=typo", "random, serial"),
        ("LOADER=typo", "auto, torch, pillow"),
        ("MODE=typo", "decode, raw"),
        ("SCALE=typo", "1/32"),
        ("S3=typo", "sim, seaweedfs"),
        ("DATA=/no/such/file.zip", "train2017.zip"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_installed(
    variable: str, listed: str, tmp_path: Path
) -> None:
    refused = make("bench-fuse", variable, f"VENV={tmp_path / 'absent'}")
    assert refused.returncode == 2
    assert listed in refused.stderr.splitlines()[0]
    assert not (tmp_path / "absent").exists()


def test_planning_needs_no_installed_package() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-B", "tools/check_request.py", "fuse", "--config", "19GiB"],
        cwd=ROOT,
        env=BARE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_every_variable_of_the_makefile_is_described() -> None:
    used = set(re.findall(r"call (?:flag|switch),([A-Z0-9_]+)", (ROOT / "Makefile").read_text()))
    described = (ROOT / "tools" / "variables.sh").read_text()
    assert {name for name in used if not re.search(rf"\b{name}\b", described)} == set()


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-torch.lock"])
def test_locks_hold_exact_versions_and_no_addresses(lock: str) -> None:
    lines = [line for line in (ROOT / lock).read_text().splitlines() if not line.startswith("#")]
    assert lines
    assert [line for line in lines if not re.match(r"[a-z0-9-]+==[0-9][^ ]*( ; .+)?$", line)] == []
    assert "://" not in (ROOT / lock).read_text()


def locked(lock: str) -> set[str]:
    return {re.split("==", line)[0] for line in (ROOT / lock).read_text().splitlines() if "==" in line}


def declared(requirements: list[str]) -> set[str]:
    return {re.split(r"[^A-Za-z0-9-]", requirement)[0].lower() for requirement in requirements}


def test_the_lock_holds_what_is_declared_and_torch_stands_apart() -> None:
    project = pyproject()["project"]
    extras = dict(project["optional-dependencies"])
    torch = declared(extras.pop("torch"))
    everything = declared(project["dependencies"]).union(*map(declared, extras.values()))
    assert everything - locked("requirements.lock") == set()
    assert torch & locked("requirements.lock") == set()
    assert torch - locked("requirements-torch.lock") == set()


def test_both_locks_agree() -> None:
    def versions(lock: str) -> dict[str, str]:
        pairs = (line.split("==", 1) for line in (ROOT / lock).read_text().splitlines() if "==" in line)
        return {f"{name}{rest.partition(' ; ')[2]}": rest.partition(" ; ")[0] for name, rest in pairs}

    base, torch = versions("requirements.lock"), versions("requirements-torch.lock")
    assert {name: torch[name] for name in base.keys() & torch.keys()} == {
        name: base[name] for name in base.keys() & torch.keys()
    }


def test_scripts_are_executable_and_parse() -> None:
    scripts = [*ROOT.glob("tools/*.sh"), ROOT / ".ci" / "run"]
    sourced = {"find-python.sh", "install-packages.sh"}
    assert [
        script.name for script in scripts if script.name not in sourced and not os.access(script, os.X_OK)
    ] == []
    done = subprocess.run(["bash", "-n", *scripts], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_root_the_missing_system_packages_are_one_command_to_type(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "dirname", "basename", "cat"):
        (tools / name).symlink_to(f"/bin/{name}" if Path(f"/bin/{name}").exists() else f"/usr/bin/{name}")
    (tools / "python3").symlink_to(sys.executable)
    for name, body in {"id": "echo 1000", "sudo": "exit 1", "apt-get": "echo called >&2; exit 9"}.items():
        (tools / name).write_text(f"#!/bin/bash\n{body}\n")
        (tools / name).chmod(0o755)
    done = subprocess.run(
        ["bash", str(ROOT / "tools" / "setup.sh")],
        env={"PATH": str(tools), "VENV": str(tmp_path / "venv")},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stderr.splitlines()
    assert (done.returncode, len(lines)) == (1, 1)
    assert re.search(
        r"type: sudo apt-get update && sudo apt-get install -y .*\bfuse3\b.*\bpkg-config\b", lines[0]
    )
    assert not (tmp_path / "venv").exists()
    assert not re.search(r"\b(s3fs|clang)\b", lines[0])  # those are for `make peers` alone


def test_a_peer_that_is_not_known_is_refused() -> None:
    refused = make("peers", "PEERS=typo")
    assert refused.returncode == 2
    assert "no peer 'typo'; there are: mountpoint s3fs geesefs" in refused.stderr


TRACKED_TEXT = re.compile(r"\.(py|sh|toml|md|txt|lock|yaml|ipynb|cfg)$|/(Makefile|Dockerfile|run)$")


def test_nothing_committed_names_a_machine_s_folders() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git clone")
    own = rf"|{re.escape(str(ROOT)[1:])}" if len(ROOT.parts) > 2 else ""
    named = re.compile(rf"(?<![\w.])/(?:root|home/[a-z]+{own})/")
    guilty = [
        name
        for name in listed.stdout.splitlines()
        if TRACKED_TEXT.search("/" + name)
        and not name.startswith("tests/")
        and named.search((ROOT / name).read_text())
    ]
    assert guilty == []


CONFTEST = (ROOT / "tests" / "conftest.py").read_text()


@pytest.fixture
def inner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.delenv("REQUIRE", raising=False)
    pytester.makeconftest(CONFTEST)
    pytester.makeini(
        "[pytest]\nmarkers =\n  criu\n  fuse\n  kishu\n  postgres\n  redis\n  root\n  s3\n  slow\n"
    )
    return pytester


def test_the_summary_counts_each_marker(inner: pytest.Pytester) -> None:
    inner.makepyfile(
        textwrap.dedent("""
        import pytest
        @pytest.mark.s3
        def test_runs(): assert True
        @pytest.mark.s3
        def test_skips(): pytest.skip("seaweedfs is not installed")
        @pytest.mark.slow
        def test_takes_long(): assert True
        """)
    )
    result = inner.runpytest_inprocess("-m", "not slow")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["s3: 1 ran, 1 skipped", "slow: 0 ran, 0 skipped, 1 deselected"])


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [("seaweedfs is not installed", "failed"), ("mount-s3 is not installed", "skipped")],
)
def test_a_required_marker_turns_a_skip_into_a_failure_unless_an_optional_system_lacks(
    inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, reason: str, outcome: str
) -> None:
    monkeypatch.setenv("REQUIRE", "s3")
    inner.makepyfile(f"import pytest\n@pytest.mark.s3\ndef test_skips(): pytest.skip({reason!r})")
    inner.runpytest_inprocess().assert_outcomes(**{outcome: 1})


def test_a_skip_whose_reason_names_what_is_required_fails_even_unmarked(
    inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUIRE", "fuse")
    inner.makepyfile("import pytest\npytest.skip('no FUSE here', allow_module_level=True)")
    result = inner.runpytest_inprocess()
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*REQUIRE=fuse forbids to skip: no FUSE here*"])


def test_an_unknown_requirement_is_bad_usage(inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUIRE", "fusse")
    inner.makepyfile("def test_nothing(): assert True")
    assert inner.runpytest_inprocess().ret == pytest.ExitCode.USAGE_ERROR


def test_a_mount_that_outlives_the_tests_fails_the_run(inner: pytest.Pytester, tmp_path: Path) -> None:
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text("22 1 0:21 / /proc rw - proc proc rw\n")
    base = inner.path / "base"
    inner.makeconftest(CONFTEST.replace('Path("/proc/self/mountinfo")', f"Path({str(mountinfo)!r})"))
    line = f"99 22 0:99 / {base}/x/mnt ro - fuse.pond pond ro\n"
    inner.makepyfile(
        f"from pathlib import Path\n"
        f"def test_leaks():\n    p = Path({str(mountinfo)!r})\n    assert p.write_text(p.read_text() + {line!r})"
    )
    result = inner.runpytest_inprocess(f"--basetemp={base}")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([f"LEAKED: a FUSE mount outlived the tests: {base}/x/mnt"])
