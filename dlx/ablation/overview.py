"""TensorBoard's view of an ablation: a row for each variant, its mean curve and interval."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlx.ablation.bands import Band, bands, mean_band
from dlx.ablation.results import RunResult
from dlx.nn.metrics import WORTH
from dlx.tracking.overview import write_overview


def write(
    directory: Path,
    *,
    name: str,
    metric: str,
    settings: Mapping[str, Mapping[str, Any]],
    folders: Mapping[str, str],
    results: Sequence[RunResult],
    show_test: bool = False,
    confidence: float = 0.95,
) -> None:
    """Write the event files of an ablation as a whole, in place of any that are there.

    Every metric of the whole network (its tag has no slash) gets a column and a chart, the judged
    one first.

    Args:
        directory: of the ablation
        name: of the ablation
        metric: `<split>.<tag>` that is judged, or `success`
        settings: by variant, value by dotted name
        folders: by variant, where its event files lie, relative to the directory
        results: of the runs
        show_test: whether test metrics are shown too
        confidence: of the intervals

    Raises:
        StorageError: disk full, read-only, no permission
    """
    splits = ("dev", "train", "test") if show_test else ("dev", "train")
    tags = dict.fromkeys(
        (split, tag) for split in splits for result in results for tag in _tags(result, split)
    )
    judged = tuple(metric.split(".", 1))
    ordered = sorted(
        tags, key=lambda tag: (tag != judged, splits.index(tag[0]), tag[1:] != judged[1:])
    )
    metrics = [f"{split}.{tag}" for split, tag in ordered]
    curves: dict[str, dict[str, Band]] = {}
    for shown in metrics:
        measured = bands(results, shown, confidence) or _at_end(results, shown, confidence)
        for variant, band in measured.items():
            curves.setdefault(variant, {})[shown] = band
    write_overview(
        directory,
        name=name,
        settings=settings,
        metrics=metrics,
        bands=curves,
        folders=folders,
    )


def _at_end(results: Sequence[RunResult], metric: str, confidence: float) -> dict[str, Band]:
    """Return a band of one step for what is measured at the end of runs alone."""
    families: dict[str, list[RunResult]] = {}
    for result in results:
        if result.value(metric) is not None:
            families.setdefault(result.variant, []).append(result)
    at_end: dict[str, Band] = {}
    for variant, runs in families.items():
        values = np.array([[run.value(metric)] for run in runs], float)
        step = max(run.steps for run in runs)
        mean, low, high = mean_band(values, confidence=confidence)
        at_end[variant] = Band(np.array([step]), mean, low, high, np.array([len(runs)]))
    return at_end


def _tags(result: RunResult, split: str) -> list[str]:
    """Return the tags of a split that concern the whole network."""
    curves = [tag for tag in result.curve.values.get(split, {}) if "/" not in tag]
    worth = [tag for tag in result.metrics.get(split, {}) if tag in WORTH]
    return curves + worth if curves else []
