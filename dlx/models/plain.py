"""A run as an ordinary `torch.nn.Sequential`, and back.

# I inputs, O outputs
"""

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from dlx.models.design import Design
from dlx.nn.layers import Spec
from dlx.nn.plain import PlainModules, activation_module, dropout_modules, learned_tensors


def check(design: Design) -> None:
    """Check that a design has a plain form, which trained weights are saved in."""
    for layer in (*design.layers, *design.parts):
        if type(layer).plain is Spec.plain:
            layer.plain(PlainModules({}))  # raises
    for activation in dict.fromkeys(design.activations):
        learned_tensors(activation, activation_module(activation))


def sequential(design: Design) -> tuple[nn.Sequential, dict[str, str]]:
    """Return the network of a design, in torch's own modules, and the names of its tensors.

    It is freshly initialized by torch, in evaluation mode, and ends in the output function. The
    names are keys of its state_dict, for each tensor of a run's state (`Network.run_state`).
    """
    names: dict[str, str] = {}
    first = dropout_modules(design.inputs.dropout, design.inputs.dropout_kind)
    modules = PlainModules(names, first=first)
    for layer in design.layers:
        layer.plain(modules)
    if isinstance(design.head.output, str):
        modules.add(nn.Softmax(-1))
    elif design.head.output.name != "identity":
        modules.add(activation_module(design.head.output))
    return modules.modules.eval(), names


def to_torch(design: Design, state: dict[str, Tensor]) -> nn.Sequential:
    """Return a run, given its `Network.run_state`, as a plain torch network in evaluation mode."""
    form = PlainForm(design)
    network = form.network.to(next(iter(state.values())).dtype)
    network.load_state_dict(form.state_dict(state))
    return network


class PlainForm:
    """The plain torch network of a design, by which the tensors of many runs are named."""

    def __init__(self, design: Design) -> None:
        self.design = design
        self.network, self._names = sequential(design)
        self._tensors = self.network.state_dict()

    def state_dict(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return a run's `Network.run_state` by the names and in the shapes of torch's modules."""
        return self._tensors | {
            key: _transposed(name, state[name]).reshape(self._tensors[key].shape)
            for name, key in self._names.items()
        }


def from_torch(design: Design, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a run's state from the state_dict of its plain network: the inverse of `to_torch`."""
    shaped: dict[str, Callable[[Tensor], Tensor]] = {
        "weight": lambda value: value.T,
        "bias": lambda value: value.unsqueeze(0),
        "magnitude": lambda value: value.squeeze(1),
    }
    return {
        name: shaped.get(name.rpartition(".")[2], lambda value: value)(tensors[key])
        for name, key in sequential(design)[1].items()
    }


def _transposed(name: str, value: Tensor) -> Tensor:
    """Return a weight (I, O) as torch's linear layers keep it, (O, I); other tensors unchanged."""
    return value.T if name.endswith(".weight") else value
