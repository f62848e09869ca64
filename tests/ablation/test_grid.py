import numpy as np
import pytest

from dlx.ablation.factors import factors_of
from dlx.ablation.grid import curves_by_factor, effects
from dlx.ablation.outcomes import Outcomes
from dlx.ablation.statistics.intervals import share_interval
from tests.ablation.simulated import grid, run, runs

VARIED = {"model.activation": ["sigmoid", "relu"], "model.hidden": [[10], [10, 10], [10] * 3]}
VARIANTS = grid(VARIED)
SEEDS = range(6)


def level(variant) -> float:
    depth = len(variant.settings["model.hidden"])
    is_relu = variant.settings["model.activation"] == "relu"
    return 0.9 if is_relu else 0.9 - 0.1 * depth


def effects_of(results, variants=VARIANTS, varied=VARIED, **options):
    outcomes = Outcomes.of(variants, results, seeds=SEEDS, folds=None)
    settings = {"metric": "dev.accuracy"} | options
    return effects(outcomes, variants, factors_of(varied), variants[0], **settings)


def curves_of(results, variants=VARIANTS, varied=VARIED, **options):
    outcomes = Outcomes.of(variants, results, seeds=SEEDS, folds=None)
    settings = {"metric": "dev.accuracy", "design": "grid"} | options
    return curves_by_factor(outcomes, variants, factors_of(varied), variants[0], **settings)


def test_effects_are_named_by_keys_and_values():
    shown = effects_of(runs(VARIANTS, SEEDS, level, noise=0.001))
    assert shown
    relu = shown["main"][0]
    assert (relu["factor"], relu["level"], relu["reference"]) == (
        "model.activation",
        "relu",
        "sigmoid",
    )
    assert relu["effect"] == pytest.approx(0.2, abs=0.003)
    assert relu["low"] < relu["effect"] < relu["high"]
    depth = {
        str(interaction["levels"]): interaction["effect"] for interaction in shown["interactions"]
    }
    assert depth["['relu', [10, 10, 10]]"] == pytest.approx(0.2, abs=0.005)


def test_data_sets_are_no_choice_but_effects_may_depend_on_them():
    varied = {"data.name": ["iris", "wine"], "model.activation": ["sigmoid", "relu"]}
    variants = grid(varied)
    results = runs(variants, SEEDS, lambda variant: 0.9)
    shown = effects_of(results, variants, varied)
    assert shown
    assert [effect["factor"] for effect in shown["main"]] == ["model.activation"]
    assert shown["interactions"][0]["factors"] == ["data.name", "model.activation"]
    assert effects_of(results, variants, varied, metric="dev.cost") is None


def test_one_value_is_no_factor():
    varied = {"model.activation": ["relu"]}
    assert effects_of([], grid(varied), varied) is None


def test_a_curve_has_train_and_dev_at_each_depth():
    results = runs(VARIANTS, SEEDS, level)
    [curve] = curves_of(results)
    assert (curve["key"], curve["label"], curve["values"]) == ("model.hidden", "depth", [1, 2, 3])
    means = [point["mean"] for point in curve["dev"]]
    assert means == pytest.approx([0.85, 0.80, 0.75], abs=0.02)
    assert curve["train"][0]["mean"] == pytest.approx(means[0] + 0.02, abs=0.001)
    assert curve["over"] == ["activation=sigmoid", "activation=relu"]
    assert [line["settings"] for line in curve["lines"]] == curve["over"]
    lowest = [point["mean"] for point in curve["lines"][0]["dev"]]
    assert lowest == pytest.approx([0.8, 0.7, 0.6], abs=0.02)


def test_what_diverged_at_one_depth_is_left_out_of_the_mean_at_all():
    results = runs(VARIANTS, SEEDS, level)
    results[6:12] = [run(VARIANTS[1], seed, 0, status="diverged") for seed in SEEDS]
    [curve] = curves_of(results)
    assert curve["over"] == ["activation=relu"]
    assert [point["mean"] for point in curve["dev"]] == pytest.approx([0.9] * 3, abs=0.02)
    assert np.isnan(curve["lines"][0]["dev"][1]["mean"])


def test_one_at_a_time_the_others_are_as_in_the_baseline():
    variants = [VARIANTS[0], VARIANTS[1], VARIANTS[2], VARIANTS[3]]
    [curve] = curves_of(runs(variants, SEEDS, level), variants, design="one_at_a_time")
    assert curve["over"] == ["activation=sigmoid"]
    assert [point["mean"] for point in curve["dev"]] == pytest.approx([0.8, 0.7, 0.6], abs=0.02)


def test_a_curve_of_success_is_of_shares():
    results = [run(variant, seed, 0.9, success=seed < 4) for variant in VARIANTS for seed in SEEDS]
    [curve] = curves_of(results, metric="success")
    expected = share_interval(8, 12)
    assert curve["dev"][0] == {
        "mean": expected.mean,
        "low": expected.low,
        "high": expected.high,
        "n": 12,
    }
    assert "train" not in curve
