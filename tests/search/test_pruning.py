"""Which trials leave before their last step."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState, create_trial

from dlx.cohort import Member
from dlx.runs.ablations import read_index
from dlx.search.directory import Progress
from dlx.search.pruning import ETA, Pruner, label, prune, rung_step
from tests.search.searches import planned, trained

ASHA, WILCOXON = Pruner("asha"), Pruner("wilcoxon")


@given(st.lists(st.floats(0, 1), min_size=3, max_size=30, unique=True), st.floats(0, 1))
def test_asha_agrees_with_optuna_s_successive_halving(earlier: list[float], own: float) -> None:
    if own in earlier:
        return
    study = optuna.create_study(direction="maximize")
    for value in earlier:
        attributes = {"completed_rung_0": value}
        trial = create_trial(
            state=TrialState.PRUNED, intermediate_values={1: value}, system_attrs=attributes
        )
        study.add_trial(trial)
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=ETA)
    study.pruner = pruner
    trial = study.ask()
    trial.report(own, 1)
    assert ASHA.goes_on([own], [[value] for value in earlier], []) == (not trial.should_prune())


def test_asha_waits_for_three_others_and_takes_nothing_finite_for_the_worst() -> None:
    assert ASHA.goes_on([0.0], [[1.0], [1.0]], [])
    assert not ASHA.goes_on([0.0], [[1.0]] * 3, [])
    assert not ASHA.goes_on([np.nan], [[1.0], [0.0], [0.5]], [])
    assert ASHA.goes_on([0.1], [[np.nan]] * 5, [])


def test_wilcoxon_needs_a_difference_at_most_seeds() -> None:
    best = [0.9, 0.8, 0.85, 0.95]
    assert not WILCOXON.goes_on([value - 0.1 for value in best], [], best)
    assert WILCOXON.goes_on([0.8, 0.9, 0.75, 0.96], [], best)
    assert WILCOXON.goes_on(best, [], best)
    assert WILCOXON.goes_on([0.0] * 4, [], [])


def test_hyperband_begins_a_rung_later_in_each_bracket() -> None:
    pruner = Pruner("hyperband")
    assert [len(pruner.rungs(trial)) for trial in range(4, 9)] == [3, 2, 1, 0, 3]


def test_rungs_are_evaluations(tmp_path: Path) -> None:
    plan = planned("train.epochs=27", "log.every=4", pruner="asha")
    member = plan.job({"optimizer.lr": 0.1, "model.hidden": [4]}).member
    assert (member.num_steps, member.evaluate_every) == (81, 4)
    assert [rung_step(member, rung) for rung in ASHA.rungs(1)] == [4, 12, 28]
    assert rung_step(replace(member, evaluate_every=81), 1 / 3) is None


def test_pruned_trials_take_fewer_steps_and_new_ones_join(tmp_path: Path) -> None:
    overrides = ("train.epochs=27", "train.early_stopping=null")
    options = {"trials": 20, "batch": 5, "space": ["optimizer.lr=1e-5..1e-1 log"]}
    whole = trained(tmp_path, *overrides, **options)
    search = trained(tmp_path, *overrides, pruner="asha", **options)
    trials = Progress.read(search.path).trials
    states = [trial.state for trial in trials]
    assert states[:5] == ["completed"] * 5  # nothing to compare with
    pruned = [trial for trial in trials if trial.state == "pruned"]
    assert len(pruned) >= 5 and states.count("completed") >= 6
    runs = read_index(search.path)
    for trial in pruned:
        own = [runs[f"{trial.name}/seed={seed}"] for seed in (0, 1)]
        assert {run.status for run in own} == {"stopped_early"}
        assert all(run.reason == trial.reason for run in own)
        assert trial.reason.startswith("pruned by asha after ")
        assert trial.steps < 2 * 81 and not trial.values
    steps = search.summary["steps"]
    assert steps < 0.7 * whole.summary["steps"]
    first = [trial.document()["values"] for trial in trials[:5]]
    assert first == [trial.document()["values"] for trial in Progress.read(whole.path).trials[:5]]


def test_a_trial_leaves_whatever_cohort_it_trains_in(tmp_path: Path) -> None:
    space = ["optimizer.lr=1e-5..1e-1 log"]
    plan = planned("train.epochs=27", pruner="asha", space=space)
    earlier = [
        replace(trial, state="completed", values=(0.9,), rungs={label(1 / 9): (0.9, 0.8)})
        for trial in Progress.read(trained(tmp_path, space=space).path).trials[:4]
    ]
    assert plan.pruner is not None
    rule = prune(plan.pruner, "dev.accuracy", True, earlier)
    member = plan.job({"optimizer.lr": 1e-3}).member

    def of(trial: int) -> list[Member]:
        return [replace(member, name=f"trial {trial}/seed={s}", seed=s) for s in (0, 1)]

    step = rung_step(member, 1 / 9) or 0
    alone = rule.leaving(of(9), step, [0.1, 0.2])
    together = rule.leaving([*of(7), *of(9), *of(8)], step, [0.95, 0.9, 0.1, 0.2, 0.0, 0.0])
    assert set(alone) == {"trial 9/seed=0", "trial 9/seed=1"}
    assert alone.items() <= together.items()
    assert not any(name.startswith("trial 7") for name in together)
    assert rule.leaving(of(9), step + 1, [0.1, 0.2]) == {}


@pytest.mark.parametrize("pruner", ["hyperband", "wilcoxon"])
def test_the_other_pruners_let_trials_leave(tmp_path: Path, pruner: str) -> None:
    options = {"trials": 20, "batch": 5, "seeds": 4, "space": ["optimizer.lr=1e-5..1e-1 log"]}
    search = trained(tmp_path, "train.epochs=27", pruner=pruner, **options)
    assert search.summary["states"]["pruned"] >= 2
    reasons = {trial["reason"][:16] for trial in search.summary["trials"] if trial["reason"]}
    assert reasons == {f"pruned by {pruner} after"[:16]}
