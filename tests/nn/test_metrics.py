"""Metrics against scikit-learn's, run by run."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk
import torch
from torch import Tensor

from dlx import registry
from dlx.config.types import Choice, choice
from dlx.errors import ConfigError
from dlx.models.heads import build_head
from dlx.nn.head import Head
from dlx.nn.metrics import Measurement, check_metrics, default_metrics, is_rising, tag
from tests.cohorts import all_metrics, bits, head, reconstruction, task

pytestmark = pytest.mark.usefixtures("one_thread")

RUNS, ROWS = 3, 200
HEADS = {
    "softmax": head("multiclass", 4),
    "sigmoids": head("multiclass", 4, "sigmoid"),
    "gelu": head("multiclass", 4, "gelu", "mse"),
    "hinge": head("multiclass", 4, "auto", "hinge"),
    "sigmoid": head("binary", 1),
    "tanh": head("binary", 1, "tanh"),
    "softmax of two": head("binary", 1, "softmax"),
    "labels": head("multilabel", 3),
    "labels of one": head("multilabel", 1),
    "labels under hinge": head("multilabel", 3, "auto", "hinge"),
    "numbers": head("regression", 2),
    "numbers in units": replace(
        head("regression", 2), target_scale=(0.1, 30.0), target_shift=(3.0, -2.0)
    ),
}


def truth_of(built: Head, rows: int = ROWS) -> Tensor:
    """Return targets as the data have them; of classes, the rare last one in few rows."""
    generator = torch.Generator().manual_seed(1)
    if built.kind == "regression":
        return torch.randn(rows, built.num_outputs, generator=generator)
    if built.kind == "multilabel":
        return (torch.rand(rows, built.num_outputs, generator=generator) < 0.3).long()
    several = 2 if built.kind == "binary" else built.num_outputs
    drawn = torch.rand(rows, generator=generator).square() * several
    return drawn.long()


def answers(built: Head, rows: int = ROWS) -> Tensor:
    """Return z (K, N, C) with ties."""
    generator = torch.Generator().manual_seed(0)
    truth = truth_of(built, rows)
    z = torch.randn(RUNS, rows, built.num_outputs, generator=generator)
    if built.kind == "regression":
        z = 0.4 * z + truth
    elif built.kind == "multilabel" or built.num_outputs == 1:
        z = z + truth.view(rows, -1)
    else:
        z.scatter_add_(2, truth.expand(RUNS, rows).unsqueeze(2), torch.ones(RUNS, rows, 1))
    return (4 * z).round() / 4


def measured(
    built: Head, chosen: tuple[Choice, ...], z: Tensor, truth: Tensor, chunk: int = 64
) -> dict[str, Tensor]:
    built = built.to(torch.float32, torch.device("cpu"))
    targets = built.encode(truth)
    measurement = Measurement(built, chosen)
    for z_chunk, target_chunk in zip(z.split(chunk, 1), targets.split(chunk), strict=True):
        measurement.add(z_chunk, target_chunk.unsqueeze(0))
    return measurement.results(len(targets), lambda: targets.unsqueeze(0))


def areas(truth: np.ndarray, z: np.ndarray, built: Head) -> float:
    logits = torch.from_numpy(z)[None]
    if built.output_name == "softmax" and built.num_outputs > 2:
        a = logits.log_softmax(-1)[0].numpy()  # rounding makes and breaks ties
    else:
        a = built.outputs(logits.double())[0].numpy()
    if built.kind == "binary":
        return sk.roc_auc_score(truth, a[:, -1])
    columns = truth if built.kind == "multilabel" else np.eye(4)[truth]
    return sk.roc_auc_score(columns, a, average="macro")


def in_top(k: int, truth: np.ndarray, z: np.ndarray) -> float:
    """Return the share of rows in the top k if ties are broken by lot: the mean over all orders."""
    orders = list(itertools.permutations(range(z.shape[1])))
    places = [np.lexsort((np.broadcast_to(order, z.shape), -z))[:, :k] for order in orders]
    return float(np.mean([(place == truth[:, None]).any(1).mean() for place in places]))


def balanced(truth: np.ndarray, said: np.ndarray) -> float:
    if truth.ndim == 1:
        return sk.balanced_accuracy_score(truth, said)
    return float(
        np.mean([sk.balanced_accuracy_score(t, s) for t, s in zip(truth.T, said.T, strict=True)])
    )


def expected(name: str, built: Head, z: np.ndarray, truth: np.ndarray) -> float:
    """Return what scikit-learn computes of one run."""
    if built.kind == "regression":
        scale = np.array(built.target_scale or 1.0)
        shift = np.array(built.target_shift or 0.0)
        by_name: dict[str, Callable[..., Any]] = {
            "mse": sk.mean_squared_error,
            "rmse": lambda t, a: sk.mean_squared_error(t, a) ** 0.5,
            "mape": lambda t, a: 100 * sk.mean_absolute_percentage_error(t, a),
            "mae": sk.mean_absolute_error,
            "r2": sk.r2_score,
        }
        return by_name[name](truth.astype(float) * scale + shift, z.astype(float) * scale + shift)
    if built.kind == "multilabel":
        said = built.decide(torch.from_numpy(z)[None])[0].numpy()
    elif built.num_outputs > 1:
        said = z.argmax(1)
    else:
        said = (built.outputs(torch.from_numpy(z)) > built.middle).numpy()[:, 0].astype(int)
    right = (truth == said).mean()
    average = "binary" if truth.shape[1:] == (1,) else "macro"
    return {
        "accuracy": lambda: right,
        "error": lambda: 1 - right,
        "top_2": lambda: in_top(2, truth, z),
        "balanced_accuracy": lambda: balanced(truth, said),
        "precision": lambda: sk.precision_score(truth, said, average=average, zero_division=0),  # type: ignore
        "recall": lambda: sk.recall_score(truth, said, average=average, zero_division=0),  # type: ignore
        "f1": lambda: sk.f1_score(truth, said, average=average),
        "f1_positive": lambda: sk.f1_score(truth, said),
        "auc": lambda: areas(truth, z, built),
    }[name]()


@pytest.mark.parametrize("name", HEADS)
def test_every_metric_is_that_of_scikit_learn(name: str) -> None:
    built = HEADS[name]
    z, truth = answers(built), truth_of(built)
    values = measured(built, all_metrics(built.kind), z, truth)
    assert len(values) == len(all_metrics(built.kind))
    for metric, by_run in values.items():
        assert (by_run.shape, by_run.dtype) == ((RUNS,), torch.float64)
        for run in range(RUNS):
            reference = expected(metric, built, z[run].numpy(), truth.numpy())
            assert by_run[run].item() == pytest.approx(reference, rel=1e-6, abs=1e-12), metric


def test_top_k_without_ties_is_that_of_scikit_learn() -> None:
    z = torch.randn(RUNS, ROWS, 4, generator=torch.Generator().manual_seed(3))
    truth = truth_of(HEADS["softmax"])
    chosen = (choice("metric", "top_k", k=3),)
    values = measured(HEADS["softmax"], chosen, z, truth)["top_3"]
    for run in range(RUNS):
        reference = sk.top_k_accuracy_score(truth.numpy(), z[run].numpy(), k=3)
        assert values[run].item() == pytest.approx(reference)


def test_equal_weights_have_half_of_the_rows_in_the_top_five_of_ten() -> None:
    built = build_head(task(5, 10))
    truth = torch.arange(10).repeat(3)
    values = measured(built, (choice("metric", "top_k", k=5),), torch.zeros(2, 30, 10), truth)
    assert values["top_5"].tolist() == [0.5, 0.5]


def test_a_row_whose_own_value_is_not_a_number_is_in_no_top() -> None:
    z = torch.tensor([[[float("nan"), 1.0, 2.0, 3.0]]])
    chosen = (choice("metric", "top_k", k=3),)
    assert measured(HEADS["softmax"], chosen, z, torch.tensor([0]))["top_3"].item() == 0


@pytest.mark.parametrize("rows", [1, 5, ROWS])
@pytest.mark.parametrize("name", HEADS)
def test_bits_do_not_depend_on_the_other_runs(name: str, rows: int) -> None:
    built = HEADS[name]
    z, truth = answers(built, rows), truth_of(built, rows)
    together = measured(built, all_metrics(built.kind), z, truth)
    for run in range(RUNS):
        alone = measured(built, all_metrics(built.kind), z[run : run + 1].clone(), truth)
        for metric, value in alone.items():
            assert torch.equal(bits(value), bits(together[metric][run : run + 1])), metric


@pytest.mark.parametrize("name", [n for n in HEADS if not n.startswith("numbers")])
def test_counts_and_areas_do_not_depend_on_the_chunks(name: str) -> None:
    built = HEADS[name]
    z, truth = answers(built), truth_of(built)
    whole, pieces = (
        measured(built, all_metrics(built.kind), z, truth, chunk) for chunk in (ROWS, 7)
    )
    assert all(torch.equal(whole[metric], pieces[metric]) for metric in whole)


def test_a_class_without_rows_is_left_out_of_means() -> None:
    built = HEADS["softmax"]
    truth = torch.tensor([0, 0, 1, 1])
    z = torch.eye(4)[[0, 0, 1, 0]].unsqueeze(0)
    values = measured(built, all_metrics(built.kind), z, truth)
    assert values["balanced_accuracy"].item() == pytest.approx((1 + 0.5) / 2)
    assert values["f1"].item() == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert values["auc"].item() == pytest.approx(0.75)


def test_what_cannot_be_had_is_no_number() -> None:
    one_class = measured(
        HEADS["sigmoid"], all_metrics("binary"), torch.ones(1, 3, 1), torch.ones(3).long()
    )
    assert one_class["auc"].isnan().item() and one_class["accuracy"].item() == 1
    constant = measured(
        HEADS["numbers"], all_metrics("regression"), torch.ones(1, 3, 2), torch.ones(3, 2)
    )
    assert constant["r2"].isnan().item() and constant["mse"].item() == 0
    lost = torch.full((1, 4, 4), torch.nan)
    values = measured(HEADS["softmax"], all_metrics("multiclass"), lost, torch.arange(4))
    assert values["auc"].isnan().item() and values["top_2"].item() == 0


def test_r2_of_numbers_far_from_zero() -> None:
    truth = torch.tensor([[4e6], [4e6 + 1], [4e6 + 2]])
    z = (truth + torch.tensor([[0.5], [0.0], [-0.5]])).unsqueeze(0)
    values = measured(head("regression", 1), (choice("metric", "r2"),), z, truth)
    assert values["r2"].item() == pytest.approx(1 - 0.5 / 2)


def test_names_and_directions() -> None:
    rising = {name for name in registry.names("metric") if is_rising(tag(choice("metric", name)))}
    assert not is_rising("cost")
    assert is_rising("corrupted_accuracy")
    assert not is_rising("corrupted_mse")
    assert is_rising("probe_accuracy") and is_rising("fine_tuned_accuracy")
    assert not is_rising("fine_tuned_error")
    assert rising == {
        n for n in registry.names("metric") if registry.get("metric", n).traits.rising
    }
    assert {"accuracy", "auc", "r2"} <= rising and not {"error", "mse"} & rising
    assert tag(choice("metric", "top_k", k=3)) == "top_3"
    assert [metric.name for metric in default_metrics(head("regression", 2))] == ["mse", "r2"]
    assert [metric.name for metric in default_metrics(head("multilabel", 3))] == ["accuracy"]
    defaults = [default_metrics(build_head(reconstruction(3, unit))) for unit in (False, True)]
    errors = ["squared_error_per_row", "mse"]
    names = [[metric.name for metric in metrics] for metrics in defaults]
    assert names == [errors, [*errors, "cross_entropy_per_row"]]
    squashed = build_head(reconstruction(3), choice("activation", "sigmoid"), "mse")
    assert [metric.name for metric in default_metrics(squashed)] == names[1]
    squashed = build_head(reconstruction(3, False), choice("activation", "sigmoid"), "mse")
    assert [metric.name for metric in default_metrics(squashed)] == errors


@pytest.mark.parametrize(
    ("name", "chosen", "message"),
    [
        (
            "softmax",
            [choice("metric", "mse")],
            r"log\.metrics: mse is not defined for this task, which is multiclass; allowed: accur",
        ),
        (
            "numbers",
            [choice("metric", "f1")],
            r"which is regression; allowed: mse, rmse, mae, mape, r2$",
        ),
        ("sigmoid", [choice("metric", "top_k", k=1)], r"top_k is not defined .* which is binary"),
        ("softmax", [choice("metric", "top_k", k=4)], r"received k 4, .* 4 classes .*; lower k"),
        ("softmax", [choice("metric", "f1")] * 2, r"f1 is named twice; name it once"),
    ],
)
def test_metrics_that_a_task_does_not_have(name: str, chosen: list[Choice], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_metrics(chosen, HEADS[name])


def test_targets_of_0_are_left_out_of_mape() -> None:
    """Also where they are trained on as z-scores, which float32 does not bring back to 0."""
    chosen = (choice("metric", "mape"),)
    values = torch.tensor([[0.0], [100_000.0], [300_000.0], [0.0]], dtype=torch.float64)
    shift, scale = values.mean().item(), values.std().item()
    built = replace(HEADS["numbers"], num_outputs=1, target_scale=(scale,), target_shift=(shift,))
    z_scores = ((values - shift) / scale).float()
    said = (values + torch.tensor([[5.0], [10_000.0], [-30_000.0], [9.0]]) - shift) / scale
    mape = measured(built, chosen, said.float().unsqueeze(0), z_scores)["mape"]
    assert mape.item() == pytest.approx(10, rel=1e-4)
    plain = replace(built, target_scale=(), target_shift=())
    zeros = measured(plain, chosen, torch.ones(1, 4, 1), torch.zeros(4, 1))["mape"]
    assert zeros.isnan().item()
