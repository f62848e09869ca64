"""What the choice of a loss and its options does to what is learned."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from dlx.config.types import choice
from dlx.data.dataset import Task
from dlx.training.evaluation import predict
from dlx.training.trainer import Listener
from tests.cohorts import design, member, task, trainer_of

pytestmark = pytest.mark.usefixtures("one_thread")


def learned(what: Task, inputs: Tensor, targets: Tensor, name: str, **options: Any) -> Tensor:
    """Return the outputs (N, C) on the training rows of a linear model trained on them."""
    network = design(what, [], init="zeros", loss=choice("loss", name, **options))
    run = member("run", network, "adam", num_steps=600, evaluate_every=600, lr=0.05)
    trainer = trainer_of([run], inputs, targets, len(inputs))
    outputs: list[Tensor] = []

    class Predicted(Listener):
        def ended(self, trainer: Any, outcomes: Any) -> None:
            outputs.append(predict(trainer.cohort, inputs)[0])

    trainer.fit(Predicted())
    return outputs[0]


def test_balanced_classes_find_more_of_the_rare_one() -> None:
    generator = torch.Generator().manual_seed(0)
    targets = (torch.arange(300) >= 270).long()
    inputs = torch.randn(300, 2, generator=generator) + targets.unsqueeze(1)
    what = replace(task(2, 2), num_train=300, class_counts=(270, 30))
    found = {
        weights: (
            learned(what, inputs, targets, "binary_cross_entropy", class_weights=weights) > 0.5
        )[targets == 1]
        .float()
        .mean()
        for weights in (None, "balanced")
    }
    assert found[None] < 0.5 < 0.7 < found["balanced"]


def test_smoothed_labels_keep_the_network_from_certainty() -> None:
    inputs, targets = torch.eye(3).repeat(5, 1), torch.arange(3).repeat(5)
    certain = learned(task(3), inputs, targets, "cross_entropy")
    smooth = learned(task(3), inputs, targets, "cross_entropy", label_smoothing=0.3)
    assert certain.max() > 0.98
    assert smooth.amax(1).tolist() == pytest.approx([1 - 0.3 + 0.3 / 3] * 15, abs=0.01)


@pytest.mark.parametrize(("name", "pulled"), [("mse", True), ("mae", False), ("huber", False)])
def test_an_outlier_pulls_the_mean_and_not_the_median(name: str, pulled: bool) -> None:
    targets = torch.cat([torch.linspace(0, 1, 20), torch.tensor([50.0])]).unsqueeze(1)
    what = Task("regression", 1, 1, None, (1,))
    predicted = learned(what, torch.zeros(21, 1), targets, name)[0].item()
    assert predicted == pytest.approx(targets.mean().item() if pulled else 0.55, abs=0.1)


def test_the_hinge_loss_is_content_with_a_margin_of_one() -> None:
    inputs, targets = torch.tensor([[-1.0], [1.0]]), torch.tensor([0, 1])
    sure = learned(task(1, 2), inputs, targets, "hinge")[1].item()
    surer = torch.logit(learned(task(1, 2), inputs, targets, "binary_cross_entropy")[1]).item()
    assert 1 <= sure < 2 < 4 < surer
