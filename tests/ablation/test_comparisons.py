import numpy as np
import pytest
from scipy import stats

from dlx.ablation.comparisons import (
    Compared,
    Judged,
    baselines_of,
    best_group,
    compare,
    other_pairs,
)
from dlx.ablation.factors import factors_of
from dlx.ablation.outcomes import Outcomes
from dlx.ablation.results import Variant
from tests.ablation.simulated import grid, run, runs

SEEDS = range(10)
ACCURACY = Judged("dev.accuracy", True, "share", None)
VARIED = {"data.name": ["iris", "wine"], "model.activation": ["sigmoid", "relu", "tanh"]}
VARIANTS = grid(VARIED)


def level(variant: Variant) -> float:
    relu = variant.settings["model.activation"] == "relu"
    return (0.9 if variant.settings["data.name"] == "iris" else 0.6) + 0.05 * relu


def all_compared(
    results,
    variants=VARIANTS,
    judged=ACCURACY,
    folds=None,
    steps_to=None,
    varied=VARIED,
    also=(),
    others=(),
) -> Compared:
    seeds = sorted({result.seed for result in results})
    outcomes = Outcomes.of(variants, results, seeds=seeds, folds=folds)
    pairs = baselines_of(variants, variants[0].name)
    factors = factors_of(varied)
    return compare(outcomes, variants, factors, pairs, [judged, *also], steps_to or {}, others)


def compared(results, variants=VARIANTS, judged=ACCURACY, **options):
    """Return the verdicts on variants of one data set, by variant."""
    varied = {"model.activation": VARIED["model.activation"]}
    return all_compared(results, variants, judged, varied=varied, **options).by_metric[
        judged.metric
    ]


def test_a_variant_is_compared_on_its_own_data_set():
    pairs = baselines_of(VARIANTS, VARIANTS[0].name)
    assert pairs == {
        VARIANTS[1].name: VARIANTS[0].name,
        VARIANTS[2].name: VARIANTS[0].name,
        VARIANTS[4].name: VARIANTS[3].name,
        VARIANTS[5].name: VARIANTS[3].name,
    }


def test_a_data_set_without_the_baseline_has_no_comparison():
    assert baselines_of(VARIANTS[:3] + VARIANTS[4:], VARIANTS[0].name) == {
        VARIANTS[1].name: VARIANTS[0].name,
        VARIANTS[2].name: VARIANTS[0].name,
    }


def test_comparisons_are_of_runs_with_equal_seeds():
    variants = VARIANTS[:2]
    results = runs(variants, SEEDS, level)
    document = compared(results[::-1], variants)[variants[1].name]
    values, other = (
        [result.metrics["dev"]["accuracy"] for result in results if result.variant == variant.name]
        for variant in reversed(variants)
    )
    reference = stats.ttest_rel(values, other)
    assert document["difference"] == pytest.approx(np.mean(values) - np.mean(other))
    assert document["p_raw"] == pytest.approx(reference[1])
    assert document["low"] == pytest.approx(reference.confidence_interval().low)
    assert (document["verdict"], document["wins"], document["n"]) == ("better", 10, 10)
    assert document["failures"] is None
    assert document["equivalence"]["margin"] == 0.005


def test_the_margin_of_a_cost_is_a_twentieth_of_the_baselines():
    variants = VARIANTS[:2]
    results = runs(variants, SEEDS, level)
    documents = compared(results, variants, Judged("dev.cost", False, None, None))
    mean = np.mean([result.metrics["dev"]["cost"] for result in results[:10]])
    assert documents[variants[1].name]["equivalence"]["margin"] == pytest.approx(0.05 * mean)
    assert documents[variants[1].name]["verdict"] == "better"


@pytest.mark.parametrize(
    ("rows", "margin", "verdict"),
    [
        (10_000, 0.00160, "better"),  # a tenth of the baseline's error
        (500, 0.002, "better"),  # one row
        (100, 0.01, "equivalent"),  # one row of so few hides it
    ],
)
def test_the_margin_of_a_share_is_a_tenth_of_the_error_and_one_row_at_least(rows, margin, verdict):
    """1.60 % against 1.25 % error was equivalent when the margin was half a point always."""
    variants = VARIANTS[:2]
    noise = np.random.default_rng(0).normal(0, 0.0002, (2, 10))
    sizes = {"dev": {"n": rows, "digest": "dev"}, "train": {"n": 9 * rows, "digest": "train"}}
    results = [
        run(variant, seed, 1 - error + noise[place, seed], rows=sizes)
        for place, (variant, error) in enumerate(zip(variants, (0.0160, 0.0125), strict=True))
        for seed in SEEDS
    ]
    document = compared(results, variants)[variants[1].name]
    assert document["equivalence"]["margin"] == pytest.approx(margin, abs=2e-5)
    assert (document["verdict"], document["wins"]) == (verdict, 10)


def test_the_margin_of_r2_is_a_twentieth_of_what_is_not_explained():
    judged = Judged("dev.r2", True, None, None, best=1.0)
    margin = judged.margin_beside(np.array([0.9, 0.8]), rows=50)
    assert margin["relative"].tolist() == pytest.approx([0.005, 0.01])


def test_what_diverged_is_counted():
    variants = VARIANTS[:2]
    results = runs(variants, SEEDS, level)
    results[10:18] = [run(variants[1], seed, 0, status="diverged") for seed in range(8)]
    document = compared(results, variants)[variants[1].name]
    assert (document["verdict"], document["basis"]) == ("worse", "divergence")
    assert document["failures"]["variant"] == [8, 10]
    assert document["failures"]["baseline"] == [0, 10]
    assert document["failures"]["p_raw"] == pytest.approx(
        stats.boschloo_exact([[8, 0], [2, 10]]).pvalue
    )


def test_success_is_tested_by_outcomes_and_counts_divergence_once():
    variants = VARIANTS[:2]
    judged = Judged("success", True, "share", None)
    results = [run(variants[0], seed, 0, status="diverged") for seed in SEEDS]
    results += [run(variants[1], seed, 0.9, success=True) for seed in SEEDS]
    document = compared(results, variants, judged)[variants[1].name]
    assert (document["test"], document["verdict"]) == ("McNemar mid-p", "better")
    assert document["failures"] is None


def test_folds_are_the_pairs_of_a_cross_validation():
    variants = VARIANTS[:2]
    results = [
        run(variant, seed, 0.8 + fold / 50 + seed / 1000 + 0.1 * place * (1 + fold / 10), fold=fold)
        for place, variant in enumerate(variants)
        for seed in (0, 1)
        for fold in range(1, 6)
    ]
    document = compared(results, variants, folds=5)[variants[1].name]
    assert (document["n"], document["test"]) == (5, "paired t, corrected for folds")


def test_steps_to_a_threshold_are_of_the_family_of_all_tests():
    variants = VARIANTS[:3]
    arrival = {variants[0].name: 80, variants[1].name: 40, variants[2].name: None}
    results = [
        run(variant, seed, 0.9, steps_to={"dev.accuracy": arrival[variant.name]})
        for variant in variants
        for seed in SEEDS
    ]
    documents = compared(results, variants, steps_to={"dev.accuracy": 0.8})
    sooner = documents[variants[1].name]["steps_to"]["dev.accuracy"]
    later = documents[variants[2].name]["steps_to"]["dev.accuracy"]
    assert (sooner["difference"], sooner["verdict"]) == (-40, "better")
    assert (later["difference"], later["verdict"]) == (20, "worse")
    # With two differences of accuracies, which are not the smaller ones, the family has four tests.
    assert sooner["p"] == pytest.approx(4 * sooner["p_raw"]) == pytest.approx(4 * 2 / 2**10)


def test_steps_that_the_baseline_was_not_trained_for_count_as_never():
    variants = VARIANTS[:2]
    options = {"steps": 100, "steps_to": {"dev.accuracy": None}}
    results = [run(variants[0], seed, 0.9, **options) for seed in SEEDS]
    longer = {"steps": 200, "steps_to": {"dev.accuracy": 150}}
    results += [run(variants[1], seed, 0.9, **longer) for seed in SEEDS]
    shown = compared(results, variants, steps_to={"dev.accuracy": 0.8})
    steps = shown[variants[1].name]["steps_to"]["dev.accuracy"]
    assert (steps["horizon"], steps["difference"], steps["verdict"]) == (100, 0, "undecided")


def summarized(results, judged=ACCURACY):
    verdicts = all_compared(results, judged=judged)
    return verdicts.per_data, verdicts.overall


def test_data_sets_have_verdicts_of_their_own_and_one_together():
    per_data, together = summarized(runs(VARIANTS, SEEDS, level))
    assert per_data and together
    assert per_data["iris"]["activation=relu"]["verdict"] == "better"
    assert per_data["wine"]["activation=relu"]["verdict"] == "better"
    assert together["activation=relu"]["verdict"] == "better"
    assert together["activation=relu"]["difference"] == pytest.approx(0.05, abs=0.01)
    assert together["activation=relu"]["baseline"] == "activation=sigmoid"
    assert together["activation=tanh"]["verdict"] in ("equivalent", "undecided")


def test_costs_of_several_data_sets_are_told_as_shares_of_the_baselines():
    _, together = summarized(runs(VARIANTS, SEEDS, level), Judged("dev.cost", False, None, None))
    assert together
    relu = together["activation=relu"]
    assert relu["is_relative"] is True
    assert relu["difference"] == pytest.approx(-0.05 * (1 / 0.2 + 1 / 0.5) / 2, rel=0.2)
    assert relu["why"].startswith("dev.cost, in % of the baseline's, is 17")


def test_data_sets_that_contradict_each_other_leave_it_undecided():
    def opposite(variant: Variant) -> float:
        sign = 1 if variant.settings["data.name"] == "iris" else -0.5
        return 0.8 + sign * 0.1 * (variant.settings["model.activation"] == "relu")

    _, together = summarized(runs(VARIANTS, SEEDS, opposite))
    assert together
    relu = together["activation=relu"]
    assert (relu["verdict"], relu["basis"]) == ("undecided", "conflict")
    assert relu["why"] == "The data sets contradict each other: better on iris, worse on wine"
    assert (relu["conclusion"], relu["enough_seeds"]) == ("mixed", None)


def test_rates_of_divergence_over_data_sets_are_their_own():
    """On each data set too few runs diverged to decide, over both of them enough."""
    results = runs(VARIANTS, SEEDS, level)
    for place, result in enumerate(results):
        variant = next(v for v in VARIANTS if v.name == result.variant)
        if variant.settings["model.activation"] == "tanh" and result.seed < 4:
            results[place] = run(variant, result.seed, 0, status="diverged")
    per_data, together = summarized(results)
    assert per_data and together
    tanh = "activation=tanh"
    assert per_data["iris"][tanh]["failures"]["variant"] == [4, 10]
    assert together[tanh]["failures"]["variant"] == [8, 20]
    pooled, alone = together[tanh]["failures"], per_data["iris"][tanh]["failures"]
    assert pooled["p_raw"] == pytest.approx(stats.boschloo_exact([[8, 0], [12, 20]]).pvalue)
    assert pooled["p_raw"] < 0.01 < alone["p_raw"]
    assert together[tanh]["verdict"] == "worse" and together[tanh]["basis"] == "divergence"
    assert per_data["iris"][tanh]["basis"] != "divergence"
    assert together["activation=relu"]["failures"] is None


def test_one_data_set_has_no_overall_verdict():
    verdicts = all_compared(
        runs(VARIANTS[:3], SEEDS, level),
        VARIANTS[:3],
        varied={"model.activation": VARIED["model.activation"]},
    )
    assert (verdicts.per_data, verdicts.overall) == (None, None)


LEVELS = {"a": 0.90, "b": 0.96, "c": 0.96, "d": 0.8}
LETTERS = grid({"model.activation": list(LEVELS)})
LETTER_PAIRS = other_pairs(LETTERS, baselines_of(LETTERS, LETTERS[0].name))


def of_letters(seeds=SEEDS, **options) -> Compared:
    results = runs(LETTERS, seeds, lambda v: LEVELS[v.settings["model.activation"]])
    return all_compared(results, LETTERS, varied={"model.activation": list(LEVELS)}, **options)


def test_other_pairs_are_those_without_a_baseline_on_the_same_data():
    assert [(v[-1], w[-1]) for v, w in LETTER_PAIRS] == [("c", "b"), ("d", "b"), ("d", "c")]
    pairs = baselines_of(VARIANTS, VARIANTS[0].name)
    assert other_pairs(VARIANTS, pairs) == [
        (VARIANTS[2].name, VARIANTS[1].name),
        (VARIANTS[5].name, VARIANTS[4].name),
    ]
    assert len(other_pairs(LETTERS, {})) == 6


def test_all_pairs_are_of_one_family_with_the_baseline_s():
    cost = Judged("dev.cost", False, None, None)
    found = of_letters(range(3), others=LETTER_PAIRS, also=[cost])
    assert [(own["variant"][-1], own["baseline"][-1]) for own in found.pairs] == [
        *(("c", "b"), ("d", "b"), ("d", "c"))
    ]
    documents = [*found.by_metric["dev.accuracy"].values(), *found.pairs]
    assert len(documents) == 6 and len(found.by_metric["dev.cost"]) == 3
    few = [own["why"] for own in documents if own["basis"] == "few pairs"]
    assert few and all("with 9 comparisons it takes 5" in why for why in few)
    words = {
        (own["variant"][-1], own["baseline"][-1]): own["verdict"]
        for own in of_letters(others=LETTER_PAIRS).pairs
    }
    assert words["d", "b"] == words["d", "c"] == "worse"
    assert words["c", "b"] not in ("better", "worse")


def test_the_best_group_is_what_no_other_beats():
    names = [variant.name for variant in LETTERS]
    group = best_group(of_letters(others=LETTER_PAIRS), "dev.accuracy", names)
    assert [name[-1] for name in group["variants"]] == ["b", "c"]
    assert {name[-1]: by[-1] for name, by in group["beaten_by"].items()}.keys() == {"a", "d"}


def test_equal_variants_are_all_in_the_best_group():
    values = np.random.default_rng(0).normal(0.9, 0.01, 10)
    results = [
        run(variant, seed, float(np.roll(values, place)[seed]))
        for place, variant in enumerate(LETTERS)
        for seed in SEEDS
    ]
    varied = {"model.activation": list(LEVELS)}
    found = all_compared(results, LETTERS, varied=varied, others=LETTER_PAIRS)
    names = [variant.name for variant in LETTERS]
    assert best_group(found, "dev.accuracy", names) == {"variants": names, "beaten_by": {}}
