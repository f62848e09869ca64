"""Checks of what a plug-in's functions take and return.

Without them a wrong signature or result would fail later, in dlx's code, and no message could name
the plug-in.
"""

import contextlib
import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any

from dlx.errors import ConfigError

Judge = Callable[[Any, Sequence[Any]], str | None]
"""Returns what is wrong with a result, given the positional arguments; None if nothing is."""


# What a function of a kind gets by position, before its options.
_GIVEN: dict[str, tuple[str, ...]] = {
    "activation": ("z",),
    "initializer": ("weight", "generator"),
    "dropout": ("rate",),
    "sparsity": ("code",),
    "corruption": (),
    "loss": ("outputs", "targets"),
    "metric": ("total", "rows"),
    "optimizer": (),
    "schedule": ("step", "num_steps"),
    "average": ("step", "num_steps"),
    "data": ("data_dir",),
    "model": ("task",),
    "block": ("place",),
    # Traits that are functions, which get the options of the name too.
    "backward": ("upstream", "z", "a"),
    "with_gradient": ("z", "targets"),
    "own_bias": ("bias", "num_inputs", "generator"),
}


def check_signatures(kind: str, function: Any, traits: Any) -> str | None:
    """Return why a plug-in's function, or one of its traits, cannot be called; None: it can."""
    more = (*getattr(traits, "learned", ()), *["weights"] * getattr(traits, "weighs", False))
    parameters = inspect.signature(function).parameters.values()
    options = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    named = {kind: function} | {
        name: getattr(traits, name) for name in _GIVEN if callable(getattr(traits, name, None))
    }
    for name, called in named.items():
        given = (*_GIVEN[name], *([] if name in ("backward", "own_bias") else more))
        try:
            signature = inspect.signature(called)
            signature.bind(*given, **dict.fromkeys(options))
        except TypeError:
            options_too = f" and the options {', '.join(options)}" if options else ""
            return (
                f"{name} {called.__name__!r} takes {signature}, but is given "
                f"{', '.join(given) or 'nothing'}{options_too}; options come after a *"
            )
    return None


def judged(kind: str, function: Any) -> Any:
    """Return a plug-in's function together with a check of its results.

    A result that is not what a function of the kind must return is a ConfigError with the
    plug-in's file and line. What it prints goes to stderr: stdout has dlx's own results.
    """
    judge = _JUDGES.get(kind)
    if judge is None or not inspect.isfunction(function):
        return function

    @functools.wraps(function)
    def checked(*arguments: Any, **options: Any) -> Any:
        with contextlib.redirect_stdout(sys.stderr):
            result = function(*arguments, **options)
        problem = judge(result, arguments)
        if problem is not None:
            code = function.__code__
            raise ConfigError(
                f"plug-in {code.co_filename}:{code.co_firstlineno}: {kind} {function.__name__!r} "
                f"returned {problem}"
            )
        return result

    return checked


def _activation(a: Any, arguments: Sequence[Any]) -> str | None:
    from torch import Tensor

    z = arguments[0]
    if not isinstance(a, Tensor) or a.shape != z.shape or a.dtype != z.dtype:
        return f"{_shown(a)} for {_shown(z)}; return a tensor of the same shape and type"
    return _gradient(a, z)


def _loss(costs: Any, arguments: Sequence[Any]) -> str | None:
    from torch import Tensor

    a = arguments[0]
    if not isinstance(costs, Tensor) or costs.shape != a.shape[:1]:
        return f"{_shown(costs)} for {_shown(a)}; return the mean cost of each run, (K,)"
    return _gradient(costs, a)


def _gradient(result: Any, argument: Any) -> str | None:
    if argument.requires_grad and not result.requires_grad:
        return "a tensor that no gradient passes through; compute it by torch, without detach"
    return None


def _backward(dz: Any, arguments: Sequence[Any]) -> str | None:
    from torch import Tensor

    z = arguments[1]
    if not isinstance(dz, Tensor) or dz.shape != z.shape:
        return f"{_shown(dz)} for {_shown(z)}; return upstream times g'(z), of the same shape"
    return None


def _schedule(factor: Any, arguments: Sequence[Any]) -> str | None:
    is_number = isinstance(factor, float | int)
    return None if is_number else f"{_shown(factor)}; return the factor on the rate, a number"


def _is(name: str) -> Judge:
    """Return the judge of results that must be of a class, given its name with the module."""
    module, _, class_name = name.rpartition(".")

    def judge(result: Any, arguments: Sequence[Any]) -> str | None:
        if isinstance(result, getattr(importlib.import_module(module), class_name)):
            return None
        return f"{_shown(result)}; return a {name}"

    return judge


def _data(dataset: Any, arguments: Sequence[Any]) -> str | None:
    import numpy as np

    wrong_class = _is("dlx.data.dataset.Dataset")(dataset, arguments)
    if wrong_class:
        return wrong_class
    whole = "whole numbers" if dataset.classes is not None else "numbers"
    for name, kinds in (("inputs", "biuf"), ("targets", "biu" if dataset.classes else "biuf")):
        array = getattr(dataset, name)
        if not isinstance(array, np.ndarray) or array.dtype.kind not in kinds:
            what = whole if name == "targets" else "numbers"
            return f"{name} that are {_shown(array)}; give a NumPy array of {what}"
    return None


def _block(spec: Any, arguments: Sequence[Any]) -> str | None:
    from dlx.nn.layers import Spec

    if isinstance(spec, Spec):  # whether it is a layer at all, of whatever kind
        return None
    return f"{_shown(spec)}; return a dlx.nn.layers.Spec, one of dlx's or of your own"


_JUDGES: dict[str, Judge] = {
    "activation": _activation,
    "loss": _loss,
    "sparsity": _loss,
    "corruption": _is("dlx.nn.corruption.CorruptionRule"),
    "dropout": _is("dlx.nn.dropout.DropoutRule"),
    "schedule": _schedule,
    "data": _data,
    "block": _block,
    "model": _is("dlx.models.design.Design"),
    "optimizer": _is("dlx.optimizers.rule.Rule"),
    "backward": _backward,
}


def _shown(result: Any) -> str:
    kind = type(result).__name__
    if hasattr(result, "shape") and hasattr(result, "dtype"):
        return f"a {kind} of shape {tuple(result.shape)} and type {result.dtype}"
    return "None" if result is None else f"an object of type {kind}"
