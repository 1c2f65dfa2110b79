"""Arrays, buffers, frames and tensors: bytes, shape, and where in memory they lie."""

from __future__ import annotations

import array
import gc
import hashlib
import sys
from typing import Any, Final

import numpy as np

from harness.oracle._atoms import AS_THEY_ARE
from harness.oracle._describe import Eye, Part, within_pandas
from harness.oracle._portrait import Span

__all__ = ["describe_array"]

_WHOLE_BYTES: Final = 256


def describe_array(value: Any, eye: Eye) -> Part | None:
    """Return what is seen of an array or of what is made of arrays; None of anything else."""
    if value is np.ma.masked:
        return Part("imported", ("numpy.ma", "masked"))
    if isinstance(value, np.ma.MaskedArray):
        parts = (np.asarray(value.data), np.ma.getmaskarray(value))
        return Part(
            "masked array", _fill(value), (eye.child(type(value)), *[eye.child(part) for part in parts])
        )
    if isinstance(value, np.ndarray):
        return _ndarray(value, eye)
    if isinstance(value, np.dtype):
        return Part("dtype", _dtype(value))
    if isinstance(value, np.generic) and not value.dtype.hasobject:
        return Part("scalar", (_dtype(value.dtype), value.tobytes()))
    if isinstance(value, np.ufunc) and value.__name__.endswith(" (vectorized)"):
        facts = (value.__name__, value.nin, value.nout, value.__doc__)
        return Part("ufunc of a function", facts, tuple(map(eye.child, gc.get_referents(value))))
    if isinstance(value, bytearray | memoryview | array.array):
        return _buffer(value, eye)
    pandas, torch = sys.modules.get("pandas"), sys.modules.get("torch")
    if pandas is not None and isinstance(value, pandas.DataFrame | pandas.Series):
        return _frame(value, eye)
    if torch is not None and isinstance(value, torch.Tensor):
        return _tensor(value, eye)
    return None


def _content(data: bytes | memoryview) -> object:
    return bytes(data) if len(data) <= _WHOLE_BYTES else hashlib.blake2b(data, digest_size=16).hexdigest()


def _dtype(dtype: np.dtype[Any]) -> tuple[object, ...]:
    """numpy makes new objects of equal dtypes at its pleasure: an array's dtype is compared as a value."""
    return (repr(dtype), dtype.isalignedstruct, repr(dtype.metadata))


def _fill(value: np.ma.MaskedArray[Any, Any]) -> str:
    """Return the fill value without asking for it, for then the array would keep what it answered."""
    kept = vars(value)["_fill_value"]
    return repr(np.asarray(np.ma.empty(0, dtype=value.dtype).fill_value if kept is None else kept).tolist())


def _order(value: np.ndarray[Any, Any]) -> str:
    return "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"


def _ndarray(value: np.ndarray[Any, Any], eye: Eye) -> Part:
    inside: tuple[object, ...] = ()
    content: object = "objects"
    if value.dtype.hasobject or value.dtype.kind == "T":
        flat = value.view(np.ndarray).reshape(-1)
        inside = tuple([item if type(item) in AS_THEY_ARE else eye.child(item) for item in flat.tolist()])
    else:
        plain = np.ascontiguousarray(value.view(np.ndarray))
        content = _content(plain.reshape(-1).view(np.uint8).data if value.nbytes else b"")
    facts = (_dtype(value.dtype), value.shape, _order(value), value.flags.writeable, content)
    span = None
    if value.nbytes:
        start, end = np.lib.array_utils.byte_bounds(value)
        span = Span(start, end, (value.strides, value.shape, value.dtype.str))
    return Part("array", facts, (eye.child(type(value)), *inside), span)


def _buffer(value: Any, eye: Eye) -> Part:
    view = memoryview(value)
    facts = (view.format, view.shape, view.readonly, _content(view.tobytes()))
    span = None
    if view.nbytes and view.contiguous:
        start = int(np.frombuffer(view, np.uint8).__array_interface__["data"][0])
        span = Span(start, start + view.nbytes, (view.format, view.strides))
    whole = (eye.child(value.obj),) if isinstance(value, memoryview) else ()
    return Part("buffer", facts, (eye.child(type(value)), *whole), span)


def _frame(value: Any, eye: Eye) -> Part:
    """Look at the axes and the blocks. What they are made of is shared behind copy-on-write, where nobody can see it."""
    manager = value._mgr
    blocks = sorted(
        (tuple(map(int, block.mgr_locs.as_array)), index) for index, block in enumerate(manager.blocks)
    )
    arrays = [within_pandas(manager.blocks[index].values, eye) for _, index in blocks]
    series = value.ndim == 1
    facts = (tuple(places for places, _ in blocks), value.flags.allows_duplicate_labels)
    attributes = [eye.child(each) for pair in value.attrs.items() for each in pair]
    children = (
        eye.child(type(value)),
        eye.child(value.name if series else None),
        *[eye.child(axis) for axis in manager.axes],
        *arrays,
        *attributes,
    )
    return Part("frame", facts, children)


def _tensor(value: Any, eye: Eye) -> Part:
    torch = sys.modules["torch"]
    plain = value.detach().cpu().contiguous().reshape(-1)
    content = _content(plain.view(torch.uint8).numpy().tobytes() if plain.numel() else b"")
    facts = (str(value.dtype), tuple(value.shape), str(value.device), value.requires_grad, content)
    storage = value.untyped_storage()
    span = None
    if storage.nbytes():
        layout = (value.storage_offset(), tuple(value.stride()), tuple(value.shape), str(value.dtype))
        span = Span(storage.data_ptr(), storage.data_ptr() + storage.nbytes(), layout)
    gradient = value.grad if value.is_leaf else None
    return Part("tensor", facts, (eye.child(type(value)), eye.child(gradient)), span)
