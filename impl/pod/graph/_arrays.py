"""numpy's arrays: their memory goes out as it lies, and a view stays a view.

A view is (base, offset, shape, strides, dtype, writeable) as long as somebody else holds the base. pandas' blocks are
an exception: copy-on-write makes frames that share memory independent, and who shares with whom is not stored, so a block
gets memory of its own.
"""

from __future__ import annotations

import array as array_module
import sys
from typing import Any, Final

from pod.graph._names import module_of
from pod.graph._types import BY_CALL, Reduced

_BUFFERS: Final = (bytearray, array_module.array)
_SIMPLE: Final = "?biufcSUmM"


class Owned:
    """Stands for an array whose memory nobody shares."""

    __slots__ = ("array",)

    def __init__(self, array: Any) -> None:
        self.array = array


def reduce_array(array: Any) -> Reduced | None:
    """Take an exact ndarray apart; None: numpy's own way is the only one (records that hold objects)."""
    base = array.base
    if type(base) is memoryview:
        base = base.obj
    if type(base) is type(array):
        if sys.getrefcount(base) > _PRIVATE_BASE:
            return _reduce_view(array, base)
    elif type(base) in _BUFFERS and not array.dtype.hasobject:
        return _reduce_view(array, base)
    return reduce_owned(array)


def _reduce_view(array: Any, base: Any) -> Reduced | None:
    dtype = array.dtype
    if dtype.hasobject and not dtype.kind == base.dtype.kind == "O":
        return None
    offset = _address(array) - _address(base)
    arguments = (base, offset, array.shape, array.strides, _dtype(dtype), array.flags.writeable)
    return Reduced(BY_CALL, make_view, arguments, holds=(base,))


def reduce_owned(array: Any) -> Reduced | None:
    """Take an array apart whose memory is its own."""
    dtype = array.dtype
    order = "C" if array.flags.c_contiguous or not array.flags.f_contiguous else "F"
    if dtype.hasobject:
        if dtype.kind != "O":
            return None
        items = array.ravel(order).tolist() if array.ndim else [array.item()]
        return Reduced(
            BY_CALL,
            make_objects,
            (array.shape, order),
            (items, array.flags.writeable),
            setter=fill_objects,
            holds=items,
        )
    arguments = (_dtype(dtype), array.shape, order)
    fill = array.nbytes > 0
    if array.flags.writeable:
        return Reduced(BY_CALL, make_array, arguments, fill=fill)
    return Reduced(BY_CALL, make_array, arguments, False, setter=set_writeable, fill=fill)


def owned_within(value: Any, stands: dict[int, Owned]) -> Any:
    """Return what pandas' block or manager is reduced to with its views replaced by what stands for arrays of their own."""
    cls = type(value)
    if cls is tuple or cls is list:
        parts = [owned_within(part, stands) for part in value]
        if any(new is not old for new, old in zip(parts, value, strict=True)):
            return cls(parts)
    elif cls is dict:
        replaced = {key: owned_within(part, stands) for key, part in value.items()}
        if any(replaced[key] is not part for key, part in value.items()):
            return replaced
    elif module_of(cls) == "numpy" and cls.__name__ == "ndarray" and value.base is not None:
        return stands.setdefault(id(value), Owned(value))
    return value


def _dtype(dtype: Any) -> Any:
    """Return the name of a plain dtype, the dtype itself otherwise."""
    plain = (
        dtype.kind in _SIMPLE and dtype.metadata is None and dtype.names is None and dtype.subdtype is None
    )
    return dtype.str if plain else dtype


def _address(memory: Any) -> int:
    import numpy as np

    array = (
        np.frombuffer(memory, np.uint8) if type(memory) in _BUFFERS and len(memory) else np.asarray(memory)
    )
    return int(array.__array_interface__["data"][0])


def memory(value: Any) -> memoryview:
    """Return an array's memory, flat; a copy of it where it does not lie in one piece."""
    import numpy as np

    array = value.array if type(value) is Owned else value
    if array.flags.f_contiguous and not array.flags.c_contiguous:
        array = array.T
    flat: Any = np.ascontiguousarray(array).reshape(-1)
    return memoryview(flat.view(np.uint8))


def make_array(dtype: Any, shape: tuple[int, ...], order: Any) -> Any:
    """Make an array whose memory is filled later."""
    import numpy as np

    return np.empty(shape, dtype, order)


def make_view(
    base: Any, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], dtype: Any, writeable: bool
) -> Any:
    """Make a view of an array."""
    import numpy as np

    view = np.ndarray(shape, dtype, base, offset, strides)
    if not writeable:
        view.flags.writeable = False
    return view


def make_objects(shape: tuple[int, ...], order: Any) -> Any:
    """Make an array of objects that is filled later."""
    import numpy as np

    return np.empty(shape, object, order)


def fill_objects(array: Any, state: tuple[list[Any], bool]) -> None:
    """Give an array its objects, in the order of its memory."""
    items, writeable = state
    flat = array.reshape(-1, order="C" if array.flags.c_contiguous else "F")
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
