"""The volatility model as Chipmink's repository has it, its defects included: for `fidelity="paper"` only."""

from __future__ import annotations

import random
from typing import Final

from pod.podding._volatility import USUAL_RATE, Untrained, Volatility, never_changes

_SKIPPED: Final = 0.9
_LIKELY: Final = 0.5


class PublishedVolatility:
    """Asks a model in one of ten cases, and turns its answer around.

    Two defects, kept as they are. It draws from the user's generator, `random`, so that a save changes what the user draws
    next, and equal graphs have unequal pods. And the published model was trained to tell what stays the same, while its answer is
    taken for what changes: what is likely to change counts as unchangeable.

    Parameters
    ----------
    model
        Tells the rate of change; the published one is not here.
    """

    def __init__(self, model: Volatility | None = None) -> None:
        self._model = model or Untrained()

    def rate(self, value: object, /) -> float:
        if never_changes(value):
            return 0.0
        if random.random() < _SKIPPED:
            return USUAL_RATE
        return 0.0 if self._model.rate(value) > _LIKELY else USUAL_RATE
