"""The comparison of every variant with its baseline: verdicts in the form of summary.json."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from dlx.ablation import wording
from dlx.ablation.factors import DATA, Factor, same, setting_names
from dlx.ablation.outcomes import Outcomes
from dlx.ablation.results import Variant
from dlx.ablation.statistics.censored import steps_difference
from dlx.ablation.statistics.failures import FAILURES
from dlx.ablation.statistics.intervals import Spread
from dlx.ablation.statistics.paired import Difference
from dlx.ablation.statistics.verdicts import (
    ALPHA,
    Comparison,
    Verdict,
    Word,
    judge_together,
    overall,
    pooled,
)
from dlx.traits import Scale

HALF_A_POINT = 0.005


@dataclass(frozen=True)
class Judged:
    """The metric by which variants are judged, and how."""

    metric: str  # `<split>.<tag>` or `success`
    rising: bool  # whether larger values are better
    scale: Scale  # see `MetricTraits`
    # Largest difference that does not matter; None: see `margin_beside`.
    margin: float | None = None
    best: float | None = None  # value that nothing exceeds; None: there is none

    def margin_beside(self, baseline: np.ndarray, rows: int) -> dict[str, Any]:
        """Return the fields of a `Comparison` that say which difference does not matter.

        What the user stated; otherwise, of a metric between 0 and 1, half a percentage point, but
        at most 10 % of the baseline's error, and at least one judged row. Of another metric 5 % of
        its distance to the best value, or of the value itself.

        Args:
            baseline: (N,) values
            rows: number of judged rows; 0: unknown
        """
        if self.margin is not None or self.metric == "success":
            return {"margin": self.margin or HALF_A_POINT}
        if self.scale:
            errors = 1 - baseline if self.rising else baseline
            least = 1 / rows if rows else 0.0
            return {"margin": HALF_A_POINT, "relative": 0.1 * errors, "least": least}
        distance = np.abs(baseline if self.best is None else self.best - baseline)
        return {"margin": np.inf, "relative": 0.05 * distance}


def baselines_of(variants: Sequence[Variant], baseline: str) -> dict[str, str]:
    """Return the name of the baseline of every variant that has one and is none itself.

    Where the data set varies, a variant is compared with the variant on the same data set that has
    the baseline's other settings.
    """
    base = next(variant for variant in variants if variant.name == baseline)

    def place(variant: Variant, settings: Mapping[str, Any]) -> tuple[str, str]:
        rest = {key: value for key, value in settings.items() if key != DATA}
        return same(variant.settings.get(DATA)), same(rest)

    names = {place(variant, variant.settings): variant.name for variant in variants}
    baselines = {variant.name: names.get(place(variant, base.settings)) for variant in variants}
    return {name: other for name, other in baselines.items() if other and other != name}


def other_pairs(variants: Sequence[Variant], baselines: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the names of all pairs of variants on the same data that no baseline is part of."""
    compared = {frozenset(pair) for pair in baselines.items()}
    return [
        (variant.name, other.name)
        for other, variant in combinations(variants, 2)
        if same(variant.settings.get(DATA)) == same(other.settings.get(DATA))
        and {variant.name, other.name} not in compared
    ]


@dataclass(frozen=True)
class Compared:
    """All verdicts of an ablation, in the form of summary.json."""

    by_metric: Mapping[str, Mapping[str, dict[str, Any]]]  # `vs_baseline` by variant
    # By the first metric, where the data set varies: on each data set, by settings in words, and
    # over all of them.
    per_data: Mapping[str, Any] | None
    overall: Mapping[str, Any] | None
    pairs: Sequence[dict[str, Any]]  # of two variants that are no baseline, by the first metric


def compare(
    outcomes: Outcomes,
    variants: Sequence[Variant],
    factors: Sequence[Factor],
    pairs: Mapping[str, str],
    judged: Sequence[Judged],
    steps_to: Mapping[str, float],
    others: Sequence[tuple[str, str]] = (),
) -> Compared:
    """Judge variants against their baselines (`pairs`) by every metric, as one family of tests.

    Further pairs, `others`, are judged by the first metric in the same family. So the probability
    of any false `better` or `worse` in it is at most 5 %, whether it is by the first metric, by
    another, by the steps to a threshold or over several data sets.
    """
    first = judged[0]
    groups = [
        {
            (name, base): _comparison(outcomes, name, base, metric)
            for name, base in [*pairs.items(), *(others if metric is first else [])]
        }
        for metric in judged
    ]
    with_base = {name: groups[0][name, base] for name, base in pairs.items()}
    over = _OverDataSets.of(variants, factors, pairs, with_base, first)
    steps = _steps_differences(outcomes, pairs, steps_to)
    verdicts, over_verdicts, adjusted = judge_together(
        [list(group.values()) for group in groups],
        list(over.together.values()) if over else [],
        [test.p for tests in steps.values() for test in tests.values()],
    )
    num_comparisons = sum(map(len, verdicts)) + len(over_verdicts) + len(adjusted)
    told = [
        {
            (name, base): document(
                comparison, verdict, base, metric, outcomes.unit, num_comparisons
            )
            for ((name, base), comparison), verdict in zip(group.items(), own, strict=True)
        }
        for metric, group, own in zip(judged, groups, verdicts, strict=True)
    ]
    documents = {
        metric.metric: {name: own[name, base] for name, base in pairs.items()}
        for metric, own in zip(judged, told, strict=True)
    }
    between = [{"variant": name, **told[0][name, base]} for name, base in others]
    places = iter(adjusted)
    by_first = documents[first.metric]
    for own in by_first.values():
        own["steps_to"] = {}
    for metric, tests in steps.items():
        for name, test in tests.items():
            horizon = _horizon(outcomes, name, pairs[name])
            by_first[name]["steps_to"][metric] = _steps_document(test, float(next(places)), horizon)
    if over is None:
        return Compared(documents, None, None, between)
    per_data, together = over.documents(by_first, over_verdicts, outcomes.unit, num_comparisons)
    return Compared(documents, per_data, together, between)


def best_group(compared: Compared, metric: str, names: Sequence[str]) -> dict[str, Any]:
    """Return the variants that are not shown to be worse than any other: names, and what is out.

    Every pair is judged in the family of the ablation. So the probability that a variant is left
    out which is as good as the best is at most 5 %, whichever and however many these are.

    Reference:
        Hsu 1984, Constrained simultaneous confidence intervals for multiple comparisons with the
        best, Annals of Statistics 12, whose bound is for one best variant: it leaves out one of
        several equally good ones more often (`benchmarks/calibration.py`).
    """
    every = [{"variant": name, **own} for name, own in compared.by_metric[metric].items()]
    beaten: dict[str, str] = {}
    for pair in [*every, *compared.pairs]:
        if pair["verdict"] == "worse":
            beaten.setdefault(pair["variant"], pair["baseline"])
        elif pair["verdict"] == "better":
            beaten.setdefault(pair["baseline"], pair["variant"])
    return {"variants": [name for name in names if name not in beaten], "beaten_by": beaten}


def document(
    comparison: Comparison,
    verdict: Verdict,
    baseline: str,
    judged: Judged,
    unit: str,
    num_comparisons: int,
) -> dict[str, Any]:
    """Return a `vs_baseline` of summary.json; NaN becomes null when it is written."""
    test, failures = verdict.difference, verdict.failures
    has_diverged = failures and (failures.variant[0] or failures.baseline[0])
    return {
        "baseline": baseline,
        "difference": test.mean,
        "low": test.low,
        "high": test.high,
        "p": verdict.p,
        "p_raw": test.p,
        "wins": verdict.wins,
        "n": test.n,
        "test": test.test,
        "variance_of_rows": verdict.of_rows,
        "verdict": verdict.word,
        "basis": verdict.basis,
        "conclusion": verdict.conclusion,
        "enough_seeds": verdict.enough,
        "equivalence": {"margin": comparison.limit, "p": verdict.p_equivalent},
        "failures": {
            "variant": list(failures.variant),
            "baseline": list(failures.baseline),
            "p": verdict.p_failures,
            "p_raw": failures.p,
            "test": FAILURES,
        }
        if failures and has_diverged
        else None,
        "why": wording.why(
            verdict,
            metric=judged.metric,
            in_points=judged.scale == "share",
            baseline=baseline,
            margin=comparison.limit,
            unit=unit,
            num_comparisons=num_comparisons,
        ),
    }


@dataclass(frozen=True)
class _OverDataSets:
    """The comparisons over several data sets, by settings in words."""

    data_of: Mapping[str, str]  # by variant
    labels: Mapping[str, str]  # settings in words, by variant
    names: Mapping[str, Sequence[str]]  # variants with these settings, one on each data set
    together: Mapping[str, Comparison]
    pairs: Mapping[str, str]
    judged: Judged

    @classmethod
    def of(
        cls,
        variants: Sequence[Variant],
        factors: Sequence[Factor],
        pairs: Mapping[str, str],
        comparisons: Mapping[str, Comparison],
        judged: Judged,
    ) -> "_OverDataSets | None":
        """Return the comparisons; None if the data set does not vary."""
        data = next((factor for factor in factors if factor.key == DATA), None)
        if data is None or len(data.values) < 2:
            return None
        rest = [factor for factor in factors if factor.key != DATA]
        data_of = {variant.name: str(variant.settings.get(DATA)) for variant in variants}
        labels = {variant.name: setting_names(variant.settings, rest) for variant in variants}
        names: dict[str, list[str]] = {}
        for name in pairs:
            names.setdefault(labels[name], []).append(name)
        names = {label: own for label, own in names.items() if len(own) == len(data.values)}
        together = {
            label: pooled([comparisons[name] for name in own], is_bounded=judged.scale is not None)
            for label, own in names.items()
        }
        return cls(data_of, labels, names, together, pairs, judged)

    def documents(
        self,
        alone: Mapping[str, dict[str, Any]],
        verdicts: Sequence[Verdict],
        unit: str,
        num_comparisons: int,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return `vs_baseline` by data set and settings, and by settings over all data sets."""
        per_data: dict[str, Any] = {data: {} for data in dict.fromkeys(self.data_of.values())}
        for name, own in alone.items():
            per_data[self.data_of[name]][self.labels[name]] = own
        worded = self.judged
        if worded.scale is None:  # pooled costs are relative to the baseline's
            metric = f"{worded.metric}, in % of the baseline's,"
            worded = replace(worded, metric=metric, scale="share")
        overall_: dict[str, Any] = {}
        for (label, names), verdict in zip(self.names.items(), verdicts, strict=True):
            base = self.labels[self.pairs[names[0]]]
            result = document(self.together[label], verdict, base, worded, unit, num_comparisons)
            own_words: dict[str, Word] = {
                self.data_of[name]: alone[name]["verdict"] for name in names
            }
            result["verdict"] = overall(verdict, list(own_words.values()))
            result["is_relative"] = self.judged.scale is None
            if result["verdict"] != verdict.word:
                result["basis"], result["conclusion"] = "conflict", "mixed"
                result["enough_seeds"] = None
                result["why"] = wording.contradiction(own_words)
            overall_[label] = result
        return per_data, overall_


def _comparison(outcomes: Outcomes, name: str, base: str, judged: Judged) -> Comparison:
    values, base_values = (outcomes.values(variant, judged.metric) for variant in (name, base))
    variant, baseline = outcomes.pairs(values, base_values)
    same_rows = outcomes.have_same_rows(name, base, judged.metric)
    is_success = judged.metric == "success"  # where a run that diverged counts as 0
    spread = Spread(np.nan, np.nan, np.nan)
    if same_rows:
        spread = outcomes.spread(values - base_values, name, judged.metric, base)
    return Comparison(
        variant=variant if same_rows else np.full_like(variant, np.nan),
        baseline=baseline,
        rising=judged.rising,
        **judged.margin_beside(baseline, outcomes.rows(base, judged.metric)),
        is_binary=is_success and outcomes.folds is None,
        diverged=(0, 0) if is_success else outcomes.diverged(name),
        baseline_diverged=(0, 0) if is_success else outcomes.diverged(base),
        overlap=outcomes.overlap,
        same_rows=same_rows,
        of_rows=spread.of_rows,
        row_freedom=spread.row_freedom,
    )


def margin_of(outcomes: Outcomes, baseline: str, judged: Judged) -> float:
    """Return the margin beside the baseline, as a number."""
    return _comparison(outcomes, baseline, baseline, judged).limit


def _horizon(outcomes: Outcomes, name: str, base: str) -> float:
    """Return the steps that runs of both took."""
    return float(min(outcomes.longest(name), outcomes.longest(base)))


def _steps_differences(
    outcomes: Outcomes, pairs: Mapping[str, str], steps_to: Mapping[str, float]
) -> dict[str, dict[str, Difference]]:
    """Return the difference in steps to each threshold, by metric and variant."""

    def difference(name: str, base: str, metric: str) -> Difference:
        steps = [outcomes.steps_to(variant, metric) for variant in (name, base)]
        if not outcomes.have_same_rows(name, base, metric):
            steps = [np.full_like(own, np.nan) for own in steps]
        return steps_difference(*steps, horizon=_horizon(outcomes, name, base))

    return {
        metric: {name: difference(name, base, metric) for name, base in pairs.items()}
        for metric in steps_to
    }


def _steps_document(test: Difference, p: float, horizon: float) -> dict[str, Any]:
    verdict = "undecided"
    if p <= ALPHA and test.mean:
        verdict = "better" if test.mean < 0 else "worse"
    return {
        "difference": test.mean,
        "low": test.low,
        "high": test.high,
        "p": p,
        "p_raw": test.p,
        "n": test.n,
        "horizon": horizon,
        "test": test.test,
        "verdict": verdict,
    }
