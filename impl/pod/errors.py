"""pod's errors, drawn once.

PodError    code "pod"    the root of every error that pod raises
"""

from __future__ import annotations

from typing import ClassVar


class PodError(Exception):
    """Root of pod's errors.

    Attributes
    ----------
    code
        A stable word for programs; the message is for people.
    """

    code: ClassVar[str] = "pod"
