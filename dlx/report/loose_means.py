"""The event files that `dlx board` shows of many loose runs: the means of runs of one config."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from dlx.ablation import overview
from dlx.ablation.plan import folders_of
from dlx.ablation.results import RunResult
from dlx.report.board import link
from dlx.report.run_comparison import gather
from dlx.runs import RunDirectory, storage_errors
from dlx.runs.ablations import METRICS
from dlx.runs.files import matching
from dlx.tracking import metrics
from dlx.tracking.evaluations import curve_of

_MOST_CURVES = 40  # that a chart can show
_ALL = "all runs"  # the link to them


class Means(NamedTuple):
    """What was written."""

    curves: int  # means
    runs: int  # that they are of
    of: str  # what the runs of a mean have in common: config or name


def write_means(folder: Path, target: Path) -> Means | None:
    """Write means of the loose runs below a folder that have ended; None if there are none.

    The target, an empty folder, gets the files of the overview, a folder for each mean, and a link
    to all runs. Those that differ in their seed alone make a mean; if that were more than 40 means,
    those of one name.

    Raises:
        RunError: a run's config is damaged
        StorageError: a file cannot be written
    """
    families: dict[str, list[str]] = {}
    for path in sorted(matching(folder, "*/run.json") + matching(folder, "*/*/run.json")):
        run = RunDirectory(path.parent)
        if run.read_info()["kind"] == "run" and run.status() in ("completed", "stopped_early"):
            families.setdefault(run.path.parent.name, []).append(str(run.path))
    results: list[RunResult] = []
    settings: dict[str, dict[str, Any]] = {}
    for name, paths in families.items():
        gathered = gather(paths, folder)
        labels = {v.name: f"{name} {v.name}" if v.settings else name for v in gathered.variants}
        settings |= {labels[v.name]: {"name": name, **v.settings} for v in gathered.variants}
        for result in gathered.results:
            curve = curve_of(metrics.read(Path(result.path) / METRICS))
            results.append(replace(result, variant=labels[result.variant], curve=curve))
    if not results:
        return None
    common = "config"
    if len(settings) > _MOST_CURVES:
        common, settings = "name", {name: {"name": name} for name in families}
        results = [replace(r, variant=Path(r.path).parent.name) for r in results]
    overview.write(
        target,
        name=folder.resolve().name,
        metric="dev.accuracy",
        settings=settings,
        folders=dict(zip(settings, folders_of([_ALL, *settings])[1:], strict=True)),
        results=results,
    )
    with storage_errors(target):
        link(target / _ALL, folder.resolve())
    return Means(len(settings), len(results), common)
