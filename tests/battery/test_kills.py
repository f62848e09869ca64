"""kill -9 at every operation on files of train, ablate, search and the resume of each."""

import shutil
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from dlx import api
from dlx.errors import DlxWarning, Interrupted
from dlx.runs import list_runs
from tests.battery.kills import operations
from tests.battery.results import ABLATION, CONFIG, KINDS, SEARCH
from tests.battery.scenes import stop_at

Show = Callable[[Any], None]
Begin = Callable[..., None]  # takes the folder of runs, and what is told of progress

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="forks"),
    pytest.mark.usefixtures("one_thread"),
]


def nothing(progress: Any) -> None:
    """Show nothing."""


def train(runs: Path, show: Show = nothing) -> None:
    api.train(CONFIG, runs_dir=runs, show=show)


def ablate(runs: Path, show: Show = nothing) -> None:
    api.ablate(ABLATION, runs_dir=runs, jobs=1, show=show)


def search(runs: Path, show: Show = nothing) -> None:
    ready = api.plan_search(api.read_search(SEARCH), runs_dir=runs, jobs=1)
    api.search(ready, runs_dir=runs, show=show)


def resume(runs: Path) -> None:
    """Go on with what a kill has left."""
    [run], _ = list_runs(runs)
    KINDS[run.path.parent.name][1](run.path)


def what_came_out(runs: Path) -> Any:
    [run], _ = list_runs(runs)
    assert run.status() == "completed"
    return KINDS[run.path.parent.name][0](run.path)


def tried(
    begin: Begin, folder: Path, choose: Callable[[int], Sequence[int]], *, in_resume: bool
) -> tuple[int, list[str]]:
    """Return how many kills were tried, and after which of them something else came out."""
    first, runs = folder / "first", folder / "runs"
    begin(folder / "whole")
    whole = what_came_out(folder / "whole")
    work = (lambda: resume(runs)) if in_resume else (lambda: begin(runs))

    def prepare() -> None:
        shutil.rmtree(runs, ignore_errors=True)
        if in_resume:
            shutil.copytree(first, runs)

    if in_resume:
        with pytest.raises(Interrupted):
            begin(first, stop_at(6))
    prepare()
    count = operations(work, runs)
    assert count is not None and what_came_out(runs) == whole
    wrong, kills = [], choose(count)
    for at in kills:
        prepare()
        assert operations(work, runs, at) is None, "it was not killed"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DlxWarning)
            try:
                resume(runs) if list_runs(runs)[0] else begin(runs)
                if what_came_out(runs) != whole:
                    wrong.append(f"operation {at} of {count}: other bits")
            except Exception as error:
                wrong.append(f"operation {at} of {count}: {error!r}")
    return len(kills), wrong


@pytest.mark.parametrize("in_resume", [False, True])
def test_some_kills_of_a_training(in_resume: bool, tmp_path: Path) -> None:
    kills, wrong = tried(
        train, tmp_path, lambda count: range(5, count, count // 5), in_resume=in_resume
    )
    assert kills >= 4 and wrong == []


@pytest.mark.battery
@pytest.mark.parametrize("in_resume", [False, True])
@pytest.mark.parametrize("begin", [train, ablate, search])
def test_kills_at_every_operation(
    begin: Begin, in_resume: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kills, wrong = tried(begin, tmp_path, range, in_resume=in_resume)
    what = f"resume of {begin.__name__}" if in_resume else begin.__name__
    with capsys.disabled():
        print(f"\nkills at operations, {what}: tried {kills}, failed {len(wrong)}")  # noqa: T201
    assert wrong == []
