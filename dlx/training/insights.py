"""What a run shows of its inside: activation statistics, histograms, pictures.

# K runs, B batch, I inputs, O outputs, C classes
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from dlx.cohort import Cohort
from dlx.data.dataset import Task
from dlx.data.targets import Examples
from dlx.nn.network import Network
from dlx.nn.passes import Pass
from dlx.tracking import Tracker
from dlx.training import pictures
from dlx.training.decision import Plane
from dlx.training.evaluation import confusion
from dlx.training.records import Outcome

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


def write_pictures(
    tracker: Tracker,
    cohort: Cohort,
    row: int,
    outcome: Outcome,
    splits: Mapping[str, Examples],
    task: Task,
) -> None:
    """Draw a run's scored weights: a confusion matrix per split, what the first units look for.

    Confusion matrices are for classes, pictures of the first layer's weights for images.

    Args:
        tracker: of the run
        cohort: that the run is in
        row: of the run
        outcome: with the scored weights
        splits: inputs and targets as the head encodes them, by name
        task: of the run
    """
    scored = cohort.keep([row])
    scored.network.load_run(0, outcome.state)
    if task.classes is not None:
        for split, examples in splits.items():
            counts = confusion(scored, *examples)[0].cpu().numpy()
            image = pictures.confusion_matrix(counts, task.classes)
            tracker.image(split, "confusion", image, outcome.step)
    first = next(p for p in scored.network.buffer.parameters if p.is_weight)
    looks_at_pixels = first.value.shape[1] == task.num_inputs
    if pictures.is_image(task.input_shape) and looks_at_pixels:
        weights = first.value[0].detach().cpu().numpy()
        image = pictures.weight_images(weights, task.input_shape)
        tracker.image("train", f"weight_images/{first.layer}", image, outcome.step)
