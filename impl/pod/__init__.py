"""pod: versions of Python variables. This release holds the package's name and error root; the store comes later."""

from __future__ import annotations

from pod.errors import PodError

__all__ = ["PodError"]
