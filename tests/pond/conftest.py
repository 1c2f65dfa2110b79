"""Volumes in memory, in a folder and in S3, and the command line in this process."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from harness.s3 import SimProcess, start_s3
from pond.volume import Volume, create_version
from tests.pond.outcome import Outcome
from tests.pond.trees import everyday_tree, write_tree

pytest.register_assert_rewrite("tests.pond.store.suite")

settings.register_profile(
    "pond", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("pond")


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything in it that a folder can have; not to be written to."""
    folder = write_tree(tmp_path_factory.mktemp("tree") / "source", everyday_tree())
    os.utime(folder / "empty", ns=(0, -1_500_000_001))  # before 1970
    return folder


@pytest.fixture
def file_volume(tmp_path: Path) -> Volume:
    """An empty volume in a folder that is not there yet."""
    return Volume.open(str(tmp_path / "volume"))


@pytest.fixture
def memory_volume() -> Volume:
    """An empty volume that ends with this process."""
    return Volume.open(f"memory://{uuid.uuid4().hex}")


@pytest.fixture(scope="session")
def packed(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Volume:
    """The tree, packed into a folder as v1; not to be written to."""
    volume = Volume.open(str(tmp_path_factory.mktemp("packed") / "volume"))
    create_version(volume, tree, "v1")
    return volume


@pytest.fixture(scope="session")
def sim_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimProcess]:
    with start_s3("sim", tmp_path_factory.mktemp("s3")) as server:
        assert isinstance(server, SimProcess)
        yield server


@pytest.fixture
def sim(sim_process: SimProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimProcess]:
    """The simulated S3, in this process's environment, without faults before and after."""
    for name, value in sim_process.env.items():
        monkeypatch.setenv(name, value)
    yield sim_process
    sim_process.set_faults([])
    sim_process.set_profile("none")


@pytest.fixture
def s3_url(sim: SimProcess) -> str:
    """A prefix of the simulated S3 that nobody has used."""
    return f"s3://{sim.bucket}/{uuid.uuid4().hex}"


@pytest.fixture(params=["device", "libfuse"])
def engine(request: pytest.FixtureRequest) -> str:
    """The option that chooses what speaks to the kernel."""
    return f"--engine={request.param}"


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that others can reach; pytest's own cannot be."""
    folder = Path(tempfile.mkdtemp(prefix="pond-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def cli(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Iterator[Callable[..., Outcome]]:
    """The command line in this process."""
    from pond.cli import main

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["pond", *map(str, arguments)])
        capsysbinary.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        status = ended.value.code
        said = capsysbinary.readouterr()
        assert status is None or isinstance(status, int)
        return Outcome(status or 0, said.out, said.err.decode())

    handlers = {number: signal.getsignal(number) for number in (signal.SIGPIPE, signal.SIGTERM)}
    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def two(tree: Path, tmp_path: Path) -> str:
    """A volume with v1, and v2 that differs from it."""
    volume = Volume.open(str(tmp_path / "volume"))
    create_version(volume, tree, "v1", message="the first")
    changed = everyday_tree() | {b"a.txt": b"changed\n", b"new": b"new\n"}
    del changed[b"empty"]
    create_version(volume, write_tree(tmp_path / "other", changed), "v2")
    return volume.url
