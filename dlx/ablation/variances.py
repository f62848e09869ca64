"""How far variants' differences vary from seed to seed, as a pilot or an earlier ablation shows."""

import contextlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dlx.ablation.plan import SUCCESS, Plan
from dlx.ablation.statistics.intervals import Spread, spread_of
from dlx.ablation.statistics.moderation import moderated, worth
from dlx.ablation.statistics.paired import differences
from dlx.ablation.statistics.power import Shown
from dlx.errors import DlxWarning, RunError
from dlx.runs import documents
from dlx.runs.ablations import read_summary
from dlx.training.finding import base_config

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
    which is counted and not measured, by the folds of a cross-validation, which are not
    independent, by fewer than two pairs and by pairs that are all equal.
    """
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        summary = _summary(folder)
        if summary["metric"] == metric != SUCCESS and summary["folds"] is None:
            return _of_summary(summary, folder)
    return None


def _summary(folder: Path) -> dict[str, Any]:
    try:
        return read_summary(folder)
    except RunError as error:
        warnings.warn(f"left out: {error}", DlxWarning, stacklevel=2)
        raise FileNotFoundError(folder) from error


def _of_summary(summary: Mapping[str, Any], folder: Path) -> Variances | None:
    split, _, tag = summary["metric"].partition(".")
    values = {
        variant["name"]: np.array(variant["metrics"][split][tag]["values"], float)
        for variant in summary["variants"]
        if tag in variant["metrics"].get(split, {})
    }
    names, counts, spreads = [], [], []
    for variant in summary["variants"]:
        name, versus = variant["name"], variant["vs_baseline"]
        if not versus or versus.get("conclusion") == "other dev rows":
            continue
        if not {name, versus["baseline"]} <= values.keys():
            continue
        paired = differences(values[name], values[versus["baseline"]])
        if len(paired) > 1 and np.ptp(paired) > 0:
            names.append(name)
            counts.append(len(paired))
            share, rows = versus.get("variance_of_rows") or 0.0, variant.get("rows") or 0
            spreads.append(_with_rows(spread_of(paired), share, rows))
    if not names:
        return None
    shown = dict(zip(names, map(Shown, moderated(spreads), counts), strict=True))
    typical = _together(spreads, round(float(np.mean(counts))))
    return Variances(folder, len(summary["seeds"]), summary["margin"], shown, typical)


def _with_rows(spread: Spread, share: float, rows: int) -> Spread:
    """Return a spread with the variance of so many rows, given its share of that of the mean."""
    if not share or rows < 2:
        return spread
    of_rows = spread.of_seeds * share / (1 - min(share, 0.999))
    return replace(spread, of_rows=of_rows, row_freedom=rows - 1.0)


def _together(spreads: Sequence[Spread], n: int) -> Shown:
    """Return the mean variance, weighted by degrees of freedom, as that of n pairs."""
    freedoms = np.array([spread.freedom for spread in spreads])
    variances = np.array([spread.variance for spread in spreads])
    mean = Spread(
        float(freedoms @ variances / freedoms.sum()),
        worth(freedoms),
        1 / n,
        float(np.mean([spread.of_rows for spread in spreads])),
        min(spread.row_freedom for spread in spreads),
    )
    return Shown(mean, n)


def earlier(plan: Plan, runs_dir: Path) -> Variances | None:
    """Return what the newest earlier ablation of the same data shows; None if there is none.

    It was split in the same way and judged by the same metric, and has the plan's name or one of
    its variants. One that has more of the variants goes before a newer one.
    """
    data = {cohort.data for cohort in plan.cohorts}
    names = {variant.name for variant in plan.variants}
    found: list[tuple[int, str, Path]] = []
    for path in [] if plan.section.folds else runs_dir.glob("*/*/plan.json"):
        with contextlib.suppress(RunError, FileNotFoundError, KeyError, TypeError):
            document = documents.read(path)
            known = names & {variant["name"] for variant in document["variants"]}
            if not known and document["name"] != plan.config.name:
                continue
            split_seed = base_config(path.parent)["data"]["split_seed"]
            same = data & {cohort["data"] for cohort in document["cohorts"]}
            if same and split_seed == plan.config.data.split_seed:
                found.append((len(known), path.parent.name, path.parent))
    every = (variances_of(folder, plan.metric) for *_, folder in sorted(found, reverse=True))
    return next((variances for variances in every if variances), None)
