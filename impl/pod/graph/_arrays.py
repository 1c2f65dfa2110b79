"""numpy's arrays: their memory goes out as it lies, and a view stays a view.

A view is (base, offset, shape, strides, dtype, writeable) as long as somebody else holds the base. pandas' blocks are
an exception: copy-on-write makes frames that share memory independent, and who shares with whom is not stored, so a block
gets memory of its own. A masked array is a view of its data, with the mask and the rest among its attributes. An array of
another subclass, if that leaves reducing to numpy, is a view like any other, or reduced as numpy does it.
"""

from __future__ import annotations

import array as array_module
import copyreg
import sys
import weakref
from typing import Any, Final, NamedTuple

from pod.graph._names import module_of
from pod.graph._types import BY_CALL, OWN_DICT, Reduced

_BUFFERS: Final = (bytearray, array_module.array)
_SIMPLE: Final = "?biufcSUmM"
_REDUCING: Final = ("__reduce__", "__reduce_ex__", "__setstate__")


class Owned:
    """Stands for an array whose memory nobody shares."""

    __slots__ = ("array",)

    def __init__(self, array: Any) -> None:
        self.array = array


class Cells:
    """The objects of an array in the order of its memory; written as a list of them.

    It keeps no reference to the array, nor to what lies in it: what the graph explains is counted against those.

    Attributes
    ----------
    edge
        How many references to each object the array explains: none if other arrays may show the same memory.
    """

    __slots__ = ("_array", "edge")

    def __init__(self, array: Any, edge: int) -> None:
        self._array = weakref.ref(array)
        self.edge = edge

    def flat(self) -> Any:
        """Return them as an array of one dimension, which shows the array's own memory."""
        return _laid_out(self._array()).reshape(-1)


class _Base(NamedTuple):
    """Whose memory an array shows, and the array's own reference, to that or to a view of it that others hold."""

    memory: Any
    held: Any


def reduce_array(array: Any) -> Reduced | None:
    """Take an exact ndarray apart; None: numpy's own way is the only one (records that hold objects)."""
    base = _base(array)
    if base is None or (type(base.memory) in _BUFFERS and array.dtype.hasobject):
        return reduce_owned(array)
    arguments = _view(array, base.memory)
    return None if arguments is None else Reduced(BY_CALL, make_view, arguments, holds=(base.held,))


def reduce_subclass(array: Any) -> Reduced | None:
    """Take an array of a simple subclass apart that shares memory; None: numpy's own way does."""
    base = _base(array)
    arguments = None if base is None else _view(array, base.memory)
    if base is None or arguments is None:
        return None
    return Reduced(BY_CALL, make_view_of_class, (type(array), *arguments), holds=(base.held,))


def reduce_masked(array: Any) -> Reduced | None:
    """Take a masked array apart: its data, in memory of its own or of its base, and its attributes."""
    import numpy as np

    base = _base(array)
    if base is None or type(base.memory) in _BUFFERS:
        order = _order(array)
        if array.flags.writeable and not array.dtype.hasobject and isinstance(order, str):
            arguments = (_dtype(array.dtype), array.shape, order)
            return Reduced(BY_CALL, make_own_masked, arguments, fill=array.nbytes > 0, flags=OWN_DICT)
        data = np.ndarray.view(array, np.ndarray)
        held = (array,) if data.base is array else ()
        return Reduced(BY_CALL, make_masked, (Owned(data),), holds=held, flags=OWN_DICT)
    view = _view(array, base.memory)
    if view is None:
        return None
    return Reduced(BY_CALL, make_masked_view, view, holds=(base.held,), flags=OWN_DICT)


def _base(array: Any) -> _Base | None:
    """Return whose memory an array shows that somebody else holds too; None: it is the array's alone.

    numpy leaves arrays out that lie between, but not between arrays of different classes, nor what its strided views
    put there.
    """
    base = array.base
    held = None
    while True:
        if type(base) is memoryview:
            base = base.obj
        if type(base) in _BUFFERS:
            return _Base(base, base if held is None else held)
        if _is_link(base):
            if sys.getrefcount(base) > _PRIVATE_BASE:
                return None
        elif not (is_array(type(base)) or is_masked(type(base)) or is_simple_subclass(type(base))):
            return None
        elif held is not None or sys.getrefcount(base) > _PRIVATE_BASE:
            held = base if held is None else held
            if _keeps_layout(base):
                return _Base(base, held)
        base = base.base


def _keeps_layout(base: Any) -> bool:
    """Say whether an array's memory lies in one piece, and will lie as it does when it is made again."""
    if is_simple_subclass(type(base)):  # by numpy, in the order of C or of Fortran
        return bool(base.flags.c_contiguous or base.flags.f_contiguous)
    return _laid_out(base) is not None


def _is_link(base: Any) -> bool:
    """Say whether this is what numpy puts between a strided view and its array."""
    return type(base).__name__ == "DummyArray" and module_of(type(base)).startswith("numpy.")


def _view(array: Any, base: Any) -> tuple[Any, ...] | None:
    """Return how an array lies in its base; None where that cannot be said."""
    dtype = array.dtype
    if dtype.hasobject and not dtype.kind == base.dtype.kind == "O":
        return None
    offset = _address(array) - _address(base)
    return (base, offset, array.shape, array.strides, _dtype(dtype), array.flags.writeable)


def is_array(cls: type) -> bool:
    """Say whether a class is numpy's of arrays, and no subclass."""
    return cls.__name__ == "ndarray" and module_of(cls) == "numpy"


def is_masked(cls: type) -> bool:
    """Say whether a class is numpy's of masked arrays, and no subclass."""
    return cls.__name__ == "MaskedArray" and module_of(cls).startswith("numpy.ma")


def is_simple_subclass(cls: type) -> bool:
    """Say whether a class is a subclass of numpy's arrays that says nothing of its own to pickle, and lies in main memory."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not issubclass(cls, numpy.ndarray) or cls in copyreg.dispatch_table:
        return False
    array: Any = numpy.ndarray
    return (
        cls is not array
        and not issubclass(cls, numpy.memmap)
        and all(getattr(cls, name) is getattr(array, name) for name in _REDUCING)
    )


def reduce_owned(array: Any, *, alone: bool = True) -> Reduced | None:
    """Take an array apart whose memory is its own, or will be; `alone`: nobody else shows it now."""
    dtype = array.dtype
    order = _order(array)
    if dtype.hasobject:
        if dtype.kind != "O":
            return None
        items = array.ravel().tolist() if _laid_out(array) is None else Cells(array, int(alone))
        return Reduced(
            BY_CALL, make_objects, (array.shape, order), (items, array.flags.writeable), setter=fill_objects
        )
    arguments = (_dtype(dtype), array.shape, order)
    fill = array.nbytes > 0
    if array.flags.writeable:
        return Reduced(BY_CALL, make_array, arguments, fill=fill)
    return Reduced(BY_CALL, make_array, arguments, False, setter=set_writeable, fill=fill)


def shares_memory(obj: Any) -> bool:
    """Say whether pandas' block, or one of a manager, shows memory that another block shows, too."""
    blocks = getattr(obj, "blocks", (obj,))
    return any(block.refs.has_reference() for block in blocks if hasattr(block, "refs"))


def owned_within(value: Any, stands: dict[int, Owned], *, every: bool) -> Any:
    """Return what pandas' block or manager is reduced to with arrays replaced by what stands for arrays of their own.

    `every`: all arrays, else the views. A view whose memory nobody else holds is written with memory of its own anyway;
    whoever else holds the view keeps it.
    """
    cls = type(value)
    if cls is tuple or cls is list:
        parts = [owned_within(part, stands, every=every) for part in value]
        if any(new is not old for new, old in zip(parts, value, strict=True)):
            return cls(parts)
    elif cls is dict:
        replaced = {key: owned_within(part, stands, every=every) for key, part in value.items()}
        if any(replaced[key] is not part for key, part in value.items()):
            return replaced
    elif is_array(cls) and (every or _base(value) is not None):
        return stands.setdefault(id(value), Owned(value))
    return value


def _order(array: Any) -> str | tuple[int, ...]:
    """Return in which order an array's memory lies, or will if it does not lie in one piece: C, F, or that of its axes."""
    if array.flags.c_contiguous or _laid_out(array) is None:
        return "C"
    return "F" if array.flags.f_contiguous else _axes(array)


def _axes(array: Any) -> tuple[int, ...]:
    """Return an array's axes, those first along which its memory goes the longest way."""
    return tuple(sorted(range(array.ndim), key=lambda axis: -array.strides[axis]))


def _laid_out(array: Any) -> Any:
    """Return an array with its axes as its memory lies; None: that does not lie in one piece."""
    if array.flags.c_contiguous:
        return array
    import numpy as np

    laid = np.ndarray.transpose(array, _axes(array))
    return laid if laid.flags.c_contiguous else None


def _dtype(dtype: Any) -> Any:
    """Return the name of a plain dtype, the dtype itself otherwise."""
    plain = (
        dtype.kind in _SIMPLE and dtype.metadata is None and dtype.names is None and dtype.subdtype is None
    )
    return dtype.str if plain else dtype


def _address(memory: Any) -> int:
    import numpy as np

    array = _bytes_of(memory) if type(memory) in _BUFFERS else memory
    return int(np.asarray(array).__array_interface__["data"][0])


def _bytes_of(memory: Any) -> Any:
    """Return what can grow as an array of bytes, below which it cannot: it stays as long as an array shows it."""
    import numpy as np

    return np.frombuffer(memory, np.uint8) if len(memory) else memory


def memory(value: Any) -> memoryview:
    """Return an array's memory, flat; a copy of it where it does not lie in one piece."""
    import numpy as np

    array = np.ndarray.view(value.array if type(value) is Owned else value, np.ndarray)
    laid = _laid_out(array)
    flat: Any = (np.ascontiguousarray(array) if laid is None else laid).reshape(-1)
    return memoryview(flat.view(np.uint8))


def make_array(dtype: Any, shape: tuple[int, ...], order: Any) -> Any:
    """Make an array whose memory is filled later."""
    return _empty(shape, dtype, order)


def _empty(shape: tuple[int, ...], dtype: Any, order: Any) -> Any:
    import numpy as np

    made: Any = np.ndarray
    if isinstance(order, str):
        return made(shape, dtype, order=order)
    strides = [0] * len(order)
    step = np.dtype(dtype).itemsize
    for axis in reversed(order):
        strides[axis] = step
        step *= shape[axis]
    return made(shape, dtype, strides=strides)


def make_view(*arguments: Any) -> Any:
    """Make a view of an array."""
    import numpy as np

    return _lie(np.ndarray, *arguments)


def make_view_of_class(cls: Any, *arguments: Any) -> Any:
    """Make a view of an array that is of a subclass."""
    return _lie(cls, *arguments)


def _lie(
    cls: Any,
    base: Any,
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    dtype: Any,
    writeable: bool,
) -> Any:
    import numpy as np

    memory = _laid_out(base) if isinstance(base, np.ndarray) else _bytes_of(base)
    view = np.ndarray.__new__(cls, shape, dtype, memory, offset, strides)
    if not writeable:
        view.flags.writeable = False
    return view


def make_masked(data: Any) -> Any:
    """Make a masked array of its data; it has no attributes yet."""
    import numpy as np

    made = data.view(np.ma.MaskedArray)
    vars(made).clear()
    return made


def make_own_masked(dtype: Any, shape: tuple[int, ...], order: Any) -> Any:
    """Make a masked array whose memory is its own and is filled later; it has no attributes yet."""
    import numpy as np

    made: Any = np.ndarray.__new__(np.ma.MaskedArray, shape, dtype, order=order)
    vars(made).clear()
    return made


def make_masked_view(*arguments: Any) -> Any:
    """Make a masked array that is a view of an array; it has no attributes yet."""
    import numpy as np

    made = _lie(np.ma.MaskedArray, *arguments)
    vars(made).clear()
    return made


def make_objects(shape: tuple[int, ...], order: Any) -> Any:
    """Make an array of objects that is filled later."""
    return _empty(shape, object, order)


def fill_objects(array: Any, state: tuple[list[Any], bool]) -> None:
    """Give an array its objects, in the order of its memory."""
    items, writeable = state
    flat = _laid_out(array).reshape(-1)
    for index, item in enumerate(items):
        flat[index] = item
    if not writeable:
        array.flags.writeable = False


def set_writeable(array: Any, value: bool) -> None:
    """Say whether an array may be written."""
    array.flags.writeable = value


def _measure() -> int:
    class View:
        base: list[int]

    view = View()
    view.base = [1]

    def held(array: Any) -> int:
        base = array.base
        return sys.getrefcount(base)

    return held(view)


_PRIVATE_BASE: Final = _measure()
