"""What differs between two versions, and whether a version's bytes are all there."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from blake3 import blake3

from pond.errors import PondError
from pond.format import ROOT, Manifest
from pond.volume._volume import Version


@dataclass(frozen=True, slots=True)
class Change:
    """One path that differs between two versions."""

    kind: Literal["added", "removed", "changed"]
    path: bytes


def diff(old: Version, new: Version) -> Iterator[Change]:
    """Yield the paths that differ, in path order: content, kind, permission bits or target of a link.

    Modification times are not compared; nothing but the two manifests is read.
    """
    yield from _diff_folders(old.manifest, ROOT, new.manifest, ROOT)


def _diff_folders(old: Manifest, old_folder: int, new: Manifest, new_folder: int) -> Iterator[Change]:
    olds = {old.name(node): node for node in old.children(old_folder)}
    news = {new.name(node): node for node in new.children(new_folder)}
    for name in sorted(olds.keys() | news.keys()):
        if name not in news:
            yield from _subtree("removed", old, olds[name])
        elif name not in olds:
            yield from _subtree("added", new, news[name])
        else:
            a, b = olds[name], news[name]
            if old.mode[a] != new.mode[b] or (not old.is_folder(a) and _content(old, a) != _content(new, b)):
                yield Change("changed", new.path(b))
            if old.is_folder(a) and new.is_folder(b):
                yield from _diff_folders(old, a, new, b)
            elif old.is_folder(a):
                yield from (Change("removed", old.path(n)) for n in old.walk(a))
            elif new.is_folder(b):
                yield from (Change("added", new.path(n)) for n in new.walk(b))


def _subtree(kind: Literal["added", "removed"], manifest: Manifest, node: int) -> Iterator[Change]:
    yield Change(kind, manifest.path(node))
    if manifest.is_folder(node):
        yield from (Change(kind, manifest.path(n)) for n in manifest.walk(node))


def _content(manifest: Manifest, node: int) -> object:
    if manifest.mode[node] & 0o170000 == 0o120000:
        return manifest.target(node)
    return manifest.size[node], tuple(manifest.digest(entry) for entry in manifest.file_entries(node))


@dataclass(frozen=True, slots=True)
class Damage:
    """A run of entries that cannot be read or do not match, and the files it touches."""

    reason: str
    paths: tuple[bytes, ...]


def verify(
    version: Version,
    *,
    run_bytes: int = 8 << 20,
    connections: int = 8,
    progress: Callable[[int, int], None] = lambda _entries, _bytes: None,
) -> list[Damage]:
    """Read every byte of a version and compare it with its digest; return what is wrong.

    Parameters
    ----------
    run_bytes, connections
        Bytes of a GET, and how many run at once.
    progress
        Told how many more entries and bytes are checked.
    """
    manifest = version.manifest

    def check(run: range) -> tuple[range, list[tuple[int, str]]]:
        first, last = manifest.extent(run[0]), manifest.extent(run[-1])
        try:
            data = memoryview(
                version.read(first.pack, first.offset, last.offset + last.length - first.offset)
            )
        except PondError as error:
            return run, [(entry, str(error)) for entry in run]
        wrong = []
        for entry in run:
            _, offset, length = manifest.extent(entry)
            part = data[offset - first.offset : offset - first.offset + length]
            if blake3(part).digest() != manifest.digest(entry):
                wrong.append((entry, "the bytes do not match their digest"))
        return run, wrong

    bad: dict[int, str] = {}
    with ThreadPoolExecutor(connections, thread_name_prefix="pond-verify") as pool:
        for run, wrong in pool.map(check, runs(manifest, range(manifest.entries), run_bytes)):
            bad.update(wrong)
            progress(len(run), sum(manifest.entry_length[entry] for entry in run))
    return _by_reason(manifest, bad) if bad else []


def runs(manifest: Manifest, entries: range, run_bytes: int) -> Iterator[range]:
    """Cut entries into runs that lie end to end in one pack and have at most ``run_bytes`` (or are one entry)."""
    start = entries.start
    length = 0
    for entry in entries:
        pack, offset, size = manifest.extent(entry)
        if entry > start:
            before = manifest.extent(entry - 1)
            joined = before.pack == pack and before.offset + before.length == offset
            if not joined or length + size > run_bytes:
                yield range(start, entry)
                start, length = entry, 0
        length += size
    if start < entries.stop:
        yield range(start, entries.stop)


def _by_reason(manifest: Manifest, bad: dict[int, str]) -> list[Damage]:
    paths: dict[str, list[bytes]] = {}
    for node in manifest.walk():
        if manifest.mode[node] & 0o170000 != 0o100000:
            continue
        reason = next((bad[entry] for entry in manifest.file_entries(node) if entry in bad), None)
        if reason is not None:
            paths.setdefault(reason, []).append(manifest.path(node))
    return [Damage(reason, tuple(found)) for reason, found in paths.items()]
