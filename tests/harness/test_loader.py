from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.errors import TrialFailed, UsageError
from harness.loader import (
    PillowLoader,
    batches_of,
    epoch_order,
    list_images,
    make_loader,
    read_pixels,
    resolve_loader,
)


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    generator = np.random.default_rng(1)
    (tmp_path / "train2017").mkdir()
    for number in range(11):
        pixels = generator.integers(0, 255, (40 + number, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "train2017" / f"{number:03}.jpg")
    (tmp_path / "train2017" / "notes.txt").write_text("no image")
    return list_images(tmp_path)


def test_images_are_listed_by_name_and_nothing_else_is(images: list[Path]) -> None:
    assert [path.name for path in images] == [f"{number:03}.jpg" for number in range(11)]


def test_a_folder_without_classes_is_said(tmp_path: Path) -> None:
    with pytest.raises(TrialFailed, match="class"):
        list_images(tmp_path)


def test_each_round_and_epoch_has_an_order_of_its_own_and_the_same_each_time() -> None:
    orders = {
        (trial_round, epoch): tuple(
            epoch_order(100, access="random", seed=42, trial_round=trial_round, epoch=epoch)
        )
        for trial_round in (1, 2)
        for epoch in (0, 1)
    }

    assert len(set(orders.values())) == 4
    assert all(sorted(order) == list(range(100)) for order in orders.values())
    assert orders[1, 0] == tuple(epoch_order(100, access="random", seed=42, trial_round=1, epoch=0))
    assert epoch_order(5, access="serial", seed=42, trial_round=1, epoch=1) == [0, 1, 2, 3, 4]


def test_batches_come_in_order_and_hold_the_decoded_pixels(images: list[Path]) -> None:
    order = epoch_order(len(images), access="random", seed=7, trial_round=1, epoch=0)
    loader = PillowLoader(images, mode="decode", batch_size=3, workers=2, image_px=32)

    got = [(batch.images, batch.tobytes()) for batch in loader.batches(order)]

    expected = [
        (len(batch), b"".join(read_pixels(images[index], 32).tobytes() for index in batch))
        for batch in batches_of(order, 3)
    ]
    assert got == expected
    assert [count for count, _ in got] == [3, 3, 3, 2]


def test_raw_mode_gives_the_lengths_that_were_read(images: list[Path]) -> None:
    loader = PillowLoader(images, mode="raw", batch_size=4, workers=4, image_px=224)

    lengths = np.frombuffer(b"".join(batch.tobytes() for batch in loader.batches(range(11))), dtype=np.int64)

    assert lengths.tolist() == [path.stat().st_size for path in images]


def test_a_pixel_is_a_channel_first_float_between_zero_and_one(images: list[Path]) -> None:
    pixels = read_pixels(images[0], 16)

    assert pixels.shape == (3, 16, 16)
    assert pixels.dtype == np.float32
    assert 0.0 <= float(pixels.min()) < float(pixels.max()) <= 1.0


def test_a_file_that_cannot_be_decoded_fails_the_epoch_by_name(images: list[Path]) -> None:
    images[4].write_bytes(b"no image")
    loader = PillowLoader(images, mode="decode", batch_size=4, workers=2, image_px=16)

    with pytest.raises(TrialFailed, match="cannot identify image file"):
        list(loader.batches(range(11)))


def test_torch_gives_the_same_bytes(images: list[Path]) -> None:
    pytest.importorskip("torchvision", reason="not installed")
    order = epoch_order(len(images), access="random", seed=7, trial_round=1, epoch=0)
    for mode in ("decode", "raw"):
        loaders = [
            make_loader(name, images, mode=mode, batch_size=4, workers=2, image_px=224)
            for name in ("torch", "pillow")
        ]
        torch_bytes, pillow_bytes = (
            [batch.tobytes() for batch in loader.batches(order)] for loader in loaders
        )

        assert torch_bytes == pillow_bytes


def test_an_unknown_loader_is_refused() -> None:
    assert resolve_loader("pillow") == "pillow"
    with pytest.raises(UsageError, match="auto, torch, pillow"):
        resolve_loader("tensorflow")
