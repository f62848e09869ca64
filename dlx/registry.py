"""Named functions: what a name in a config stands for.

A *kind* ('activation', 'optimizer', 'data', …) is a family of names. The module of a kind is
imported on the first look-up, so that nothing heavy is loaded before a name has to be checked.

An entry is one decorated function or class. Its keyword-only parameters are its options in YAML;
its docstring's first line is what `dlx list` prints; an `Args:` section documents the options and
a `Reference:` section names the paper or page it comes from. What else the code has to know of it
are its traits (`dlx.traits`).
"""

import importlib
import inspect
import re
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
    """One option of an entry: a keyword-only parameter of its function."""

    name: str
    annotation: Any
    default: Any  # inspect.Parameter.empty when the option is required
    description: str


@dataclass(frozen=True)
class Entry:
    """A name of a kind: its function, what signature and docstring say of it, and its traits."""

    kind: str
    name: str
    function: Callable[..., Any]
    options: dict[str, Option]
    summary: str
    reference: str
    traits: Any  # one of the classes of `dlx.traits`


def register(
    kind: str, *arguments: Any, name: str | None = None, **settings: Any
) -> Callable[[Any], Any]:
    """Return a decorator that makes a function known by a name.

    Args:
        kind: of the registry
        arguments: traits of the kind (see `dlx.traits`) that are given by place
        name: default: the function's own
        settings: traits by name

    Raises:
        ValueError: the name is taken, or the function has no docstring.
        TypeError: the kind has no such traits
    """
    traits = TRAITS.get(kind, Traits)(*arguments, **settings)

    def decorate(function: Any) -> Any:
        entry = _entry(kind, name or function.__name__, function, traits)
        if entry.name in _entries[kind]:
            raise ValueError(f"{kind} {entry.name!r} is already registered; take another name")
        _entries[kind][entry.name] = entry
        return function

    return decorate


def names(kind: str) -> list[str]:
    """Return the registered names of a kind, in the order of their definition."""
    return list(_load(kind))


def get(kind: str, name: str) -> Entry:
    """Return the entry of a name.

    Raises:
        ConfigError: no such name; the message lists the names and the nearest one.
    """
    entries = _load(kind)
    if name not in entries:
        raise ConfigError(
            f"unknown {kind} {name!r}{did_you_mean(name, entries)} (one of: {', '.join(entries)})"
        )
    return entries[name]


def registered_by(module: str) -> list[Entry]:
    """Return the entries whose functions a module defines."""
    return [
        entry
        for entries in _entries.values()
        for entry in entries.values()
        if entry.function.__module__ == module
    ]


def modules() -> set[str]:
    """Return the names of the modules whose functions are registered so far."""
    return {
        entry.function.__module__ for entries in _entries.values() for entry in entries.values()
    }


def forget(entry: Entry) -> None:
    """Make an entry's name unknown again."""
    del _entries[entry.kind][entry.name]


def _load(kind: str) -> dict[str, Entry]:
    if kind not in MODULES:
        raise ConfigError(
            f"unknown kind {kind!r}{did_you_mean(kind, MODULES)} (one of: {', '.join(MODULES)})"
        )
    importlib.import_module(MODULES[kind])
    return _entries[kind]


def _entry(kind: str, name: str, function: Callable[..., Any], traits: Traits) -> Entry:
    documentation = inspect.getdoc(function)
    if not documentation:
        raise ValueError(f"{kind} {name!r} needs a docstring: `dlx list` prints its first line")
    hints = typing.get_type_hints(function, include_extras=True)
    if inspect.isclass(function):
        hints = typing.get_type_hints(function.__init__, include_extras=True)
    described = _arguments(documentation)
    options = {
        parameter.name: Option(
            parameter.name,
            hints.get(parameter.name, Any),
            parameter.default,
            described.get(parameter.name, ""),
        )
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    summary, reference = documentation.split("\n", 1)[0], _reference(documentation)
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


def _reference(documentation: str) -> str:
    return " ".join(_section(documentation, "Reference").split())
