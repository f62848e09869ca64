"""What TensorBoard is shown of an ablation: all of it, or its best variants."""

import csv
import json
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from dlx.errors import RunError
from dlx.report.ablation import reading
from dlx.runs import RunDirectory, storage_errors

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
    shown = [each for each in ranked if each["name"] in folders][:count]
    with storage_errors(target):
        for path in ablation.glob("events.out.tfevents.*"):
            (target / path.name).symlink_to(path.resolve())
        for each in shown:
            folder = folders[each["name"]]
            (target / folder).symlink_to((ablation / folder).resolve())
    names = [each["name"] for each in shown]
    return Best(
        reading.in_words(summary["metric"]),
        names,
        [_described(each, summary) for each in ranked if each["name"] not in names],
    )


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
