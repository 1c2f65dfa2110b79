"""Reading through the kernel: real mounts."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest
from blake3 import blake3

from harness.kernelcache import resident_pages
from harness.s3 import Fault, SimProcess
from pond.errors import MountError
from pond.format import BLOCK_BYTES, ROOT, Extent, ManifestBuilder, Node, Pack
from pond.fuse import Session
from pond.fuse import _abi as abi
from pond.fuse._device import _Device, is_dying
from pond.mount import MountOptions, assemble
from pond.prefetch import PrefetchMode
from pond.volume import Volume, create_version
from tests.pond.mounts import Mount, mounted, wait_until
from tests.pond.trees import (
    attributes_of,
    everyday_tree,
    full_tree,
    info_of,
    read_tree,
    version_of,
    write_tree,
)

pytestmark = pytest.mark.fuse


@pytest.fixture(scope="module", params=["device", "libfuse"])
def engine(request: pytest.FixtureRequest) -> str:
    """The option that chooses what speaks to the kernel."""
    return f"--engine={request.param}"


@pytest.fixture(scope="module", params=["--page-cache", "--no-page-cache"])
def mount(
    request: pytest.FixtureRequest, engine: str, packed: Volume, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mount]:
    """The everyday tree, by each engine, once with the kernel's page cache and once without."""
    with mounted(packed.url, tmp_path_factory.mktemp("mounts") / "mnt", request.param, engine) as running:
        yield running


ZEROS = blake3(bytes(BLOCK_BYTES)).digest()


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def bytes_or_errno(path: Path) -> bytes | int:
    try:
        return path.read_bytes()
    except OSError as error:
        return error.errno or 0


def mapped(descriptor: int, length: int) -> bytes:
    """Read whole pages through a mapping, what lies behind the end of the file included."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    address = libc.mmap(
        None, ctypes.c_size_t(length), mmap.PROT_READ, mmap.MAP_PRIVATE, descriptor, ctypes.c_long(0)
    )
    assert address != ctypes.c_void_p(-1).value, os.strerror(ctypes.get_errno())
    try:
        return ctypes.string_at(address, length)
    finally:
        libc.munmap(ctypes.c_void_p(address), ctypes.c_size_t(length))


# --- what is there -----------------------------------------------------------------------------------


def test_the_tree_comes_back(mount: Mount) -> None:
    assert read_tree(mount.path) == full_tree(everyday_tree())


def test_modes_sizes_and_times_come_back(mount: Mount, tree: Path) -> None:
    assert attributes_of(mount.path) == attributes_of(tree)
    ours, theirs = mount.path.stat(), tree.stat()
    assert (ours.st_mode, ours.st_mtime_ns, ours.st_ino) == (theirs.st_mode, theirs.st_mtime_ns, 1)


def test_files_belong_to_who_mounted(mount: Mount) -> None:
    owners = {(path.lstat().st_uid, path.lstat().st_gid) for path in mount.path.rglob("*")}
    assert owners == {(os.getuid(), os.getgid())}


def test_random_reads_are_that_part_of_the_file(mount: Mount) -> None:
    content = everyday_tree()[b"three-blocks-and-five"]
    assert isinstance(content, bytes)
    random = Random(3)
    with (mount.path / "three-blocks-and-five").open("rb", buffering=0) as file:
        for _ in range(200):
            offset = random.randrange(len(content) + 10_000)
            length = random.choice([1, 4096, 100_000, BLOCK_BYTES, 3 * BLOCK_BYTES])
            assert os.pread(file.fileno(), length, offset) == content[offset : offset + length]


def test_a_mapping_ends_in_zeros_and_not_in_the_next_file(mount: Mount) -> None:
    with (mount.path / "folder" / "one").open("rb") as file:
        assert mapped(file.fileno(), 8192) == b"1" * 4097 + bytes(4095)


def test_statfs_says_a_full_file_system_of_the_version_s_size(mount: Mount) -> None:
    found = os.statvfs(mount.path)
    tree = full_tree(everyday_tree())
    size = sum(len(content) for content in tree.values() if isinstance(content, bytes))
    assert found.f_blocks * found.f_frsize == -(-size // 4096) * 4096
    assert (found.f_bavail, found.f_files, found.f_namemax) == (0, len(tree) + 1, 255)
    assert found.f_flag & os.ST_RDONLY


def test_a_large_folder_is_listed_whole(tmp_path: Path, engine: str) -> None:
    names = {f"{number:06}-{'x' * (number % 90)}" for number in range(5000)}
    source = write_tree(tmp_path / "source", {name.encode(): b"" for name in names})
    create_version(Volume.open(str(tmp_path / "volume")), source, "v1")
    with mounted(str(tmp_path / "volume"), tmp_path / "mnt", engine) as running:
        assert sorted(names_in(running.path)) == sorted(names)


def test_a_file_of_5_gib_is_read_behind_its_4th(tmp_path: Path, engine: str) -> None:
    size = 5 << 30
    with (tmp_path / "large").open("wb") as file:
        file.truncate(size)
        file.seek(size - 5)
        file.write(b"close")
    last = bytes(BLOCK_BYTES - 5) + b"close"
    builder = ManifestBuilder()
    builder.nodes.append(Node(b"", ROOT, stat.S_IFDIR | 0o755, 0, 1, 1))
    builder.nodes.append(Node(b"large", ROOT, stat.S_IFREG | 0o644, 0, size, 0))
    for number in range(size // BLOCK_BYTES):
        digest = blake3(last).digest() if number == size // BLOCK_BYTES - 1 else ZEROS
        builder.add_entry(Extent(0, number * BLOCK_BYTES, BLOCK_BYTES), digest)
    builder.add_pack(Pack(f"file://{tmp_path}/large", "", size))
    Volume.open(str(tmp_path / "volume")).store.put_if_absent(
        "versions/v1.manifest", builder.render(info_of())
    )
    with mounted(str(tmp_path / "volume"), tmp_path / "mnt", engine, "--prefetch", "none") as running:
        path = running.path / "large"
        assert path.stat().st_size == size
        with path.open("rb") as mounted_file:
            mounted_file.seek(-10, os.SEEK_END)
            assert mounted_file.read() == bytes(5) + b"close"
            assert os.pread(mounted_file.fileno(), 100, 4 << 30) == bytes(100)


# --- what is refused ---------------------------------------------------------------------------------


def test_nothing_can_be_written(mount: Mount) -> None:
    file, folder = mount.path / "a.txt", mount.path / "empty-folder"
    for act in (
        lambda: file.open("r+b"),
        lambda: file.write_bytes(b"x"),
        (mount.path / "new").touch,
        (mount.path / "new").mkdir,
        file.unlink,
        folder.rmdir,
        lambda: file.rename(mount.path / "b"),
        lambda: file.chmod(0o600),
        lambda: os.utime(file),
        lambda: (mount.path / "new").symlink_to("a"),
        lambda: os.link(file, mount.path / "new"),
        lambda: os.truncate(file, 1),
        lambda: (mount.path / ".commit").write_bytes(b"v2"),
        lambda: (mount.path / ".clearcache").write_bytes(b"1"),
    ):
        with pytest.raises(OSError) as raised:
            act()
        assert raised.value.errno == errno.EROFS
    assert file.read_bytes() == b"alpha\n"


def test_a_name_that_is_not_there_is_not_there(mount: Mount) -> None:
    for path in ("none", "folder/none", "none/none", "x" * 255, "x" * 256):
        assert not (mount.path / path).exists()
    with pytest.raises(NotADirectoryError):
        (mount.path / "a.txt" / "x").stat()


def test_extended_attributes_are_not_kept(mount: Mount) -> None:
    with pytest.raises(OSError) as raised:
        os.listxattr(mount.path / "a.txt")
    assert raised.value.errno == errno.ENOTSUP


# --- control files -----------------------------------------------------------------------------------


def test_control_files_can_be_read_and_are_not_listed(mount: Mount) -> None:
    assert (mount.path / ".version").read_text() == "v1\n"
    assert "pond_reads_total" in (mount.path / ".prom" / "pond.prom").read_text()
    assert [name for name in names_in(mount.path) if name.startswith(".")] == []
    assert names_in(mount.path / ".prom") == []
    assert stat.filemode((mount.path / ".clearcache").stat().st_mode) == "-r--------"


def test_metrics_are_new_at_each_open(mount: Mount) -> None:
    before = mount.stats()["bytes_served"]
    with (mount.path / "folder" / "two").open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        assert len(os.read(file.fileno(), 1000)) == 1000
    assert mount.stats()["bytes_served"] > before


# --- the kernel's page cache -------------------------------------------------------------------------


def test_without_the_page_cache_no_page_of_the_mount_is_resident(
    packed: Volume, tmp_path: Path, engine: str
) -> None:
    with mounted(packed.url, tmp_path / "mnt", "--no-page-cache", engine) as running:
        path = running.path / "three-blocks-and-five"
        with path.open("rb") as held:
            assert len(path.read_bytes()) == 3 * BLOCK_BYTES + 5
            assert resident_pages(held.fileno()) == 0
            before = running.stats()["reads"]
            assert len(path.read_bytes()) == 3 * BLOCK_BYTES + 5
            assert running.stats()["reads"] > before


def test_with_the_page_cache_a_file_that_was_read_costs_no_read_until_the_cache_is_cleared(
    packed: Volume, tmp_path: Path, engine: str
) -> None:
    with mounted(packed.url, tmp_path / "mnt", "--page-cache", "--prefetch", "none", engine) as running:
        path = running.path / "folder" / "two"
        with path.open("rb") as held:
            assert path.read_bytes() == b"2" * 100_000
            assert resident_pages(held.fileno()) == 25
        first = running.stats()
        assert path.read_bytes() == b"2" * 100_000
        again = running.stats()
        assert (
            (again["reads"], again["requests"]) == (first["reads"], first["requests"]) == (first["reads"], 1)
        )
        assert (running.path / ".clearcache").read_text().startswith("cleared 10")
        assert path.read_bytes() == b"2" * 100_000
        cleared = running.stats()
        assert cleared["reads"] > again["reads"]
        assert cleared["requests"] == 2


# --- many at once ------------------------------------------------------------------------------------


def test_many_readers_at_once_get_what_they_asked_for(mount: Mount) -> None:
    contents = {path: content for path, content in everyday_tree().items() if isinstance(content, bytes)}
    paths = list(contents) * 8
    Random(1).shuffle(paths)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda path: (mount.path / os.fsdecode(path)).read_bytes(), paths))
    assert found == [contents[path] for path in paths]


@pytest.mark.parametrize("mode", list(PrefetchMode))
def test_readers_at_once_get_the_tree_whatever_is_prefetched(
    packed: Volume, tmp_path: Path, mode: str, engine: str
) -> None:
    options = ("--prefetch", mode, "--chunk-size", "64KiB", "--max-cache-size", "3MiB", engine)
    with mounted(packed.url, tmp_path / "mnt", *options) as running, ThreadPoolExecutor(4) as pool:
        found = list(pool.map(read_tree, [running.path] * 4))
        assert found == [full_tree(everyday_tree())] * 4
        assert running.stats()["cache_bytes"] <= 3 << 20


@pytest.mark.s3
@pytest.mark.parametrize("option", ["--page-cache", "--no-page-cache"])
def test_a_get_that_stalls_holds_up_its_own_reader_only(
    sim: SimProcess, s3_url: str, tree: Path, tmp_path: Path, option: str, engine: str
) -> None:
    create_version(Volume.open(s3_url), tree, "v1")
    with mounted(s3_url, tmp_path / "mnt", option, "--prefetch", "none", engine, env=sim.env) as running:
        sim.set_faults([Fault("stall", key="*packs/*", operation="get", count=1, stall_s=1.0)])
        found: list[bytes] = []
        stalled = threading.Thread(target=lambda: found.append((running.path / "block").read_bytes()))
        stalled.start()
        wait_until(lambda: sim.fault_hits() == [1], "the first GET stalls")
        assert (running.path / "folder" / "two").read_bytes() == b"2" * 100_000
        assert (running.path / "folder" / "one").stat().st_size == 4097
        assert (running.path / "block").stat().st_size == BLOCK_BYTES
        assert names_in(running.path / "deep") == ["er"]
        assert stalled.is_alive()
        assert found == []
        stalled.join(30)
        assert found == [everyday_tree()[b"block"]]
        assert running.stats()["retries"] >= 1
        assert "trying again" in running.log.read_text()


@pytest.mark.s3
def test_a_reader_that_is_killed_while_it_waits_harms_nobody(
    sim: SimProcess, s3_url: str, tree: Path, tmp_path: Path, engine: str
) -> None:
    create_version(Volume.open(s3_url), tree, "v1")
    options = ("--no-page-cache", "--prefetch", "none", engine)
    with mounted(s3_url, tmp_path / "mnt", *options, env=sim.env) as running:
        sim.set_faults([Fault("stall", key="*packs/*", operation="get", count=1, stall_s=0.5)])
        reader = subprocess.Popen(["cat", running.path / "block"], stdout=subprocess.DEVNULL)
        wait_until(lambda: sim.fault_hits() == [1], "the first GET stalls")
        reader.kill()
        assert (running.path / "a.txt").read_bytes() == b"alpha\n"
        assert reader.wait(30) != 0
        assert (running.path / "block").read_bytes() == everyday_tree()[b"block"]


@pytest.mark.s3
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_reader_that_is_killed_does_not_wait_for_its_bytes(
    sim: SimProcess, s3_url: str, tree: Path, tmp_path: Path, number: signal.Signals
) -> None:
    create_version(Volume.open(s3_url), tree, "v1")
    options = ("--no-page-cache", "--prefetch", "none", "--engine=device")
    with mounted(s3_url, tmp_path / "mnt", *options, env=sim.env) as running:
        sim.set_faults([Fault("stall", key="*packs/*", operation="get", count=1, stall_s=3600)])
        reader = subprocess.Popen(["cat", running.path / "block"], stdout=subprocess.DEVNULL)
        wait_until(lambda: sim.fault_hits() == [1], "the first GET stalls")
        reader.send_signal(number)
        assert reader.wait(5) == -number  # the GET is tried again after ten seconds at the earliest


_SLOW_TO_DIE = """
import signal, sys
signal.signal(signal.SIGUSR1, lambda *_: print("signalled", flush=True))
open(sys.argv[1], "rb", buffering=0).read()
"""


@pytest.mark.s3
def test_a_reader_that_is_signalled_first_and_killed_later_is_let_go_too(
    sim: SimProcess, s3_url: str, tree: Path, tmp_path: Path
) -> None:
    create_version(Volume.open(s3_url), tree, "v1")
    options = ("--no-page-cache", "--prefetch", "none", "--engine=device")
    with mounted(s3_url, tmp_path / "mnt", *options, env=sim.env) as running:
        sim.set_faults([Fault("stall", key="*packs/*", operation="get", count=1, stall_s=3600)])
        reader = subprocess.Popen([sys.executable, "-c", _SLOW_TO_DIE, running.path / "block"])
        wait_until(lambda: sim.fault_hits() == [1], "the first GET stalls")
        reader.send_signal(signal.SIGUSR1)
        with pytest.raises(subprocess.TimeoutExpired):
            reader.wait(0.5)
        reader.kill()
        assert reader.wait(5) == -signal.SIGKILL


def test_a_kernel_that_is_too_old_is_said(tmp_path: Path) -> None:
    kernel, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    made = assemble(version_of({b"a": b"x"}), MountOptions())
    session = Session(
        files=made.filesystem,
        metrics=made.metrics,
        mountpoint=tmp_path,
        source="test",
        page_cache=True,
        timeout_s=0,
        allow_other=False,
        ready=lambda: None,
        ending=made.fetcher.close,
    )
    device = _Device(session)
    device._descriptor = ours.fileno()
    body = abi.INIT_IN.pack(7, 26, 0, 0)
    length = abi.IN_HEADER.size + len(body)
    with kernel, ours:
        kernel.send(abi.IN_HEADER.pack(length, abi.Operation.INIT, 2, 0, 0, 0, 0, 0, 0) + body)
        with pytest.raises(MountError, match=r"this kernel speaks FUSE 7.26; pond needs 7.31"):
            device.run()
        assert abi.OUT_HEADER.unpack(kernel.recv(100)) == (abi.OUT_HEADER.size, -errno.EPROTO, 2)
    made.fetcher.close()


def test_who_lives_is_not_dying() -> None:
    assert not is_dying(os.getpid())
    assert not is_dying(0)


# --- damage ------------------------------------------------------------------------------------------


def test_a_corrupted_file_is_eio_and_named_and_its_neighbours_are_fine(tmp_path: Path, engine: str) -> None:
    volume = Volume.open(str(tmp_path / "volume"))
    contents = {b"folder/%02d" % i: bytes([i]) * 5000 for i in range(20)}
    create_version(volume, write_tree(tmp_path / "source", contents), "v1")
    version = volume.version()
    node = version.manifest.resolve(b"folder/07")
    assert node is not None
    pack = tmp_path / "volume" / version.manifest.pack(0).url
    with pack.open("r+b") as file:
        file.seek(version.manifest.extent(version.manifest.first[node]).offset + 4999)
        file.write(b"!")
    with mounted(str(tmp_path / "volume"), tmp_path / "mnt", engine) as running:
        for _ in range(2):
            with pytest.raises(OSError) as raised:
                (running.path / "folder" / "07").read_bytes()
            assert raised.value.errno == errno.EIO
        sound = {path: content for path, content in contents.items() if path != b"folder/07"}
        found = {path: (running.path / os.fsdecode(path)).read_bytes() for path in sound}
        assert found == sound
        log = running.log.read_text()
        assert "folder/07: read of" in log
        assert "do not match their digest" in log
        assert [path for path in sound if os.fsdecode(path) + ": read" in log] == []


@pytest.mark.s3
@pytest.mark.parametrize("kind", ["corrupt", "short", "reset", "500", "503"])
def test_bad_answers_are_retried_or_eio_and_never_wrong_bytes(
    sim: SimProcess, s3_url: str, tmp_path: Path, kind: str, engine: str
) -> None:
    contents = {b"%02d" % i: Random(i).randbytes(20_000) for i in range(30)}
    create_version(Volume.open(s3_url), write_tree(tmp_path / "source", contents), "v1")
    options = ("--no-page-cache", "--prefetch", "none", engine)
    with mounted(s3_url, tmp_path / "mnt", *options, env=sim.env) as running:
        sim.set_faults([Fault(kind, key="*packs/*", operation="get", probability=0.3, after_bytes=100)])
        found = {path: bytes_or_errno(running.path / os.fsdecode(path)) for path in contents}
        assert {p: got for p, got in found.items() if got not in (contents[p], errno.EIO)} == {}
        assert sim.fault_hits()[0] > 0
        assert (errno.EIO in found.values()) == (kind == "corrupt")
        sim.set_faults([])
        assert {p: (running.path / os.fsdecode(p)).read_bytes() for p in contents} == contents
