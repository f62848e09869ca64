"""Small searches for tests."""

from pathlib import Path
from typing import Any

from dlx import api
from dlx.api.searching import Search
from dlx.search.directory import Progress
from dlx.search.plan import SearchPlan

SPACE = ["optimizer.lr=1e-4..1e-1 log", "model.hidden=[4],[8]"]


def planned(
    *overrides: str, space: list[str] | None = None, config: Any = "iris", **options: Any
) -> SearchPlan:
    """Return a search of iris, eight trials of two seeds in batches of four."""
    known: dict[str, Any] = {"trials": 8, "batch": 4, "seeds": 2, "judge_seeds": 3}
    more = ["train.epochs=3", "train.checkpoint_seconds=0", *overrides]
    read = api.read_search(
        config, more, searched=SPACE if space is None else space, **known | options
    )
    return api.plan_search(read, jobs=1)


def trained(folder: Path, *overrides: str, **options: Any) -> Search:
    """Return such a search that has ended."""
    return api.search(planned(*overrides, **options), runs_dir=folder)


def told(search: Path) -> list[dict[str, Any]]:
    """Return the trials of a search without what was measured by a clock."""
    documents = [trial.document() for trial in Progress.read(search).trials]
    for document in documents:
        measured = document["measured"].items()
        document["measured"] = {key: own for key, own in measured if key != "seconds_per_step"}
    return documents
