"""Build a dataset once, resume what was interrupted, and reuse what is complete."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from blake3 import blake3

from harness.dataset import _dataset, _real, _standin, _workers
from harness.dataset._catalog import file_count, file_name, parse_scale, target_bytes
from harness.dataset._dataset import Dataset, FileDigest
from harness.dataset._errors import DatasetError, NoSpaceError
from harness.dataset._image import recipe_digest
from harness.dataset._report import Report

_Item = TypeVar("_Item")

DEFAULT_SEED = 42
_SPACE_MARGIN = 1.02


def coco(
    scale: Fraction | float | str,
    cache_dir: Path,
    *,
    seed: int = DEFAULT_SEED,
    data: Path | None = None,
    progress: bool = True,
) -> Dataset:
    """Return COCO train2017 at `scale`: the stand-in, or with `data` the real images.

    Built once below `cache_dir` and reused when complete; an interrupted build goes on where it stopped, and of two
    processes that ask for the same one, one builds and the other waits.

    Parameters
    ----------
    scale
        Fraction of 118,287 files (of the source's files with `data`), in (0, 1]; `"1/32"` is accepted.
    cache_dir
        Where datasets are kept.
    seed
        Decides every file's bytes; with `data`, which files an incomplete scale takes.
    data
        `train2017.zip`, or a folder of images. A folder's files are hard-linked where the file system allows it.
    progress
        Whether to report on stderr.

    Raises
    ------
    DatasetError
        With one line that says what failed and what to do.
    """
    exact = parse_scale(scale)
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        if data is None:
            return _standin_coco(exact, cache_dir, seed, progress)
        return _real_coco(exact, cache_dir, seed, data, progress)
    except OSError as error:
        raise DatasetError(f"cannot build the dataset in {cache_dir}: {error.strerror or error}") from error


def coco_name(scale: Fraction | float | str, *, seed: int = DEFAULT_SEED, data: Path | None = None) -> str:
    """Return the name of the dataset that `coco` would return, without building it.

    Two datasets of one name have the same files: it holds their number, the seed, and a digest of the recipe, or of the
    real files' names and sizes.

    Raises
    ------
    DatasetError
        When `scale` or `data` cannot be used.
    """
    exact = parse_scale(scale)
    if data is None:
        return _standin_name(file_count(exact), seed)
    return _real_name(_real.even_subset(_real.list_images(data), exact, seed), seed)


def _standin_name(count: int, seed: int) -> str:
    return f"coco-standin-{count}-seed{seed}-{recipe_digest()[:8]}"


def _real_name(images: Sequence[_real.SourceImage], seed: int) -> str:
    chosen = "".join(f"{image.name} {image.size}\n" for image in images)
    return f"coco-{len(images)}-seed{seed}-{blake3(chosen.encode()).hexdigest()[:8]}"


def _standin_coco(scale: Fraction, cache_dir: Path, seed: int, progress: bool) -> Dataset:
    count = file_count(scale)
    folder = cache_dir / _standin_name(count, seed)
    with _locked(folder):
        if (complete := _dataset.load(folder)) is not None:
            return complete
        sizes = {file_name(index): target_bytes(index, seed) for index in range(count)}
        target = _prepare(folder, sizes)
        _require_space(cache_dir, _missing_bytes(target, sizes))
        entries = _collect(_standin.writer(target, seed), range(count), "making images", progress)
        return _dataset.finish(folder, entries, scale=float(scale), seed=seed)


def _real_coco(scale: Fraction, cache_dir: Path, seed: int, data: Path, progress: bool) -> Dataset:
    images = _real.even_subset(_real.list_images(data), scale, seed)
    sizes = {image.name: image.size for image in images}
    folder = cache_dir / _real_name(images, seed)
    with _locked(folder):
        if (complete := _dataset.load(folder)) is not None:
            return complete
        target = _prepare(folder, sizes)
        if not data.is_dir():
            _require_space(cache_dir, _missing_bytes(target, sizes))
        entries = _collect(_real.importer(data, target), images, "taking images", progress)
        return _dataset.finish(folder, entries, scale=float(scale), seed=seed)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time build the dataset at `folder`; the others then find it complete."""
    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _missing_bytes(target: Path, sizes: Mapping[str, int]) -> int:
    return sum(size for name, size in sizes.items() if not (target / name).exists())


def _prepare(folder: Path, names: Iterable[str]) -> Path:
    """Return the image folder to fill: what an interrupted build left there, less what does not belong."""
    if folder.exists():
        shutil.rmtree(folder)
    target = _dataset.partial_folder(folder) / _dataset.CLASS_FOLDER
    target.mkdir(parents=True, exist_ok=True)
    expected = set(names)
    for path in target.iterdir():
        if path.name not in expected:
            path.unlink()
    return target


def _require_space(cache_dir: Path, needed_bytes: int) -> None:
    free_bytes = shutil.disk_usage(cache_dir).free
    if needed_bytes * _SPACE_MARGIN > free_bytes:
        raise NoSpaceError(
            f"{cache_dir} has {free_bytes / 2**30:.1f} GiB free, and the dataset needs {needed_bytes / 2**30:.1f} GiB more; "
            "free some, give another folder, or a smaller SCALE"
        )


def _collect(
    work: Callable[[Sequence[_Item]], list[FileDigest]], items: Sequence[_Item], what: str, progress: bool
) -> list[FileDigest]:
    entries: list[FileDigest] = []
    with Report(what, len(items), enabled=progress) as report:
        for batch in _workers.spread(work, items):
            entries += batch
            report.advance(len(batch))
    return entries
