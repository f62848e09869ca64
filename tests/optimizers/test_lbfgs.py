"""L-BFGS in training; its weights against torch's are in tests/laws."""

import math
from typing import Any

import pytest
import torch

import dlx
from dlx import registry
from dlx.cohort import group
from dlx.config.types import choice
from dlx.errors import ConfigError, DivergedError
from dlx.optimizers import SlabOptimizer
from tests.cohorts import (
    ALONE,
    OPTIMIZERS,
    assert_same_bits,
    assert_same_run,
    bits,
    design,
    member,
    rows,
    task,
    train,
    trainer_of,
)
from tests.optimizers.test_slabs import buffer_of, start

pytestmark = pytest.mark.usefixtures("one_thread")

WHAT = task(5, 3)
REFUSED = {
    "train.clip_norm=1": r"train.clip_norm: received 1.0, but lbfgs loses its way with a clipped",
    "train.clip_value=1": r"train.clip_value: received 1.0, .* slope of the cost; use null, or",
    "train.max_norm=2": r"train.max_norm: received 2.0, but lbfgs .* changed between its steps",
    "optimizer.decay=weights": r"optimizer.decay: received weights, .* use train.penalty.l2",
}


def test_it_is_the_one_whose_runs_go_one_to_a_cohort() -> None:
    assert ALONE == ["lbfgs"]
    assert [*OPTIMIZERS, *ALONE] == registry.names("optimizer")


def test_its_runs_go_one_to_a_cohort_among_others_and_train_to_the_same_bits() -> None:
    network = design(WHAT, dropout=0.2)
    members = [
        member("first", network, "lbfgs"),
        member("adam", network, "adam"),
        member("middle", network, "lbfgs", seed=1),
        member("sgd", network, "sgd"),
        member("last", network, "lbfgs"),
    ]
    cohorts = group(members)
    assert sorted(cohorts) == [[0], [1, 3], [2], [4]]
    inputs, targets = rows(WHAT)
    for indices in cohorts:
        together = train([members[index] for index in indices], inputs, targets)
        for index in indices:
            run = members[index]
            assert_same_run(run.name, together, train([run], inputs, targets))


def test_two_of_its_runs_in_one_cohort_are_a_bug() -> None:
    buffer = buffer_of(start(2)[0])
    with pytest.raises(AssertionError, match="one to a cohort"):
        SlabOptimizer([choice("optimizer", "lbfgs")] * 2, [5, 5], buffer)


def test_what_is_logged_is_the_start_of_a_step() -> None:
    network = design(WHAT, [6], "tanh", batch_norm=True)
    inputs, targets = rows(WHAT)
    searching, descending = (
        trainer_of([member("run", network, name)], inputs, targets, len(inputs))
        for name in ("lbfgs", "sgd")
    )
    before = searching.cohort.network.buffer.values.clone()
    for trainer in (searching, descending):
        trainer._train_step()
    assert torch.equal(searching._sums, descending._sums)
    network, other = searching.cohort.network, descending.cohort.network
    assert torch.equal(bits(network.buffer.gradients), bits(other.buffer.gradients))
    assert_same_bits(network.statistics(), other.statistics())
    assert float(network.statistics()["1.running_mean"].abs().max()) > 0
    assert not torch.equal(network.buffer.values, before)
    assert not torch.equal(network.buffer.values, other.buffer.values)


def test_a_step_lowers_the_cost_of_its_own_masks_and_noise() -> None:
    network = design(WHAT, [20], "tanh", dropout=0.5, noise=0.1)
    inputs, targets = rows(WHAT)
    run = member("run", network, "lbfgs", max_iter=5)
    cohort = trainer_of([run], inputs, targets, len(inputs)).cohort
    batch = inputs.unsqueeze(0), targets.unsqueeze(0)
    for step in range(4):
        before, _ = cohort.forward_backward(*batch, step)
        cohort.update(*batch, step)
        after, _ = cohort.forward_backward(*batch, step)
        assert float(after) < 0.9 * float(before)


def test_the_history_is_as_long_as_asked_and_leads_the_next_step() -> None:
    inputs, targets = rows(WHAT)
    run = member("run", design(WHAT, [6], "tanh"), "lbfgs", history_size=3, max_iter=5)
    trainer = trainer_of([run], inputs, targets, len(inputs))
    assert trainer.cohort.optimizer.state() == {}
    trainer._train_step()
    state = trainer.cohort.optimizer.state()
    width = trainer.cohort.network.buffer.values.shape[1]
    assert {name.removeprefix("0."): tuple(value.shape) for name, value in state.items()} == {
        **dict.fromkeys(("d", "prev_flat_grad"), (width,)),
        **dict.fromkeys(("old_dirs", "old_stps"), (3, width)),
        **dict.fromkeys(("t", "H_diag", "n_iter"), ()),
        "ro": (3,),
    }
    assert run.optimizer().vectors == 2 + 2 * 3


def test_it_stops_where_the_gradient_is_smaller_than_its_tolerance() -> None:
    inputs, targets = rows(WHAT)
    run = member("run", design(WHAT, [6], "tanh"), "lbfgs", tolerance_grad=1e3, num_steps=3)
    start = trainer_of([run], inputs, targets).cohort.network.run_state(0)
    ended = train([run], inputs, targets).ended_runs["run"].outcome
    assert ended.status == "completed"
    assert_same_bits(ended.state, start)


def test_the_schedule_sets_where_a_search_begins() -> None:
    inputs, targets = rows(WHAT)
    settings: dict[str, Any] = {"line_search": None, "max_iter": 1, "evaluate_every": 1}
    halves = {"name": "exponential", "gamma": 0.5}
    run = member("run", design(WHAT), "lbfgs", lr=0.4, num_steps=3, schedule=halves, **settings)
    rates = [
        r.metrics["train"].get("optimizer/lr") for r in train([run], inputs, targets).records["run"]
    ]
    assert rates == [None, 0.4, 0.2, 0.1]


@pytest.mark.parametrize("max_iter", [1, 20, 200])
@pytest.mark.parametrize("options", [{"line_search": None, "lr": 1e9}, {"lr": 1e30}, {}], ids=str)
@pytest.mark.parametrize("scale", [1.0, 1e15, 1e19, 1e30])
def test_it_ends_in_words_whatever_the_numbers(
    options: dict[str, Any], scale: float, max_iter: int
) -> None:
    what = task(5, 0)
    inputs, targets = rows(what, 23)
    network = design(what, [6])
    run = member("run", network, "lbfgs", num_steps=3, max_iter=max_iter, **options)
    outcome = train([run], inputs * scale, targets * scale).ended_runs["run"].outcome
    if outcome.status == "diverged":
        assert "not finite" in outcome.reason
    else:
        assert math.isfinite(outcome.metrics["train"]["cost"])


def test_a_search_turns_back_from_a_cost_that_is_not_finite() -> None:
    what = task(5, 0)
    inputs, targets = rows(what)
    # The first point that is tried is so far out that its outputs overflow.
    deep = design(what, [6] * 10, init="he_normal")
    run = member("run", deep, "lbfgs", lr=1e13, num_steps=3, max_iter=100, seed=8)
    outcome = train([run], inputs, targets, len(inputs)).ended_runs["run"].outcome
    assert outcome.status == "completed"
    start = trainer_of([run], inputs, targets).cohort.network.run_state(0)
    assert not torch.equal(outcome.state["1.weight"], start["1.weight"])


def test_a_fixed_step_that_is_too_long_diverges() -> None:
    what = task(5, 0)
    inputs, targets = rows(what)
    run = member("run", design(what, [6]), "lbfgs", line_search=None, lr=1e9, num_steps=5)
    assert train([run], inputs, targets).ended_runs["run"].outcome.status == "diverged"


def test_a_divergence_is_not_cured_by_what_is_refused(tmp_path: Any) -> None:
    config = {
        "data": {"name": "xor"},
        "model": {"output": "identity", "loss": "mse"},
        "optimizer": {"name": "lbfgs", "line_search": None, "lr": 1e15},
        "train": {"batch_size": "all"},
    }
    with pytest.raises(DivergedError, match=r"try a lower optimizer.lr, a line search or"):
        dlx.train(config, runs_dir=tmp_path)


@pytest.mark.parametrize("override", REFUSED)
def test_what_it_does_not_go_with_is_refused(override: str, tmp_path: Any) -> None:
    config = {
        "data": {"name": "xor"},
        "optimizer": {"name": "lbfgs"},
        "train": {"batch_size": "all"},
    }
    with pytest.raises(ConfigError, match=REFUSED[override]):
        dlx.train(config, [override], runs_dir=tmp_path)
    assert not list(tmp_path.iterdir())
