"""The section `probe`: how well labels can be learned from a run's codes at its end."""

from typing import Annotated, Literal

from annotated_types import Gt

from dlx.config.sections import Section, checked_model, option
from dlx.config.types import Optimizer

BATCH_SIZE = 50  # of fine-tuning, where the labelled rows suffice for it


@checked_model
class FineTune(Section):
    """How the layers up to the code and a new output layer learn the labels."""

    steps: Annotated[int, Gt(0)] = option(300, "Updates of the weights.")
    batch_size: Annotated[int, Gt(0)] | Literal["all", "auto"] = option(
        "auto", f"Labelled rows per update; auto: {BATCH_SIZE}, or all where there are fewer."
    )
    optimizer: Optimizer = option("adam", "The optimizer.")


@checked_model
class Probe(Section):
    """How well labels can be learned from a run's codes, given those of a few training rows.

    Measured at the end of the run, with its scored weights: `probe_accuracy`, the accuracy of
    logistic regression on the codes, and with `fine_tune` the accuracy and the error of a network
    that begins with the layers up to the code.

    Reference:
        Alain and Bengio (2017), Understanding intermediate layers using linear classifier probes
    """

    labels: Annotated[int, Gt(0)] | None = option(
        None,
        "Training rows whose labels are used, drawn by the run's seed; null: 1,000, or half of "
        "them if there are fewer than 2,000.",
    )
    layer: str | Annotated[int, Gt(0)] | None = option(
        None,
        "The layer whose outputs are the codes; null: an autoencoder's code, or else the last "
        "hidden layer.",
    )
    fine_tune: FineTune | None = option(
        None, "How the layers up to the code are trained on the labelled rows; null: they are not."
    )
