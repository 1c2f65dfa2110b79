"""Policies by their names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pod.errors import InvalidArgument
from pod.podding._fixed import BundleAll, ByVariable, Exhaustive, RandomPodding, SplitAll
from pod.podding._greedy import LearnedGreedy
from pod.podding._manual import Manual
from pod.podding._published import PublishedVolatility
from pod.podding._volatility import ConstantVolatility, Untrained

if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.podding._policy import Podding

_FIDELITIES: Final = ("fixed", "paper")
_KNOWN: Final = "default, manual, lga, const(RATE), naive, bundle, random, random(SEED), exhaustive(BITS)"
_FORM: Final = re.compile(r"(?P<name>[a-z]+)(?:\((?P<argument>[^()]*)\))?")
_PLAIN: Final[dict[str, Callable[[], Podding]]] = {
    "default": ByVariable,
    "manual": Manual,
    "lga": lambda: LearnedGreedy(Untrained()),
    "naive": SplitAll,
    "bundle": BundleAll,
    "random": RandomPodding,
    "exhaustive": Exhaustive,
}
_WITH_ARGUMENT: Final[dict[str, Callable[[str], Podding]]] = {
    "const": lambda text: LearnedGreedy(ConstantVolatility(float(text))),
    "random": lambda text: RandomPodding(int(text)),
    "exhaustive": Exhaustive,
}


def podding_named(text: str, *, fidelity: str = "fixed") -> Podding:
    """Return a policy by its name: default, manual, lga, const(0.5), naive, bundle, random, random(7), exhaustive(0101).

    Parameters
    ----------
    text
        The name.
    fidelity
        "paper": `lga` has the published system's defects (`PublishedVolatility`). "fixed": it has none.

    Raises
    ------
    InvalidArgument
        There is no such policy, or no such fidelity.
    """
    if fidelity not in _FIDELITIES:
        raise InvalidArgument(f"fidelity cannot be {fidelity!r}; known are: {', '.join(_FIDELITIES)}")
    if text == "lga" and fidelity == "paper":
        return LearnedGreedy(PublishedVolatility())
    found = _FORM.fullmatch(text) if isinstance(text, str) else None
    name, argument = found.groups() if found else ("", None)
    try:
        return _PLAIN[name]() if argument is None else _WITH_ARGUMENT[name](argument)
    except (KeyError, ValueError):
        raise InvalidArgument(f"podding cannot be {text!r}; known are: {_KNOWN}, or a Podding") from None
