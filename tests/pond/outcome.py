"""How a command ended."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and what it said."""

    status: int
    out: bytes
    err: str

    def is_refusal(self, status: int, *said: str) -> None:
        """Check that there is one line on standard error, with all that is given, and nothing on standard output."""
        assert (self.status, self.out) == (status, b""), self.err
        assert re.fullmatch(r"pond: [^\n]+\n", self.err), self.err
        for part in said:
            assert part in self.err
