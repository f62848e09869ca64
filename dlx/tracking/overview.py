"""What TensorBoard shows of an ablation as a whole.

<directory>/events.out.tfevents.*             columns of the HParams page, charts of Custom Scalars,
                                              the conclusions as a text
<directory>/<variant>/events.out.tfevents.*   mean and interval of the variant's runs, its settings

# T steps
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlx.runs import storage_errors
from dlx.tracking import summaries
from dlx.tracking.events import EventFile, file_name

if TYPE_CHECKING:
    from dlx.ablation.bands import Band


def write_overview(
    directory: Path,
    *,
    name: str,
    settings: Mapping[str, Mapping[str, Any]],
    folders: Mapping[str, str],
    metrics: Sequence[str],
    bands: Mapping[str, Mapping[str, Band]],
    last: Mapping[str, Mapping[str, float]],
    steps: Mapping[str, int],
    conclusions: str = "",
) -> None:
    """Write the event files of an ablation as a whole, in place of any that are there.

    Args:
        directory: of the ablation
        name: of the ablation
        settings: by variant, value by dotted name: a row of the HParams page for each variant
        folders: by variant, relative to the directory
        metrics: `<split>.<tag>` each: the HParams page has a column of last values, and Custom
            Scalars a chart of what has a band
        bands: by variant and metric; a variant without any failed
        last: by variant and metric, the mean of its runs' last values
        steps: by variant, how many its longest run took
        conclusions: what it has come to, in Markdown; empty: no text
    """
    now = time.time()
    title = f"{name}: mean of each variant's runs, with its 95 % interval"
    columns = {metric: f"last/{metric}" for metric in metrics}
    measured = {metric for curves in bands.values() for metric in curves}
    margins = {metric: _tags(metric)[:3] for metric in metrics if metric in measured}
    file = _new_file(directory)
    file.summary(0, [summaries.experiment(name, list(settings.values()), columns, now)])
    file.summary(0, [summaries.charts(title, margins)])
    if conclusions:
        file.summary(0, [summaries.text("conclusions", conclusions)])
    file.close()
    for variant, own_settings in settings.items():
        curves = bands.get(variant, {})
        file = _new_file(directory / folders[variant])
        file.summary(0, [summaries.hparams(own_settings, variant, now)])
        if curves:
            _write_bands(file, curves, now)
        if variant in last:
            values = {columns[metric]: value for metric, value in last[variant].items()}
            file.scalars(steps[variant], values, now)
        file.summary(0, [summaries.end_hparams(bool(curves), now)])
        file.close()


def _new_file(folder: Path) -> EventFile:
    with storage_errors(folder):
        (folder / file_name(1)).unlink(missing_ok=True)
    return EventFile(folder)


def _tags(metric: str) -> tuple[str, str, str, str]:
    """Return the tags of mean, low, high and number of runs."""
    interval = f"interval/{metric}"
    return f"mean/{metric}", f"{interval}/low", f"{interval}/high", f"runs/{metric}"


def _write_bands(file: EventFile, curves: Mapping[str, Band], now: float) -> None:
    """Write the scalars of a variant's bands, all of a step in one event."""
    steps = np.unique(np.concatenate([curve.steps for curve in curves.values()]))
    values = np.full((len(steps), len(curves), 4), np.nan)
    for place, curve in enumerate(curves.values()):
        # A chart of an interval draws nothing at all where an end is missing.
        low, high = (np.where(np.isnan(e), curve.mean, e) for e in (curve.low, curve.high))
        rows = np.searchsorted(steps, curve.steps)
        values[rows, place] = np.stack([curve.mean, low, high, curve.runs], axis=1)
    tags = [tag for metric in curves for tag in _tags(metric)]
    for step, row in zip(steps.tolist(), values.reshape(len(steps), -1).tolist(), strict=True):
        measured = {tag: value for tag, value in zip(tags, row, strict=True) if value == value}
        file.scalars(step, measured, now)
