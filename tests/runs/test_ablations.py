"""What an ablation's folder holds of its runs."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dlx.errors import RunError
from dlx.runs import RunDirectory, documents
from dlx.runs.ablations import (
    IndexedRun,
    cohort_folder,
    infos,
    read_cohort,
    read_cohort_file,
    read_index,
    read_summary,
    write_index,
)
from dlx.tracking.evaluations import Record
from tests.cohorts_on_disk import Row, add_cohort, make_ablation

RECORD = Record(5, 0.5, 20, {"dev": {"cost": 0.25}})
ROWS = [Row("lr=0.1", seed, metrics={"dev": {"cost": 0.5}}, records=[RECORD]) for seed in (0, 1)]


@pytest.fixture
def ablation(tmp_path: Path) -> Path:
    return make_ablation(tmp_path, "rates", ROWS).path


def test_the_index_is_read_back_by_name_and_in_the_order_of_numbers(tmp_path: Path) -> None:
    run = IndexedRun(2, "a/seed=0", "comparison", "a", 0, None, "completed", 1, 0)
    failed = IndexedRun(1, "b/seed=3", "tuning", "b", 3, 2, "failed", 0, 1, reason="out of memory")
    differing = replace(
        run, number=3, name="c", metrics={"dev": {"r2": None}}, differences={"x": [1]}
    )  # type: ignore[dict-item]
    assert read_index(tmp_path) == {}
    write_index(tmp_path, [run, differing, failed])
    index = read_index(tmp_path)
    assert [*index.values()] == [failed, run, differing]
    assert [*index] == ["b/seed=3", "a/seed=0", "c"]


@pytest.mark.parametrize(
    "document",
    [{}, {"runs": 3}, {"runs": [{"number": 1}]}, {"runs": [{"extra": 1}]}, {"runs": [3]}],
)
def test_an_index_that_is_none_is_damaged(document: dict[str, Any], tmp_path: Path) -> None:
    documents.write(tmp_path / "index.json", document)
    with pytest.raises(RunError, match=r"index\.json is damaged"):
        read_index(tmp_path)


def test_a_changed_index_is_damaged(ablation: Path) -> None:
    path = ablation / "index.json"
    path.write_text(path.read_text().replace('"cost": 0.5', '"cost": 0.4', 1))
    with pytest.raises(RunError, match=r"index\.json is damaged: .*do not match its digest"):
        read_index(ablation)


def test_runs_have_what_their_cohort_shares_and_fields_of_their_own(ablation: Path) -> None:
    add_cohort(ablation, [Row("lr=0.5", 7, status="diverged", fields={"reason": "at step 3"})])
    runs = read_index(ablation)
    fields = infos(ablation, runs.values())
    assert [*fields] == ["lr=0.1/seed=0", "lr=0.1/seed=1", "lr=0.5/seed=7"]
    first, last = fields["lr=0.1/seed=1"], fields["lr=0.5/seed=7"]
    assert (first["kind"], first["status"], first["seed"]) == ("run", "completed", 1)
    assert first["metrics"] == {"dev": {"cost": 0.5}}
    assert first["data_fingerprint"] == "0" * 64 and first["versions"]["dlx"]
    assert (last["status"], last["seed"], last["reason"]) == ("diverged", 7, "at step 3")


def test_a_run_that_failed_has_no_cohort(ablation: Path) -> None:
    [run, _] = read_index(ablation).values()
    failed = replace(run, status="failed", cohort=0, reason="out of memory")
    fields = infos(ablation, [failed])[run.name]
    assert (fields["status"], fields["reason"], fields["kind"]) == (
        "failed",
        "out of memory",
        "run",
    )


def test_a_cohort_that_is_damaged_is_named(ablation: Path) -> None:
    runs = list(read_index(ablation).values())
    path = cohort_folder(ablation, 1) / "cohort.json"
    content = path.read_bytes()
    with pytest.raises(RunError, match=r"cohort\.json does not hold run 9 of"):
        infos(ablation, [replace(runs[0], number=9)])
    path.write_bytes(content.replace(b'"seed": 1', b'"seed": 2'))
    with pytest.raises(RunError, match=r"cohort\.json is damaged: .*do not match its digest"):
        infos(ablation, runs)
    document = json.loads(content)
    document["runs"][1]["fields"]["status"] = "gone"
    documents.write(path, {k: v for k, v in document.items() if k != "digest"})
    with pytest.raises(
        RunError, match=r"cohort\.json is damaged: its runs\[1\]\.fields\.status is 'gone'"
    ):
        infos(ablation, runs)
    document = json.loads(content)
    del document["digest"]
    for name, value in (("runs", {}), ("shared", [3]), ("digests", {"rows.safetensors": 1})):
        documents.write(path, document | {name: value})
        with pytest.raises(RunError, match=rf"cohort\.json is damaged: its {name}"):
            infos(ablation, runs)
    document["runs"][0]["shared"] = 9
    documents.write(path, document)
    with pytest.raises(RunError, match=r"cohort\.json is damaged: run 1 shares 9"):
        infos(ablation, runs)
    path.unlink()
    assert read_cohort(path.parent) is None
    with pytest.raises(RunError, match=r"cohort\.json is missing; `dlx resume` trains"):
        infos(ablation, runs)


def test_every_file_of_a_cohort_is_checked(ablation: Path) -> None:
    folder = cohort_folder(ablation, 1)
    (folder / "table.json").write_bytes(b"{}\n")
    cohort = read_cohort(folder)
    assert cohort is not None
    cohort = cohort | {"digests": {"table.json": documents.sha256(b"{}\n")}}
    assert read_cohort_file(folder, cohort, "table.json") == b"{}\n"
    metrics = (folder / "metrics.jsonl").read_bytes()
    for name, whole in (("table.json", b"{}\n"), ("metrics.jsonl", metrics)):
        (folder / name).write_bytes(whole[:-1])
        with pytest.raises(RunError, match=rf"{name} is damaged, or was changed .*put it back"):
            read_cohort_file(folder, cohort, name)
        (folder / name).unlink()
        with pytest.raises(RunError, match=rf"cannot read .*{name}: No such file"):
            read_cohort_file(folder, cohort, name)
    (folder / "metrics.jsonl").write_bytes(metrics + b"of runs that are being trained\n")
    assert read_cohort_file(folder, cohort, "metrics.jsonl") == metrics
    known = cohort | {"metrics_digest": documents.sha256(metrics)}
    assert read_cohort_file(folder, known, "metrics.jsonl") == metrics
    lines = metrics.splitlines(keepends=True)  # of another ablation: whole, of the same length
    (folder / "metrics.jsonl").write_bytes(b"".join(lines[::-1]))
    assert len(set(lines)) > 1
    with pytest.raises(RunError, match=r"metrics\.jsonl is damaged, or was changed"):
        read_cohort_file(folder, known, "metrics.jsonl")
    (folder / "weights.safetensors").write_bytes(b"of which there is no digest")
    with pytest.raises(RunError, match=r"weights\.safetensors is damaged"):
        read_cohort_file(folder, cohort, "weights.safetensors")


# An ablation whose runs have folders of their own.

PLAN = {
    "schema": 1,
    "variants": [{"name": "a/b", "folder": "a_b"}, {"name": "c", "folder": "c"}],
    "seeds": [0, 4],
    "folds": None,
    "cohorts": [{"runs": ["c/seed=0", "a_b/seed=4"]}],
}


def write_member(ablation: Path, name: str, status: str = "completed", **info: Any) -> Path:
    folder = ablation / name
    folder.mkdir(parents=True)
    metrics = None if status == "diverged" else {"dev": {"cost": 0.5}}
    fields = {"kind": "run", "status": status, "seed": int(name[-1]), "metrics": metrics}
    (folder / "run.json").write_text(json.dumps(fields | info))
    for file in (
        "config.yaml",
        "metrics.jsonl",
        "weights.safetensors",
        "preprocessing.safetensors",
    ):
        (folder / file).write_bytes(b"x")
    return folder


def test_runs_with_folders_of_their_own_are_those_of_the_plan(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    write_member(tmp_path, "c/seed=4", "diverged", reason="at step 3")
    first = write_member(tmp_path, "a_b/seed=0")
    write_member(tmp_path, "tuning/c/lr=1/seed=9")
    runs = read_index(tmp_path)
    assert {name: (run.number, run.variant, run.phase) for name, run in runs.items()} == {
        "a_b/seed=0": (1, "a/b", "comparison"),
        "c/seed=4": (4, "c", "comparison"),
        "tuning/c/lr=1/seed=9": (5, "", "tuning"),
    }
    assert runs["c/seed=4"].reason == "at step 3"
    assert {run.cohort for run in runs.values()} == {None}
    [fields] = infos(tmp_path, [runs["a_b/seed=0"]]).values()
    assert fields == RunDirectory(first).read_info()


def test_numbers_of_the_plan_hold(tmp_path: Path) -> None:
    cohort = {"runs": ["c/seed=0", "a_b/seed=4"], "numbers": [7, 2]}
    (tmp_path / "plan.json").write_text(json.dumps(PLAN | {"cohorts": [cohort]}))
    for name in cohort["runs"]:
        write_member(tmp_path, str(name))
    numbers = {name: run.number for name, run in read_index(tmp_path).items()}
    assert numbers == {"c/seed=0": 7, "a_b/seed=4": 2}


@pytest.mark.parametrize("fold", [1, 2])
def test_folds_are_numbered_within_seeds(fold: int, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(PLAN | {"folds": 2}))
    write_member(tmp_path, f"c/seed=0 fold={fold}", seed=0)
    [run] = read_index(tmp_path).values()
    assert (run.number, run.seed, run.fold) == (4 + fold, 0, fold)


@pytest.mark.parametrize(
    "name", ["config.yaml", "metrics.jsonl", "weights.safetensors", "preprocessing.safetensors"]
)
def test_a_run_whose_files_a_power_cut_emptied_has_not_ended(name: str, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    folder = write_member(tmp_path, "c/seed=0")
    assert len(read_index(tmp_path)) == 1
    (folder / name).write_bytes(b"")
    assert read_index(tmp_path) == {}
    (folder / name).unlink()
    assert read_index(tmp_path) == {}


def test_of_runs_with_folders_of_their_own_some_have_not_ended(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    write_member(tmp_path, "c/seed=0", "running")
    write_member(tmp_path, "c/seed=4", metrics=None)
    (write_member(tmp_path, "a_b/seed=0") / "run.json").write_text("{")
    assert read_index(tmp_path) == {}
    write_member(tmp_path, "a_b/seed=4", "failed", reason="out of memory")
    assert [run.status for run in read_index(tmp_path).values()] == ["failed"]


@pytest.mark.parametrize("plan", [None, "{", "{}", '{"variants": [3]}', '{"variants": 1}'])
def test_without_their_plan_they_cannot_be_numbered(plan: str | None, tmp_path: Path) -> None:
    write_member(tmp_path, "c/seed=0")
    if plan is not None:
        (tmp_path / "plan.json").write_text(plan)
    with pytest.raises(RunError, match=r"plan\.json is (missing; put it back|damaged)"):
        read_index(tmp_path)


OLD_SUMMARY = Path(__file__).parents[1] / "old_folders/schema2/ablation/summary.json"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"variants": {}}, r"its variants is \{\}"),
        ({"variants": []}, "its chosen names '.*', which is none of its variants"),
        ({"chosen": {"name": "relu", "test": {}}}, "its chosen names 'relu', which is none"),
        ({"margin": "0.1"}, "its margin is '0.1'"),
        ({"warnings": [None]}, r"its warnings\[0\] is None"),
        (
            {"trials": [{"number": "1", "settings": {}, "values": [], "measured": {}}]},
            r"its trials\[0\].number is '1'",
        ),
    ],
)
def test_a_summary_of_another_shape_is_damaged(
    changes: dict[str, Any], problem: str, ablation: Path
) -> None:
    summary = {} if "trials" in changes else json.loads(OLD_SUMMARY.read_bytes())
    content = json.dumps(summary | changes).encode()
    RunDirectory(ablation).write_files({"summary.json": content})
    with pytest.raises(RunError, match=rf"summary\.json is damaged: {problem}.*; `dlx resume"):
        read_summary(ablation)
