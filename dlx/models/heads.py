"""Which output function, loss and output layer a task gets.

# C outputs
"""

from collections.abc import Sequence
from dataclasses import replace

from dlx import registry
from dlx.config.types import Choice, choice
from dlx.data.dataset import Task
from dlx.errors import ConfigError
from dlx.nn.dense import DenseSpec
from dlx.nn.head import Head
from dlx.nn.stack import Spec

_OUTPUTS = {
    "multiclass": "softmax",
    "binary": "sigmoid",
    "multilabel": "sigmoid",
    "regression": "identity",
    "reconstruction": "identity",
}
_LOSSES = {"softmax": "cross_entropy", "sigmoid": "binary_cross_entropy"}
_BY_LOSS = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid", "hinge": "identity"}


def build_head(task: Task, output: Choice | str = "auto", loss: Choice | str = "auto") -> Head:
    """Return the head for a task, choosing what is 'auto'.

    softmax with cross_entropy for several classes, one sigmoid with binary_cross_entropy for two
    and one for each label, identity with mse for numbers, and a sigmoid with binary_cross_entropy
    for each input that is reconstructed if all are in [0, 1]; a named output brings its own loss
    and the other way round.

    Raises:
        ConfigError: the loss does not fit the output, or the output does not fit the task
    """
    kind, name = task.kind, _name(output)
    loss_name = _name(loss)
    if name == "auto":
        usual = "sigmoid" if task.in_unit_interval and loss_name == "auto" else _OUTPUTS[kind]
        name = _BY_LOSS.get(loss_name, usual)
        output = "softmax" if name == "softmax" else choice("activation", name)
    if name != "softmax" and registry.get("activation", name).function.learned:
        raise ConfigError(
            f"model.output: {name} learns parameters, which an output cannot; use leaky_relu"
        )
    if loss_name == "auto":
        numeric = kind == "regression" or (kind == "reconstruction" and not task.in_unit_interval)
        loss_name = "mse" if numeric else _LOSSES.get(name, "mse")
    function = registry.get("loss", loss_name).function
    if kind == "regression" and (name == "softmax" or function.needs_classes):
        raise ConfigError(
            f"model.output: {name} with loss {loss_name} needs classes, but the target is a "
            "number; use output: identity and loss: mse"
        )
    if kind == "reconstruction":
        _check_reconstruction(task, name, loss_name, loss)
    if function.outputs and name not in function.outputs:
        raise ConfigError(
            f"model.loss: {loss_name} follows {' or '.join(function.outputs)}, not {name}; "
            f"use loss: {_LOSSES.get(name, 'mse')}"
        )
    if kind == "multilabel" and name == "softmax":
        raise ConfigError(
            "model.output: softmax is for classes that exclude each other, but several labels may "
            "hold at once; use output: sigmoid and loss: binary_cross_entropy"
        )
    chosen = loss if isinstance(loss, Choice) else choice("loss", loss_name)
    one = kind == "binary" and name != "softmax"
    head = Head(
        kind,
        "softmax" if name == "softmax" else output,  # type: ignore[arg-type]
        chosen,
        1 if one else (2 if kind == "binary" else task.num_outputs),
        # A reconstruction is measured in the units that the network sees.
        target_scale=() if kind == "reconstruction" else task.target_scale,
        in_unit_interval=task.in_unit_interval,
    )
    return replace(head, class_weights=_class_weights(task, head))


def _check_reconstruction(task: Task, output: str, loss: str, given: Choice | str) -> None:
    """Refuse an output or a loss of classes, and cross-entropy of inputs outside [0, 1]."""
    needs_classes = registry.get("loss", loss).function.needs_classes
    if output == "softmax" or (needs_classes and loss != "binary_cross_entropy"):
        raise ConfigError(
            f"model.output: {output} with loss {loss} needs classes, but inputs are reconstructed; "
            "use output: identity and loss: mse, or sigmoid and binary_cross_entropy"
        )
    if loss == "binary_cross_entropy" and not task.in_unit_interval:
        raise ConfigError(
            "model.loss: received binary_cross_entropy, but inputs of training rows lie outside "
            "[0, 1], or may once data.augment moves scaled pixels; use loss: mse, or bring them "
            "there with data.scale: true"
        )
    if isinstance(given, Choice) and given.arguments().get("class_weights") is not None:
        raise ConfigError(
            "model.loss.class_weights: inputs are reconstructed, which are no classes; leave it out"
        )


def output_layer(
    layers: Sequence[Spec], task: Task, head: Head, init: Choice, bias: Choice | None
) -> DenseSpec:
    """Return the affine map from the last of `layers`, or from the inputs, to the head."""
    return DenseSpec(
        name=str(len(layers) + 1),
        inputs=layers[-1].outputs if layers else task.num_inputs,
        outputs=head.num_outputs,
        activation=choice("activation", "identity"),
        init=init,
        bias=bias,
    )


def _name(named: Choice | str) -> str:
    return named if isinstance(named, str) else named.name


def _class_weights(task: Task, head: Head) -> tuple[float, ...]:
    """Return the weights that a loss asks for in numbers, as `Head.class_weights` has them."""
    wanted = head.loss.arguments().get("class_weights")
    if wanted is None:
        return ()
    names = task.classes or ()
    rows, counts = task.num_train, task.class_counts
    if wanted == "balanced":
        assert counts, "the pipeline counts the training rows"
        if head.takes_numbers:
            return tuple(rows / (len(counts) * count) for count in counts)
        if head.num_outputs == 1:
            counts = counts[1:]
        others = tuple(rows / (2 * (rows - count)) for count in counts)
        return others + tuple(rows / (2 * count) for count in counts)
    if len(wanted) != len(names):
        raise ConfigError(
            f"model.loss.class_weights: received {len(wanted)} weights; the data have "
            f"{len(names)} classes, in this order: {', '.join(names)}; give a weight for each"
        )
    if head.takes_numbers or head.num_outputs == 1:
        return tuple(wanted)
    return (1.0,) * len(wanted) + tuple(wanted)
