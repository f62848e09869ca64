"""The options of an autoencoder's code, and the layers that they make of an encoder."""

from dataclasses import replace
from typing import Annotated, Any

from annotated_types import Ge
from pydantic import Field

from dlx.config.sections import Section
from dlx.config.types import Choice
from dlx.errors import ConfigError
from dlx.models.options import Units
from dlx.nn.dropout import is_on_weights
from dlx.nn.layers import Blueprint, Spec
from dlx.nn.layers.code import CodeSpec, Kept
from dlx.nn.layers.dense import DenseSpec

NAME = "code"
"""Of the layer whose outputs are the code."""

Weight = Annotated[float, Ge(0)]

# The size above which a unit that is never exactly 0 counts as active: a tenth of the range of a
# sigmoid, and of the standard deviation of a variational autoencoder's prior.
_ACTIVE = 0.1


class KSparse(Section):
    """How many units of a code are kept."""

    k: Units = Field(description="Largest units of each row that are kept in training.")
    alpha: Annotated[float, Ge(1)] = Field(
        default=1.0, description="In evaluation alpha k units are kept, rounded."
    )


class Variational(Section):
    """A code that is drawn from a normal distribution."""

    beta: Weight = Field(
        default=1.0, description="Weight of the Kullback-Leibler divergence; 1: the evidence bound."
    )


def with_code(
    encoder: Blueprint,
    num_reconstructed: int,
    *,
    sparsity: Choice | None = None,
    k_sparse: int | KSparse | None = None,
    contractive: float | None = None,
    variational: Variational | None = None,
) -> Blueprint:
    """Return an encoder followed by the layer whose outputs are its code.

    Losses of reconstructions are means over the inputs, while the evidence lower bound of a
    variational autoencoder has their sum. So the divergence is divided by the number of inputs, and
    at beta = 1 the cost is the negative bound per input: exactly so for binary_cross_entropy. Under
    mse, (y - x)² is -log p(x | y) + constant of a normal distribution of variance 1/2.
    """
    *before, last = encoder
    code = CodeSpec(NAME, last.outputs, sparsity=sparsity, threshold=_threshold(last, k_sparse))
    if variational is not None:
        others = {"sparsity": sparsity, "k_sparse": k_sparse, "contractive": contractive}
        _check_drawn(last, [name for name, value in others.items() if value is not None])
        code = replace(code, divergence=variational.beta / num_reconstructed)
        # Two gates: means and log variances get initial weights like two layers.
        last = replace(last, outputs=2 * last.outputs, gates=2)
    if sparsity is not None and sparsity.traits.of_probabilities:
        _check_probabilities(last, sparsity.name)
    if k_sparse is not None:
        code = replace(code, kept=_kept(k_sparse, last.outputs))
    if contractive is not None:
        _check_contractive(encoder)
        last = replace(last, contraction=contractive)
    return (*before, last, code)


def _threshold(last: Spec, k_sparse: int | KSparse | None) -> float:
    """Return the size above which a unit is active: 0 where units that are off are exactly 0."""
    rectified = [activation.traits.rectifies for activation in last.activations] == [True]
    return 0.0 if rectified or k_sparse is not None else _ACTIVE


def _kept(k_sparse: int | KSparse, units: int) -> Kept:
    chosen = k_sparse if isinstance(k_sparse, KSparse) else KSparse(k=k_sparse)
    if chosen.k > units:
        raise ConfigError(
            f"model.k_sparse: received {chosen.k}, but the code has {units} units; "
            f"allowed: 1 to {units}"
        )
    return Kept(chosen.k, min(round(chosen.alpha * chosen.k), units))


def _check_drawn(last: Any, others: list[str]) -> None:
    if others:
        raise ConfigError(
            f"model.variational: received with model.{others[0]}, but a code that is drawn has no "
            "units that are off, and its spread is learned; keep one of the two"
        )
    if not last.is_dense:
        raise ConfigError(
            "model.variational: the encoder's last layer has to be dense, to give means and log "
            "variances; end model.encoder with a number of units"
        )
    if last.activation.name != "identity":
        raise ConfigError(
            f"model.code_activation: received {last.activation.name}, but means and log variances "
            "of a variational code may be any numbers; use identity"
        )
    if _changed(last):
        raise ConfigError(
            f"model.variational: the encoder's last layer has {_changed(last)}, which would change "
            "the log variances; leave it out of that layer"
        )


def _check_probabilities(last: Any, sparsity: str) -> None:
    if not last.is_dense or not last.activation.traits.is_probability:
        raise ConfigError(
            f"model.sparsity: {sparsity} needs a code in (0, 1), to compare with a rate; use "
            "code_activation: sigmoid, or sparsity: l1"
        )
    if _changed(last):
        raise ConfigError(
            f"model.sparsity: {sparsity} needs a code in (0, 1), but the encoder's last layer has "
            f"{_changed(last)}; leave it out of that layer, or use sparsity: l1"
        )


def _changed(last: DenseSpec) -> str:
    """Return what stands before or after a layer's activation; empty for nothing."""
    if last.norm is not None:
        return "batch_norm" if last.batch_norm else "layer_norm"
    if last.noise:
        return "noise"
    return last.dropout_kind if last.dropout and not is_on_weights(last.dropout_kind) else ""


def _check_contractive(encoder: Blueprint) -> None:
    if len(encoder) != 1 or not encoder[0].is_dense:
        raise ConfigError(
            "model.contractive: the derivative of the code is known of one dense layer alone; use "
            "an encoder of one number of units, such as encoder: [32]"
        )
    (layer,) = encoder
    if layer.norm is not None:
        raise ConfigError(
            f"model.contractive: the code has {_changed(layer)}, by which it depends on the whole "
            "batch or row; leave it out of the code's layer"
        )
    traits = layer.activation.traits
    if traits.learned or not traits.trainable:
        why = "learns parameters" if traits.learned else "has no derivative"
        raise ConfigError(
            f"model.code_activation: received {layer.activation.name}, which {why}, but "
            "model.contractive is about the activation's derivative; use sigmoid, tanh or softplus"
        )
