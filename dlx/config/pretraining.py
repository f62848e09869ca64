"""The section `pretrain`: how hidden layers are trained before the whole network is."""

from collections.abc import Sequence
from typing import Annotated, Literal

from annotated_types import Ge, Gt, MinLen

from dlx.config.sections import Section, checked_model, option
from dlx.config.types import Corruption, Optimizer

Method = Literal["autoencoder", "denoising", "rbm"]
BatchSize = Annotated[int, Gt(0)] | Literal["all"]


@checked_model
class Stage(Section):
    """How one hidden layer is pre-trained; an option that is null is that of the whole section."""

    method: Method | None = option(None, "What the layer is trained as.")
    epochs: Annotated[int, Ge(0)] | None = option(None, "Passes over the training rows.")
    batch_size: BatchSize | None = option(None, "Rows per update.")
    optimizer: Optimizer | None = option(None, "The optimizer.")
    tied: bool | None = option(None, "Whether the decoder has the transposed weights.")
    corruption: Corruption | None = option(None, "Denoising: what is done to the inputs.")
    gibbs_steps: Annotated[int, Gt(0)] | None = option(None, "RBM: k of CD-k.")
    persistent: bool | None = option(None, "RBM: whether Gibbs chains go on from step to step.")
    chains: Annotated[int, Gt(0)] | None = option(None, "RBM: number of persistent chains.")


@checked_model
class Pretrain(Section):
    """Greedy layer-wise pre-training: each hidden layer learns to encode the outputs of the last.

    Reference:
        Hinton, Osindero and Teh (2006), A fast learning algorithm for deep belief nets; Bengio,
        Lamblin, Popovici and Larochelle (2007), Greedy layer-wise training of deep networks;
        Vincent et al. (2010), Stacked denoising autoencoders
    """

    method: Literal["none"] | Method = option(
        "autoencoder", "What each layer is trained as; none: no layer is pre-trained."
    )
    layers: Literal["all"] | Annotated[int, Ge(0)] = option(
        "all", "How many hidden layers are pre-trained, counted from the first."
    )
    stages: Literal["auto"] | Annotated[list[Stage], MinLen(1)] = option(
        "auto", "The options of each of these layers, a list, if they differ; auto: all are alike."
    )
    epochs: Annotated[int, Ge(0)] = option(10, "Passes over the training rows in each stage.")
    batch_size: BatchSize | None = option(None, "Rows per update; null: as in train.")
    optimizer: Optimizer = option("adam", "The optimizer of each stage.")
    tied: bool = option(
        False, "Autoencoders: whether the decoder has the transposed weights of the encoder."
    )
    corruption: Corruption = option(
        "masking", "Denoising: what is done to the inputs that are to be restored."
    )
    gibbs_steps: Annotated[int, Gt(0)] = option(
        1, "RBM: Gibbs steps between the two estimates of statistics, k of CD-k."
    )
    persistent: bool = option(
        False,
        "RBM: start Gibbs chains from their states at the last step, not from the data; needs a "
        "smaller learning rate.",
    )
    chains: Annotated[int, Gt(0)] = option(100, "RBM: number of persistent chains.")
    unroll: Annotated[int, Ge(0)] = option(
        0, "Epochs in which all these layers and their decoders then learn to reconstruct inputs."
    )
    freeze: bool = option(False, "Do not train the pre-trained layers any further: a linear probe.")
    equal_steps: bool = option(
        False,
        "Subtract the steps of the stages from those of the run, so that all runs take the same.",
    )


def resolved(given: Literal["auto"] | Sequence[Stage] | Pretrain | None) -> Pretrain | None:
    """Return the section that a short form stands for; None if no layer is pre-trained."""
    if given is None:
        return None
    section = given if isinstance(given, Pretrain) else None
    if section is None:
        section = Pretrain() if given == "auto" else Pretrain(stages=list(given))  # type: ignore[arg-type]
    return None if section.method == "none" or section.layers == 0 else section
