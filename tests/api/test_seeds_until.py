"""Ablations that add seeds until a verdict: who leaves, and that nothing else decides it."""

import json
from pathlib import Path
from typing import Any

import pytest

from dlx import api
from dlx.ablation import execution, ledger, registration, session
from dlx.ablation.session import Progress
from dlx.api.ablation import CrashedError
from dlx.errors import ConfigError, Interrupted, StorageError
from dlx.runs.ablations import read_index
from dlx.runs.documents import read
from tests.api.test_ablation import stop_after
from tests.guarded import ABLATIONS

CONFIG: dict[str, Any] = {
    "name": "grows",
    "data": {"name": "iris", "split": {"dev": 40, "test": 20}},
    "model": {"hidden": [6], "activation": "tanh"},
    "train": {"epochs": 25, "checkpoint_seconds": 0},
    "ablation": {"margin": 0.01},
}
VARIED = ["optimizer.lr=0.05,0.0001,0.06"]
UNTIL = "{until: decided, max: 9}"


def grow(folder: Path, *overrides: str, **options: Any) -> api.Ablation:
    settings = {"varied": VARIED, "seeds": UNTIL, "runs_dir": folder} | options
    return api.ablate(CONFIG, list(overrides), **settings)


def numbers(ablation: api.Ablation) -> dict[str, Any]:
    """Return all of a summary that does not tell of clocks or folders."""
    kept = dict(ablation.summary)
    for key in ("command", "registered", "warnings", "findings"):
        kept.pop(key)
    kept["variants"] = [
        {key: own for key, own in variant.items() if not key.startswith("seconds")}
        for variant in kept["variants"]
    ]
    return kept


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> api.Ablation:
    """One that nobody stopped: a rate of 0.0001 learns nothing, one of 0.06 as much as 0.05."""
    return grow(tmp_path_factory.mktemp("whole"), jobs=1)


def test_decided_variants_leave_and_others_get_more_seeds(whole: api.Ablation) -> None:
    growing = whole.summary["sequential"]
    assert growing["looks"] == [5, 6, 7, 8, 9]
    left = growing["variants"]
    assert left["lr=0.0001"] == {"seeds": 5, "why": "decided"}
    assert left["lr=0.06"] == {"seeds": 9, "why": "all seeds"}
    runs = {variant["name"]: variant["runs"] for variant in whole.summary["variants"]}
    assert runs == {"lr=0.05": 9, "lr=0.0001": 5, "lr=0.06": 9}
    assert whole.info["runs"] == sum(runs.values()) == len(read_index(whole.path))
    assert whole.summary["seeds"] == list(range(9))
    assert [look["seeds"] for look in growing["growth"]["lr=0.0001"]] == [5]
    assert [look["seeds"] for look in growing["growth"]["lr=0.06"]] == [5, 6, 7, 8, 9]
    assert whole["lr=0.0001"]["vs_baseline"]["verdict"] == "worse"
    assert whole["lr=0.0001"]["vs_baseline"]["seeds"] == 5
    assert "over all looks" in whole["lr=0.0001"]["vs_baseline"]["why"]
    assert (whole.path / "figures" / "growth.png").exists()
    page = (whole.path / "report.html").read_text()
    assert "How the evidence grew" in page and "How many seeds" in page
    assert "2 variants" not in page


def test_resuming_one_that_has_ended_trains_and_changes_nothing(whole: api.Ablation) -> None:
    before, plan = numbers(whole), (whole.path / "plan.json").read_bytes()
    stamps = {path: path.stat().st_mtime_ns for path in whole.path.rglob("cohort.json")}
    again = api.resume_ablation(whole.path)
    assert numbers(again) == before
    assert (whole.path / "plan.json").read_bytes() == plan
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


@pytest.mark.parametrize("after", [1, 3, 5, 8])
def test_stopped_and_resumed_is_as_never_stopped(
    after: int, whole: api.Ablation, tmp_path: Path
) -> None:
    with pytest.raises(Interrupted, match=r"`dlx resume"):
        grow(tmp_path, jobs=1, show=stop_after(after))
    [path] = (tmp_path / "grows").iterdir()
    assert numbers(api.resume_ablation(path)) == numbers(whole)


@pytest.mark.parametrize("lost", [2, 3])
def test_a_process_that_is_lost_at_a_look_changes_nothing(
    lost: int, whole: api.Ablation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the plan of the next batch is written."""
    written = 0

    def write_plan(*arguments: Any) -> None:
        nonlocal written
        written += 1
        if written == lost:
            raise StorageError("no space left")
        write(*arguments)

    write = session.write_plan
    monkeypatch.setattr(session, "write_plan", write_plan)
    with pytest.raises(StorageError):
        grow(tmp_path, jobs=1)
    monkeypatch.undo()
    [path] = (tmp_path / "grows").iterdir()
    assert numbers(api.resume_ablation(path)) == numbers(whole)


@pytest.mark.slow(*ABLATIONS)
def test_several_processes_change_nothing(whole: api.Ablation, tmp_path: Path) -> None:
    assert numbers(grow(tmp_path, jobs=2)) == numbers(whole)


def test_an_index_that_is_written_late_changes_nothing(
    whole: api.Ablation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "_LONG", -1.0)
    monkeypatch.setattr(ledger, "_REST", 1e12)
    assert numbers(grow(tmp_path, jobs=1)) == numbers(whole)


@pytest.mark.slow(*ABLATIONS)
def test_a_pilot_is_the_first_look(tmp_path: Path) -> None:
    read_config = api.read_ablation(CONFIG, [], varied=VARIED, seeds=UNTIL)
    ready = api.plan_ablation(read_config)
    pilot = api.train_plan(ready, runs_dir=tmp_path, pilot=3)
    assert pilot.summary["sequential"]["looks"] == [3, 5, 6, 7, 8, 9]
    assert pilot.summary["seeds"] == [0, 1, 2]
    [warning] = [text for text in pilot.summary["warnings"] if "`dlx resume` goes on" in text]
    assert warning.startswith("2 of 2 variants may get more than 3 seeds, up to 9")
    ended = api.resume_ablation(pilot.path)
    assert ended.summary["sequential"]["looks"] == [3, 5, 6, 7, 8, 9]
    assert ended.summary["sequential"]["variants"]["lr=0.06"]["why"] == "all seeds"
    assert ended.summary["sequential"]["growth"]["lr=0.06"][0]["seeds"] == 3


@pytest.mark.slow(*ABLATIONS)
def test_tuned_variants_grow_too(tmp_path: Path) -> None:
    tune = ["ablation.tune={train.batch_size: [10, 30]}", "ablation.tune_seeds=1"]
    ended = grow(tmp_path, *tune)
    assert ended.summary["sequential"]["variants"]["lr=0.06"]["seeds"] > 5
    assert set(ended.summary["tuning"]) == {"lr=0.05", "lr=0.0001", "lr=0.06"}
    paths = [run.number for run in read_index(ended.path).values()]
    assert len(paths) == len(set(paths)) == ended.info["runs"] + 6


@pytest.mark.slow(*ABLATIONS)
def test_a_half_width_is_enough_or_the_rows_stand_in_the_way(tmp_path: Path) -> None:
    wide = grow(tmp_path / "wide", seeds="{until: 45pp, max: 9}")
    assert wide.summary["sequential"]["until"] == 0.45
    assert {own["why"] for own in wide.summary["sequential"]["variants"].values()} <= {
        "narrow enough",
        "all seeds",
    }
    assert wide.summary["sequential"]["variants"]["lr=0.06"] == {"seeds": 5, "why": "narrow enough"}
    narrow = grow(tmp_path / "narrow", seeds="{until: 0.01pp, max: 9}")
    assert narrow.summary["sequential"]["variants"]["lr=0.0001"]["why"] == "too few rows"
    assert narrow.summary["sequential"]["variants"]["lr=0.0001"]["seeds"] == 9


def test_a_baseline_that_nobody_needs_any_more_leaves_with_the_last_variant(tmp_path: Path) -> None:
    ended = grow(tmp_path, varied=["optimizer.lr=0.05,0.0001"])
    assert ended.summary["seeds"] == [0, 1, 2, 3, 4]
    assert ended.info["runs"] == 10


@pytest.mark.slow(*ABLATIONS)
def test_several_data_sets_grow_each_with_a_baseline_of_its_own(tmp_path: Path) -> None:
    config = CONFIG | {"data": "iris"}
    ended = api.ablate(
        config,
        varied=["data.name=iris,wine", "optimizer.lr=0.05,0.0001"],
        seeds=UNTIL,
        runs_dir=tmp_path,
    )
    runs = {variant["name"]: variant["runs"] for variant in ended.summary["variants"]}
    assert set(runs.values()) <= {5, 6, 7, 8, 9} and len(runs) == 4
    assert ended.summary["overall"]


@pytest.mark.slow(*ABLATIONS)
def test_no_seeds_are_added_while_runs_have_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any, **options: Any) -> list[str]:
        raise RuntimeError("broken")

    monkeypatch.setattr(execution, "train", fail)
    with pytest.raises(CrashedError, match=r"--only failed"):
        grow(tmp_path, jobs=1)
    monkeypatch.undo()
    [path] = (tmp_path / "grows").iterdir()
    with pytest.raises(CrashedError, match=r"could not be trained earlier"):
        api.resume_ablation(path)
    stopped = api.Ablation(path)
    assert stopped.summary["seeds"] == [0, 1, 2, 3, 4]
    assert any("no seeds were added" in remark for remark in stopped.info["remarks"])
    assert api.resume_ablation(path, only_failed=True).summary["seeds"] == [0, 1, 2, 3, 4]
    assert api.resume_ablation(path).summary["seeds"] == list(range(9))


def test_the_number_of_seeds_cannot_be_changed_after_a_look(
    whole: api.Ablation, tmp_path: Path
) -> None:
    match = r"--seeds 30: the ablation adds seeds until a verdict, at most 9, which was fixed"
    with pytest.raises(ConfigError, match=match):
        api.resume_ablation(whole.path, seeds="30")
    fixed = grow(tmp_path, seeds=3)
    match = r"--seeds \{until: decided, max: 9\}: the ablation began with a fixed number of seeds"
    with pytest.raises(ConfigError, match=match):
        api.resume_ablation(fixed.path, seeds=UNTIL)
    assert fixed.summary["sequential"] is None


def test_the_plan_is_kept_before_the_first_run_and_changes_are_told(tmp_path: Path) -> None:
    kept: list[dict[str, Any]] = []

    def show(progress: Progress) -> None:
        info = read(progress.directory / "run.json")
        kept.append(info[registration.KEY])

    question = 'ablation.question="Is a rate of 0.0001 too small?"'
    ended = grow(tmp_path, question, seeds=3, show=show)
    entry = kept[0]
    assert all(own == entry for own in kept)
    assert (
        entry["plan"]["question"] == ended.summary["question"] == "Is a rate of 0.0001 too small?"
    )
    assert entry["plan"]["margin"] == 0.01 and entry["plan"]["seeds"] == 3
    assert registration.digest(entry["plan"]) == entry["sha256"]
    assert ended.summary["registered"]["changed"] == {}
    page = (ended.path / "report.html").read_text()
    assert "Planned before the first run" in page and entry["sha256"] in page
    more = api.resume_ablation(ended.path, seeds="4")
    assert more.summary["registered"]["changed"] == {"seeds": [3, 4]}
    assert more.summary["registered"]["sha256"] == entry["sha256"]
    [told] = [text for text in more.summary["warnings"] if text.startswith("The plan has changed")]
    assert "seeds: 3, now 4" in told and "raise the rate of false verdicts" in told


def test_a_plan_that_was_changed_in_run_json_is_told(whole: api.Ablation, tmp_path: Path) -> None:
    info = whole.info
    entry = json.loads(json.dumps(info[registration.KEY]))
    entry["plan"]["margin"] = 0.2
    report = registration.report(whole.plan(), {registration.KEY: entry})
    assert report is not None
    assert not report["is_whole"] and report["changed"] == {"margin": [0.2, 0.01]}
    assert registration.report(whole.plan(), {}) is None
