"""torch's tensors: a tensor is a view of its storage, and tensors that share a storage go on sharing it."""

from __future__ import annotations

from typing import Any

from pod.graph._types import BY_CALL, Reduced


def reduce_tensor(tensor: Any) -> Reduced | None:
    """Take an exact, dense tensor in main memory apart; None: torch's own way has to do."""
    import torch

    plain = (
        tensor.device.type == "cpu"
        and tensor.layout is torch.strided
        and not tensor.is_quantized
        and not (tensor.requires_grad and not tensor.is_leaf)
        and not tensor.is_conj()
        and not tensor.is_neg()
        and not tensor.__dict__
        and tensor._backward_hooks is None
    )
    if not plain:
        return None
    arguments = (
        tensor.untyped_storage(),
        tensor.dtype,
        tensor.storage_offset(),
        tuple(tensor.size()),
        tuple(tensor.stride()),
        tensor.requires_grad,
    )
    return Reduced(BY_CALL, make_tensor, arguments)


def reduce_storage(storage: Any) -> Reduced | None:
    """Take a storage in main memory apart."""
    if storage.device.type != "cpu":
        return None
    return Reduced(BY_CALL, make_storage, (storage.nbytes(),), fill=storage.nbytes() > 0)


def make_tensor(
    storage: Any, dtype: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...], requires_grad: bool
) -> Any:
    """Make a tensor that is a view of a storage."""
    import torch

    tensor = torch.empty(0, dtype=dtype).set_(storage, offset, size, stride)
    return tensor.requires_grad_() if requires_grad else tensor


def make_storage(length: int) -> Any:
    """Make a storage that is filled later."""
    import torch

    make: Any = torch.UntypedStorage
    return make(length)


def storage_memory(storage: Any) -> memoryview:
    """Return a storage's memory."""
    import torch

    flat: Any = torch.empty(0, dtype=torch.uint8).set_(storage).numpy()
    return memoryview(flat)
