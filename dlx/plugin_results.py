"""Checks of what a plug-in's functions take and return.

Without them a wrong signature or result would fail later, in dlx's code, and no message could name
the plug-in.
"""

import contextlib
import functools
import importlib
import inspect
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

from dlx.config.words import shown
from dlx.errors import ConfigError, DlxError, is_of_signal, is_out_of_memory, raised_at, said
from dlx.registry import MODULES

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


_TURNS_OFF = "turns off the gradient of what it is given; leave requires_grad as it is"
_FILLS = ("initializer", "own_bias")  # what fills its first argument
_LARGEST = 1e30  # factor on a rate


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
    plug-in's file and line, and so is what it raises to end the process. What it prints goes to
    stderr: stdout has dlx's own results.
    """
    if not inspect.isfunction(function) and not (inspect.isclass(function) and kind in MODULES):
        return function
    judge = _JUDGES.get(kind)
    file, line = place(function)

    @functools.wraps(function, updated=())
    def checked(*arguments: Any, **options: Any) -> Any:
        given = arguments
        if kind in _FILLS:  # of which another name stays, whatever becomes of the tensor
            given = (arguments[0].fill_(math.nan).detach(), *arguments[1:])
        learned = [a for a in arguments if getattr(a, "requires_grad", False)]
        put_back = torch_as_it_is()
        with contextlib.redirect_stdout(sys.stderr):
            try:
                result = function(*arguments, **options)
            except Exception as error:
                _name(error, file)
                raise
            except BaseException as error:
                if is_of_signal(error):
                    raise
                raise ConfigError(f"plug-in {raised_at(error, {file})}") from error
        if changed := put_back():
            raise ConfigError(
                f"plug-in {file}:{line}: {kind} {function.__name__!r} changes {changed[0]}; leave "
                "torch as it is"
            )
        problem = judge(result, given) if judge else None
        if problem is None and all(argument.requires_grad for argument in learned):
            return result
        said = f"returned {problem}" if problem else _TURNS_OFF
        raise ConfigError(f"plug-in {file}:{line}: {kind} {function.__name__!r} {said}")

    if inspect.isclass(function):
        checked.__annotations__ = function.__init__.__annotations__
    return checked


def torch_as_it_is() -> Callable[[], list[str]]:
    """Return what puts back where and in which type torch computes, and says what was changed.

    Until torch is imported that is the processor, without autocast.
    """
    device_before, cast_before = _settings()

    def put_back() -> list[str]:
        device, cast = _settings()
        changed = []
        if device != device_before:
            changed.append("torch's default device")
            sys.modules["torch"].set_default_device(device_before)
        if cast != cast_before:
            changed.append("torch's autocast")
            sys.modules["torch"].set_autocast_enabled("cpu", cast_before)
        return changed

    return put_back


def _settings() -> tuple[str, bool]:
    torch = sys.modules.get("torch")
    if torch is None:
        return "cpu", False
    return str(torch.get_default_device()), torch.is_autocast_enabled("cpu")


def _name(error: Exception, file: str) -> None:
    """Let an error that is told by its words alone begin with the plug-in's file and line."""
    if said(error).startswith("plug-in "):  # of another one, which this one has called
        return
    if isinstance(error, DlxError) or is_out_of_memory(error):
        error.args = (f"plug-in {raised_at(error, {file})}",)


def place(function: Any) -> tuple[str, int]:
    """Return file and line of a plug-in's function or class."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is not None:
        return code.co_filename, code.co_firstlineno
    file = sys.modules[function.__module__].__file__
    return str(file), inspect.getsourcelines(inspect.unwrap(function))[1]


def _activation(a: Any, arguments: Sequence[Any]) -> str | None:
    from torch import Tensor

    z = arguments[0]
    if not isinstance(a, Tensor) or _form(a) != _form(z):
        return f"{_shown(a)} for {_shown(z)}; return a tensor of the same shape and type"
    return _gradient(a, z)


def _loss(costs: Any, arguments: Sequence[Any]) -> str | None:
    from torch import Tensor

    a = arguments[0]
    fits = isinstance(costs, Tensor) and costs.shape == a.shape[:1] and costs.device == a.device
    if not fits or not costs.is_floating_point():
        return f"{_shown(costs)} for {_shown(a)}; return the mean cost of each run, (K,)"
    return _gradient(costs, a)


def _form(tensor: Any) -> tuple[Any, ...]:
    return tensor.shape, tensor.dtype, tensor.device, tensor.layout


def _gradient(result: Any, argument: Any) -> str | None:
    if argument.requires_grad and result.grad_fn is None and result is not argument:
        return "a tensor that no gradient passes through; compute it by torch, without detach"
    return None


def _backward(dz: Any, arguments: Sequence[Any]) -> str | None:
    from torch import Tensor

    z = arguments[1]
    if not isinstance(dz, Tensor) or dz.shape != z.shape:
        return f"{_shown(dz)} for {_shown(z)}; return upstream times g'(z), of the same shape"
    return None


def _schedule(factor: Any, arguments: Sequence[Any]) -> str | None:
    if isinstance(factor, float | int) and 0 <= factor <= _LARGEST:
        return None
    return f"{_shown(factor)}; return the factor on the rate, a finite number that is not negative"


def _average(share: Any, arguments: Sequence[Any]) -> str | None:
    if isinstance(share, float | int) and 0 <= share <= 1:
        return None
    return f"{_shown(share)}; return the newest weights' share in the mean, from 0 to 1"


def _metric(values: Any, arguments: Sequence[Any]) -> str | None:
    from torch import Tensor

    total = arguments[0]
    is_whole = isinstance(values, Tensor) and values.is_floating_point() and values.dim() == 1
    if is_whole and (not isinstance(total, Tensor) or len(values) == len(total)):
        return None
    return f"{_shown(values)}; return each run's value, (K,) float64"


def _filled(result: Any, arguments: Sequence[Any]) -> str | None:
    from torch import isfinite

    if isfinite(arguments[0]).all():
        return None
    return "with numbers that are not finite or not filled in; fill all of them, in place"


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
        is_array = isinstance(array, np.ndarray) and array.dtype.itemsize <= 8
        if not is_array or array.dtype.kind not in kinds:
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
    "average": _average,
    "metric": _metric,
    "initializer": _filled,
    "own_bias": _filled,
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
    if isinstance(result, float | int):
        return shown(result)
    return "None" if result is None else f"an object of type {kind}"
