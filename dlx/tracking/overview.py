"""What TensorBoard shows of an ablation as a whole, beside the curves of its runs.

<directory>/events.out.tfevents.*             columns of the HParams page, charts of Custom Scalars
<directory>/<variant>/events.out.tfevents.*   scalars: mean and interval of the variant's runs

# T steps
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from dlx.runs import make_directory, write_unsynced
from dlx.tracking import summaries
from dlx.tracking.events import encode, file_name, opening
from dlx.tracking.protos import Event, Summary
from dlx.tracking.scalars import encode_scalars


class Band(Protocol):
    """The mean curve of a variant's runs.

    Attributes:
        steps: (T,) optimizer steps
        mean: (T,) of the runs that trained so far
        low: (T,) end of the interval of the mean; NaN of one run
        high: (T,) its other end
        runs: (T,) how many there are
    """

    @property
    def steps(self) -> np.ndarray: ...  # noqa: D102
    @property
    def mean(self) -> np.ndarray: ...  # noqa: D102
    @property
    def low(self) -> np.ndarray: ...  # noqa: D102
    @property
    def high(self) -> np.ndarray: ...  # noqa: D102
    @property
    def runs(self) -> np.ndarray: ...  # noqa: D102


def write_overview(
    directory: Path,
    *,
    name: str,
    settings: Sequence[Mapping[str, Any]],
    metrics: Sequence[str],
    bands: Mapping[str, Mapping[str, Band]],
) -> None:
    """Write the event files of an ablation as a whole, in place of any there.

    Args:
        directory: of the ablation
        name: of the ablation
        settings: of each variant, value by dotted name: the `hparams` of its runs
        metrics: `<split>.<tag>` each: the HParams page has a column of its last values, averaged
            over a variant's runs, and Custom Scalars a chart of what has a band
        bands: by folder of a variant, relative to the directory, and by metric

    Raises:
        StorageError: disk full, read-only, no permission
    """
    now = time.time()
    curved = {metric for curves in bands.values() for metric in curves}
    values = [
        summaries.experiment(name, settings, metrics, now),
        summaries.charts(
            f"{name}: mean of each variant's runs, with its 95 % interval",
            {metric: _tags(metric)[:3] for metric in metrics if metric in curved},
        ),
    ]
    events = [encode(Event(wall_time=now, summary=Summary(value=[value]))) for value in values]
    make_directory(directory)
    write_unsynced(directory / file_name(1), b"".join([*opening(now), *events]))
    for folder, curves in bands.items():
        make_directory(directory / folder)
        content = b"".join([*opening(now), _encode_bands(curves, now)])
        write_unsynced(directory / folder / file_name(1), content)


def _tags(metric: str) -> tuple[str, str, str, str]:
    """Return the tags of mean, low, high and number of runs."""
    interval = f"interval/{metric}"
    return f"mean/{metric}", f"{interval}/low", f"{interval}/high", f"runs/{metric}"


def _encode_bands(curves: Mapping[str, Band], now: float) -> bytes:
    """Return the scalars of a variant's bands, all of a step in one event."""
    steps = np.unique(np.concatenate([curve.steps for curve in curves.values()]))
    values = np.full((len(steps), len(curves), 4), np.nan)
    for place, curve in enumerate(curves.values()):
        # A chart of an interval draws nothing at all where an end is missing.
        low, high = (np.where(np.isnan(e), curve.mean, e) for e in (curve.low, curve.high))
        rows = np.searchsorted(steps, curve.steps)
        values[rows, place] = np.stack([curve.mean, low, high, curve.runs], axis=1)
    tags = [tag for metric in curves for tag in _tags(metric)]
    times = np.full(len(steps), now)
    (content,) = encode_scalars(tags, steps, times, values.reshape(len(steps), -1), [len(steps)])
    return content
