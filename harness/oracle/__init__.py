"""The oracle: whether two namespaces hold equal values that are shared in the same way.

`portray` turns a namespace into a `Portrait`: plain data, without a reference to what it shows, that can be kept,
pickled and compared in another process. Two namespaces are equal when `differences` of their portraits is empty.

What is compared
    Values, types included (`True` is not 1, `0.0` not `-0.0`, each NaN by its bits); the order of lists and dicts; of
    functions the code, defaults, closure cells and the globals they read; of classes that are defined in a session
    everything in them; of arrays the bytes, shape, order, dtype and whether they may be written to.
Sharing
    Identity of every object, except exact `int`, `float`, `complex`, `bool`, `None`, `str` and `bytes`, where equality
    is enough; an array's dtype is part of its value. Arrays and buffers that overlap in memory must overlap again, in the same way.
What is not
    Modules, and functions and classes that can be imported: their name is compared. The places (`co_filename`, lines)
    that code was compiled from. What is within pandas objects: copy-on-write makes it invisible which of them share an
    array or a dtype; of the objects in these arrays identity is compared. Nor whether one of these arrays shares memory
    with an array outside: a write shows only while nothing else shares it, and neither picklers nor pod keep that
    for `series.values`, so that a verdict on it would tell no two systems apart. The order of sets, and of the attributes of a
    class. What an object leaves out of `__reduce_ex__` is not seen.

It knows nothing of any store, follows objects by `__dict__`, slots and `__reduce_ex__`, not by pickling, and keeps no
Python stack: graphs may be as deep as memory allows.
"""

from __future__ import annotations

from harness.oracle._compare import differences
from harness.oracle._portrait import Portrait
from harness.oracle._portray import MACHINERY, portray

__all__ = ["MACHINERY", "Portrait", "differences", "portray"]
