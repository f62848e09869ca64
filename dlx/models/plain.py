"""A run as an ordinary `torch.nn.Sequential`, and back.

# I inputs, O outputs
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from dlx.config.types import Choice
from dlx.errors import ConfigError
from dlx.models.design import Design
from dlx.models.torch_blocks import (
    Branch,
    CodeMean,
    KLargest,
    Largest,
    Recurrent,
    Residual,
    Transposed,
)
from dlx.nn.blocks import BranchSpec, ResidualSpec
from dlx.nn.code import CodeSpec
from dlx.nn.dense import DenseSpec
from dlx.nn.normalization import BatchNormOptions, LayerNormOptions
from dlx.nn.rbm import HiddenSpec, VisibleSpec
from dlx.nn.recurrent import RecurrentSpec
from dlx.nn.stack import Blueprint


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


def check(design: Design) -> None:
    """Check that a design has a plain form, which its trained weights are saved in.

    Raises:
        ConfigError: a plug-in's layer has none, or its activation's module learns something else
    """
    for layer in (*design.layers, *design.parts):
        if type(layer) not in _BUILDERS:
            raise ConfigError(
                f"layer {layer.name}: a {type(layer).__name__} has no plain torch form; compose "
                f"it of {', '.join(each.__name__ for each in _BUILDERS)}"
            )
    for choice in dict.fromkeys(design.activations):
        _learned(choice, _activation(choice))


def sequential(design: Design) -> tuple[nn.Sequential, dict[str, str]]:
    """Return the network of a design, in torch's own modules, and the names of its tensors.

    Returns:
        the network, freshly initialized by torch, in evaluation mode, ending in the output
        function; and for each tensor of a run's state (`Network.run_state`) its key in the
        network's state_dict
    """
    names: dict[str, str] = {}
    modules = _dropout(design.inputs.dropout, design.inputs.dropout_kind)
    modules = _stack(design.layers, names, "", modules)
    if isinstance(design.head.output, str):
        modules.append(nn.Softmax(-1))
    elif design.head.output.name != "identity":
        modules.append(_activation(design.head.output))
    return modules.eval(), names


def _stack(
    layers: Blueprint, names: dict[str, str], path: str, first: Sequence[nn.Module] = ()
) -> nn.Sequential:
    """Return layers as modules, and note the names of their tensors.

    Args:
        layers: one after another
        names: receives for each tensor of a run's state its key in the whole network
        path: what the keys of these modules start with
        first: modules that stand before them
    """
    modules = nn.Sequential(*first)
    for layer in layers:
        _BUILDERS[type(layer)](layer, names, path, modules)
    return modules


def _dense(layer: DenseSpec, names: dict[str, str], path: str, modules: nn.Sequential) -> None:
    def add(module: nn.Module, **tensors: str) -> None:
        for mine, theirs in tensors.items():
            names[f"{layer.name}.{mine}"] = f"{path}{len(modules)}.{theirs}"
        modules.append(module)

    tensors = {"bias": "bias"} if layer.has_bias else {}
    if layer.tied_to is not None:
        owner = modules.get_submodule(names[f"{layer.tied_to}.weight"].removesuffix(".weight"))
        assert isinstance(owner, nn.Linear)
        add(Transposed(owner, layer.has_bias), **tensors)
        _after_affine(layer, modules, add)
        return
    linear: nn.Module = nn.Linear(layer.inputs, layer.width, bias=layer.has_bias)
    if layer.weight_norm:
        linear = nn.utils.parametrizations.weight_norm(linear)
        original = "parametrizations.weight.original"
        tensors |= {"magnitude": f"{original}0", "weight": f"{original}1"}
    else:
        tensors |= {"weight": "weight"}
    add(linear, **tensors)
    _after_affine(layer, modules, add)


def _after_affine(layer: DenseSpec, modules: nn.Sequential, add: Callable[..., None]) -> None:
    if layer.pieces > 1:
        add(Largest(layer.pieces))
    normalization = layer.norm
    if normalization and normalization.position == "before":
        _add_norm(normalization, layer.outputs, add)
    if layer.activation.name != "identity":
        module = _activation(layer.activation)
        add(module, **_learned(layer.activation, module))
    if normalization and normalization.position == "after":
        _add_norm(normalization, layer.outputs, add)
    modules.extend(_dropout(layer.dropout, layer.dropout_kind))


def _dropout(rate: float, kind: str) -> list[nn.Module]:
    """Return dropout as torch has it; of kinds that it has not, evaluation sees nothing."""
    modules = {"dropout": nn.Dropout, "alpha_dropout": nn.AlphaDropout}
    return [modules[kind](rate)] if rate and kind in modules else []


def _add_norm(
    options: BatchNormOptions | LayerNormOptions, units: int, add: Callable[..., None]
) -> None:
    learned = {"gain": "weight", "shift": "bias"}
    if isinstance(options, LayerNormOptions):
        add(nn.LayerNorm(units, eps=options.epsilon), **learned)
    else:
        statistics = {"running_mean": "running_mean", "running_variance": "running_var"}
        module = nn.BatchNorm1d(units, eps=options.epsilon, momentum=options.momentum)
        add(module, **learned, **statistics)


def _residual(
    block: ResidualSpec, names: dict[str, str], path: str, modules: nn.Sequential
) -> None:
    here = f"{path}{len(modules)}."
    projection: nn.Module = nn.Identity()
    if block.projection is not None:
        projection = _stack((block.projection,), names, f"{here}projection.")
    activation = _activation(block.activation)
    for mine, theirs in _learned(block.activation, activation).items():
        names[f"{block.name}.{mine}"] = f"{here}activation.{theirs}"
    inner = _stack(block.inner, names, f"{here}inner.")
    modules.append(Residual(inner, projection, activation))


def _branch(block: BranchSpec, names: dict[str, str], path: str, modules: nn.Sequential) -> None:
    here = f"{path}{len(modules)}.branches."
    stacks = [_stack(each, names, f"{here}{i}.") for i, each in enumerate(block.branches)]
    modules.append(Branch(block.join, *stacks))


def _recurrent(
    layer: RecurrentSpec, names: dict[str, str], path: str, modules: nn.Sequential
) -> None:
    here = f"{path}{len(modules)}."
    projection = _stack((layer.projection,), names, f"{here}projection.")
    hidden = nn.Linear(layer.units, layer.projection.outputs, bias=False)
    names[f"{layer.name}.weight"] = f"{here}hidden.weight"
    if layer.cell == "gru":
        names[f"{layer.name}.bias"] = f"{here}bias"
    activation = _activation(layer.activation)
    for mine, theirs in _learned(layer.activation, activation).items():
        names[f"{layer.name}.{mine}"] = f"{here}activation.{theirs}"
    after = nn.Sequential()

    def add(module: nn.Module, **tensors: str) -> None:
        for mine, theirs in tensors.items():
            names[f"{layer.name}.{mine}"] = f"{here}after.{len(after)}.{theirs}"
        after.append(module)

    if layer.norm:
        _add_norm(layer.norm, layer.units, add)
    cell, shape, axis, handed = layer.cell, layer.shape, layer.axis, layer.handed
    module = Recurrent(cell, shape, axis, handed, projection, hidden, activation, after)
    modules.append(module)
    modules.extend(_dropout(layer.dropout, layer.dropout_kind))


def _code(code: CodeSpec, names: dict[str, str], path: str, modules: nn.Sequential) -> None:
    if code.is_drawn:
        modules.append(CodeMean(code.outputs))
    if code.kept is not None:
        modules.append(KLargest(code.kept.evaluation))


_BUILDERS: dict[type, Callable[..., None]] = {
    DenseSpec: _dense,
    ResidualSpec: _residual,
    BranchSpec: _branch,
    RecurrentSpec: _recurrent,
    CodeSpec: _code,
    HiddenSpec: _dense,
    VisibleSpec: _dense,
}


def to_torch(design: Design, state: dict[str, Tensor]) -> nn.Sequential:
    """Return a run as a plain torch network with its weights, in evaluation mode.

    Args:
        design: of the run
        state: as `Network.run_state` gives it
    """
    form = PlainForm(design)
    network = form.network.to(next(iter(state.values())).dtype)
    network.load_state_dict(form.state_dict(state))
    return network


class PlainForm:
    """The plain torch network of a design, by which the tensors of many runs are named.

    Attributes:
        network: as `sequential` gives it
    """

    def __init__(self, design: Design) -> None:
        self.network, self._names = sequential(design)
        self._tensors = self.network.state_dict()

    def state_dict(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return a run's state by the names and in the shapes of torch's modules.

        Args:
            state: as `Network.run_state` gives it
        """
        named = {
            theirs: _turned(mine, state[mine]).reshape(self._tensors[theirs].shape)
            for mine, theirs in self._names.items()
        }
        return self._tensors | named


def from_torch(design: Design, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a run's state from the state_dict of its plain network: the inverse of `to_torch`."""
    _, names = sequential(design)
    state = {mine: _turned(mine, tensors[theirs]) for mine, theirs in names.items()}
    shaped: dict[str, Callable[[Tensor], Tensor]] = {
        "bias": lambda value: value.unsqueeze(0),
        "magnitude": lambda value: value.squeeze(1),
    }
    return {
        name: shaped.get(name.rpartition(".")[2], lambda value: value)(value)
        for name, value in state.items()
    }


def _turned(name: str, value: Tensor) -> Tensor:
    """torch's linear layers keep their weights as (O, I)."""
    return value.T if name.endswith(".weight") else value


def _learned(choice: Choice, module: nn.Module) -> dict[str, str]:
    """Return the names of an activation's learned tensors, and its module's name of each."""
    mine = list(choice.traits.learned)
    theirs = [name for name, _ in module.named_parameters()]
    if len(mine) != len(theirs):
        raise ConfigError(
            f"activation {choice.name} learns {', '.join(mine) or 'nothing'}, but its torch module "
            f"{', '.join(theirs) or 'nothing'}; give a module that learns the same, in this order"
        )
    return dict(zip(mine, theirs, strict=True))


def _activation(choice: Choice) -> nn.Module:
    if choice.traits.module is None:
        return Elementwise(choice)
    return choice.traits.module(**choice.arguments())
