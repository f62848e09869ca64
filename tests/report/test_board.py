import math
import re
import shutil
import signal
import subprocess
import sys
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dlx
from dlx.errors import RunError, StorageError
from dlx.report import board
from dlx.runs import RunDirectory
from dlx.tracking.evaluations import Record
from dlx.tracking.tracker import Tracker
from tests.cohorts_on_disk import START, Row, add_cohort
from tests.cohorts_on_disk import make_ablation as make_cohorts
from tests.guarded import PICTURES
from tests.report.ablation_folder import make_ablation
from tests.tracking.evaluated import as_written, series
from tests.tracking.event_files import accumulate, scalars

MEANS = {"relu": 0.9, "tanh": 0.95, "a/b": 0.5, "step": None, "sigmoid": 0.2}
# Dies in the middle of the second run's files.
KILLED = """
import os, signal, sys
from pathlib import Path
from dlx.report import board
from dlx.tracking.tracker import Tracker

log, calls = Tracker.log, []

def logged(*arguments):
    log(*arguments)
    calls.append(arguments)
    if len(calls) == 8:
        os.kill(os.getpid(), signal.SIGKILL)

Tracker.log = logged
board.derive(Path(sys.argv[1]))
"""


@pytest.fixture
def ablation(tmp_path: Path) -> Path:
    return make_ablation(tmp_path / "runs", MEANS)


def test_the_best_are_linked_with_all_their_runs(ablation: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    links.mkdir()
    best = board.link_best(ablation, 3, links)
    assert best == board.Best(
        "dev accuracy", ["tanh", "relu", "a/b"], ["sigmoid (20.00 %)", "step (–)"]
    )
    assert {path.name for path in links.iterdir()} == {
        *("tanh", "relu", "a_b", "events.out.tfevents.0000000001.dlx")
    }
    for folder in ("tanh", "a_b"):
        for seed in (0, 1):
            file = links / folder / f"seed={seed}/dev/events.out.tfevents.0000000001.dlx"
            assert file.read_bytes() == (ablation / file.relative_to(links)).read_bytes()


def test_a_variant_whose_name_is_a_formula_is_shown(tmp_path: Path) -> None:
    """results.csv has another name for it."""
    ablation = make_ablation(tmp_path / "runs", {"=cmd": 0.9, "relu": 0.8})
    table = ablation / "results.csv"
    table.write_text(table.read_text().replace("=cmd", "'=cmd"))
    (tmp_path / "links").mkdir()
    assert board.link_best(ablation, 2, tmp_path / "links").shown == ["=cmd", "relu"]


def test_where_no_links_may_be_made_there_are_copies(
    ablation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *_: object, **__: object) -> None:
        raise OSError(1314, "A required privilege is not held by the client")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    folder = tmp_path / "copies"
    folder.mkdir()
    board.link_best(ablation, 1, folder)
    copied = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {
        "events.out.tfevents.0000000001.dlx",
        "tanh/seed=0/dev/events.out.tfevents.0000000001.dlx",
    } <= copied
    assert not any(path.is_symlink() for path in folder.rglob("*"))


def test_more_than_there_are(ablation: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    links.mkdir()
    best = board.link_best(ablation, 99, links)
    assert (len(best.shown), best.left_out) == (5, [])


def test_a_metric_that_falls(ablation: Path, tmp_path: Path) -> None:
    text = (ablation / "summary.json").read_text()
    (ablation / "summary.json").write_text(text.replace('"rising": true', '"rising": false'))
    links = tmp_path / "links"
    links.mkdir()
    assert board.link_best(ablation, 1, links).shown == ["sigmoid"]


def test_what_has_no_best(ablation: Path, tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "runs", "digits")
    with pytest.raises(RunError, match=r"--top: .*digits.* is a run, not an ablation"):
        board.link_best(run.path, 3, tmp_path)
    (ablation / "summary.json").write_text("{")
    with pytest.raises(RunError, match=r"summary\.json is damaged"):
        board.link_best(ablation, 3, tmp_path)
    (ablation / "summary.json").unlink()
    with pytest.raises(
        RunError, match=r"has no summary\.json, since it has not ended; `dlx resume"
    ):
        board.link_best(ablation, 3, tmp_path)


def test_the_page_of_means_shows_variants_alone(ablation: Path) -> None:
    address = board.means_page("http://localhost:6006/")
    assert address.startswith(
        "http://localhost:6006/?smoothing=0#custom_scalars&_smoothingWeight=0&regexInput="
    )
    pattern = re.compile(urllib.parse.unquote(address.partition("regexInput=")[2]))
    board.derive(ablation)
    folders = {str(path.parent.relative_to(ablation)) for path in ablation.rglob("events*")}
    assert len(folders) == board.num_event_folders(ablation) == 1 + 5 * 5
    shown = {folder for folder in folders if pattern.search(folder)}
    assert shown == {"relu", "tanh", "a_b", "step", "sigmoid"}


def test_what_is_an_ablation(ablation: Path, tmp_path: Path) -> None:
    board.derive(ablation)
    assert board.is_ablation(ablation)
    assert not board.is_ablation(ablation / "relu" / "seed=0")
    assert not board.is_ablation(RunDirectory.create(tmp_path / "runs", "digits").path)


def records(seed: int) -> list[Record]:
    """Evaluations of which some have no number, and some one that is not finite."""
    evaluations = []
    for step in range(0, 60, 10):
        train = {"cost": 1 / (step + seed + 1), "running/cost": math.nan if step == 30 else 0.5}
        dev = {} if step == 20 else {"cost": 2 / (step + 3), "100 % 가": -0.0}
        evaluations.append(Record(step, step / 8, step * 4, {"train": train, "dev": dev}))
    return evaluations


def contents(folder: Path) -> dict[str, bytes]:
    """Return the contents of all files, by path."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def times(folder: Path) -> dict[str, int]:
    """Return when each file and folder was last written, by path."""
    return {str(path): path.stat().st_mtime_ns for path in (folder, *folder.rglob("*"))}


def rows(*variants: str, **fields: Any) -> list[Row]:
    return [
        Row(
            variant,
            seed,
            metrics={"dev": {"cost": 0.5, "probe_accuracy": 0.25 + seed}},
            records=records(seed),
            differences={"optimizer.lr": 0.5},
            **fields,
        )
        for variant in variants
        for seed in (0, 3)
    ]


def test_tensorboard_reads_the_curves_of_an_ablation_s_runs(tmp_path: Path) -> None:
    path = make_cohorts(tmp_path, "rates", rows("a/b", "c", fields={"pretraining_steps": 7})).path
    add_cohort(path, rows("d"))
    assert board.derive(path) == 6
    for folder, before in (("a_b", 7), ("c", 7), ("d", 0)):
        for seed in (0, 3):
            run = path / folder / f"seed={seed}"
            for split in ("train", "dev"):
                accumulator = accumulate(run / split)
                lines = [as_written(record) for record in records(seed)]
                tags = {tag for line in lines for tag in line[split]}
                more = {"epoch", "examples"} if split == "train" else {"probe_accuracy"}
                assert set(accumulator.Tags()["scalars"]) == tags | more
                for tag in tags:
                    steps, values = series(lines, split, tag)
                    read = scalars(run / split, tag)
                    assert read[0] == [before + step for step in steps]
                    np.testing.assert_array_equal(read[1], np.asarray(values, np.float32))
                    times = [event.wall_time for event in accumulator.Scalars(tag)]
                    assert times == [START + step for step in steps]
            assert scalars(run / "train", "examples")[1] == [4 * step for step in range(0, 60, 10)]
            at_end = scalars(run / "dev", "probe_accuracy")
            assert at_end == ([before + 100], [0.25 + seed])
            (event,) = accumulate(run / "train").Tensors("config")
            text = event.tensor_proto.string_val[0].decode()
            assert f"seed: {seed}\n" in text and "lr: 0.5" in text and "ablation: null" in text


def test_a_run_of_an_ablation_has_the_scalars_that_it_has_alone(tmp_path: Path) -> None:
    section = {"vary": {"model.activation": ["relu", "tanh"]}, "seeds": 2, "metric": "dev.cost"}
    train = {"steps": 6, "batch_size": 4}
    config = {
        "name": "tiny",
        "data": "xor",
        "train": train,
        "log": {"level": "minimal", "every": 2},
    }
    together = dlx.ablate(config | {"ablation": section}, runs_dir=tmp_path).path
    alone = dlx.train(config, ["model.activation=tanh", "seed=1"], runs_dir=tmp_path).path
    assert board.derive(together) == 4
    derived = together / "activation=tanh" / "seed=1"
    folders = {path.parent.relative_to(alone) for path in alone.rglob("events*")}
    assert {str(folder) for folder in folders} == {"train", "dev"}
    assert folders == {path.parent.relative_to(derived) for path in derived.rglob("events*")}
    for folder in folders:
        tags = accumulate(alone / folder).Tags()["scalars"]
        tags = [tag for tag in tags if not tag.startswith("result/")]
        assert accumulate(derived / folder).Tags()["scalars"] == tags
        for tag in tags:
            assert scalars(derived / folder, tag) == scalars(alone / folder, tag)
    first, second = (accumulate(derived.with_name(f"seed={seed}") / "train") for seed in (0, 1))
    assert any(node.name.startswith("1 tanh ") for node in first.Graph().node)
    assert not second.Tags()["graph"]  # the same network


def test_runs_are_derived_once(ablation: Path) -> None:
    assert board.derive(ablation) == 10
    before, written = contents(ablation), times(ablation)
    assert board.derive(ablation) == 0
    assert times(ablation) == written
    shutil.rmtree(ablation / "relu" / "seed=1")
    assert board.derive(ablation) == 1
    assert contents(ablation) == before


def test_only_the_runs_of_the_best_are_derived(ablation: Path, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    board.link_best(ablation, 2, tmp_path / "links")
    assert {path.parent.name for path in ablation.glob("*/seed=*")} == {"relu", "tanh"}
    assert board.derive(ablation) == 6


@pytest.mark.slow(*PICTURES)
def test_what_a_killed_process_has_half_written_is_not_taken_for_whole(ablation: Path) -> None:
    board.derive(ablation)
    runs = [ablation / folder / "seed=0" for folder in ("relu", "tanh")]
    whole = [contents(run) for run in runs]
    for run in runs:
        shutil.rmtree(run)
    command = [sys.executable, "-c", KILLED, str(ablation)]
    assert subprocess.run(command).returncode == -signal.SIGKILL
    assert contents(runs[0]) == whole[0] and not runs[1].exists()
    [left] = ablation.glob("*/.seed=*")
    assert list(left.rglob("events*"))
    assert board.derive(ablation) == 1
    assert not left.exists()
    assert [contents(run) for run in runs] == whole


def test_a_run_that_cannot_be_written_leaves_nothing(
    ablation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []

    def log(tracker: Tracker, record: Record, now: float | None = None) -> None:
        written.append(record)
        if len(written) == 8:  # in the second run
            raise StorageError("no space left")

    monkeypatch.setattr(Tracker, "log", log)
    with pytest.raises(StorageError, match="no space left"):
        board.derive(ablation)
    left = [*ablation.glob("*/seed=*"), *ablation.glob("*/.seed=*")]
    assert left == [ablation / "relu" / "seed=0"]


def test_two_derive_at_once(ablation: Path) -> None:
    """Threads, as two processes would: each opens the lock for itself."""
    with ThreadPoolExecutor(2) as threads:
        counts = threads.map(board.derive, [ablation] * 2)
    assert sorted(counts) == [0, 10]
    assert board.num_event_folders(ablation) == 1 + 5 * 5


def test_what_is_damaged_is_named(ablation: Path) -> None:
    path = ablation / "cohorts" / "1" / "metrics.jsonl"
    content = path.read_bytes()
    path.write_bytes(content.replace(b"0.1,", b"0.2,", 1))
    with pytest.raises(RunError, match=r"metrics\.jsonl:1: damaged line"):
        board.derive(ablation)
    assert not list(ablation.glob("*/seed=*"))
    path.write_bytes(content)
    (ablation / "ablation.yaml").write_text("seed: 1\n")
    with pytest.raises(RunError, match=r"ablation\.yaml is damaged, or was changed"):
        board.derive(ablation)


def test_runs_without_a_cohort_have_no_files_to_derive(tmp_path: Path) -> None:
    """Tuning's are not shown, what failed has no evaluations, and folders of old have their own."""
    path = make_cohorts(tmp_path, "rates", rows("tried", phase="tuning")).path
    assert board.derive(path) == 0
    assert board.derive(make_cohorts(tmp_path, "empty").path) == 0
