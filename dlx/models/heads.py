"""Which output function, loss and output layer a task gets.

# C outputs
"""

from collections.abc import Sequence
from dataclasses import replace

from dlx.config.types import Choice, choice
from dlx.data.dataset import Task
from dlx.errors import ConfigError
from dlx.nn.head import Head
from dlx.nn.layers import Spec
from dlx.nn.layers.dense import DenseSpec

_OUTPUTS = {"multiclass": "softmax", "binary": "sigmoid", "multilabel": "sigmoid"}
_LOSSES = {"softmax": "cross_entropy", "sigmoid": "binary_cross_entropy"}


def build_head(task: Task, output: Choice | str = "auto", loss: Choice | str = "auto") -> Head:
    """Return the head for a task, choosing what is 'auto'.

    That is softmax with cross_entropy for several classes; one sigmoid with binary_cross_entropy
    for two classes, and one for each label; identity with mse for numbers. For reconstructions it
    is sigmoid with binary_cross_entropy if all inputs are in [0, 1], else identity with mse. A
    named output brings its own loss, and a named loss its own output.
    """
    kind = task.kind
    chosen = choice("loss", loss) if isinstance(loss, str) and loss != "auto" else loss
    follows = () if isinstance(chosen, str) else chosen.traits.outputs
    name = output if isinstance(output, str) else output.name
    if name == "auto":
        usual = (
            "sigmoid"
            if task.in_unit_interval and chosen == "auto"
            else _OUTPUTS.get(kind, "identity")
        )
        name = follows[0] if follows else usual
    function = output
    if isinstance(function, str):
        function = "softmax" if name == "softmax" else choice("activation", name)
    if isinstance(function, Choice) and function.traits.learned:
        raise ConfigError(
            f"model.output: {name} learns parameters, which an output cannot; use leaky_relu"
        )
    if isinstance(chosen, str):
        numeric = kind == "regression" or (kind == "reconstruction" and not task.in_unit_interval)
        chosen = choice("loss", "mse" if numeric else _LOSSES.get(name, "mse"))
    if kind == "regression" and (name == "softmax" or chosen.traits.needs_classes):
        raise ConfigError(
            f"model.output: {name} with loss {chosen.name} needs classes, but the target is a "
            "number; use output: identity and loss: mse"
        )
    if kind == "reconstruction":
        _check_reconstruction(task, name, chosen)
    if chosen.traits.outputs and name not in chosen.traits.outputs:
        raise ConfigError(
            f"model.loss: {chosen.name} follows {' or '.join(chosen.traits.outputs)}, not {name}; "
            f"use loss: {_LOSSES.get(name, 'mse')}"
        )
    if kind == "multilabel" and name == "softmax":
        raise ConfigError(
            "model.output: softmax is for classes that exclude each other, but several labels may "
            "hold at once; use output: sigmoid and loss: binary_cross_entropy"
        )
    num_outputs = task.num_outputs
    if kind == "binary":
        num_outputs = 2 if name == "softmax" else 1
    head = Head(
        kind,
        function,
        chosen,
        num_outputs,
        # A reconstruction is measured in the units that the network sees: no scale.
        target_scale=() if kind == "reconstruction" else task.target_scale,
        target_shift=() if kind == "reconstruction" else task.target_shift,
        in_unit_interval=task.in_unit_interval,
    )
    return replace(head, class_weights=_class_weights(task, head))


def _check_reconstruction(task: Task, output: str, loss: Choice) -> None:
    """Refuse outputs and losses for classes, and cross-entropy of inputs outside [0, 1]."""
    of_classes = loss.traits.needs_classes and not loss.traits.of_probabilities
    if output == "softmax" or of_classes:
        raise ConfigError(
            f"model.output: {output} with loss {loss.name} needs classes, but inputs are "
            "reconstructed; use output: identity and loss: mse, or sigmoid and binary_cross_entropy"
        )
    if loss.traits.of_probabilities and not task.in_unit_interval:
        raise ConfigError(
            f"model.loss: received {loss.name}, but inputs of training rows lie outside [0, 1], or "
            "may once data.augment moves scaled pixels; use loss: mse, or bring them there with "
            "data.scale: true"
        )
    if loss.arguments().get("class_weights") is not None:
        raise ConfigError(
            "model.loss.class_weights: inputs are reconstructed, not classes; leave it out"
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


def _class_weights(task: Task, head: Head) -> tuple[float, ...]:
    """Return the class weights that a loss is given, as numbers for `Head.class_weights`."""
    wanted = head.loss.arguments().get("class_weights")
    if wanted is None:
        return ()
    names = task.classes or ()
    rows, counts = task.num_train, task.class_counts
    if wanted == "balanced":
        assert counts, "the data pipeline counts the training rows"
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
