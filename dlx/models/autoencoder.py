"""The autoencoder: an encoder from inputs to a code, a decoder from the code back to inputs."""

from dataclasses import replace
from typing import Annotated, Any, Literal

from annotated_types import MinLen

from dlx.config.types import Activation, Corruption, Dropout, Initializer, Loss, Sparsity
from dlx.data.dataset import Task
from dlx.errors import ConfigError
from dlx.models.blocks import Block, Place, stack
from dlx.models.codes import KSparse, Variational, Weight, with_code
from dlx.models.design import Design
from dlx.models.heads import build_head, output_layer
from dlx.models.options import (
    BatchNorm,
    Emphasis,
    LayerChoices,
    LayerNorm,
    NoiseLevels,
    Rate,
    Std,
    Units,
    input_changes,
    input_corruption,
    layer_choices,
)
from dlx.nn.dropout import is_on_weights
from dlx.nn.layers import Blueprint
from dlx.registry import register


@register("model", reconstructs=True)
def autoencoder(
    task: Task,
    *,
    encoder: Annotated[list[Units | Block], MinLen(1)] = [32],
    decoder: Literal["mirrored"] | list[Units | Block] = "mirrored",
    tied: bool = False,
    activation: Activation = "relu",  # type: ignore[assignment]
    code_activation: Activation = "identity",  # type: ignore[assignment]
    sparsity: Sparsity | None = None,
    k_sparse: Units | KSparse | None = None,
    contractive: Weight | None = None,
    variational: Variational | None = None,
    init: Initializer = "he_normal",  # type: ignore[assignment]
    bias: Literal["auto"] | Initializer = "auto",
    dropout: Rate | Dropout = 0.0,
    noise: Std | NoiseLevels = 0.0,
    batch_norm: bool | BatchNorm = False,
    layer_norm: bool | LayerNorm = False,
    weight_norm: bool = False,
    corruption: Corruption | None = None,
    emphasis: Emphasis | None = None,
    output: Literal["auto"] | Activation = "auto",
    loss: Literal["auto"] | Loss = "auto",
) -> Design:
    """An autoencoder: it learns to reconstruct its inputs from a code.

    code = encoder(x), y = decoder(code). The target of y is x as the network sees it: preprocessed,
    but without corruption, dropout and noise. A code narrower than the inputs (under-complete) has
    to compress them. A wider one (over-complete) only learns to copy, unless a penalty or noise
    prevents it. A denoising autoencoder gets corrupted inputs and learns to restore them.

    Args:
        encoder: units of each layer, or blocks of layers; the outputs of the last one are the code
        decoder: mirrored (the encoder's widths and activations backwards), or its own hidden
            layers; a last layer with as many outputs as there are inputs follows
        tied: each layer of the decoder shares the weight of its mirror image, transposed, and has
            biases of its own
        activation: of the hidden layers
        code_activation: of the code, which has dropout, noise or normalization only if its block
            says so; the default is linear, as in Hinton and Salakhutdinov
        sparsity: penalty for units of the code that are on, {name: l1, weight} or {name: kl, rate,
            weight}; null: no penalty
        k_sparse: units of each row's code that are kept, the largest ones; the others become 0.
            {k, alpha} keeps alpha k in evaluation; null: all are kept
        contractive: weight in the cost of the squared Frobenius norm of the code's derivative by
            the inputs, averaged over rows, for an encoder of one layer; null: no penalty
        variational: {beta}: in training the code is drawn from a normal distribution, whose mean
            and log variance the encoder's last layer gives; in evaluation it is the mean. beta
            times the divergence from the standard normal distribution, per input, is added to the
            cost; null: not drawn
        init: initial weights
        bias: initial biases; auto: zeros, or what goes with the initial weights
        dropout: share that is dropped in training, one number for the hidden layers or {name,
            input, hidden}
        noise: standard deviation of Gaussian noise in training, one number for the hidden layers or
            {input, hidden}
        batch_norm: normalize the hidden layers over the batch, true or {position, momentum,
            epsilon}
        layer_norm: normalize them over the units of each row, true or {position, epsilon}
        weight_norm: learn magnitude and direction of the hidden layers' weights apart
        corruption: of the inputs in training; the clean inputs are the targets; null: none
        emphasis: {corrupted, clean}: factors in training on the costs of corrupted inputs and of
            the other ones; null: 1
        output: output function; auto: sigmoid where all inputs of the training rows lie in [0, 1],
            else identity
        loss: what is minimized; auto: binary_cross_entropy after a sigmoid of such inputs, else mse

    Raises:
        ConfigError: output and loss do not fit the inputs, weights cannot be tied, options of the
            code do not go together, or there is nothing to emphasize

    Reference:
        Hinton and Salakhutdinov (2006), Reducing the dimensionality of data with neural networks;
        of the code's options: Ng (2011), Sparse autoencoder; Makhzani and Frey (2014), k-Sparse
        autoencoders; Rifai et al. (2011), Contractive auto-encoders; Kingma and Welling (2014),
        Auto-encoding variational Bayes; Higgins et al. (2017), beta-VAE; of corruption: Vincent et
        al. (2010), Stacked denoising autoencoders
    """
    common = layer_choices(
        activation, init, bias, dropout, noise, batch_norm, layer_norm, weight_norm
    )
    code = replace(
        common,
        activation=code_activation,
        dropout=common.dropout if is_on_weights(common.dropout_kind) else 0.0,
        noise=0.0,
        batch_norm=None,
        layer_norm=None,
    )
    choices = [*[common] * (len(encoder) - 1), code]
    to_code = stack(Place("", task.num_inputs, common), encoder, choices=choices)
    widths, choices = _mirrored(to_code, common) if decoder == "mirrored" else (decoder, None)
    place = Place("", to_code[-1].outputs, common)
    from_code = stack(place, widths, choices=choices, before=len(to_code))
    head = build_head(task, output, loss)
    hidden = (*to_code, *from_code)
    layers = (*hidden, output_layer(hidden, task, head, init, common.bias))
    if tied:
        if variational is not None:
            raise ConfigError(
                "model.tied: a variational code has means and log variances, two weights to one of "
                "its mirror image; use tied: false"
            )
        layers = _tied(layers, len(to_code))
    encoder_and_code = with_code(
        layers[: len(to_code)],
        task.num_inputs,
        sparsity=sparsity,
        k_sparse=k_sparse,
        contractive=contractive,
        variational=variational,
    )
    inputs = input_changes(dropout, noise)
    inputs = replace(inputs, corruption=input_corruption(task, head, corruption, emphasis))
    return Design(
        (*encoder_and_code, *layers[len(to_code) :]),
        head,
        inputs,
        code=encoder_and_code[-1].name,
        measures=tuple(name for layer in encoder_and_code for name in layer.measures),
    )


def _mirrored(encoder: Blueprint, common: LayerChoices) -> tuple[list[int], list[LayerChoices]]:
    """Return widths and choices of a decoder that is the encoder backwards."""
    layers = encoder[-2::-1]
    choices = [
        replace(common, activation=layer.activation) if layer.is_dense else common
        for layer in layers
    ]
    return [layer.outputs for layer in layers], choices


def _tied(layers: Blueprint, num_encoders: int) -> Blueprint:
    """Return the layers with each of the decoder tied to its mirror image in the encoder."""
    encoder, decoder = layers[:num_encoders], layers[num_encoders:]
    for layer in layers:
        if why := _not_to_be_tied(layer):
            raise ConfigError(f"model.tied: layer {layer.name} {why}; change it or use tied: false")
    to_code = [encoder[0].inputs, *(layer.outputs for layer in encoder)]
    from_code = [encoder[-1].outputs, *(layer.outputs for layer in decoder)]
    if from_code != to_code[::-1]:
        raise ConfigError(
            f"model.tied: the decoder's widths {' to '.join(map(str, from_code))} are not the "
            f"encoder's {' to '.join(map(str, to_code))} backwards; use decoder: mirrored or "
            "tied: false"
        )
    pairs = zip(decoder, reversed(encoder), strict=True)
    return (*encoder, *(replace(layer, tied_to=mirror.name) for layer, mirror in pairs))


def _not_to_be_tied(layer: Any) -> str:
    """Return why a layer's weight cannot be shared; empty if it can."""
    if not layer.is_dense:
        return "has no single weight matrix to share"
    if layer.weight_norm:
        return "has weight_norm, which makes its weight of two parts"
    if layer.dropout and is_on_weights(layer.dropout_kind):
        return f"has {layer.dropout_kind}, which drops weights in only one of the two"
    if layer.init.traits.starts_on_data:
        return (
            f"starts by {layer.init.name}, which scales the weights of each layer to its own inputs"
        )
    return ""
