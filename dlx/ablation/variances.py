"""How far variants' differences vary from seed to seed, as a pilot or an earlier ablation shows."""

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dlx.ablation.outcomes import Outcomes
from dlx.ablation.plan import SUCCESS, Plan
from dlx.ablation.statistics.intervals import Spread, spread_of
from dlx.ablation.statistics.moderation import moderated, worth
from dlx.ablation.statistics.paired import differences
from dlx.ablation.statistics.power import Shown
from dlx.errors import RunError
from dlx.runs import documents

# N pairs


@dataclass(frozen=True)
class Variances:
    """The spread of differences from the baseline in one ablation."""

    path: Path | None  # of its folder; None: it is a pilot of the ablation itself
    seeds: int
    margin: float | None  # the largest difference that did not matter there
    by_variant: Mapping[str, Shown]
    typical: Shown  # of all of these together, for variants that it does not have

    def of(self, variant: str) -> Shown:
        """Return the spread of a variant."""
        return self.by_variant.get(variant, self.typical)


def variances_of(folder: Path, metric: str) -> Variances | None:
    """Return what the ablation in a folder shows of a metric; None if it shows nothing.

    Nothing is shown by a summary that is missing or damaged, by another judged metric, by success,
    which is counted and not measured, by fewer than two pairs and by pairs that are all equal.
    """
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        summary = json.loads((folder / "summary.json").read_bytes())
        if summary["metric"] == metric != SUCCESS:
            return _of_summary(summary, folder)
    return None


def _of_summary(summary: Mapping[str, Any], folder: Path) -> Variances | None:
    split, _, tag = summary["metric"].partition(".")
    outcomes = Outcomes({}, summary["seeds"], summary["folds"])
    values = {
        variant["name"]: np.array(variant["metrics"][split][tag]["values"], float)
        for variant in summary["variants"]
        if tag in variant["metrics"].get(split, {})
    }
    paired = {
        variant["name"]: differences(
            *outcomes.pairs(values[variant["name"]], values[versus["baseline"]])
        )
        for variant in summary["variants"]
        if (versus := variant["vs_baseline"])
        and versus.get("conclusion") != "other dev rows"
        and {variant["name"], versus["baseline"]} <= values.keys()
    }
    paired = {name: own for name, own in paired.items() if len(own) > 1 and np.ptp(own) > 0}
    if not paired:
        return None
    shares = {
        variant["name"]: variant["vs_baseline"].get("variance_of_rows") or 0.0
        for variant in summary["variants"]
        if variant["name"] in paired
    }
    spreads = [
        _with_rows(spread_of(own, overlap=outcomes.overlap), shares[name])
        for name, own in paired.items()
    ]
    counts = list(map(len, paired.values()))
    shown = dict(zip(paired, map(Shown, moderated(spreads), counts), strict=True))
    typical = _together(spreads, round(float(np.mean(counts))), outcomes.overlap)
    return Variances(folder, len(summary["seeds"]), summary["margin"], shown, typical)


def _with_rows(spread: Spread, share: float) -> Spread:
    """Return a spread of which rows make a share of the variance of the mean."""
    return replace(spread, of_rows=spread.of_seeds * share / (1 - share) if share < 1 else 0.0)


def _together(spreads: Sequence[Spread], n: int, overlap: float) -> Shown:
    """Return the mean variance, weighted by degrees of freedom, as that of n pairs."""
    freedoms = np.array([spread.freedom for spread in spreads])
    variances = np.array([spread.variance for spread in spreads])
    mean = float(freedoms @ variances / freedoms.sum())
    of_rows = float(np.mean([spread.of_rows for spread in spreads]))
    return Shown(Spread(mean, worth(freedoms), 1 / n + overlap, of_rows), n)


def earlier(plan: Plan, runs_dir: Path) -> Variances | None:
    """Return what the newest earlier ablation of the same data shows; None if there is none.

    It was judged by the same metric, with the same number of folds, and has the plan's name or one
    of its variants. One that has more of the variants goes before a newer one.
    """
    data = {cohort.data for cohort in plan.cohorts}
    names = {variant.name for variant in plan.variants}
    found: list[tuple[int, str, Path]] = []
    for path in runs_dir.glob("*/*/plan.json"):
        with contextlib.suppress(RunError, FileNotFoundError, KeyError, TypeError):
            document = documents.read(path)
            known = names & {variant["name"] for variant in document["variants"]}
            same = data & {cohort["data"] for cohort in document["cohorts"]}
            is_alike = document["folds"] == plan.section.folds
            if same and is_alike and (known or document["name"] == plan.config.name):
                found.append((len(known), path.parent.name, path.parent))
    every = (variances_of(folder, plan.metric) for *_, folder in sorted(found, reverse=True))
    return next((variances for variances in every if variances), None)
