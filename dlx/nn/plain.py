"""Layers as ordinary torch modules, one appended after the other.

# I inputs, O outputs
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dlx.config.types import Choice
from dlx.errors import ConfigError
from dlx.nn.layers.protocol import Blueprint
from dlx.nn.normalization import BatchNorm, LayerNorm


class Elementwise(nn.Module):
    """An activation that torch has no module for."""

    def __init__(self, activation: Choice) -> None:
        super().__init__()
        self.function = activation.entry.function
        self.options = activation.arguments()
        self.learned = tuple(activation.traits.learned)
        for name, start in activation.traits.learned.items():
            self.register_parameter(name, nn.Parameter(torch.full((1,), start)))

    def forward(self, z: Tensor) -> Tensor:
        """Return g(z)."""
        learned = (self.get_parameter(name) for name in self.learned)
        return self.function(z, *learned, **self.options)


class PlainModules:
    """torch modules one after another, and the names of their tensors.

    A tensor that a run's layer calls `weight` is (I, O), and (O, I) in the torch module; `bias` is
    (1, O), and (O) in the module. Tensors of other names have the same shape in both. `names`
    receives for each tensor of a run's state (`Network.run_state`) its key in the state_dict of the
    whole network, which starts with `path`.
    """

    def __init__(
        self, names: dict[str, str], path: str = "", first: Sequence[nn.Module] = ()
    ) -> None:
        self.modules = nn.Sequential(*first)
        self._names = names
        self._path = path

    def add(self, module: nn.Module, layer: str = "", **tensors: str) -> None:
        """Append a module that holds a layer's tensors, each of which it has under another name."""
        for name, own_name in tensors.items():
            self._names[f"{layer}.{name}"] = f"{self._path}{len(self.modules)}.{own_name}"
        self.modules.append(module)

    def inside(self, attribute: str, layers: Blueprint = ()) -> "PlainModules":
        """Return modules, those of `layers` so far, for an attribute of the next module."""
        modules = PlainModules(self._names, f"{self._path}{len(self.modules)}.{attribute}.")
        for spec in layers:
            spec.plain(modules)
        return modules

    def linear(self, layer: str) -> nn.Linear:
        """Return the module that has the weight of a layer, appended before."""
        key = self._names[f"{layer}.weight"]
        module = self.modules.get_submodule(key.removesuffix(".weight"))
        assert isinstance(module, nn.Linear)
        return module

    def add_activation(self, activation: Choice, layer: str) -> None:
        """Append the activation of a layer; nothing for the identity."""
        if activation.name != "identity":
            module = activation_module(activation)
            self.add(module, layer, **learned_tensors(activation, module))

    def add_norm(self, options: BatchNorm | LayerNorm, units: int, layer: str) -> None:
        """Append the normalization of a layer's units."""
        tensors = {"gain": "weight", "shift": "bias"}
        if isinstance(options, LayerNorm):
            self.add(nn.LayerNorm(units, eps=options.epsilon), layer, **tensors)
        else:
            tensors |= {"running_mean": "running_mean", "running_variance": "running_var"}
            module = nn.BatchNorm1d(units, eps=options.epsilon, momentum=options.momentum)
            self.add(module, layer, **tensors)

    def add_dropout(self, rate: float, kind: str) -> None:
        """Append dropout as torch has it; other kinds do nothing in evaluation."""
        self.modules.extend(dropout_modules(rate, kind))


def dropout_modules(rate: float, kind: str) -> list[nn.Module]:
    """Return torch's module of a kind of dropout, if there is one."""
    modules = {"dropout": nn.Dropout, "alpha_dropout": nn.AlphaDropout}
    return [modules[kind](rate)] if rate and kind in modules else []


def activation_module(activation: Choice) -> nn.Module:
    """Return an activation as a torch module."""
    make = activation.traits.module
    if make is None:
        return Elementwise(activation)
    try:
        module = make(**activation.arguments())
    except TypeError as error:
        raise ConfigError(
            f"activation {activation.name}: its torch module takes other options ({error}); give "
            "one that takes those of the activation"
        ) from error
    if not isinstance(module, nn.Module):
        raise ConfigError(
            f"activation {activation.name}: its module gives an object of type "
            f"{type(module).__name__}; give a torch module"
        )
    return module


def learned_tensors(activation: Choice, module: nn.Module, path: str = "") -> dict[str, str]:
    """Return what an activation's learned tensors are called in its module, after `path`."""
    names = list(activation.traits.learned)
    own_names = [name for name, _ in module.named_parameters()]
    if len(names) != len(own_names):
        raise ConfigError(
            f"activation {activation.name} learns {', '.join(names) or 'nothing'}, but its torch "
            f"module {', '.join(own_names) or 'nothing'}; give a module that learns the same, in "
            "this order"
        )
    return {name: path + own for name, own in zip(names, own_names, strict=True)}
