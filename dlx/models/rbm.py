"""The restricted Boltzmann machine: hidden units that learn what inputs are probable."""

from typing import Annotated, Literal

from annotated_types import Gt

from dlx.config.types import Initializer, choice
from dlx.data.dataset import Task
from dlx.errors import ConfigError
from dlx.models.design import Design
from dlx.models.heads import build_head
from dlx.models.options import Units
from dlx.nn.dense import DenseSpec
from dlx.nn.rbm import FREE_ENERGY, HiddenSpec, VisibleSpec, VisibleUnits
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

    p(v, h) = exp(v W h + b v + c h) / Z with hidden units of 0 and 1. Its steps follow an estimate
    of the gradient of -log p(v): statistics after k steps of Gibbs sampling, minus those of the
    data. The cost that is logged is that of the reconstruction, down from the probabilities of the
    hidden units. `free_energy`, -log p(v) up to a constant that all parts share, is measured too:
    when it rises on dev and falls on train, the machine overfits. Values of different machines, or
    steps, do not compare: stop early by the cost.

    Args:
        hidden: number of hidden units
        visible: bernoulli, for inputs in [0, 1]; gaussian, of unit variance, for standardized ones;
            auto: bernoulli where all inputs of the training rows lie in [0, 1], else gaussian
        gibbs_steps: k of CD-k, or of a step of the persistent chains
        reconstruction: what the last of the k visible units are: means, for less noise and better
            reconstructions, or samples, for a better likelihood; auto: means where they are
            Bernoulli units and the chains not persistent, as Hinton advises
        persistent: go on from where the chains stood at the step before, not from the data; wants a
            smaller learning rate
        chains: number of persistent chains
        init: initial weights
        bias: initial biases of the hidden units; auto: zeros; those of the visible units start at
            the log-odds, or the mean, of the first batch

    Raises:
        ConfigError: inputs that the visible units cannot stand for

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

    The layer's name, widths and initial weights and biases are kept; its dropout and noise, which
    are the other network's, are not. What the machine learns for it are the parameters
    `<name>.weight` (I, H) and `<name>.bias`; `visible.bias` is of the way back.

    Args:
        layer: of sigmoid units
        task: to reconstruct the layer's inputs
        visible: what these are
        gibbs_steps: k
        reconstruction: what the last of the k visible units are
        chains: persistent ones; 0 for none

    Raises:
        ConfigError: the layer's units are not those of an RBM, or its inputs are not
    """
    why = _not_hidden_units(layer)
    if why:
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
    usual = reconstruction == "auto" and units == "bernoulli" and not chains
    up = HiddenSpec(
        name=layer.name,
        inputs=layer.inputs,
        outputs=layer.outputs,
        activation=layer.activation,
        init=layer.init,
        bias=layer.bias,
        visible=units,
        gibbs_steps=gibbs_steps,
        chains=chains,
        means=usual or reconstruction == "means",
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
    output, loss = {
        "bernoulli": ("sigmoid", "binary_cross_entropy"),
        "gaussian": ("identity", "mse"),
    }[units]
    head = build_head(task, choice("activation", output), loss)
    return Design((up, down), head, code=up.name, measures=(FREE_ENERGY,))


def _not_hidden_units(layer: DenseSpec) -> str:
    """Say why a layer cannot be hidden units; empty where it can."""
    if layer.activation.name != "sigmoid":
        return f"has activation {layer.activation.name}"
    if layer.norm or layer.weight_norm:
        return "has weight_norm" if layer.weight_norm else "is normalized"
    if layer.pieces > 1:
        return "is maxout"
    if layer.init.traits.starts_on_data:
        return (
            f"starts by {layer.init.name}, which gives each layer alone the weights that it wants"
        )
    return ""


def _visible_units(task: Task, visible: Visible) -> VisibleUnits:
    """Return what visible units stand for the inputs of a task."""
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
