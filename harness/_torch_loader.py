"""The published loader: torch's DataLoader over torchvision's transforms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import transforms

from harness.loader import Batch, batches_of

__all__ = ["TorchLoader"]


@dataclass(frozen=True, slots=True)
class _TensorBatch:
    images: int
    tensor: torch.Tensor

    def tobytes(self) -> bytes:
        pixels: bytes = self.tensor.numpy().tobytes()
        return pixels


class _Decoded:
    """ImageFolder's loader and the published transforms; the class index is of no use here."""

    def __init__(self, paths: Sequence[Path], image_px: int) -> None:
        self._paths = [str(path) for path in paths]
        self._transform = transforms.Compose([transforms.Resize((image_px, image_px)), transforms.ToTensor()])

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        with Path(self._paths[index]).open("rb") as file:
            tensor: torch.Tensor = self._transform(Image.open(file).convert("RGB"))
        return tensor


class _Raw:
    """Reads the bytes, decodes nothing."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = [str(path) for path in paths]

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> int:
        return len(Path(self._paths[index]).read_bytes())


class TorchLoader:
    """torch.utils.data.DataLoader with its defaults: fork, two batches ahead, no persistent workers."""

    def __init__(
        self, paths: Sequence[Path], *, mode: str, batch_size: int, workers: int, image_px: int
    ) -> None:
        self._dataset: Any = _Raw(paths) if mode == "raw" else _Decoded(paths, image_px)
        self._batch_size = batch_size
        self._workers = workers

    def batches(self, order: Sequence[int]) -> Iterator[Batch]:
        """Start the workers and yield the batches in order."""
        plan = batches_of(order, self._batch_size)
        loader: DataLoader[Any] = DataLoader(self._dataset, batch_sampler=plan, num_workers=self._workers)
        for tensor in loader:
            yield _TensorBatch(len(tensor), tensor)
