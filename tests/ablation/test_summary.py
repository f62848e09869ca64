import json
from dataclasses import replace

import numpy as np
import pytest

from dlx.ablation.results import RunResult, Variant
from dlx.ablation.statistics.intervals import mean_interval, share_interval, spread_of
from dlx.ablation.summary import finite, summarize
from tests.ablation.simulated import grid, run, runs

VARIED = {"model.activation": ["sigmoid", "relu", "tanh"]}
VARIANTS = grid(VARIED)
SEEDS = list(range(8))


def level(variant: Variant) -> float:
    return 0.95 if variant.settings["model.activation"] == "relu" else 0.90


def summary(results: list[RunResult], variants=VARIANTS, **options):
    settings = {
        "name": "activations",
        "metric": "dev.accuracy",
        "baseline": variants[0].name,
        "varied": VARIED,
        "seeds": SEEDS,
    }
    document = summarize(variants, results, **(settings | options))
    json.dumps(document, allow_nan=False)
    return document


@pytest.fixture
def results() -> list[RunResult]:
    return runs(VARIANTS, SEEDS, level)


def test_the_tests_are_those_that_were_made(results):
    lost = [run(VARIANTS[0], SEEDS[0], 0.5, status="diverged"), *results[1:]]
    assert summary(lost)["tests"]["failures"] == "Boschloo exact"
    judged = summary(lost, metric="success", success={"dev.accuracy": 0.5})
    assert judged["tests"]["difference"] == "McNemar mid-p"
    assert "failures" not in judged["tests"], "a divergence already is no success"


def test_the_summary_says_what_was_asked_and_how_it_was_judged(results):
    document = summary(results, data=["digits"], command="dlx ablate a.yaml")
    assert document["schema"] == 1
    assert document["question"] == "Does model.activation change dev.accuracy?"
    assert document["rising"] is True
    assert document["margin"] == 0.005
    assert document["tests"]["difference"] == "paired t"
    assert document["tests"]["correction"] == "Holm, over all verdicts"
    assert not {"success", "steps_to", "failures"} & set(document["tests"])
    assert document["paired_by"] == "seeds"
    assert document["factors"] == [
        {
            "key": "model.activation",
            "label": "activation",
            "values": ["sigmoid", "relu", "tanh"],
            "numeric": False,
        }
    ]
    assert document["data"] == ["digits"]
    assert document["command"] == "dlx ablate a.yaml"
    assert document["warnings"] == document["failures"] == []


def test_a_variant_has_its_metrics_with_intervals_and_values(results):
    variant = summary(results)["variants"][1]
    values = [result.metrics["dev"]["accuracy"] for result in results[8:16]]
    expected = mean_interval(values)
    assert variant["name"] == "activation=relu"
    assert variant["settings"] == {"model.activation": "relu"}
    assert variant["metrics"]["dev"]["accuracy"] == {
        "mean": expected.mean,
        "low": expected.low,
        "high": expected.high,
        "n": 8,
        "values": values,
    }
    assert (variant["n"], variant["runs"], variant["diverged"], variant["failed"]) == (8, 8, 0, 0)
    assert (variant["parameters"], variant["steps"], variant["examples"]) == (81, 100, 6400)
    assert variant["seconds"] == 4
    assert variant["seconds_per_step"] == 4 / 800
    assert variant["success"] is None
    assert variant["steps_to"] == {}


def test_the_interval_of_a_share_stays_between_0_and_1():
    values = [1.0] * 6 + [0.4, 0.5]
    results = [run(v, s, values[s]) for v in VARIANTS for s in SEEDS]
    metrics = summary(results)["variants"][0]["metrics"]["dev"]
    assert mean_interval(values).high > 1 == metrics["accuracy"]["high"]
    assert metrics["accuracy"]["low"] == pytest.approx(mean_interval(values).low)
    assert metrics["cost"]["low"] < 0.1


def test_verdicts_stand_beside_all_but_the_baseline(results):
    base, relu, tanh = summary(results)["variants"]
    assert base["vs_baseline"] is None
    assert relu["vs_baseline"]["verdict"] == "better"
    assert tanh["vs_baseline"]["verdict"] in ("equivalent", "undecided")


def test_test_rows_are_shown_of_the_chosen_variant_alone(results):
    document = summary(results)
    assert document["chosen"]["name"] == "activation=relu"
    assert document["chosen"]["test"]["accuracy"]["mean"] == pytest.approx(0.94, abs=0.01)
    assert all("test" not in variant["metrics"] for variant in document["variants"])


def test_test_rows_are_shown_of_all_where_that_is_asked_for(results):
    document = summary(results, show_test=True)
    assert all("accuracy" in variant["metrics"]["test"] for variant in document["variants"])


def test_what_mostly_diverged_is_not_chosen_for_its_survivors(results):
    for seed in range(5):
        results[8 + seed] = run(VARIANTS[1], seed, 0, status="diverged", reason="cost is inf")
    document = summary(results)
    assert document["chosen"]["name"] != "activation=relu"
    relu = document["variants"][1]
    assert (relu["n"], relu["runs"], relu["diverged"]) == (3, 8, 5)
    assert relu["metrics"]["dev"]["accuracy"]["values"][:5] == [None] * 5
    assert relu["vs_baseline"]["failures"]["variant"] == [5, 8]
    assert "activation=relu: 5 of 8 runs diverged" in document["warnings"][0]
    assert document["failures"][0] == {
        "variant": "activation=relu",
        "seed": 0,
        "fold": None,
        "status": "diverged",
        "step": 100,
        "reason": "cost is inf",
    }


def test_what_surely_diverges_more_often_is_not_chosen_for_the_seeds_it_survived():
    variants, seeds = VARIANTS[:2], list(range(20))
    results = [run(variants[0], seed, 0.7 + seed / 100) for seed in seeds]
    results += [run(variants[1], seed, 0, status="diverged") for seed in seeds[:10]]
    results += [run(variants[1], seed, 0.7 + seed / 100) for seed in seeds[10:]]
    document = summary(results, variants, seeds=seeds)
    base, other = (
        variant["metrics"]["dev"]["accuracy"]["mean"] for variant in document["variants"]
    )
    assert other > base
    assert document["variants"][1]["vs_baseline"]["verdict"] == "worse"
    assert document["chosen"]["name"] == variants[0].name


def test_an_ablation_of_which_all_runs_diverged_has_a_summary(results):
    lost = [run(v, seed, 0, status="diverged") for v in VARIANTS for seed in SEEDS]
    document = summary(lost)
    assert document["chosen"] is None
    assert [variant["n"] for variant in document["variants"]] == [0, 0, 0]
    assert document["variants"][1]["vs_baseline"]["verdict"] == "undecided"
    assert summary(lost, metric="dev.cost")["margin"] is None


def test_an_ablation_without_runs_has_a_summary():
    document = summary([])
    assert document["chosen"] is None
    assert [variant["runs"] for variant in document["variants"]] == [0, 0, 0]
    assert document["variants"][0]["parameters"] == 0


def test_one_seed_has_means_without_intervals(results):
    document = summary([result for result in results if result.seed == 0], seeds=[0])
    metric = document["variants"][1]["metrics"]["dev"]["accuracy"]
    assert (metric["n"], metric["low"], metric["high"]) == (1, None, None)
    relu = document["variants"][1]["vs_baseline"]
    assert (relu["verdict"], relu["p"], relu["low"]) == ("undecided", None, None)
    assert any("One seed (n = 1)" in warning for warning in document["warnings"])


def test_a_metric_that_no_run_has_is_said(results):
    bare = [replace(result, metrics={"train": result.metrics["train"]}) for result in results]
    document = summary(bare)
    assert any("give data.split a dev part" in warning for warning in document["warnings"])
    assert document["chosen"] is None


def test_success_is_a_share_with_its_interval():
    results = [
        run(v, s, 0.9, success=s < 4 * (1 + place))
        for place, v in enumerate(VARIANTS)
        for s in SEEDS
    ]
    document = summary(results, metric="success", success={"dev.accuracy": 0.8})
    expected = share_interval(4, 8)
    assert document["variants"][0]["success"] == {
        "count": 4,
        "n": 8,
        "rate": 0.5,
        "low": expected.low,
        "high": expected.high,
    }
    assert document["variants"][1]["vs_baseline"]["test"] == "McNemar mid-p"
    assert document["chosen"]["name"] == "activation=relu"
    assert "how often a run succeeds (dev.accuracy at 0.8)" in document["question"]


def test_steps_to_a_threshold_have_a_median_that_may_be_never():
    arrival = [10, 20, 30, 40, None, None, None, None]
    results = [
        run(v, s, 0.9, steps_to={"dev.accuracy": arrival[s]}) for v in VARIANTS for s in SEEDS
    ]
    variant = summary(results, steps_to={"dev.accuracy": 0.8})["variants"][1]
    assert variant["steps_to"]["dev.accuracy"] == {
        "threshold": 0.8,
        "reached": 4,
        "n": 8,
        "median": None,
        "low": 10,
        "high": None,
        "values": arrival,
    }
    assert variant["vs_baseline"]["steps_to"]["dev.accuracy"]["verdict"] == "undecided"


def test_folds_have_a_value_for_every_run_and_an_interval_of_the_folds():
    results = [
        run(v, s, 0.9 + f / 100, fold=f) for v in VARIANTS for s in (0, 1) for f in (1, 2, 3)
    ]
    document = summary(results, seeds=[0, 1], folds=3)
    metric = document["variants"][0]["metrics"]["dev"]["accuracy"]
    means = [0.91, 0.92, 0.93]
    expected = mean_interval(means, spread=spread_of(means, overlap=1 / 2))
    assert len(metric["values"]) == 6
    assert (metric["n"], metric["low"]) == (3, pytest.approx(expected.low))
    assert document["paired_by"] == "folds"


def test_several_data_sets_have_verdicts_each_and_together():
    varied = {"data.name": ["iris", "wine"], **VARIED}
    variants = grid(varied)
    document = summary(runs(variants, SEEDS, level), variants, varied=varied)
    assert document["per_data"]["wine"]["activation=relu"]["verdict"] == "better"
    assert document["overall"]["activation=relu"]["verdict"] == "better"
    assert document["chosen"] is None


def test_a_grid_has_effects_and_another_design_has_none(results):
    effects = summary(results)["effects"]
    assert [effect["level"] for effect in effects["main"]] == ["relu", "tanh"]
    assert summary(results, design="one_at_a_time")["effects"] is None


def test_one_at_a_time_the_base_is_a_point_of_every_curve_and_the_baseline_on_every_data_set():
    varied = {"model.hidden": [[10], [10] * 3], "data.name": ["wine"]}
    variants = [
        Variant("base", {}),
        Variant("hidden=[10]", {"model.hidden": [10]}),
        Variant("hidden=[10,10,10]", {"model.hidden": [10] * 3}),
        Variant("data=wine", {"data.name": "wine"}),
    ]
    base = {"model.hidden": [10, 10], "data.name": "iris", "optimizer.lr": 0.1}
    document = summary(
        runs(variants, SEEDS, lambda variant: 0.9),
        variants,
        varied=varied,
        base=base,
        design="one_at_a_time",
    )
    [curve] = document["curves_by_factor"]
    assert curve["values"] == [1, 3, 2]
    assert [point["n"] for point in curve["dev"]] == [8, 8, 8]
    assert document["factors"][1]["values"] == ["wine", "iris"]
    assert [variant["vs_baseline"] is None for variant in document["variants"]] == [
        True,
        False,
        False,
        True,
    ]
    assert document["variants"][0]["settings"] == {}


def test_what_was_tuned_is_handed_on(results):
    tuned = {"activation=relu": {"optimizer.lr": 0.1, "edges": {}}}
    assert summary(results, tuning=tuned)["tuning"] == tuned
    assert summary(results)["tuning"] is None


def test_numbers_that_json_has_not_are_null():
    plain = finite({"a": [np.float64(1.5), float("nan"), (np.inf, np.int64(2))]})
    assert plain == {"a": [1.5, None, [None, 2]]}
    assert type(plain["a"][0]) is float


def test_each_of_several_metrics_has_verdicts_of_its_own(results):
    alone = summary(results)
    assert alone["also"] == {}
    document = summary(results, also=["dev.cost"], margin=0.02)
    swapped = summary(results, metric="dev.cost")
    cost = document["also"]["dev.cost"]
    assert (cost["rising"], cost["margin"]) == (False, swapped["margin"])
    same = ("baseline", "difference", "low", "high", "p_raw", "n", "wins", "test")
    for variant, other in zip(document["variants"], swapped["variants"], strict=True):
        assert cost["variants"][variant["name"]]["n"] == other["n"]
        shown, own = cost["variants"][variant["name"]]["vs_baseline"], other["vs_baseline"]
        assert (shown is None) == (own is None)
        if shown:
            assert [shown[key] for key in same] == [own[key] for key in same]
            assert shown["p"] >= own["p"], "more tests are in the family"
    assert document["margin"] == 0.02, "the margin is the judged metric's alone"
