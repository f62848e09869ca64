"""Which runs of an ablation have ended."""

import sys
from pathlib import Path

import pytest

from dlx.ablation import loading, planning
from dlx.ablation.ledger import Ledger
from dlx.ablation.plan import Plan, runs_by_path
from dlx.config.load import load
from dlx.errors import RunError, UnreadableError
from dlx.runs.ablations import IndexedRun, read_index
from dlx.runs.files import read_plain
from dlx.tracking.evaluations import Record
from tests.cohorts_on_disk import Row, add_cohort, make_ablation

RATES = (0.1, 0.2)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Two rates by two seeds in a cohort, two more layers in another."""
    vary = [{"name": f"lr={rate}", "optimizer.lr": rate} for rate in RATES]
    vary.append({"name": "deep", "model.hidden": [3, 3]})
    section = {"vary": vary, "seeds": 2, "design": "list", "metric": "dev.cost"}
    section |= {"steps_to": {"dev.cost": 0.3}, "success": {"dev.cost": 0.6}}
    config = {"name": "rates", "data": "xor", "train": {"steps": 100, "batch_size": "all"}}
    return planning.make(load(config | {"ablation": section}), tmp_path)


@pytest.fixture
def ablation(plan: Plan, tmp_path: Path) -> Path:
    """An ablation of which three runs of the first cohort have ended."""
    rows = [
        Row(f"lr={rate}", seed, metrics={"dev": {"cost": 0.5}}, records=records(rate))
        for rate, seed in ((0.1, 0), (0.1, 1), (0.2, 0))
    ]
    lost = {"status": "diverged", "metrics": {}, "fields": {"reason": "at step 3"}}
    rows[2] = Row("lr=0.2", 0, records=records(0.2), **lost)
    return make_ablation(tmp_path / "runs", "rates", rows).path


def records(rate: float) -> list[Record]:
    return [Record(step, step / 4, step * 4, {"dev": {"cost": rate / step}}) for step in (1, 2)]


def test_runs_that_the_index_does_not_hold_are_read_from_their_cohorts(
    plan: Plan, ablation: Path
) -> None:
    (ablation / "index.json").unlink()  # of a process that was killed before it wrote it
    ledger = Ledger(plan, ablation)
    names = ["lr=0.1/seed=0", "lr=0.1/seed=1", "lr=0.2/seed=0"]
    assert [*ledger.runs] == names
    assert [ledger.status(name) for name in names] == ["completed", "completed", "diverged"]
    assert ledger.status("lr=0.2/seed=1") is None
    unfinished = ledger.unfinished(runs_by_path(plan))
    assert [run.path for run in unfinished] == ["lr=0.2/seed=1", "deep/seed=0", "deep/seed=1"]
    assert ledger.runs["lr=0.2/seed=0"] == IndexedRun(
        number=3,
        name="lr=0.2/seed=0",
        phase="comparison",
        variant="lr=0.2",
        seed=0,
        fold=None,
        status="diverged",
        cohort=1,
        row=2,
        differences={"optimizer.lr": 0.2, "train.engine": "native"},
        reason="at step 3",
    )


def test_what_ends_is_added_to_the_index(plan: Plan, ablation: Path) -> None:
    ledger = Ledger(plan, ablation)
    rows = [Row("deep", seed, metrics={"dev": {"cost": 0.25}}) for seed in (0, 1)]
    add_cohort(ablation, rows)
    ledger.add(plan.cohorts[1])
    assert read_index(ablation) == Ledger(plan, ablation).runs == ledger.runs
    deep = ledger.runs["deep/seed=1"]
    assert (deep.number, deep.cohort, deep.row) == (6, 2, 1)
    assert deep.metrics == {"dev": {"cost": 0.25}}
    assert deep.differences == {"model.hidden": [3, 3], "train.engine": "native"}


def test_what_fails_is_noted_and_can_be_forgotten(plan: Plan, ablation: Path) -> None:
    ledger = Ledger(plan, ablation)
    ledger.fail(plan.cohorts[0], "out of memory")
    index = read_index(ablation)
    failed = index["lr=0.2/seed=1"]
    assert (failed.status, failed.reason, failed.cohort) == ("failed", "out of memory", 0)
    assert [run.status for run in index.values()].count("failed") == 1, "what ended has ended"
    again = Ledger(plan, ablation)
    assert again.status(failed.name) == "failed"
    assert again.forget_failed() == 1
    assert again.status(failed.name) is None
    assert failed.name not in read_index(ablation)


@pytest.mark.skipif(sys.platform != "linux", reason="has no file that opens and cannot be read")
@pytest.mark.parametrize("name", ["index.json", "cohort.json"])
def test_what_cannot_be_read_is_not_made_again(
    plan: Plan, ablation: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be whole: what ended would be deleted for a passing error of the system."""

    def read(path: Path) -> bytes:
        # It opens, and cannot be read where it begins.
        return read_plain(Path("/proc/self/mem") if path.name == name else path)

    if name == "cohort.json":
        (ablation / "index.json").unlink()
    files = {path: path.read_bytes() for path in ablation.rglob("*") if path.is_file()}
    monkeypatch.setattr("dlx.runs.documents.read_plain", read)
    with pytest.raises(UnreadableError, match=r"cannot read .*: Input/output error"):
        Ledger(plan, ablation, repair=True)
    assert {path: path.read_bytes() for path in files} == files


def test_results_are_those_of_the_cohorts_files(plan: Plan, ablation: Path) -> None:
    ledger = Ledger(plan, ablation)
    ledger.fail(plan.cohorts[1], "boom")
    results = loading.results(ablation, runs_by_path(plan).values(), ledger, plan.section)
    assert [*results] == [
        *("lr=0.1/seed=0", "lr=0.1/seed=1", "lr=0.2/seed=0"),
        *("deep/seed=0", "deep/seed=1"),
    ]
    first, lost, failed = (
        results[name] for name in ("lr=0.1/seed=0", "lr=0.2/seed=0", "deep/seed=0")
    )
    assert (first.status, first.number, first.steps, first.parameters) == ("completed", 1, 100, 151)
    assert (first.curve.steps, first.curve.of("dev.cost")) == ((1, 2), (0.1, 0.05))
    assert (first.success, first.steps_to) == (True, {"dev.cost": 1})
    assert (lost.status, lost.reason, lost.metrics) == ("diverged", "at step 3", {})
    assert (lost.success, lost.curve.of("dev.cost")) == (False, (0.2, 0.1))
    assert (failed.status, failed.reason, failed.curve.steps) == ("failed", "boom", ())


def test_damaged_evaluations_are_named(plan: Plan, ablation: Path) -> None:
    path = ablation / "cohorts" / "1" / "metrics.jsonl"
    path.write_bytes(path.read_bytes().replace(b"0.05", b"0.04", 1))
    with pytest.raises(RunError, match=r"metrics\.jsonl(:2: damaged line| is damaged)"):
        ledger = Ledger(plan, ablation)
        loading.results(ablation, runs_by_path(plan).values(), ledger, plan.section)


def test_an_index_that_takes_long_to_write_is_not_written_after_every_cohort(
    plan: Plan, ablation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlx.ablation.ledger._LONG", 0.0)
    monkeypatch.setattr("dlx.ablation.ledger._REST", 1e6)
    ledger, index = Ledger(plan, ablation), ablation / "index.json"
    ledger.add(plan.cohorts[0])
    index.unlink()
    ledger.add(plan.cohorts[0])
    assert not index.exists()
    ledger.write()
    assert read_index(ablation) == ledger.runs
