"""Plug-ins: Python files of a user that register names.

    import dlx

    @dlx.register("activation")
    def wave(z): ...

A plug-in is code. It is executed only if the command line (`dlx --plugin FILE`) or a call of `load`
names it, never because a run was made with it.
"""

import builtins
import contextlib
import hashlib
import inspect
import os
import shlex
import signal
import sys
import types
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlx import registry
from dlx.config.types import option_problem
from dlx.errors import (
    PLUGINS,
    ConfigError,
    DlxError,
    DlxWarning,
    is_of_signal,
    raised_at,
    refuse_special,
    said,
    unreadable,
)
from dlx.plugin_results import check_signatures, judged, place, torch_as_it_is
from dlx.stopping import numbers
from dlx.texts import expanded


@dataclass(frozen=True)
class Plugin:
    """A plug-in that has been loaded: its file's absolute path and SHA-256 in hexadecimal."""

    path: Path
    sha256: str


_loaded: dict[Path, Plugin] = {}
_LATER = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)


def register(kind: str, *arguments: Any, **settings: Any) -> Callable[[Any], Any]:
    """Return a decorator that registers a function under its own name, for use in configs.

    Keyword-only parameters are the options in YAML; the first line of the docstring is what
    `dlx list` prints. docs/plugins.md shows examples.

    Args:
        kind: one of those that `dlx list` shows
        arguments: positional traits, such as the outputs that a loss can follow (see `dlx.traits`)
        settings: traits by name, such as `backward` and `module` of an activation

    Raises:
        ConfigError: there is no such kind, the name is taken, or the function has no docstring
    """
    registry.names(kind)  # registers dlx's own names first, so that no plug-in can take one
    checked = {
        name: judged(name, value) if getattr(value, "__module__", "").startswith(PLUGINS) else value
        for name, value in settings.items()
    }
    decorator = registry.register(kind, *arguments, **checked)

    def decorate(function: Any) -> Any:
        if not (inspect.isfunction(function) or inspect.isclass(function)):
            raise ConfigError(
                f"register: received {function!r} as the {kind}; write a function that calls it"
            )
        if any(is_so(function) for is_so in _LATER):
            raise ConfigError(
                f"register: {kind} {function.__name__!r} is async or a generator, which computes "
                "nothing when it is called; write a function that returns its result"
            )
        try:
            is_loaded = getattr(function, "__module__", "").startswith(PLUGINS)
            return decorator(judged(kind, function) if is_loaded else function)
        except ValueError as error:
            raise ConfigError(str(error)) from error

    return decorate


def load(path: Path | str) -> Plugin:
    """Execute a plug-in, unless it has been loaded before; it registers its names.

    Raises:
        ConfigError: there is no such file, the file raises an error or registers an option that
            YAML cannot give, or it has changed since it was loaded; the message names file and line
    """
    given = Path(path)
    file = expanded(str(given)).resolve()
    try:
        refuse_special(file)
        content = file.read_bytes()
    except OSError as error:
        reason = unreadable(given, error, "a Python file", "*.py")
        raise ConfigError(f"--plugin {given}: {reason}") from None
    return load_content(file, content)


def load_content(file: Path, content: bytes) -> Plugin:
    """Execute a plug-in as `load` does, given its absolute path, here or on another machine."""
    plugin = Plugin(file, hashlib.sha256(content).hexdigest())
    if _loaded.get(file, plugin) != plugin:
        raise ConfigError(f"--plugin {file}: it has changed since it was loaded; start anew")
    if file not in _loaded:
        _execute(plugin, content)
        _loaded[file] = plugin
    return plugin


def loaded() -> list[dict[str, str]]:
    """Return path and sha256 of the plug-ins of this process, as run.json records them."""
    return [{"path": str(file), "sha256": plugin.sha256} for file, plugin in _loaded.items()]


def require(recorded: Sequence[Mapping[str, str]], run: Path) -> None:
    """Check that the plug-ins of a run are loaded; warn if one of them has changed.

    A plug-in is recognized by its content in whatever folder, or else by the name of its file.
    """
    contents = {plugin.sha256 for plugin in _loaded.values()}
    by_name = {file.name: file for file in _loaded}
    for plugin in recorded:
        path, sha256 = Path(plugin["path"]), plugin["sha256"]
        if sha256 in contents:
            continue
        if path.name not in by_name:
            raise ConfigError(
                f"{run} was made with the plug-in {path}, which is code and not executed unless "
                f"you name it; write: dlx --plugin {shlex.quote(str(path))} … (in Python: "
                f"dlx.plugins.load({str(path)!r}))"
            )
        warnings.warn(
            f"{by_name[path.name]} is not what {run} was made with: its SHA-256 was "
            f"{sha256[:12]}…; results may differ",
            DlxWarning,
            stacklevel=2,
        )


def _execute(plugin: Plugin, content: bytes) -> None:
    name = f"{PLUGINS}{plugin.path.stem}_{plugin.sha256[:8]}"
    module = types.ModuleType(name)
    module.__file__ = str(plugin.path)
    sys.modules[name] = module  # typing and dataclasses look annotations up here
    try:
        with contextlib.redirect_stdout(sys.stderr):
            _leave_python_alone(compile(content, str(plugin.path), "exec"), module)
        for entry in registry.registered_by(name):
            _check_options(entry)
            _check_signatures(entry)
    except BaseException as error:
        for entry in registry.registered_by(name):
            registry.forget(entry)
        sys.modules.pop(name, None)
        if is_of_signal(error):
            raise
        where = raised_at(error, {str(plugin.path)})
        if where is None:
            where = str(error) if isinstance(error, DlxError) else f"{plugin.path}: {said(error)}"
        raise ConfigError(f"plug-in {where}") from error


def _leave_python_alone(code: types.CodeType, module: types.ModuleType) -> None:
    """Execute a plug-in's code; undo and refuse what it changes of Python itself and of torch.

    Nothing of dlx would work then, nor could it say so: what undoes it calls no built-in function.
    """
    names, modules, depth = builtins.__dict__, sys.modules, sys.getrecursionlimit()
    names_before, modules_before, process = names.copy(), modules.copy(), _Process()
    put_back = torch_as_it_is()
    try:
        exec(code, module.__dict__)
    finally:
        changed = [f"builtins.{name}" for name in _changed(names, names_before)]
        names.update(names_before)
        modules_before |= _taken_away(module)
        changed += [f"sys.modules[{name!r}]" for name in _changed(modules, modules_before)]
        modules.update(modules_before)
        is_lower = sys.getrecursionlimit() < depth
        sys.setrecursionlimit(depth)
        changed += process.put_back()
        changed += put_back()
    changed += ["the recursion limit"] * is_lower
    if changed:
        raise ConfigError(
            f"{module.__file__}: it changes {changed[0]}; a plug-in registers names, and leaves "
            "Python and torch as they are"
        )


def _taken_away(module: types.ModuleType) -> dict[str, types.ModuleType]:
    """Return what a module has imported, and names, that Python no longer has, by its name."""
    named = [own for own in module.__dict__.values() if isinstance(own, types.ModuleType)]
    imported = [own for own in named if getattr(own, "__spec__", None) is not None]
    return {own.__name__: own for own in imported if own.__name__ not in sys.modules}


class _Process:
    """What of this process a plug-in leaves as it is, beside what Python has loaded."""

    def __init__(self) -> None:
        self._folder = _folder()
        self._words = sys.argv[:]
        self._finders = {"sys.path": sys.path[:], "sys.meta_path": sys.meta_path[:]}
        self._streams = {name: getattr(sys, name) for name in ("stdin", "stdout", "stderr")}
        self._handlers = {number: signal.getsignal(number) for number in numbers()}

    def put_back(self) -> list[str]:
        """Put back what has been changed since, and return what that is."""
        changed = []
        if self._folder is not None and _folder() != self._folder:
            changed.append("the working folder")
            os.chdir(self._folder)
        if sys.argv != self._words:
            changed.append("sys.argv")
            sys.argv[:] = self._words
        for name, before in self._finders.items():
            now = getattr(sys, name.removeprefix("sys."))
            if any(finder not in now for finder in before):  # further ones may be there
                changed.append(name)
                now[:] = before
        for name, stream in self._streams.items():
            if getattr(sys, name) is not stream:
                changed.append(f"sys.{name}")
                setattr(sys, name, stream)
        for number, handler in self._handlers.items():
            if signal.getsignal(number) is not handler:
                changed.append(f"the handler of {number.name}")
                signal.signal(number, handler)
        return changed


def _folder() -> Path | None:
    """Return the working folder; None: it has been deleted."""
    try:
        return Path.cwd()
    except OSError:
        return None


def _changed(names: dict[str, Any], before: dict[str, Any]) -> list[str]:
    return [name for name, was in before.items() if names.get(name) is not was]


def _check_options(entry: registry.Entry) -> None:
    problem = option_problem(entry)
    if entry.kind == "metric" and problem is None:
        from dlx.nn.metrics import tag_problem

        problem = tag_problem(entry)
    if problem is not None:
        file, line = place(entry.function)
        raise ConfigError(f"{file}:{line}: {entry.kind} {entry.name!r} has {problem}")


def _check_signatures(entry: registry.Entry) -> None:
    problem = check_signatures(entry.kind, inspect.unwrap(entry.function), entry.traits)
    if problem is not None:
        file, line = place(entry.function)
        raise ConfigError(f"{file}:{line}: {problem}")
