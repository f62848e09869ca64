"""The sentences of summary.json: the question, the reasons of verdicts, and warnings."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dlx.ablation.factors import Factor
from dlx.ablation.statistics.equivalence import most_unseen
from dlx.ablation.statistics.intervals import CONFIDENCE
from dlx.ablation.statistics.paired import Difference
from dlx.ablation.statistics.verdicts import ALPHA, Verdict, Word


def question(factors: Sequence[Factor], metric: str, success: Mapping[str, float]) -> str:
    """Return the question of an ablation."""
    keys = [factor.key for factor in factors]
    listed = " or ".join([", ".join(keys[:-1]), keys[-1]] if len(keys) > 1 else keys)
    if metric != "success":
        return f"Does {listed} change {metric}?"
    reached = " and ".join(f"{key} at {_number(value)}" for key, value in success.items())
    return f"Does {listed} change how often a run succeeds{f' ({reached})' if reached else ''}?"


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def size(value: float, *, in_points: bool, signed: bool = False) -> str:
    """Return a difference: in percentage points for a share, otherwise with three digits."""
    sign = "+" if signed else ""
    text = f"{100 * value:{sign}.2f}" if in_points else f"{value:{sign}.3g}"
    return text.replace("-", "−")


def _p(p: float) -> str:
    return "p < 0.0001" if p < 0.0001 else f"p {p:.2g}"


def why(
    verdict: Verdict,
    *,
    metric: str,
    in_points: bool,
    baseline: str,
    margin: float,
    unit: str,
    num_comparisons: int,
    over_looks: bool = False,
) -> str:
    """Return the reason of a verdict in a few sentences; differences of a share are in points."""
    test = verdict.difference
    metric = "the success rate" if metric == "success" else metric
    limit = f"±{size(margin, in_points=in_points)}{' points' if in_points else ''}"
    difference = _difference(test, metric, baseline, in_points=in_points)
    if verdict.basis == "other rows":
        sentences = [
            "They were judged on other rows, so that a difference would not be theirs: give both "
            "the same split and the same way with missing values."
        ]
    elif test.n == 0:
        sentences = [f"No two runs of the same {unit[:-1]} have {metric} to compare."]
    elif test.n == 1:
        sentences = [f"One pair gives no interval: {difference}."]
    else:
        low, high = (size(end, in_points=in_points, signed=True) for end in (test.low, test.high))
        sentences = [
            f"{difference} ({100 * CONFIDENCE:g} % interval{' over all looks' * over_looks} {low} "
            f"to {high}, adjusted "
            f"{_p(verdict.p)}, better in {verdict.wins} of {test.n} {unit})."
        ]
        if verdict.of_rows:
            sentences.append(_sources(verdict.of_rows))
    match verdict.basis:
        case "margin":
            within = f"within {limit} ({_p(verdict.p_equivalent)})"
            is_certain = verdict.p <= ALPHA
            sentences.append(
                f"That is not 0, but {within}: too small to matter."
                if is_certain
                else f"That is {within}."
            )
        case "few pairs":
            enough = verdict.enough or test.n + 1
            comparisons = f"{num_comparisons} comparison{'s' * (num_comparisons != 1)}"
            takes = f"with {comparisons} it takes {enough} {unit}"
            sentences.append(f"{test.n} pairs are too few to rely on; {takes}.")
        case "alike":
            share = most_unseen(test.n)
            sentences = [
                f"{metric} is the same in all {test.n} pairs. But with so few, up to "
                f"{100 * share:.0f} % of the seeds could differ."
            ]
        case "nothing" if test.n > 1:
            sentences.append(_undecided(verdict, margin, limit))
    text = " ".join([*sentences, *_failures(verdict, baseline)])
    return text[0].upper() + text[1:] if metric.startswith("the ") else text


def contradiction(words: Mapping[str, Word]) -> str:
    """Return why there is no verdict over data sets."""
    return "The data sets contradict each other: " + ", ".join(
        f"{word} on {data}" for data, word in words.items()
    )


def _difference(test: Difference, metric: str, baseline: str, *, in_points: bool) -> str:
    if not test.mean:
        return f"{metric} is equal to that of {baseline}"
    direction = "above" if test.mean > 0 else "below"
    amount = size(abs(test.mean), in_points=in_points) + (" points" if in_points else "")
    return f"{metric} is {amount} {direction} that of {baseline}"


def _sources(of_rows: float) -> str:
    """Say what makes a difference uncertain, given the share of its variance that rows make."""
    return (
        f"What makes it uncertain is the choice of the rows ({100 * of_rows:.0f} % of the "
        f"variance) and the seeds ({100 * (1 - of_rows):.0f} %)."
    )


def _undecided(verdict: Verdict, margin: float, limit: str) -> str:
    test = verdict.difference
    if test.low > 0 or test.high < 0:
        return (
            "The interval, which is of this comparison alone, excludes 0. But p, adjusted for all "
            "comparisons of the ablation and for values that repeat, is not small enough."
        )
    if np.isnan(margin) or test.low < -margin or test.high > margin:
        more = "more seeds would show"
        if verdict.conclusion == "too few rows":
            more = "no number of seeds, but more rows to judge by would show"
        return (
            f"The interval contains 0 and reaches beyond {limit}: "
            f"{more} whether the variant is better, worse or equivalent."
        )
    return f"It may be within {limit}, but that is not certain ({_p(verdict.p_equivalent)})."


def _failures(verdict: Verdict, baseline: str) -> list[str]:
    failures = verdict.failures
    if failures is None or not (failures.variant[0] or failures.baseline[0]):
        return []
    (count, runs), (base_count, base_runs) = failures.variant, failures.baseline
    sentences = [
        f"{count} of {runs} runs diverged, against {base_count} of {base_runs} of {baseline} "
        f"({_p(verdict.p_failures)})."
    ]
    match verdict.basis:
        case "divergence":
            more = "more" if failures.excess > 0 else "less"
            sentences.append(f"The variant certainly diverges {more} often, which decides.")
        case "conflict":
            sentences.append("The runs that ended do not outweigh those that diverged.")
        case _ if verdict.difference.n:
            sentences.append("The difference is that of the pairs in which both runs ended.")
    return sentences


def of_these_rows(metrics: Sequence[str]) -> list[str]:
    """Say by which metrics verdicts hold for the judged rows alone."""
    return [
        f"All seeds are judged on the same rows, and {metric} is no mean over rows: its intervals "
        "and verdicts hold for these rows alone, and for others often not. Let every seed draw its "
        "own (ablation.splits: each_seed), or use ablation.folds."
        for metric in metrics
    ]


def warnings(
    variants: Sequence[Mapping[str, Any]],
    *,
    metric: str,
    num_seeds: int,
    folds: int | None,
    data: Sequence[str],
) -> list[str]:
    """Return sentences on what else matters to a reader of the verdicts.

    Variants are as summary.json has them; `data` is the data set of each.
    """
    sentences = []
    for keys, what in (
        (("parameters",), "number of parameters"),
        (("steps", "pretraining_steps"), "optimizer steps"),
        (("examples", "pretraining_examples"), "examples seen"),
    ):
        if len(keys) > 1 and any(variant[keys[1]] for variant in variants):
            what += " (pre-training included)"
        for data_set in dict.fromkeys(data):  # verdicts compare variants of one data set
            totals = {
                variant["name"]: sum(variant[key] for key in keys)
                for variant, name in zip(variants, data, strict=True)
                if name == data_set and variant[keys[0]] is not None
            }
            if len(set(totals.values())) > 1:
                least, most = (f(totals, key=totals.__getitem__) for f in (min, max))
                sentences.append(
                    f"Variants differ in {what}: {totals[least]:,} ({least}) to "
                    f"{totals[most]:,} ({most})."
                )
    varied = {key for variant in variants for key in variant["settings"]}
    losses = any(f"{key}.".startswith("model.loss.") for key in varied)
    if metric.endswith("cost") and losses:  # corrupted_cost too
        sentences.append(
            f"Variants differ in model.loss, and {metric} is in units of each variant's own loss: "
            "such costs do not compare. Choose an ablation.metric with the same meaning for all."
        )
    if any((variant["vs_baseline"] or {}).get("basis") == "other rows" for variant in variants):
        counts = [f"{variant['rows']:,} ({variant['name']})" for variant in variants]
        more = [f"and {len(counts) - 4} more"] if len(counts) > 4 else []
        sentences.append(
            f"Variants are judged on different {metric.partition('.')[0]} rows: "
            f"{', '.join(counts[:4] + more)}. There is no verdict between them; give them the same "
            "split (where some watch stop rows, data.split={stop: 0.5} takes such rows for "
            "all) and the same way with missing values."
        )
    if num_seeds == 1 and folds is None:
        sentences.append("One seed (n = 1) gives no intervals and no verdicts; use more seeds.")
    for variant in variants:
        name, runs, diverged, failed = (
            variant[key] for key in ("name", "runs", "diverged", "failed")
        )
        ended = runs - diverged - failed
        if diverged:
            rest = f"its numbers are of the {ended} that ended" if ended else "none ended"
            sentences.append(f"{name}: {diverged} of {runs} runs diverged; {rest}.")
        if failed:
            sentences.append(
                f"{name}: {failed} of {runs} runs failed to run, which is not the variant's fault: "
                "run them again."
            )
    if metric != "success" and variants and not any(variant["n"] for variant in variants):
        split = metric.partition(".")[0]
        cure = "give data.split a dev part" if split == "dev" else "choose another ablation.metric"
        if all(variant["diverged"] + variant["failed"] == variant["runs"] for variant in variants):
            cure = "no run ended well"
        sentences.append(f"No run has {metric}, so that nothing could be judged: {cure}.")
    return sentences


def at_the_edge(tuning: Mapping[str, Any]) -> list[str]:
    """Return sentences on tuned values beyond which nothing was tried; see `tuning.edges`."""
    places: dict[tuple[str, str], list[Any]] = {}
    for tuned in tuning.values():
        for key, end in tuned["edges"].items():
            places.setdefault((key, end), []).append(tuned[key])
    return [
        f"{key}: {len(values)} of {len(tuning)} variants chose the {end} value that was tried "
        f"({', '.join(f'{value:g}' for value in dict.fromkeys(values))}); beyond it they may do "
        "better: give ablation.tune more values there."
        for (key, end), values in places.items()
    ]


def unfinished(growing: Mapping[str, Any]) -> list[str]:
    """Return a sentence on variants that would get more seeds; see `summary`."""
    variants = growing["variants"].values()
    if not (count := sum(own["why"] == "open" for own in variants)):
        return []
    seeds = max(own["seeds"] for own in variants)
    return [
        f"{count} of {len(variants)} variants may get more than {seeds} seeds, up to "
        f"{growing['max']:,}; `dlx resume` goes on."
    ]


def pilot(num_seeds: int, planned: int) -> list[str]:
    """Return a sentence on a pilot, whose seeds are the first of those that are planned."""
    if num_seeds >= planned:
        return []
    return [
        f"This is a pilot of {num_seeds} of {planned} planned seeds; `dlx resume` trains the "
        "others and keeps these."
    ]
