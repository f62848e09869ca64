"""The section that asks at a run's end what its codes are worth."""

from typing import Annotated, Literal

from annotated_types import Gt

from dlx.config.checks import checked_model
from dlx.config.sections import Section, option
from dlx.config.types import Optimizer


@checked_model
class FineTune(Section):
    """How the layers up to the code, and a new output layer, learn the labels."""

    steps: Annotated[int, Gt(0)] = option(300, "Updates of the weights.")
    batch_size: Annotated[int, Gt(0)] | Literal["all"] = option(50, "Labelled rows per update.")
    optimizer: Optimizer = option("adam", "The optimizer.")


@checked_model
class Probe(Section):
    """What the codes of a run are worth, told the labels of a few training rows.

    At its end, on its scored weights: `probe_accuracy`, that of logistic regression on the codes,
    and with `fine_tune` the accuracy and the error of a network that begins with them.

    Reference:
        Alain and Bengio (2017), Understanding intermediate layers using linear classifier probes
    """

    labels: Annotated[int, Gt(0)] | None = option(
        None,
        "Training rows with labels, drawn by the run's seed; null: 1,000, or half of fewer than "
        "2,000.",
    )
    layer: str | Annotated[int, Gt(0)] | None = option(
        None,
        "The layer whose outputs are the codes; null: the code of an autoencoder, else the last "
        "hidden layer.",
    )
    fine_tune: FineTune | None = option(
        None, "How the layers up to the code are trained on the labelled rows; null: they are not."
    )
