"""Plug-ins: a user's Python file that registers names of its own.

    import dlx

    @dlx.register("activation")
    def wave(z): ...

A plug-in is code, so it is executed only where a command line (`dlx --plugin FILE`) or a call of
`load` names it; that a run was made with it is not enough.
"""

import hashlib
import inspect
import shlex
import sys
import types
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlx import registry
from dlx.config.types import entry_model
from dlx.errors import ConfigError, DlxError, DlxWarning, did_you_mean, raised_at
from dlx.plugin_results import judged


@dataclass(frozen=True)
class Plugin:
    """A file that has been loaded.

    Attributes:
        path: absolute
        sha256: of its content, in hexadecimal
    """

    path: Path
    sha256: str


_MODULE = "dlx_plugin_"  # how the names of the modules begin that plug-ins are executed as

_loaded: dict[Path, Plugin] = {}


def register(kind: str, *arguments: Any, **settings: Any) -> Callable[[Any], Any]:
    """Return a decorator that makes a function known to configs under its own name.

    The function is what one of its kind is in dlx itself: keyword-only parameters are the options
    in YAML, the docstring's first line is what `dlx list` prints. docs/plugins.md shows examples.

    Args:
        kind: one of those that `dlx list` lists
        arguments: its traits that are given by place, as the outputs that a loss can follow
        settings: its traits by name, as `backward` and `module` of an activation (`dlx.traits`)

    Raises:
        ConfigError: no such kind, a name that is taken, or a function without a docstring
    """
    registry.names(kind)  # dlx's own names come first, so that no plug-in can take one
    decorator = registry.register(kind, *arguments, **settings)

    def decorate(function: Any) -> Any:
        try:
            is_loaded = getattr(function, "__module__", "").startswith(_MODULE)
            return decorator(judged(kind, function) if is_loaded else function)
        except ValueError as error:
            raise ConfigError(str(error)) from error

    return decorate


def load(path: Path | str) -> Plugin:
    """Execute a plug-in, once, so that what it registers is known.

    Raises:
        ConfigError: no such file; or the file raises, registers what a config cannot name, or has
            changed since it was loaded; the message names file and line
    """
    given = Path(path)
    file = given.expanduser().resolve()
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"--plugin {given}: {_missing(given, error)}") from None
    plugin = Plugin(file, hashlib.sha256(content).hexdigest())
    if file in _loaded:
        if _loaded[file] != plugin:
            raise ConfigError(f"--plugin {given}: it has changed since it was loaded; start anew")
        return plugin
    _execute(plugin, content, given)
    _loaded[file] = plugin
    return plugin


def loaded() -> list[dict[str, str]]:
    """Return the plug-ins of this process, as run.json records them: path and sha256."""
    return [{"path": str(each.path), "sha256": each.sha256} for each in _loaded.values()]


def require(recorded: Sequence[Mapping[str, str]], run: Path) -> None:
    """Check that the plug-ins that a run was made with are loaded; warn of one that has changed.

    A plug-in is known by its content, wherever it lies, or else by its file's name.

    Raises:
        ConfigError: one is not; the message says which file to pass
    """
    contents = {each.sha256 for each in _loaded.values()}
    names = {each.path.name: each.path for each in _loaded.values()}
    for each in recorded:
        path = Path(each["path"])
        if each["sha256"] in contents:
            continue
        if path.name not in names:
            raise ConfigError(
                f"{run} was made with the plug-in {path}, which is code and not executed unless "
                f"you name it; write: dlx --plugin {shlex.quote(str(path))} … (in Python: "
                f"dlx.plugins.load({str(path)!r}))"
            )
        warnings.warn(
            f"{names[path.name]} is not what {run} was made with: its SHA-256 was "
            f"{each['sha256'][:12]}…; results may differ",
            DlxWarning,
            stacklevel=2,
        )


def blamed(error: BaseException) -> str | None:
    """Return `file:line: what was raised` for an error raised in a plug-in, else None."""
    files = {str(each.path) for each in _loaded.values()}
    return raised_at(error, files)


def _execute(plugin: Plugin, content: bytes, given: Path) -> None:
    name = f"{_MODULE}{plugin.path.stem}_{plugin.sha256[:8]}"
    module = types.ModuleType(name)
    module.__file__ = str(plugin.path)
    sys.modules[name] = module  # where typing and dataclasses look up what annotations mean
    try:
        exec(compile(content, str(plugin.path), "exec"), module.__dict__)
        for entry in registry.registered_by(name):
            _check_options(entry)
    except (Exception, SystemExit) as error:
        for entry in registry.registered_by(name):
            registry.forget(entry)
        del sys.modules[name]
        where = raised_at(error, {str(plugin.path)})
        if where is None:
            where = str(error) if isinstance(error, DlxError) else f"{given}: {error}"
        raise ConfigError(f"plug-in {where}") from error


def _check_options(entry: registry.Entry) -> None:
    try:
        entry_model(entry.kind, entry.name)
    except Exception as error:
        code = inspect.unwrap(entry.function).__code__
        raise ConfigError(
            f"{code.co_filename}:{code.co_firstlineno}: {entry.kind} {entry.name!r} has an option "
            f"of a type that YAML cannot give; use numbers, strings, booleans, lists or the types "
            "of dlx.config.types"
        ) from error


def _missing(path: Path, error: OSError) -> str:
    if path.is_dir():
        return "this is a folder; name a Python file"
    if not isinstance(error, FileNotFoundError):
        return f"{error.strerror}; the file must be readable"
    siblings = [each.name for each in path.parent.glob("*.py")]
    return f"no such file{did_you_mean(path.name, siblings)}"
