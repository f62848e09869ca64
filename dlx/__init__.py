"""dlx: a runner for neural-network experiments in which whole ablations train as one program."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlx.api import Run, load, resume, train
    from dlx.data.functions import allow_code
    from dlx.plugins import register

__all__ = ["Run", "allow_code", "load", "register", "resume", "train"]


def __getattr__(name: str) -> Any:
    """Import `dlx.api`, and torch with it, only when one of its names is asked for."""
    if name == "register":
        from dlx.plugins import register

        return register
    if name == "allow_code":
        from dlx.data.functions import allow_code

        return allow_code
    if name in __all__:
        from dlx import api

        return getattr(api, name)
    raise AttributeError(f"module 'dlx' has no attribute {name!r}")
