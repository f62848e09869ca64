"""A user's function, named `module:function` in a config: code, executed only where allowed.

What allows it is the command line (`dlx --allow-code`) or a call of `dlx.allow_code`; a config or a
run's directory cannot.
"""

import contextlib
import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dlx.errors import ConfigError, DataError, did_you_mean, raised_at

_allowed = False


def allow_code(allowed: bool = True) -> None:
    """Allow configs of this process to name functions to execute, or no longer allow it."""
    global _allowed
    _allowed = allowed


def is_allowed() -> bool:
    """Say whether configs may name functions to execute."""
    return _allowed


def find(name: str) -> Callable[..., Any]:
    """Import a module, from the working directory first, and return its function."""
    if not _allowed:
        raise ConfigError(
            f"data.function: {name} is code, and not executed unless you allow it; write: "
            "dlx --allow-code … (in Python: dlx.allow_code())"
        )
    module_name, _, function_name = name.partition(":")
    module = None
    with _executing(name):
        importlib.invalidate_caches()
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
                raise  # the module itself imports one that does not exist
    if module is None:
        near = did_you_mean(module_name, [file.stem for file in Path().glob("*.py")])
        raise ConfigError(
            f"data.function: {name}: no module {module_name!r} in {Path.cwd()}, nor among those "
            f"that are installed{near}"
        )
    function = getattr(module, function_name, None)
    if not callable(function):
        functions = [key for key, value in vars(module).items() if callable(value)]
        file = getattr(module, "__file__", None) or module_name
        raise ConfigError(
            f"data.function: {name}: {file} has no function {function_name!r}"
            f"{did_you_mean(function_name, functions)}"
        )
    return function


def call(name: str, options: Mapping[str, Any]) -> Any:
    """Return what a function returns; what it prints goes to stderr."""
    function = find(name)
    with contextlib.suppress(ValueError):  # of functions that are not written in Python
        signature = inspect.signature(function)
        try:
            signature.bind(**options)
        except TypeError as error:
            given = ", ".join(options) or "none"
            raise ConfigError(
                f"data.function: {name} takes {signature}; the options given are: {given} ({error})"
            ) from None
    with _executing(name):
        return function(**options)


@contextlib.contextmanager
def _executing(name: str) -> Iterator[None]:
    """Let modules of the working directory be imported, as `python -m` does; errors are named."""
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except MemoryError:
        raise
    except (Exception, SystemExit) as error:
        raise DataError(_blame(name, error)) from error
    finally:
        with contextlib.suppress(ValueError):  # the executed code may have removed it
            sys.path.remove(folder)


def _blame(name: str, error: BaseException) -> str:
    """Return what was raised, and the innermost line of the user's file that it came from."""
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    machinery = (__file__, importlib.__file__, "<frozen importlib")
    own = [file for file in files if not file.startswith(machinery)]
    if isinstance(error, SyntaxError) and error.filename:
        own.append(error.filename)
    where = raised_at(error, set(own[:1]))
    return f"data.function: {name}: {where or f'{type(error).__name__}: {error}'}"
