"""Whether a cell only reads: then what it touches cannot have changed, and need not be looked at by the next save.

::

    class StaticChecker                         sound: what it passes changes nothing that the namespace leads to
        is_static(source, namespace) -> bool    never an error: what cannot be parsed or is unknown is not static
    class PublishedStaticChecker                the published system's form, with its hole: what stands in a subscript is
                                                not looked at

What `StaticChecker` proves, and what it takes for granted
    A cell is expressions only. It names builtins of a list, functions of a list of math, numpy and pandas, and variables that
    are **plain**: numbers, strings, exact lists, tuples, dicts and sets of plain values, numpy arrays without objects, pandas
    Series, frames and indexes of such. Operators, subscripts, attributes and methods of a list make plain values of plain
    values, and none of them writes; so whatever is met while the cell runs is plain, too. No object of a class of the user's is
    called, compared, hashed or shown, for none is in play. `l[l.pop(0)]` is not static, for `pop` is on no list.

    It is taken for granted that numpy, pandas and the interpreter's own types do what they are documented to do (nobody put
    other functions into their modules or classes), that `sys.stdout` and the like write somewhere else than into a variable,
    and that no other thread binds the cell's names to other objects while it runs.
"""

from __future__ import annotations

from pod.tracking.static._checker import StaticChecker
from pod.tracking.static._published import PublishedStaticChecker

__all__ = ["PublishedStaticChecker", "StaticChecker"]
