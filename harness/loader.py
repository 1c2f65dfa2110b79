"""Two loaders that read the same files in the same order in the same workers: torch's, and Pillow's equal of it.

The published benchmark is ``torch.utils.data.DataLoader`` over an image folder, Resize((224, 224)) and ToTensor, batches
of 64 in 4 workers that each work two batches ahead. Where torch cannot be imported, `pillow` does the same: worker w
gets batches w, w + 4, ...; two are in flight for each; the parent takes them in order. A torch worker hands its batch
over in shared memory, and so does a Pillow worker.

``mode="raw"`` reads the bytes and decodes nothing: the file system without the decoder in front of it.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import util
from mmap import mmap
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from harness.errors import TrialFailed, UsageError

__all__ = [
    "PREFETCH_FACTOR",
    "Batch",
    "Loader",
    "epoch_order",
    "list_images",
    "make_loader",
    "resolve_loader",
]

PREFETCH_FACTOR: Final = 2
"""How many batches each worker has under way."""
_SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
_FLOAT_BYTES: Final = 4
_LENGTH_BYTES: Final = 8
_PR_SET_PDEATHSIG: Final = 1


class Batch(Protocol):
    """What a loader yields for one batch."""

    @property
    def images(self) -> int:
        """How many files it took."""

    def tobytes(self) -> bytes:
        """Return the batch's bytes: pixels, or in raw mode the lengths that were read."""


class Loader(Protocol):
    """Reads all files in a given order."""

    def batches(self, order: Sequence[int]) -> Iterator[Batch]:
        """Start workers and yield the batches in order."""


def resolve_loader(wanted: str, *, thorough: bool = True) -> str:
    """Turn ``auto`` into ``torch`` or ``pillow``; a thorough look imports torch in a fresh process, for seconds.

    Raises
    ------
    UsageError
        For another name, or when torch was asked for and cannot be imported.
    """
    if wanted not in {"auto", "torch", "pillow"}:
        raise UsageError(f"unknown loader {wanted!r}; there are: auto, torch, pillow")
    if wanted == "pillow":
        return wanted
    if not thorough:
        there = util.find_spec("torch") is not None and util.find_spec("torchvision") is not None
        return "torch" if there or wanted == "torch" else "pillow"
    check = [sys.executable, "-c", "import torch, torchvision"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return "torch"
    if wanted == "torch":
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UsageError(f"torch and torchvision cannot be imported ({reason}); --loader pillow does without")
    return "pillow"


def list_images(root: Path) -> list[Path]:
    """Return the files of an image folder in ImageFolder's order: classes by name, then paths by name."""
    classes = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
    if not classes:
        raise TrialFailed(f"no class folder in {root.name}: an image folder has one folder per class")
    found = []
    for name in classes:
        for folder, _, files in sorted(os.walk(root / name, followlinks=True)):
            found += [Path(folder, file) for file in sorted(files) if file.lower().endswith(_SUFFIXES)]
    if not found:
        raise TrialFailed(f"no image in the {len(classes)} class folders of {root.name}")
    return found


def epoch_order(files: int, *, access: str, seed: int, trial_round: int, epoch: int) -> list[int]:
    """Return the order of one epoch: by path, or a permutation that each round and epoch draws anew."""
    if access == "serial":
        return list(range(files))
    permutation = np.random.default_rng([seed, trial_round, epoch]).permutation(files)
    return [int(index) for index in permutation]


def batches_of(order: Sequence[int], batch_size: int) -> list[list[int]]:
    """Cut an order into batches, the last one as short as it is."""
    return [list(order[start : start + batch_size]) for start in range(0, len(order), batch_size)]


def make_loader(
    name: str, paths: Sequence[Path], *, mode: str, batch_size: int, workers: int, image_px: int
) -> Loader:
    """Return the loader called `name`. Imports what it needs, so that no timer sees it."""
    if name == "torch":
        from harness._torch_loader import TorchLoader

        return TorchLoader(paths, mode=mode, batch_size=batch_size, workers=workers, image_px=image_px)
    return PillowLoader(paths, mode=mode, batch_size=batch_size, workers=workers, image_px=image_px)


def read_pixels(path: Path, image_px: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Decode, resize and scale one image as Resize((px, px)) and ToTensor do: CHW float32 in [0, 1]."""
    from PIL import Image

    with path.open("rb") as file:
        image = Image.open(file).convert("RGB").resize((image_px, image_px), Image.Resampling.BILINEAR)
    return np.asarray(image).transpose(2, 0, 1).astype(np.float32) / np.float32(255)


@dataclass(frozen=True, slots=True)
class _SharedBatch:
    images: int
    memory: mmap
    length: int

    def tobytes(self) -> bytes:
        return self.memory[: self.length]


class PillowLoader:
    """The DataLoader's equal without torch, in forked workers."""

    def __init__(
        self, paths: Sequence[Path], *, mode: str, batch_size: int, workers: int, image_px: int
    ) -> None:
        from PIL import JpegImagePlugin

        self._decoder = JpegImagePlugin.__name__  # imported before the fork: no worker pays for it
        self._paths = paths
        self._mode = mode
        self._batch_size = batch_size
        self._workers = workers
        self._image_px = image_px

    def batches(self, order: Sequence[int]) -> Iterator[Batch]:
        """Start the workers, yield the batches in order, end the workers."""
        todo = batches_of(order, self._batch_size)
        crew = [_Worker(self) for _ in range(min(self._workers, len(todo)))]
        try:
            for index in range(min(len(todo), len(crew) * PREFETCH_FACTOR)):
                crew[index % len(crew)].send(todo[index])
            for index, batch in enumerate(todo):
                worker = crew[index % len(crew)]
                yield worker.receive(len(batch))
                following = index + len(crew) * PREFETCH_FACTOR
                if following < len(todo):
                    worker.send(todo[following])
        finally:
            for worker in crew:
                worker.close()

    def slot_bytes(self) -> int:
        """Return the size of the largest batch."""
        each = _LENGTH_BYTES if self._mode == "raw" else 3 * self._image_px**2 * _FLOAT_BYTES
        return max(1, self._batch_size * each)

    def fill(self, slot: mmap, batch: Sequence[int]) -> int:
        """Read one batch into shared memory; return its length."""
        if self._mode == "raw":
            lengths = np.array([len(self._paths[index].read_bytes()) for index in batch], dtype=np.int64)
            slot[: lengths.nbytes] = lengths.tobytes()
            return int(lengths.nbytes)
        pixels = 3 * self._image_px**2
        into = np.frombuffer(slot, dtype=np.float32, count=len(batch) * pixels).reshape(len(batch), pixels)
        for row, index in enumerate(batch):
            into[row] = read_pixels(self._paths[index], self._image_px).reshape(-1)
        return into.nbytes


class _Worker:
    """One forked process with a slot of shared memory for each batch that may be in flight."""

    def __init__(self, loader: PillowLoader) -> None:
        context = multiprocessing.get_context("fork")
        self._slots = [mmap(-1, loader.slot_bytes()) for _ in range(PREFETCH_FACTOR)]
        self._pipe, other = context.Pipe()
        self._sent = self._received = 0
        self._process: ForkProcess = context.Process(
            target=_work, args=(loader, other, self._pipe, self._slots), daemon=True
        )
        with warnings.catch_warnings():
            # Forking beside threads is what torch's DataLoader does on Linux; from 3.12 on Python warns of it.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process.start()
        other.close()

    def send(self, batch: Sequence[int]) -> None:
        self._pipe.send((self._sent % PREFETCH_FACTOR, batch))
        self._sent += 1

    def receive(self, images: int) -> Batch:
        slot = self._slots[self._received % PREFETCH_FACTOR]
        self._received += 1
        try:
            answer = self._pipe.recv()
        except EOFError:
            raise TrialFailed("a loader's worker ended without an answer") from None
        if isinstance(answer, str):
            raise TrialFailed(f"a loader's worker failed: {answer}")
        return _SharedBatch(images, slot, int(answer))

    def close(self) -> None:
        with contextlib.suppress(OSError):  # it may have failed already
            self._pipe.send(None)
        self._pipe.close()
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _work(loader: PillowLoader, pipe: Connection, parents: Connection, slots: list[mmap]) -> None:
    parents.close()
    # Siblings hold copies of the parent's ends, so a dead parent is no end of file: the kernel has to say it.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):
            return
        if task is None:
            return
        slot, batch = task
        try:
            length: int | str = loader.fill(slots[slot], batch)
        except Exception:  # noqa: BLE001  (whatever it is, the parent says it)
            length = traceback.format_exc(limit=-1).strip().splitlines()[-1]
        try:
            pipe.send(length)
        except OSError:
            return
