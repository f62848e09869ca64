"""A pretended CUDA device: tensors that say they are on it, with their numbers on the CPU.

Fake tensors cannot be back-propagated without a driver: autograd asks the device for its streams.
Here autograd sees meta tensors, Python sees CUDA, and every operation is computed for real, after
a look at where its tensors live, so that results can be compared with those of the CPU.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map

DEVICE = torch.device("cuda")
META = torch.device("meta")
CPU = torch.device("cpu")

_aten: Any = torch.ops.aten
# What may mix devices on CUDA too: copies, and indices from the host.
_CROSSING = (_aten.copy_, _aten._to_copy, _aten.index, _aten.index_put_)


class OnDevice(Tensor):
    """A tensor on the pretended device."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> "OnDevice":
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=META,
        )
        made.inner = inner
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return DEVICE

    def tolist(self) -> Any:
        return self.inner.tolist()

    def __repr__(self, **kwargs: Any) -> str:  # type: ignore[override]
        return f"OnDevice({self.inner})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise AssertionError(f"{func} outside of the pretended device")


def _renamed(argument: Any) -> Any:
    is_name = isinstance(argument, str | torch.device)
    return META if is_name and str(argument).startswith("cuda") else argument


def _index(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(_index(each) for each in index)
    return torch.tensor(index) if isinstance(index, list) else index


class _Renamed(TorchFunctionMode):
    """Calls the pretended device meta before torch looks for a driver of it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        args, kwargs = tree_map(_renamed, (args, kwargs))
        kwargs = kwargs or {}
        # Data from Python is not dispatched on a meta device, and would be lost.
        if func is torch.tensor:
            return func(*args, **(kwargs | {"device": CPU})).to(kwargs.get("device", CPU))
        if func in (Tensor.__getitem__, Tensor.__setitem__):
            args = (args[0], _index(args[1]), *args[2:])
        return func(*args, **kwargs)


class PretendedDevice(TorchDispatchMode):
    """While it is entered, `device="cuda"` is the pretended device.

    Attributes:
        strict: fail on any tensor made off the device, but for single numbers where `numbers`
        operations: names of the operations that ran on the device
    """

    def __init__(self) -> None:
        super().__init__()
        self.strict = False
        self.numbers = False
        self.operations: set[str] = set()

    @contextmanager
    def only(self, numbers: bool = False) -> Iterator[None]:
        """Fail on tensors made off the device in the block."""
        self.strict, self.numbers = True, numbers
        yield
        self.strict = self.numbers = False

    def __enter__(self) -> "PretendedDevice":
        self._renamed = _Renamed()
        self._renamed.__enter__()
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._renamed.__exit__(*error)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        tensors = [a for a in tree_flatten((args, kwargs))[0] if isinstance(a, Tensor)]
        here = [a for a in tensors if isinstance(a, OnDevice)]
        # Single numbers from the CPU go anywhere, but into fused optimizers.
        fused = str(func.overloadpacket).startswith("aten._fused")
        there = [a for a in tensors if not isinstance(a, OnDevice) and (fused or a.dim() > 0)]
        if here and there and func.overloadpacket not in _CROSSING:
            raise AssertionError(f"{func} of tensors on the device and on the CPU")
        wanted = torch.device(kwargs["device"]) if kwargs.get("device") is not None else None
        if wanted is not None:
            kwargs["device"] = CPU
        inner_args, inner_kwargs = tree_map(
            lambda a: a.inner if isinstance(a, OnDevice) else a, (args, kwargs)
        )
        result = func(*inner_args, **inner_kwargs)
        # A copy of a tensor on the CPU into one on the device stays where it is copied to.
        target_is_here = bool(tensors) and isinstance(tensors[0], OnDevice)
        on_device = (
            wanted == META
            if wanted
            else (bool(here) and (target_is_here or func.overloadpacket not in _CROSSING))
        )
        if not on_device:
            self._check(func, result)
            return result
        self.operations.add(str(func.overloadpacket))
        wrapped = tree_map(lambda a: OnDevice(a) if isinstance(a, Tensor) else a, result)
        return return_and_correct_aliasing(func, args, kwargs, wrapped)

    def _check(self, func: Any, result: Any) -> None:
        made = [a for a in tree_flatten(result)[0] if isinstance(a, Tensor)]
        if self.strict and any(a.dim() > 0 or not self.numbers for a in made):
            raise AssertionError(f"{func} made a tensor off the device")
