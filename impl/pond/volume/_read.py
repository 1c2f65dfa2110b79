"""Reading a file of a version without a mount."""

from collections.abc import Iterator

from blake3 import blake3

from pond.errors import CorruptData
from pond.volume._compare import runs
from pond.volume._volume import Version


def read_file(version: Version, node: int, *, run_bytes: int = 8 << 20) -> Iterator[memoryview]:
    """Yield a file's bytes, block by block, each checked against its digest.

    Raises
    ------
    CorruptData
        A block does not match.
    """
    manifest = version.manifest
    for run in runs(manifest, manifest.file_entries(node), run_bytes):
        first, last = manifest.extent(run[0]), manifest.extent(run[-1])
        body = memoryview(version.read(first.pack, first.offset, last.offset + last.length - first.offset))
        for entry in run:
            _, offset, length = manifest.extent(entry)
            part = body[offset - first.offset : offset - first.offset + length]
            if blake3(part).digest() != manifest.digest(entry):
                path = manifest.path(node).decode(errors="replace")
                raise CorruptData(f"{version.url}: {path}: its bytes do not match their digest")
            yield part
