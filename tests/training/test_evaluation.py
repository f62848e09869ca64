"""Evaluation of a whole split, in chunks."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from dlx.cohort import Cohort
from dlx.config.types import choice
from dlx.data.selection import Selection, examples
from dlx.models.plain import to_torch
from dlx.training.evaluation import CHUNK, evaluate, of_each_row, predict, thinned
from tests.cohorts import design, member, rows, task

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("num_rows", [1, 7, CHUNK, CHUNK + 1, 2 * CHUNK + 100])
def test_cost_and_accuracy_are_means_over_all_rows(num_rows: int) -> None:
    what = task(5, 3)
    networks = [design(what, activation=name, dropout=0.5) for name in ("tanh", "relu")]
    members = [member(str(run), network, seed=run) for run, network in enumerate(networks)]
    cohort = Cohort(members, 16)
    cohort.initialize()
    inputs, targets = rows(what, num_rows)
    metrics = evaluate(cohort, inputs, targets)
    outputs = predict(cohort, inputs)
    assert outputs.shape == (2, num_rows, 3)
    for run, network in enumerate(networks):
        plain = to_torch(network, cohort.network.run_state(run))
        probabilities = plain(inputs)
        torch.testing.assert_close(outputs[run], probabilities, rtol=1e-5, atol=1e-6)
        cost = F.nll_loss(probabilities.double().log(), targets)
        assert metrics["cost"][run] == pytest.approx(cost.item(), rel=1e-5)
        accuracy = (probabilities.argmax(1) == targets).double().mean()
        assert metrics["accuracy"][run] == pytest.approx(accuracy.item(), abs=1e-12)


def test_numbers_have_errors_in_place_of_accuracy() -> None:
    what = task(5, 0)
    cohort = Cohort([member("run", design(what))], 16)
    cohort.initialize()
    inputs, targets = rows(what, 30)
    metrics = evaluate(cohort, inputs, targets)
    assert list(metrics) == ["cost", "mse", "r2"]
    expected = F.mse_loss(predict(cohort, inputs)[0], targets)
    assert metrics["cost"][0] == pytest.approx(expected.item(), rel=1e-6)


def test_evaluation_changes_nothing() -> None:
    what = task(5, 3)
    cohort = Cohort([member("run", design(what, batch_norm=True, dropout=0.5))], 16)
    cohort.initialize()
    before = {name: value.clone() for name, value in cohort.tensors().items()}
    inputs, targets = rows(what)
    evaluate(cohort, inputs, targets)
    predict(cohort, inputs)
    assert all(torch.equal(value, before[name]) for name, value in cohort.tensors().items())


def test_a_sample_of_the_rows_has_every_class_by_its_share_and_no_pattern() -> None:
    targets = torch.tensor([0, 1] * 300 + [2] * 60)
    inputs = torch.arange(660.0).unsqueeze(1)
    whole = examples(inputs, targets)
    rows, classes = (selection.tensor() for selection in thinned(whole, 110))
    assert classes.bincount().tolist() == [50, 50, 10]
    numbers = rows[:, 0].long()
    assert targets[numbers].equal(classes) and numbers.diff().min() > 0
    assert set((numbers[classes < 2] % 6).tolist()) == set(range(6)), "not every sixth row"
    again, _ = thinned(examples(inputs, targets), 110)
    assert again.tensor().equal(rows)
    several = Selection.stacked([targets, targets.flip(0)])
    own_rows, own_classes = thinned((whole[0], several), 110)
    assert own_rows.chunk(0, 110)[0].equal(rows), "the same rows alone and beside others"
    assert own_classes.chunk(0, 110)[1].bincount().tolist() == [50, 50, 10]
    assert thinned(whole, 660) is whole


def test_what_each_row_adds_is_the_metric_on_it_alone() -> None:
    what = task(5)
    chosen = (choice("metric", "accuracy"), choice("metric", "top_k", k=2), choice("metric", "auc"))
    runs = [member(str(seed), design(what), seed=seed, metrics=chosen) for seed in range(3)]
    cohort = Cohort(runs, 16)
    cohort.initialize()
    inputs, targets = rows(what, CHUNK + 30)
    encoded = cohort.head.encode(targets)
    shared = examples(inputs, encoded)
    found = of_each_row(cohort, shared, ["accuracy", "top_2", "auc", "cost"])
    assert list(found) == ["cost", "accuracy", "top_2"], "an area under a curve is no mean of rows"
    means = evaluate(cohort, *shared)
    for name, values in found.items():
        assert values.shape == (3, len(targets))
        assert values.mean(1).tolist() == pytest.approx(means[name], rel=1e-5)
    right = predict(cohort, inputs).argmax(2) == targets
    assert found["accuracy"].equal(right.float())


def test_what_each_row_adds_in_units_of_each_runs_own() -> None:
    what = task(4, 0)
    runs = []
    for seed, scale in ((0, 2.0), (1, 5.0)):
        made = design(what)
        head = replace(made.head, target_scale=(scale, scale))
        chosen = (choice("metric", "mse"),)
        runs.append(member(str(seed), replace(made, head=head), seed=seed, metrics=chosen))
    cohort = Cohort(runs, 16)
    cohort.initialize()
    inputs, targets = rows(what, 40)
    own = torch.stack([targets, targets + 1])
    split = Selection(inputs), Selection.stacked(list(own))
    found = of_each_row(cohort, split, ["mse"])["mse"]
    errors = (predict(cohort, inputs) - own).square().mean(2)
    expected = errors * torch.tensor([[4.0], [25.0]])
    torch.testing.assert_close(found.float(), expected)
    assert found.dtype == torch.float64  # float32 holds no square above 3e38
    assert found.mean(1).tolist() == pytest.approx(evaluate(cohort, *split)["mse"])
