"""What TensorBoard is shown of an ablation: all of it, or its best variants."""

import csv
import json
import math
import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from dlx.config.dump import to_yaml
from dlx.errors import RunError
from dlx.report.ablation import reading
from dlx.runs import RunDirectory, storage_errors
from dlx.runs.ablations import IndexedRun, cohort_folder, infos, read_cohort, read_index
from dlx.runs.locks import hold
from dlx.tracking import metrics
from dlx.tracking.evaluations import Record
from dlx.tracking.tracker import Tracker
from dlx.training.finding import base_config, config_of
from dlx.training.records import worth

MOST_SELECTED = 500
"""TensorBoard draws the curves of at most so many event folders without being asked."""

_VARIANTS = "^[^./][^/]*$"  # of the names of event folders, those of variants
_PAGE = "#custom_scalars&_smoothingWeight=0&regexInput="


@dataclass(frozen=True)
class Best:
    """The best variants of an ablation.

    Attributes:
        metric: that they are judged by, in words
        shown: their names, best first
        left_out: the others, each with its mean
    """

    metric: str
    shown: list[str]
    left_out: list[str]


def derive(ablation: Path, variants: Collection[str] | None = None) -> int:
    """Write the event files of an ablation's runs that have ended, where they are not there yet.

    They lie at `<ablation>/<variant's folder>/seed=<seed>` and may be deleted at any time.

    Args:
        ablation: its directory
        variants: names of those whose runs are wanted; None: all

    Returns:
        how many runs were written

    Raises:
        RunError: files of the ablation are damaged
        StorageError: a file cannot be written
    """
    if not _without_events(ablation, variants):
        return 0
    with hold(ablation / ".board.lock", wait=True):  # of two processes, the second finds all done
        runs = _without_events(ablation, variants)
        fields, base = infos(ablation, runs), base_config(ablation)
        for number in dict.fromkeys(run.cohort for run in runs):
            folder = cohort_folder(ablation, number or 0)
            cohort = read_cohort(folder)
            assert cohort is not None, "its fields have just been read"
            records = metrics.of_cohort(folder, cohort)
            for run in runs:
                if run.cohort == number:
                    yaml = to_yaml(config_of(run, base))
                    own = records.get(run.number, [])
                    _write_events(ablation / run.name, yaml, own, fields[run.name])
    return len(runs)


def _without_events(ablation: Path, variants: Collection[str] | None) -> list[IndexedRun]:
    """Return the runs of the cohorts that have no event files yet; those that failed get none."""
    return [
        run
        for run in read_index(ablation).values()
        if run.phase == "comparison"
        and run.cohort
        and (variants is None or run.variant in variants)
        and not (ablation / run.name).is_dir()
    ]


def _write_events(
    folder: Path, yaml: str, records: Sequence[Mapping[str, Any]], info: Mapping[str, Any]
) -> None:
    """Write the event files of one run: all of them or none.

    Args:
        folder: of the event files
        yaml: the run's config
        records: its lines of metrics.jsonl
        info: what run.json says of it
    """
    unfinished = folder.with_name(f".{folder.name}")
    shutil.rmtree(unfinished, ignore_errors=True)  # of a process that was killed
    before = info.get("pretraining_steps") or 0
    began = records[0]["time"] if records else None
    try:
        with Tracker(unfinished, steps_before=before, began=began) as tracker:
            tracker.config(yaml)
            for record in records:
                tracker.log(_evaluation(record), record["time"])
            if records:
                at_end = {k: _marked(v) for k, v in worth(info["metrics"]).items()}
                tracker.final(info["steps"], at_end, records[-1]["time"])
        with storage_errors(folder):
            unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _evaluation(record: Mapping[str, Any]) -> Record:
    measured = {k: _marked(v) for k, v in record.items() if isinstance(v, Mapping)}
    return Record(record["step"], record["epoch"], record["examples"], measured)


def _marked(values: Mapping[str, float | None]) -> dict[str, float]:
    """Return values with NaN, which TensorBoard marks, for the nulls of what is not finite."""
    return {tag: math.nan if value is None else value for tag, value in values.items()}


def is_ablation(folder: Path) -> bool:
    """Say whether a folder is that of an ablation."""
    run = RunDirectory(folder)
    return run.info_path.exists() and run.read_info()["kind"] == "ablation"


def num_event_folders(folder: Path) -> int:
    """Return how many folders hold event files, at any depth, links followed."""
    walk = os.walk(folder, followlinks=True)
    return sum(any(map(_is_event_file, names)) for _, _, names in walk)


def means_page(address: str) -> str:
    """Return the address of the page of the variants' mean curves, those of the runs left out."""
    return f"{address}{_PAGE}{quote(_VARIANTS, safe='')}"


def link_best(ablation: Path, count: int, target: Path) -> Best:
    """Fill a folder with links to the event files of an ablation's best variants.

    Args:
        ablation: its directory
        count: of variants; those of the best mean of the judged metric, all of whose runs diverged
            last
        target: an empty folder

    Raises:
        RunError: not an ablation, or one that has not ended
        StorageError: a link cannot be made
    """
    if not is_ablation(ablation):
        raise RunError(f"--top: {ablation} is a run, not an ablation; leave --top out")
    summary, folders = _read(ablation)
    ranked = reading.best_first(summary)
    shown = [variant for variant in ranked if variant["name"] in folders][:count]
    names = [variant["name"] for variant in shown]
    derive(ablation, names)
    with storage_errors(target):
        for path in ablation.glob("events.out.tfevents.*"):
            _link(target / path.name, path.resolve())
        for name in names:
            folder = folders[name]
            _link(target / folder, (ablation / folder).resolve())
    return Best(
        reading.in_words(summary["metric"]),
        names,
        [_described(variant, summary) for variant in ranked if variant["name"] not in names],
    )


def _link(link: Path, source: Path) -> None:
    """Make a link to a file or folder, or a copy where there may be no links, as on Windows."""
    try:
        link.symlink_to(source, target_is_directory=source.is_dir())
    except OSError:
        (shutil.copytree if source.is_dir() else shutil.copy)(source, link)


def _read(ablation: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return summary.json, and the folder of each variant that has runs."""
    try:
        summary = json.loads((ablation / "summary.json").read_bytes())
        with (ablation / "results.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError as error:
        raise RunError(
            f"--top: {ablation} has no {Path(error.filename).name}, since it has not ended; "
            f"`dlx resume {ablation}` goes on with it"
        ) from error
    except ValueError as error:
        raise RunError(f"{ablation / 'summary.json'} is damaged: {error}") from error
    return summary, {row["variant"]: str(PurePosixPath(row["path"]).parent) for row in rows}


def _described(variant: Any, summary: Any) -> str:
    mean = reading.judged(variant, summary).get("mean")
    return f"{variant['name']} ({reading.value(summary['metric'], mean)})"


def _is_event_file(name: str) -> bool:
    return name.startswith("events.out.tfevents.")
