"""The restricted Boltzmann machine: it learns how probable inputs are."""

from typing import Annotated, Literal

from annotated_types import Gt

from dlx.config.types import Initializer, choice
from dlx.data.dataset import Task
from dlx.errors import ConfigError
from dlx.models.design import Design
from dlx.models.heads import build_head
from dlx.models.options import Units
from dlx.nn.layers.boltzmann import HiddenSpec, VisibleSpec, VisibleUnits
from dlx.nn.layers.dense import DenseSpec
from dlx.registry import register

Visible = Literal["auto"] | VisibleUnits
Reconstruction = Literal["auto", "means", "samples"]


@register("model", reconstructs=True)
def rbm(
    task: Task,
    *,
    hidden: Units = 64,
    visible: Visible = "auto",
    gibbs_steps: Annotated[int, Gt(0)] = 1,
    reconstruction: Reconstruction = "auto",
    persistent: bool = False,
    chains: Units = 100,
    init: Initializer = "normal",  # type: ignore[assignment]
    bias: Literal["auto"] | Initializer = "auto",
) -> Design:
    """A restricted Boltzmann machine, trained by contrastive divergence.

    p(v, h) = exp(v W h + b v + c h) / Z with hidden units of 0 and 1. Training follows an estimate
    of the gradient of -log p(v): statistics after k steps of Gibbs sampling, minus those of the
    data. The logged cost is that of the reconstruction from the probabilities of the hidden units.
    `free_energy` is -log p(v) up to a constant that is the same for all parts of the data: when it
    rises on dev and falls on train, the machine overfits. Its values at different steps, or of
    different machines, cannot be compared: stop early by the cost.

    Args:
        hidden: number of hidden units
        visible: bernoulli, for inputs in [0, 1]; gaussian, of unit variance, for standardized ones;
            auto: bernoulli if all inputs of the training rows lie in [0, 1], else gaussian
        gibbs_steps: k, the Gibbs steps of an optimizer step
        reconstruction: the last visible units of the k steps: means, for less noise and better
            reconstructions, or samples, for a better likelihood; auto: means of Bernoulli units
            without persistent chains, as Hinton advises
        persistent: Gibbs sampling goes on from the chains of the step before, not from the data;
            needs a smaller learning rate
        chains: number of persistent chains
        init: initial weights
        bias: initial biases of the hidden units; auto: zeros; those of the visible units start at
            the log-odds, or the mean, of the first batch

    Raises:
        ConfigError: the visible units do not fit the inputs

    Reference:
        Hinton (2012), A practical guide to training restricted Boltzmann machines; Tieleman (2008),
        Training restricted Boltzmann machines using approximations to the likelihood gradient
    """
    layer = DenseSpec(
        name="1",
        inputs=task.num_inputs,
        outputs=hidden,
        activation=choice("activation", "sigmoid"),
        init=init,
        bias=None if bias == "auto" else bias,
    )
    return rbm_of(
        layer,
        task,
        visible=visible,
        gibbs_steps=gibbs_steps,
        reconstruction=reconstruction,
        chains=chains if persistent else 0,
    )


def rbm_of(
    layer: DenseSpec,
    task: Task,
    *,
    visible: Visible = "auto",
    gibbs_steps: int = 1,
    reconstruction: Reconstruction = "auto",
    chains: int = 0,
) -> Design:
    """Return the RBM whose hidden units are a layer of another network.

    It keeps the layer's name, widths, and initial weights and biases, but not its dropout and
    noise. It learns the layer's parameters `<name>.weight` (I, H) and `<name>.bias`, and
    `visible.bias` for the way back.
    """
    if why := _not_hidden_units(layer):
        raise ConfigError(
            f"layer {layer.name} {why}, but the hidden units of an RBM are plain sigmoid units; "
            "change that, or train an autoencoder in place of an RBM"
        )
    units = _visible_units(task, visible)
    if chains and reconstruction == "means":
        raise ConfigError(
            "model.reconstruction: received means, but persistent chains go on from samples; use "
            "auto or samples, or persistent: false"
        )
    means_by_default = reconstruction == "auto" and units == "bernoulli" and not chains
    kept = ("name", "inputs", "outputs", "activation", "init", "bias")
    up = HiddenSpec(
        **{key: getattr(layer, key) for key in kept},
        visible=units,
        gibbs_steps=gibbs_steps,
        chains=chains,
        means=means_by_default or reconstruction == "means",
    )
    down = VisibleSpec(
        name="visible",
        inputs=layer.outputs,
        outputs=layer.inputs,
        activation=choice("activation", "identity"),
        init=layer.init,
        bias=choice("initializer", "zeros"),
        tied_to=layer.name,
    )
    output, loss = "identity", "mse"
    if units == "bernoulli":
        output, loss = "sigmoid", "binary_cross_entropy"
    head = build_head(task, choice("activation", output), loss)
    return Design((up, down), head, code=up.name, measures=up.measures)


def _not_hidden_units(layer: DenseSpec) -> str:
    """Return why a layer cannot be hidden units; empty if it can."""
    if layer.activation.name != "sigmoid":
        return f"has activation {layer.activation.name}"
    if layer.norm or layer.weight_norm:
        return "has weight_norm" if layer.weight_norm else "is normalized"
    if layer.pieces > 1:
        return "is maxout"
    if layer.init.traits.starts_on_data:
        return f"starts by {layer.init.name}, which scales weights by the layer's own outputs"
    return ""


def _visible_units(task: Task, visible: Visible) -> VisibleUnits:
    if visible == "auto":
        if task.in_unit_interval:
            return "bernoulli"
        if not task.target_scale:
            raise ConfigError(
                "model.visible: received auto, but inputs of training rows lie outside [0, 1] and "
                "are not standardized, and Gaussian units have unit variance; use data.scale: true "
                "or data.standardize: true, or say gaussian if the inputs are of unit variance"
            )
        return "gaussian"
    if visible == "bernoulli" and not task.in_unit_interval:
        raise ConfigError(
            "model.visible: received bernoulli, but inputs of training rows lie outside [0, 1], or "
            "may once data.augment moves scaled pixels; bring them there with data.scale: true, or "
            "use gaussian with data.standardize: true"
        )
    return visible
