"""Power loss at every operation of a training, an ablation, a search: nothing promised is lost."""

import contextlib
import os
import random
import shutil
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dlx import api
from dlx.cli import main
from dlx.errors import DlxError, DlxWarning, Interrupted
from dlx.runs import list_runs
from tests.battery.power import Moment, Recorder
from tests.battery.results import ABLATION, CONFIG, KINDS, SEARCH
from tests.battery.scenes import stop_at

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/fd"),
    pytest.mark.usefixtures("one_thread"),
]


def trained(recorder: Recorder, runs: Path) -> Path:
    """Train a run, stop it, and go on with it."""
    training = api.new_training(api.prepare(CONFIG), runs_dir=runs)
    recorder.promise("made")
    with pytest.raises(Interrupted):
        training.train(stop_at(6))
    recorder.promise("saved")
    api.resume(training.path, runs_dir=runs)
    recorder.promise("ended")
    return training.path


def begun_and_resumed(recorder: Recorder, begin: Callable[[], object], family: Path) -> Path:
    """Begin what is stopped, and go on with it."""
    with pytest.raises(Interrupted):
        begin()
    recorder.promise("made")
    recorder.promise("saved")
    [path] = family.iterdir()
    KINDS[family.name][1](path)
    recorder.promise("ended")
    return path


def ablated(recorder: Recorder, runs: Path) -> Path:
    """Train an ablation, stop it, and go on with it."""
    begin = partial(api.ablate, ABLATION, runs_dir=runs, jobs=1, show=stop_at(6))
    return begun_and_resumed(recorder, begin, runs / "many")


def searched(recorder: Recorder, runs: Path) -> Path:
    """Search, stop, and go on."""
    ready = api.plan_search(api.read_search(SEARCH), runs_dir=runs, jobs=1)
    begin = partial(api.search, ready, runs_dir=runs, show=stop_at(6))
    return begun_and_resumed(recorder, begin, runs / "wide")


def what_is_wrong(moment: Moment, runs: Path, whole: Any) -> str:
    """Return what a disk after a power loss lacks that was promised; empty: nothing."""
    if main(["runs", "--runs-dir", str(runs), "--json"]) != 0:
        return "the list of runs fails"
    listed, _ = list_runs(runs)
    if not listed:
        return "what was made is lost" if "made" in moment.promises else ""
    [run] = listed
    of, again = KINDS[run.path.parent.name]
    if "ended" in moment.promises and run.status() != "completed":
        return f"what had ended is {run.status()}"
    if "ended" in moment.promises and of(run.path) != whole:
        return "what had ended is not whole"
    try:
        again(run.path)
    except DlxError as error:
        return f"it is not gone on with: {error}"
    return "" if of(run.path) == whole else "other bits came out"


def tried(
    work: Callable[[Recorder, Path], Path],
    folder: Path,
    choose: Callable[[Sequence[Moment]], Sequence[Moment]],
    mixtures: int,
) -> tuple[int, list[str]]:
    """Return how many states of the disk were tried, and what was wrong with which."""
    disk = folder / "disk"
    disk.mkdir()
    recorder = Recorder(disk)
    with recorder.recording():
        path = work(recorder, disk / "runs")
    whole = KINDS[path.parent.name][0](path)
    assert recorder.moments[-1].promises[-1] == "ended"
    wrong: list[str] = []
    states = 0
    for number, moment in enumerate(choose(recorder.moments)):
        draws = [None, *(random.Random(f"{number} {n}") for n in range(mixtures))]
        for draw in draws:
            back = folder / "back"
            moment.restore(back, draw)
            states += 1
            if (back / "runs").is_dir():
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", DlxWarning)
                    problem = what_is_wrong(moment, back / "runs", whole)
            else:
                problem = "what was made is lost" if "made" in moment.promises else ""
            if problem:
                wrong.append(f"moment {number}, {moment.promises}: {problem}")
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(back)
    return states, wrong


def test_power_loss_at_some_operations(tmp_path: Path) -> None:
    states, wrong = tried(trained, tmp_path, lambda moments: [*moments[3::14], *moments[-2:]], 0)
    assert states > 8 and wrong == []


@pytest.mark.battery
@pytest.mark.parametrize("work", [trained, ablated, searched])
def test_power_loss_at_every_operation(
    work: Callable[[Recorder, Path], Path],
    share: float,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    step = max(round(1 / share), 1)
    states, wrong = tried(work, tmp_path, lambda moments: moments[step // 2 :: step], 2)
    with capsys.disabled():
        print(f"\npower loss, {work.__name__}: tried {states}, failed {len(wrong)}")  # noqa: T201
    assert wrong == []


def test_what_is_not_synced_is_lost(tmp_path: Path) -> None:
    """The disk of these tests loses what a careless program takes for written."""
    disk = tmp_path / "disk"
    disk.mkdir()
    recorder = Recorder(disk)
    with recorder.recording():
        (disk / "folder").mkdir()
        (disk / "folder" / "file").write_bytes(b"content")
        for path in (disk / "folder" / "file", disk / "folder"):
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
        recorder.promise("the folder's name was not synced")
        descriptor = os.open(disk, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
        recorder.promise("all was")
    before, after = recorder.moments[-3], recorder.moments[-1]
    before.restore(tmp_path / "before")
    after.restore(tmp_path / "after")
    assert list((tmp_path / "before").iterdir()) == []
    assert (tmp_path / "after" / "folder" / "file").read_bytes() == b"content"
