"""Looking names up without torch, whose import alone takes two seconds.

`dlx list` and `dlx config` read signatures and docstrings of functions that compute with torch, and
call none of them. For these commands `import torch` gives modules whose names stand for nothing:
good enough to annotate a parameter, to derive a class or to decorate a function.
"""

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_DECORATORS = ("no_grad",)  # the only functions of torch that dlx calls while it is imported


def leave_out_torch() -> None:
    """Make every later `import torch` of this process give names that stand for nothing.

    The process must not compute anything any more. Does nothing if torch has been imported.
    """
    if "torch" not in sys.modules:
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder, Loader):
    """Finds torch and everything in it."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        is_torch = fullname.partition(".")[0] == "torch"
        return ModuleSpec(fullname, self, is_package=True) if is_torch else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module empty: it makes its names when they are asked for."""


class _Module(ModuleType):
    def __getattr__(self, name: str) -> Any:
        return _stand_in(name)


class _StandIn(type):
    """The type of what stands for a name of torch: a class whose attributes are such classes."""

    def __getattr__(cls, name: str) -> Any:
        return _stand_in(name)

    def __call__(cls, *arguments: Any, **options: Any) -> Any:
        """Return a decorator that changes nothing; any other call would compute something."""
        if cls.__name__ not in _DECORATORS:
            raise RuntimeError(f"torch.{cls.__name__} is called where torch was left out")
        return lambda function: function


def _stand_in(name: str) -> Any:
    if name.startswith("__"):  # Python asks modules and classes for names that they may lack
        raise AttributeError(name)
    return _StandIn(name, (), {})
