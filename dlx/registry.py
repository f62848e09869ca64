"""The registry: the functions that names in a config stand for.

A *kind* ("activation", "optimizer", "data", …) is a family of names. Its module is imported on the
first look-up, so that torch is not imported before a name has to be checked.

An entry is a decorated function or class. Its keyword-only parameters are the options in YAML. The
first line of its docstring is what `dlx list` prints, an `Args:` section documents the options, and
a `Reference:` section names the source. Whatever else the code must know are traits (`dlx.traits`).
"""

import importlib
import inspect
import re
import sys
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dlx.errors import ConfigError, did_you_mean
from dlx.traits import TRAITS, Traits

MODULES = {
    "activation": "dlx.nn.activations",
    "initializer": "dlx.nn.initializers",
    "dropout": "dlx.nn.dropout",
    "sparsity": "dlx.nn.sparsity",
    "corruption": "dlx.nn.corruption",
    "loss": "dlx.nn.losses",
    "metric": "dlx.nn.metrics",
    "optimizer": "dlx.optimizers",
    "schedule": "dlx.training.schedules",
    "average": "dlx.optimizers.averages",
    "data": "dlx.data.sources",
    "model": "dlx.models",
    "block": "dlx.models.blocks",
}

_entries: dict[str, dict[str, "Entry"]] = {kind: {} for kind in MODULES}


@dataclass(frozen=True)
class Option:
    """An option of an entry: a keyword-only parameter of its function."""

    name: str  # of the parameter
    annotation: Any
    default: Any  # inspect.Parameter.empty if the option is required
    description: str  # from the docstring


@dataclass(frozen=True)
class Entry:
    """A name of a kind."""

    kind: str  # such as "activation"
    name: str  # in YAML
    function: Callable[..., Any]  # that the name stands for
    options: dict[str, Option]  # of the function, by name
    summary: str  # first line of its docstring
    reference: str  # its source, or ""
    traits: Any  # of one of the classes of `dlx.traits`


def register(
    kind: str, *arguments: Any, name: str | None = None, **settings: Any
) -> Callable[[Any], Any]:
    """Return a decorator that registers a function, by default under its own name.

    Positional `arguments` and named `settings` are traits of the kind, see `dlx.traits`.
    ValueError: the name is taken, or the function has no docstring; TypeError: no such traits.
    """
    traits = TRAITS.get(kind, Traits)(*arguments, **settings)

    def decorate(function: Any) -> Any:
        if not isinstance(name, str | None):
            raise ValueError(f"{kind}: received the name {name!r}; a name is a text")
        entry = _entry(kind, name or function.__name__, function, traits)
        if entry.name in _entries[kind]:
            raise ValueError(f"{kind} {entry.name!r} is already registered; take another name")
        _entries[kind][entry.name] = entry
        return function

    return decorate


def like(other: Callable[..., Any], *without: str) -> Callable[[Any], Any]:
    """Return a decorator that gives a function of **options those of another, but for some."""

    def decorate(function: Any) -> Any:
        signature = inspect.signature(other)
        kept = [one for name, one in signature.parameters.items() if name not in without]
        function.__signature__ = signature.replace(parameters=kept)
        function.__annotations__ = other.__annotations__
        own, documented = inspect.getdoc(function), inspect.getdoc(other)
        if documented:
            function.__doc__ = f"{own}\n\n{documented[documented.index('Args:') :]}"
        return function

    return decorate


def names(kind: str) -> list[str]:
    """Return the names of a kind, in the order of their registration."""
    return list(_load(kind))


def get(kind: str, name: str) -> Entry:
    """Return the entry of a name, or raise a ConfigError that lists the names."""
    entries = _load(kind)
    if name not in entries:
        raise ConfigError(
            f"unknown {kind} {name!r}{did_you_mean(name, entries)} (one of: {', '.join(entries)})"
        )
    return entries[name]


def is_own(kind: str, name: str) -> bool:
    """Whether a name stands for dlx's own function, and not for a plug-in's."""
    return get(kind, name).function.__module__.startswith("dlx.")


def registered_by(module: str) -> list[Entry]:
    """Return the entries whose functions a module defines."""
    entries = (entry for of_kind in _entries.values() for entry in of_kind.values())
    return [entry for entry in entries if entry.function.__module__ == module]


def modules() -> set[str]:
    """Return the names of the modules whose functions are registered so far."""
    return {entry.function.__module__ for kind in _entries.values() for entry in kind.values()}


def forget(entry: Entry) -> None:
    """Remove an entry."""
    del _entries[entry.kind][entry.name]


def _load(kind: str) -> dict[str, Entry]:
    if kind not in MODULES:
        raise ConfigError(
            f"unknown kind {kind!r}{did_you_mean(kind, MODULES)} (one of: {', '.join(MODULES)})"
        )
    importlib.import_module(MODULES[kind])
    return _entries[kind]


def _entry(kind: str, name: str, function: Callable[..., Any], traits: Traits) -> Entry:
    documentation = inspect.getdoc(function) or ""
    # Halves of characters are no text that a schema could hold.
    documentation = documentation.encode("utf-8", "backslashreplace").decode()
    if not documentation and sys.flags.optimize < 2:  # `python -OO` has taken all of them away
        raise ValueError(f"{kind} {name!r} needs a docstring: `dlx list` prints its first line")
    hints = typing.get_type_hints(function, include_extras=True)
    if inspect.isclass(function):
        hints = typing.get_type_hints(function.__init__, include_extras=True)
    descriptions = _arguments(documentation)
    options = {
        parameter.name: Option(
            parameter.name,
            hints.get(parameter.name, Any),
            parameter.default,
            descriptions.get(parameter.name, ""),
        )
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    summary = documentation.split("\n", 1)[0]
    reference = " ".join(_section(documentation, "Reference").split())
    return Entry(kind, name, function, options, summary, reference, traits)


def _section(documentation: str, title: str) -> str:
    match = re.search(rf"^{title}:\n((?:[ \t]+.*\n?|\n)+)", documentation, re.MULTILINE)
    return inspect.cleandoc(match.group(1)) if match else ""


def _arguments(documentation: str) -> dict[str, str]:
    arguments: dict[str, str] = {}
    current = ""
    for line in _section(documentation, "Args").splitlines():
        match = re.match(r"(\w+): (.*)", line)
        if match:
            current = match.group(1)
            arguments[current] = match.group(2).strip()
        elif current and line.strip():
            arguments[current] += " " + line.strip()
    return arguments
