"""dlx: a runner for neural-network experiments in which whole ablations train as one program."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlx.api import Ablation, Run, ablate, load, resume, train
    from dlx.data.functions import allow_code
    from dlx.plugins import register

_MODULES = {
    "Ablation": "dlx.api",
    "Run": "dlx.api",
    "ablate": "dlx.api",
    "allow_code": "dlx.data.functions",
    "load": "dlx.api",
    "register": "dlx.plugins",
    "resume": "dlx.api",
    "train": "dlx.api",
}
__all__ = ["Ablation", "Run", "ablate", "allow_code", "load", "register", "resume", "train"]


def __getattr__(name: str) -> object:
    """Import a name's module, and torch with it, only when the name is asked for."""
    if name not in _MODULES:
        raise AttributeError(f"module 'dlx' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted(_MODULES)
