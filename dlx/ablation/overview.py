"""TensorBoard's overview of an ablation: for each variant a row, its mean curve and interval."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlx.ablation.bands import Band, bands
from dlx.ablation.results import RunResult
from dlx.ablation.statistics.intervals import CONFIDENCE
from dlx.nn.metrics import PROBED
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
    conclusions: str = "",
) -> None:
    """Write the event files of an ablation as a whole, in place of earlier ones.

    Every metric of the whole network gets a column and a chart, the judged one first. (A metric of
    a layer has a slash in its tag.) Settings and folders, below the directory, are by variant.
    Conclusions are in Markdown.
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
    last: dict[str, dict[str, float]] = {}
    for name_of_metric in metrics:
        for variant, band in bands(results, name_of_metric, CONFIDENCE).items():
            curves.setdefault(variant, {})[name_of_metric] = band
        for variant, value in _last(results, name_of_metric).items():
            last.setdefault(variant, {})[name_of_metric] = value
    write_overview(
        directory,
        name=name,
        settings=settings,
        folders=folders,
        metrics=metrics,
        bands=curves,
        last=last,
        steps={
            variant: max((run.steps for run in results if run.variant == variant), default=0)
            for variant in settings
        },
        conclusions=conclusions,
    )


def _last(results: Sequence[RunResult], metric: str) -> dict[str, float]:
    """Return the mean of the last values of each variant's runs, whatever their steps."""
    values: dict[str, list[float]] = {}
    for result in results:
        measured = [value for value in result.curve.of(metric) if math.isfinite(value)]
        value = measured[-1] if measured else result.value(metric)
        if value is not None:
            values.setdefault(result.variant, []).append(value)
    return {variant: float(np.mean(last)) for variant, last in values.items()}


def _tags(result: RunResult, split: str) -> list[str]:
    """Return a split's tags of metrics of the whole network."""
    curves = [tag for tag in result.curve.values.get(split, {}) if "/" not in tag]
    worth = [tag for tag in result.metrics.get(split, {}) if tag in PROBED]
    return curves + worth if curves else []
