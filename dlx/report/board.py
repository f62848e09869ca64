"""The event files that `dlx board` shows of an ablation: of all variants or of the best."""

import contextlib
import json
import math
import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from pydantic import TypeAdapter, ValidationError

from dlx.config.dump import to_yaml
from dlx.config.load import load
from dlx.config.schema import COMPARING
from dlx.data.dataset import Task
from dlx.errors import DlxError, RunError
from dlx.report.ablation import reading
from dlx.report.run.graph import network_graph
from dlx.runs import RunDirectory, storage_errors
from dlx.runs.ablations import (
    IndexedRun,
    cohort_folder,
    infos,
    read_cohort,
    read_index,
    read_summary,
)
from dlx.runs.files import exists, matching, refuse_links
from dlx.runs.locks import hold
from dlx.tracking import metrics
from dlx.tracking.evaluations import Record
from dlx.tracking.tracker import Tracker
from dlx.training.finding import base_config, config_of
from dlx.training.records import worth

# TensorBoard selects all event folders at its start only if there are at most so many.
MOST_SELECTED = 500

# No smoothing; a colour for each split; cost and accuracy above all other charts.
_PINNED = [{"plugin": "scalars", "tag": tag} for tag in ("cost", "accuracy")]
FIRST_PAGE = "?" + urlencode(
    {"smoothing": 0, "runColorGroup": "regex:(train|dev|test)$", "pinnedCards": json.dumps(_PINNED)}
)

# Matches the event folders of means, not those of runs, nor what concerns an ablation as a whole.
_MEANS = "^(?!.*/(train|train_dev|dev|stop|test)$)[^.]"
_CHARTS = "?smoothing=0#custom_scalars&_smoothingWeight=0"
_EVENTS = "events.out.tfevents."


class Best(NamedTuple):
    """The names of an ablation's best variants."""

    metric: str  # that they are judged by, in words
    shown: list[str]  # best first
    left_out: list[str]  # the other variants, with their means


def derive(ablation: Path, variants: Collection[str] | None = None) -> int:
    """Write the missing event files of the variants' runs that have ended; return their number.

    They lie at `<ablation>/<variant's folder>/seed=<seed>` and may be deleted at any time.

    Raises:
        RunError: files of the ablation are damaged
        StorageError: a file cannot be written
    """
    refuse_links(ablation)
    if not _without_events(ablation, variants):
        return 0
    with hold(ablation / ".board.lock", wait=True):
        runs = _without_events(ablation, variants)  # again: another process may have held the lock
        fields, base = infos(ablation, runs), base_config(ablation)
        drawn: set[str] = set()
        for number in dict.fromkeys(run.cohort for run in runs):
            folder = cohort_folder(ablation, number or 0)
            cohort = read_cohort(folder)
            assert cohort is not None, "its fields have just been read"
            records = metrics.of_cohort(folder, cohort)
            for run in runs:
                if run.cohort == number:
                    config, info = config_of(run, base), fields[run.name]
                    # Runs of a variant have the same network: the first of them shows it.
                    graph = None if run.variant in drawn else _graph(config, info)
                    drawn.add(run.variant)
                    run_records = records.get(run.number, [])
                    _write_events(ablation / run.name, to_yaml(config), run_records, info, graph)
    return len(runs)


def _without_events(ablation: Path, variants: Collection[str] | None) -> list[IndexedRun]:
    """Return the cohorts' runs without event files. (Failed runs are in no cohort and get none.)"""
    return [
        run
        for run in read_index(ablation).values()
        if run.phase == "comparison"
        and run.cohort
        and (variants is None or run.variant in variants)
        and not (ablation / run.name).is_dir()
    ]


def _graph(config: Mapping[str, Any], info: Mapping[str, Any]) -> Any:
    """Return the graph of a run's network; None if a plug-in is missing."""
    with contextlib.suppress(DlxError, ValidationError):
        task = TypeAdapter(Task).validate_python(info.get("task"))
        resolved = load({key: value for key, value in config.items() if key not in COMPARING})
        return network_graph(resolved.model(task), task.input_shape)
    return None


def _write_events(
    folder: Path,
    yaml: str,
    records: Sequence[Mapping[str, Any]],
    info: Mapping[str, Any],
    graph: Any,
) -> None:
    """Write the event files of one run: all of them or none.

    They are made of its config, its lines of metrics.jsonl, its run.json and, if it is given, the
    graph of its network.
    """
    unfinished = folder.with_name(f".{folder.name}")
    shutil.rmtree(unfinished, ignore_errors=True)  # left by a process that was killed
    before = info.get("pretraining_steps") or 0
    began = records[0]["time"] if records else None
    try:
        with Tracker(unfinished, steps_before=before, began=began) as tracker:
            tracker.config(yaml)
            if graph is not None:
                tracker.graph(graph)
            for record in records:
                measured = {k: _marked(v) for k, v in record.items() if isinstance(v, Mapping)}
                step, epoch, examples = record["step"], record["epoch"], record["examples"]
                tracker.log(Record(step, epoch, examples, measured), record["time"])
            if records:
                at_end = {k: _marked(v) for k, v in worth(info["metrics"]).items()}
                tracker.final(info["steps"], at_end, records[-1]["time"])
        with storage_errors(folder):
            unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _marked(values: Mapping[str, float | None]) -> dict[str, float]:
    """Return values with NaN, which TensorBoard marks, in place of None."""
    return {tag: math.nan if value is None else value for tag, value in values.items()}


def is_ablation(folder: Path) -> bool:
    """Return whether a folder is that of an ablation."""
    run = RunDirectory(folder)
    return exists(run.info_path) and run.read_info()["kind"] == "ablation"


def num_event_folders(folder: Path) -> int:
    """Return how many folders have event files, at any depth and through links."""
    walk = os.walk(folder, followlinks=True)
    return sum(any(name.startswith(_EVENTS) for name in names) for _, _, names in walk)


def means_page(address: str) -> str:
    """Return the address of the page that shows mean curves, without those of runs."""
    return f"{charts_page(address)}&regexInput={quote(_MEANS, safe='')}"


def charts_page(address: str) -> str:
    """Return the address of the Custom Scalars page without smoothing."""
    return f"{address}{_CHARTS}"


def link_best(ablation: Path, count: int, target: Path) -> Best:
    """Fill an empty folder with links to the event files of an ablation's best variants.

    These have the best means of the judged metric; variants without a mean, all of whose runs were
    lost, come last.

    Raises:
        RunError: the directory is not an ablation's, or the ablation has not ended
        StorageError: a link cannot be made
    """
    if not is_ablation(ablation):
        raise RunError(f"--top: {ablation} is a run, not an ablation; leave out --top")
    summary, folders = _read(ablation)
    ranked = reading.best_first(summary)
    names = [variant["name"] for variant in ranked if variant["name"] in folders][:count]
    derive(ablation, names)
    with storage_errors(target):
        for path in matching(ablation, f"{_EVENTS}*"):
            link(target / path.name, path.resolve())
        for name in names:
            folder = folders[name]
            link(target / folder, (ablation / folder).resolve())
    metric = summary["metric"]
    left_out = [
        f"{variant['name']} ({reading.value(metric, reading.judged(variant, summary).get('mean'))})"
        for variant in ranked
        if variant["name"] not in names
    ]
    return Best(reading.in_words(metric), names, left_out)


def link(link: Path, source: Path) -> None:
    """Make a link to a file or folder, or a copy where links are not allowed, as on Windows."""
    try:
        link.symlink_to(source, target_is_directory=source.is_dir())
    except OSError:
        (shutil.copytree if source.is_dir() else shutil.copy)(source, link)


def _read(ablation: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return summary.json, and the folder of each variant that has runs."""
    try:
        summary = read_summary(ablation)
    except FileNotFoundError as error:
        raise RunError(
            f"--top: {ablation} has no summary.json, since it has not ended; "
            f"{RunDirectory(ablation).how_it_goes_on()}"
        ) from error
    runs = [run for run in read_index(ablation).values() if run.phase == "comparison"]
    return summary, {run.variant: run.name.rpartition("/")[0] for run in runs}
