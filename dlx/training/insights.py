"""What a run shows of its inside: activation statistics, histograms, pictures.

# K runs, B batch, I inputs, O outputs, C classes
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from dlx.cohort import Cohort
from dlx.data.dataset import Task
from dlx.data.targets import Examples
from dlx.nn.network import Network
from dlx.nn.passes import Pass
from dlx.tracking import Tracker, write_projector
from dlx.training import pictures
from dlx.training.decision import Plane
from dlx.training.evaluation import confusion
from dlx.training.filters import decoder_filters, encoder_filters
from dlx.training.reconstruction import MOST_CODES, Sample
from dlx.training.records import Outcome

_OVER_TIME = ("reconstruction", "filters", "decoder_filters")
_MOST_NUMBERS, _FEWEST_POINTS = 400_000, 200  # of codes, in the Projector
_ROWS = 256  # of the training rows, whose activations are looked at


def activations(network: Network, inputs: Tensor) -> dict[str, Tensor]:
    """Return every layer's outputs (K, B, O) on the first rows, in evaluation mode.

    Args:
        network: of K runs
        inputs: (N, I)
    """
    rows = inputs[:_ROWS]
    how = Pass(activations={})
    with torch.no_grad():
        network.forward(rows.expand(network.num_runs, *rows.shape), how)
    return how.activations or {}


def activation_statistics(outputs: Mapping[str, Tensor], row: int) -> dict[str, float]:
    """Return mean and standard deviation of each layer's outputs, and the share of dead units.

    A unit is dead that gives all rows the same output, as a ReLU does that is always at zero.

    Args:
        outputs: of each layer, (K, B, O)
        row: of the run
    """
    statistics: dict[str, Tensor] = {}
    for layer, its in outputs.items():
        values = its[row]
        std, mean = torch.std_mean(values, correction=0)
        statistics[f"activation_mean/{layer}"] = mean
        statistics[f"activation_std/{layer}"] = std
        dead = values.amax(0) == values.amin(0)
        statistics[f"activation_dead/{layer}"] = dead.to(values.dtype).mean()
    if not statistics:
        return {}
    numbers = torch.stack(list(statistics.values())).tolist()
    return dict(zip(statistics, numbers, strict=True))


def write_histograms(
    tracker: Tracker, network: Network, row: int, step: int, outputs: Mapping[str, Tensor]
) -> None:
    """Write the histograms of a run's weights, gradients and activations.

    Args:
        tracker: of the run
        network: of its cohort
        row: of the run
        step: optimizer steps taken; after none there are no gradients
        outputs: of the layers whose activations are wanted, (K, B, O)
    """
    for parameter in network.buffer.parameters:
        layer = parameter.layer
        if parameter.name == f"{layer}.weight":
            tracker.histogram("train", f"weights/{layer}", parameter.value[row].detach(), step)
            if step > 0:
                tracker.histogram("train", f"gradients/{layer}", parameter.gradient[row], step)
    for layer, its in outputs.items():
        tracker.histogram("train", f"activations/{layer}", its[row], step)


def write_decision(tracker: Tracker, cohort: Cohort, row: int, step: int, plane: Plane) -> None:
    """Draw what a network of two inputs says in the plane, and what its hidden units do there.

    Args:
        tracker: of the run
        cohort: that the run is in
        row: of the run
        step: optimizer steps taken
        plane: that the training rows lie in
    """
    surface = plane.look(cohort.network, cohort.head, row)
    image = pictures.decision(plane.panels(surface, cohort.head), plane)
    tracker.image("train", "decision", image, step)
    for layer, values in surface.units.items():
        tracker.image("train", f"decision/{layer}", pictures.unit_regions(values), step)


def write_reconstruction(
    tracker: Tracker, cohort: Cohort, row: int, step: int, sample: Sample
) -> None:
    """Draw what a network reconstructs, its filters, and the histograms of its code.

    Reconstructions and filters are drawn of images alone, and of a variational code what each unit
    says: its divergence from N(0, 1) in nats.

    Args:
        tracker: of the run
        cohort: that the run is in
        row: of the run
        step: optimizer steps taken
        sample: the rows that it is looked at by
    """
    look, task = sample.look(cohort, row), sample.task
    tracker.histogram(sample.split, "code", look.codes, step)
    if look.divergence is not None:
        tracker.histogram(sample.split, "kl_per_unit", look.divergence, step)
    if not pictures.is_image(task.input_shape):
        return
    sheet, _ = pictures.lines_of_images(look.lines, task.input_shape)
    tracker.image(sample.split, "reconstruction", sheet, step)
    for filters in (
        encoder_filters(cohort.network, row, task),
        decoder_filters(cohort.network, row, task),
    ):
        if filters is not None:
            image = pictures.weight_images(filters.weights, task.input_shape)
            tracker.image("train", f"weight_images/{filters.layer}", image, step)


@pictures.plain_texts()
def write_codes(tracker: Tracker, cohort: Cohort, step: int, sample: Sample, title: str) -> None:
    """Draw what is not drawn over time of a trained network that reconstructs, and its codes.

    Args:
        tracker: of the run
        cohort: the network with its scored weights, a cohort of one
        step: optimizer steps taken
        sample: the rows that it is looked at by
        title: of the figures
    """
    # Here, since it loads matplotlib.
    from dlx.training import code_figures

    drawn = pictures.is_image(sample.task.input_shape)
    for name, figure in code_figures.draw(sample, cohort, title).items():
        if not (drawn and name in _OVER_TIME):
            tracker.image(sample.split, f"figures/{name}", pictures.rendered(figure), step)


def write_points(directory: Path, cohort: Cohort, sample: Sample) -> None:
    """Write the codes of rows for TensorBoard's Projector, with labels and, of images, pictures.

    Args:
        directory: of the run
        cohort: the network with its scored weights, a cohort of one
        sample: the rows
    """
    values, task = sample.codes(cohort, MOST_CODES).values, sample.task
    values = values[: max(_FEWEST_POINTS, _MOST_NUMBERS // values.shape[1])]
    count, images = len(values), None
    if pictures.is_image(task.input_shape):
        rows = sample.inputs(count)
        images = pictures.as_tiles(rows, task.input_shape, *pictures.shades(rows))
    write_projector(directory, values, sample.known(count), images)


def scored(cohort: Cohort, row: int, outcome: Outcome) -> Cohort:
    """Return a run that has ended with its scored weights: a cohort of one.

    Args:
        cohort: that the run is in
        row: of the run
        outcome: with the weights
    """
    alone = cohort.keep([row])
    alone.network.load_run(0, outcome.state)
    return alone


def write_pictures(
    tracker: Tracker,
    cohort: Cohort,
    step: int,
    splits: Mapping[str, Examples],
    task: Task,
) -> None:
    """Draw a trained network: a confusion matrix per split, what the first units look for.

    Confusion matrices are for classes, pictures of the first layer's weights for images.

    Args:
        tracker: of the run
        cohort: the network with its scored weights, a cohort of one
        step: optimizer steps taken
        splits: inputs and targets as the head encodes them, by name
        task: of the run
    """
    if task.classes is not None:
        for split, examples in splits.items():
            counts = confusion(cohort, *examples)[0].cpu().numpy()
            image = pictures.confusion_matrix(counts, task.classes)
            tracker.image(split, "confusion", image, step)
    filters = encoder_filters(cohort.network, 0, task)
    if pictures.is_image(task.input_shape) and filters is not None:
        image = pictures.weight_images(filters.weights, task.input_shape)
        tracker.image("train", f"weight_images/{filters.layer}", image, step)
