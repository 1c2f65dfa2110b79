"""Numbers and lines, as people read them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pod.store import Unsaved


def size_text(size_bytes: int | None) -> str:
    """Return a size."""
    if size_bytes is None:
        return "-"
    if size_bytes < 1024:
        return f"{size_bytes} B"
    size = float(size_bytes)
    for unit in ("KiB", "MiB", "GiB"):
        size /= 1024
        if size < 1024:
            return f"{size:.1f} {unit}"
    return f"{size / 1024:.1f} TiB"


def seconds_text(time_s: float) -> str:
    """Return a duration."""
    return f"{time_s * 1000:.0f} ms" if time_s < 1 else f"{time_s:.1f} s"


def when_text(time_s: float) -> str:
    """Return a time, in the user's own zone."""
    return datetime.fromtimestamp(time_s).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def unsaved_text(lost: Unsaved) -> str:
    """Say that a variable could not be saved, and why."""
    return f"pod: not saved: {lost.name} ({lost.type}): {lost.reason}"


def first_line(text: str | None) -> str:
    """Return the first line of a cell that says something, and how many follow."""
    lines = [line.strip() for line in (text or "").splitlines() if line.strip()]
    if not lines:
        return ""
    shown = lines[0] if len(lines[0]) <= 60 else lines[0][:59] + "…"
    return shown if len(lines) == 1 else f"{shown} (+{len(lines) - 1} lines)"


def table(rows: Sequence[Sequence[str]], right: Sequence[int]) -> str:
    """Return rows as columns; the first are the titles; `right` are the columns of numbers."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
