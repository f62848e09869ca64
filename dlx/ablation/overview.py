"""TensorBoard's view of an ablation: a row for each variant, its mean curve and interval."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from dlx.ablation.bands import Band, bands
from dlx.ablation.results import RunResult
from dlx.nn.metrics import WORTH
from dlx.tracking import write_overview


def write(
    directory: Path,
    *,
    name: str,
    metric: str,
    settings: Mapping[str, Mapping[str, Any]],
    results: Sequence[RunResult],
    show_test: bool = False,
    confidence: float = 0.95,
) -> None:
    """Write the event files of an ablation as a whole, in place of any there.

    Every metric of the whole network (its tag has no slash) gets a column and a chart, the judged
    one first.

    Args:
        directory: of the ablation
        name: of the ablation
        metric: `<split>.<tag>` that is judged, or `success`
        settings: by variant, value by dotted name, as its runs' event files have them
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
    found = sorted(
        tags, key=lambda each: (each != judged, splits.index(each[0]), each[1:] != judged[1:])
    )
    metrics = [f"{split}.{tag}" for split, tag in found]
    folders = {each.variant: str(PurePosixPath(each.path).parent) for each in results}
    curves: dict[str, dict[str, Band]] = {}
    for each in metrics:
        for variant, band in bands(results, each, confidence).items():
            curves.setdefault(folders[variant], {})[each] = band
    each_settings = list(settings.values())
    write_overview(directory, name=name, settings=each_settings, metrics=metrics, bands=curves)


def _tags(result: RunResult, split: str) -> list[str]:
    """Return what of a split a run's event files have of the whole network."""
    curves = [tag for tag in result.curve.values.get(split, {}) if "/" not in tag]
    worth = [tag for tag in result.metrics.get(split, {}) if tag in WORTH]
    return curves + worth if curves else []
