"""The comparison of every variant with its baseline: verdicts in the form of summary.json."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np

from dlx.ablation import wording
from dlx.ablation.factors import DATA, Factor, same, setting_names
from dlx.ablation.outcomes import Outcomes
from dlx.ablation.results import Variant
from dlx.ablation.statistics.censored import steps_difference
from dlx.ablation.statistics.failures import FAILURES
from dlx.ablation.statistics.intervals import CONFIDENCE, Spread
from dlx.ablation.statistics.paired import Difference
from dlx.ablation.statistics.sequential import Schedule
from dlx.ablation.statistics.verdicts import (
    ALPHA,
    Comparison,
    Family,
    Judgement,
    Verdict,
    Word,
    judge_in_turn,
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
    # Where seeds are added until a verdict: by variant, its difference from the baseline by the
    # first metric at each look, and why it has no more seeds (`looks.OPEN`: it may have more).
    growth: Mapping[str, Sequence[dict[str, Any]]] = field(default_factory=dict)
    standing: Mapping[str, str] = field(default_factory=dict)


def compare(
    outcomes: Outcomes,
    variants: Sequence[Variant],
    factors: Sequence[Factor],
    pairs: Mapping[str, str],
    judged: Sequence[Judged],
    steps_to: Mapping[str, float],
    others: Sequence[tuple[str, str]] = (),
    schedule: Schedule | None = None,
) -> Compared:
    """Judge variants against their baselines (`pairs`) by every metric, as one family of tests.

    Further pairs, `others`, are judged by the first metric in the same family. So the probability
    of any false `better` or `worse` in it is at most 5 %, whether it is by the first metric, by
    another, by the steps to a threshold or over several data sets. By a schedule it is so although
    there were looks before, at all of which the outcomes are judged as they were then.
    """
    first = judged[0]
    looks: list[_Look] = []

    def families() -> Iterator[Family]:
        for seeds in _looked_at(outcomes, schedule):
            shown = outcomes.first(seeds) if schedule else outcomes
            groups = [
                {
                    (name, base): _comparison(shown, name, base, metric, schedule)
                    for name, base in [*pairs.items(), *(others if metric is first else [])]
                }
                for metric in judged
            ]
            with_base = {name: groups[0][name, base] for name, base in pairs.items()}
            over = _OverDataSets.of(variants, factors, pairs, with_base, first)
            steps = _steps_differences(shown, pairs, steps_to, schedule)
            looks.append(_Look(seeds, groups, over, steps))
            yield looks[-1].family()

    judgements = list(judge_in_turn(families(), schedule))
    groups, over, steps = looks[-1].groups, looks[-1].over, looks[-1].steps
    verdicts, over_verdicts, adjusted = judgements[-1]
    num_comparisons = sum(map(len, verdicts)) + len(over_verdicts) + len(adjusted)
    told: list[dict[tuple[str, str], dict[str, Any]]] = [
        {
            (name, base): document(
                comparison, verdict, base, metric, outcomes.unit, num_comparisons
            )
            | ({"seeds": comparison.seeds} if schedule else {})
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
    growth, standing = {}, {}
    if schedule is not None:
        growth = _growth(looks, judgements, pairs)
        standing = _standing(looks[-1], judgements[-1], pairs, others, schedule)
    if over is None:
        return Compared(documents, None, None, between, growth, standing)
    per_data, together = over.documents(by_first, over_verdicts, outcomes.unit, num_comparisons)
    return Compared(documents, per_data, together, between, growth, standing)


@dataclass(frozen=True)
class _Look:
    """What is compared after so many seeds."""

    seeds: int  # 0: without a schedule
    groups: Sequence[Mapping[tuple[str, str], Comparison]]  # by pair, of each metric
    over: "_OverDataSets | None"
    steps: Mapping[str, Mapping[str, Difference]]  # by metric and variant

    def family(self) -> Family:
        """Return all of it as one family of tests."""
        by_variant = {name: own for (name, _), own in self.groups[0].items()}
        others = [
            (test.p if by_variant[name].seeds >= self.seeds else np.nan, test.mean)
            for tests in self.steps.values()
            for name, test in tests.items()
        ]
        groups = [list(group.values()) for group in self.groups]
        over = list(self.over.together.values()) if self.over else []
        return Family(groups, over, others, self.seeds)


def _looked_at(outcomes: Outcomes, schedule: Schedule | None) -> list[int]:
    """Return the looks that there have been, by their numbers of seeds; [0] without a schedule."""
    if schedule is None:
        return [0]
    newest = schedule.reached(max(map(outcomes.given, outcomes.runs)))
    return [seeds for seeds in schedule.looks if seeds <= newest]


def _growth(
    looks: Sequence[_Look], judgements: Sequence[Judgement], pairs: Mapping[str, str]
) -> dict[str, list[dict[str, Any]]]:
    """Return each variant's difference from the baseline at every look that it took part in."""
    growth: dict[str, list[dict[str, Any]]] = {name: [] for name in pairs}
    for look, ((first, *_), _, _) in zip(looks, judgements, strict=True):
        for ((name, base), comparison), verdict in zip(look.groups[0].items(), first, strict=True):
            if pairs.get(name) == base and comparison.seeds == look.seeds:
                growth[name].append(
                    {
                        "seeds": look.seeds,
                        "n": verdict.difference.n,
                        "difference": verdict.difference.mean,
                        "low": verdict.difference.low,
                        "high": verdict.difference.high,
                        "of_rows": replace(verdict.spread, share=0.0).width(comparison.confidence),
                        "p": verdict.p,
                        "verdict": verdict.word,
                        "conclusion": verdict.conclusion,
                    }
                )
    return growth


OPEN = "open"
"""The standing of a variant that gets more seeds."""
FEWEST_FOR_ROWS = 10
"""Seeds from which on a variant may leave for too few rows, whose variance fewer show badly."""


def _standing(
    look: _Look,
    judgement: Judgement,
    pairs: Mapping[str, str],
    others: Sequence[tuple[str, str]],
    schedule: Schedule,
) -> dict[str, str]:
    """Return of each variant that is no baseline whether it is open, or why it is not."""
    (first, *also), over, _ = judgement
    of_variant: dict[str, list[str]] = {
        name: [] for name in dict.fromkeys([*pairs, *sum(others, ())])
    }
    for pair, verdict in zip(look.groups[0], first, strict=True):
        for name in pair:
            if name in of_variant and (name == pair[0] or pair in others):
                of_variant[name].append(_why_closed(verdict, schedule, look.seeds))
    if schedule.half_width is None:
        for group, verdicts in zip(look.groups[1:], also, strict=True):
            for (name, _), verdict in zip(group, verdicts, strict=True):
                of_variant[name].append(_why_closed(verdict, schedule, look.seeds))
        for names, verdict in zip(look.over.names.values() if look.over else [], over, strict=True):
            for name in names:
                of_variant[name].append(_why_closed(verdict, schedule, look.seeds))
    order = (
        OPEN,
        "too few rows",
        "other dev rows",
        "nothing to compare",
        "narrow enough",
        "decided",
    )
    standing = {name: min(why, key=order.index) for name, why in of_variant.items()}
    ended = look.seeds == schedule.looks[-1]
    return {name: "all seeds" if ended and why == OPEN else why for name, why in standing.items()}


def _why_closed(verdict: Verdict, schedule: Schedule, seeds: int) -> str:
    """Return why a comparison needs no more than so many seeds, or `OPEN`."""
    shows_rows = seeds >= min(FEWEST_FOR_ROWS, schedule.looks[-1])
    if verdict.conclusion in ("other dev rows", "nothing to compare"):
        return verdict.conclusion
    if schedule.half_width is None:
        if verdict.word != "undecided":
            return "decided"
        return "too few rows" if shows_rows and verdict.is_beyond_seeds else OPEN
    width = (verdict.difference.high - verdict.difference.low) / 2
    shows_spread = verdict.basis not in ("alike", "few pairs")  # pairs equal by chance have none
    if shows_spread and width <= schedule.half_width:
        return "narrow enough"
    floor = replace(verdict.spread, share=0.0).width(schedule.least_confidence(seeds))
    return "too few rows" if shows_rows and floor > schedule.half_width else OPEN


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
            over_looks=bool(comparison.seeds),
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


def _comparison(
    outcomes: Outcomes, name: str, base: str, judged: Judged, schedule: Schedule | None = None
) -> Comparison:
    values, base_values = (outcomes.values(variant, judged.metric) for variant in (name, base))
    variant, baseline = outcomes.pairs(values, base_values)
    same_rows = outcomes.have_same_rows(name, base, judged.metric)
    is_success = judged.metric == "success"  # where a run that diverged counts as 0
    spread = Spread(np.nan, np.nan, np.nan)
    if same_rows:
        spread = outcomes.spread(values - base_values, name, judged.metric, base)
    seeds = _seeds_of(outcomes, name, base, schedule)
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
        seeds=seeds,
        confidence=schedule.confidence(seeds) if schedule else CONFIDENCE,
    )


def _seeds_of(outcomes: Outcomes, name: str, base: str, schedule: Schedule | None) -> int:
    """Return the newest look that both variants took part in; 0 without a schedule."""
    return schedule.reached(min(map(outcomes.given, (name, base)))) if schedule else 0


def margin_of(outcomes: Outcomes, baseline: str, judged: Judged) -> float:
    """Return the margin beside the baseline, as a number."""
    return _comparison(outcomes, baseline, baseline, judged).limit


def _horizon(outcomes: Outcomes, name: str, base: str) -> float:
    """Return the steps that runs of both took."""
    return float(min(outcomes.longest(name), outcomes.longest(base)))


def _steps_differences(
    outcomes: Outcomes,
    pairs: Mapping[str, str],
    steps_to: Mapping[str, float],
    schedule: Schedule | None,
) -> dict[str, dict[str, Difference]]:
    """Return the difference in steps to each threshold, by metric and variant."""

    def difference(name: str, base: str, metric: str) -> Difference:
        steps = [outcomes.steps_to(variant, metric) for variant in (name, base)]
        if not outcomes.have_same_rows(name, base, metric):
            steps = [np.full_like(own, np.nan) for own in steps]
        seeds = _seeds_of(outcomes, name, base, schedule)
        confidence = schedule.confidence(seeds) if schedule else CONFIDENCE
        horizon = _horizon(outcomes, name, base)
        return steps_difference(*steps, horizon=horizon, confidence=confidence)

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
