import json
from pathlib import Path
from typing import Any

import pytest

from dlx import api
from dlx.errors import RunError
from dlx.report.run_comparison import gather
from dlx.runs.files import write_atomic
from tests.cohorts_on_disk import Row, add_cohort, make_ablation
from tests.report.runs_on_disk import write_member, write_run


def grouped(gathered) -> dict[str, list[int]]:
    return {
        variant.name: sorted(run.seed for run in gathered.results if run.variant == variant.name)
        for variant in gathered.variants
    }


def test_runs_whose_configs_agree_apart_from_the_seed_are_one_variant(tmp_path: Path) -> None:
    for seed in (0, 1):
        write_run(tmp_path, seed=seed)
        write_run(tmp_path, "optimizer.lr=0.5", "log.level=minimal", seed=seed, name="other")
    gathered = gather(["xor", "other"], tmp_path)
    assert grouped(gathered) == {"lr=0.001": [0, 1], "lr=0.5": [0, 1]}
    assert gathered.variants[1].settings == {"optimizer.lr": 0.5}
    assert gathered.data == ["xor"] and gathered.warnings == []
    run = gathered.results[0]
    assert (run.steps, run.seconds, run.parameters, run.examples) == (100, 0.5, 151, 400)
    assert run.metrics["dev"]["accuracy"] == 0.9


def test_what_runs_without_classes_have_seen_is_known(tmp_path: Path) -> None:
    train = {"steps": 3, "batch_size": 2}
    config = {"name": "bits", "data": "xor", "model": {"name": "autoencoder", "encoder": [1]}}
    before = {"pretrain": {"epochs": 2}, "log": {"level": "minimal"}}
    api.train(config | {"train": train} | before, runs_dir=tmp_path)
    [run] = gather(["bits"], tmp_path).results
    assert (run.steps, run.examples) == (3, 6)
    assert (run.pretraining_steps, run.pretraining_examples) == (4, 8)


def test_a_choice_names_a_variant_without_the_options_that_come_with_it(tmp_path: Path) -> None:
    write_run(tmp_path, "optimizer=sgd", "model.activation=relu")
    write_run(tmp_path, "optimizer=adam", "model.activation=relu")
    write_run(tmp_path, "optimizer={name: adam, lr: 0.5}", "model.activation=tanh")
    gathered = gather(["xor"], tmp_path)
    assert list(grouped(gathered)) == [
        "activation=relu optimizer=sgd lr=0.01",
        "activation=relu optimizer=adam lr=0.001",
        "activation=tanh optimizer=adam lr=0.5",
    ]


def row(rate: float, seed: int = 0, **fields: Any) -> Row:
    metrics = {"dev": {"accuracy": 0.9, "cost": 0.1}}
    return Row(f"lr={rate}", seed, metrics=metrics, differences={"optimizer.lr": rate}, **fields)


def test_an_ablation_s_runs_join_others_of_the_same_config(tmp_path: Path) -> None:
    write_run(tmp_path, "optimizer.lr=0.5", seed=7)
    ablation = make_ablation(tmp_path, "rates", [row(0.5, seed) for seed in (0, 1)])
    add_cohort(ablation.path, [row(0.1, seed, fold=2) for seed in (0, 1)])
    add_cohort(ablation.path, [row(9, phase="tuning")])
    gathered = gather([str(ablation.path), "xor"], tmp_path)
    assert grouped(gathered) == {"lr=0.5": [0, 1, 7], "lr=0.1": [0, 1]}
    assert {run.fold for run in gathered.results if run.variant == "lr=0.1"} == {2}
    run = gathered.results[1]
    assert (run.steps, run.seconds, run.parameters, run.examples) == (100, 0.5, 151, 400)
    assert run.metrics["dev"]["accuracy"] == 0.9
    assert run.path == f"{ablation.path}#2"


def test_runs_that_were_lost_and_such_of_folds_count(tmp_path: Path) -> None:
    lost = Row("lr=0.1", 1, status="diverged", differences={"optimizer.lr": 0.1})
    folds = [row(0.1, fold=fold) for fold in (1, 2)]
    gathered = gather([str(make_ablation(tmp_path, "rates", [*folds, lost]).path)], tmp_path)
    assert [(run.status, run.fold) for run in gathered.results] == [
        ("completed", 1),
        ("completed", 2),
        ("diverged", None),
    ]
    assert gathered.results[2].metrics == {}


def test_an_ablation_s_baseline_comes_first(tmp_path: Path) -> None:
    ablation = make_ablation(tmp_path, "rates", [row(rate) for rate in (0.1, 0.3, 0.5)])
    summary = {
        "baseline": "lr=0.3",
        "variants": [{"name": f"lr={rate}", "metrics": {}} for rate in (0.5, 0.3, 0.1)],
    }
    (ablation.path / "summary.json").write_text(json.dumps(summary))
    assert list(grouped(gather(["rates"], tmp_path))) == ["lr=0.3", "lr=0.5", "lr=0.1"]


def test_of_a_run_in_two_ablations_the_newer_counts(tmp_path: Path) -> None:
    older = make_ablation(tmp_path, "older", [row(0.1)], created="2026-01-01T00:00:00Z")
    newer = make_ablation(tmp_path, "newer", [row(0.1)], created="2026-01-02T00:00:00Z")
    gathered = gather([str(newer.path), str(older.path)], tmp_path)
    assert [run.path for run in gathered.results] == [f"{newer.path}#1"]
    assert gathered.warnings == [
        f"{older.path}#1 is left out: {newer.path}#1 has the same config and seed"
    ]


def test_runs_with_folders_of_their_own_join_those_of_cohorts(tmp_path: Path) -> None:
    """An ablation that was begun when each run had a folder."""
    ablation = make_ablation(tmp_path, "rates")
    folders = [f"lr={rate}" for rate in (0.1, 0.5)]
    plan = {
        "variants": [{"name": name, "folder": name} for name in folders],
        "seeds": [0, 1],
        "folds": None,
        "cohorts": [],
    }
    write_atomic(ablation.path / "plan.json", json.dumps(plan).encode())
    for seed in (0, 1):
        write_member(ablation, "lr=0.5", "optimizer.lr=0.5", seed=seed)
    write_member(ablation, "lr=0.1", "optimizer.lr=0.1")
    add_cohort(ablation.path, [row(0.1, 1)])
    gathered = gather([str(ablation.path)], tmp_path)
    assert grouped(gathered) == {"lr=0.1": [0, 1], "lr=0.5": [0, 1]}
    assert gathered.results[0].path == str(ablation.path / "lr=0.1" / "seed=0")


def test_a_null_that_older_configs_do_not_have_is_no_difference(tmp_path: Path) -> None:
    old = write_run(tmp_path, seed=0)
    text = old.config_path.read_text()
    assert "  clip_norm: null\n" in text
    old.write_files({"config.yaml": text.replace("  clip_norm: null\n", "").encode()})
    write_run(tmp_path, seed=1)
    assert list(grouped(gather(["xor"], tmp_path)).values()) == [[0, 1]]
    write_run(tmp_path, "train.clip_norm=1", seed=1)
    assert list(grouped(gather(["xor"], tmp_path)))[1] == "clip_norm=1.0"


def test_lost_runs_count_and_unended_ones_are_left_out_with_a_word(tmp_path: Path) -> None:
    write_run(tmp_path, seed=0, status="diverged", accuracy=None)
    left = write_run(tmp_path, seed=1, status="interrupted")
    gathered = gather(["xor"], tmp_path)
    assert [run.status for run in gathered.results] == ["diverged"]
    assert gathered.warnings == [f"{left.path} is left out: it is interrupted"]


def test_of_a_config_and_seed_the_newest_run_counts(tmp_path: Path) -> None:
    older = write_run(tmp_path, accuracy=0.1)
    newer = write_run(tmp_path, accuracy=0.8)
    gathered = gather([str(newer.path), str(older.path), str(newer.path)], tmp_path)
    assert [run.metrics["dev"]["accuracy"] for run in gathered.results] == [0.8]
    assert gathered.warnings == [
        f"{older.path} is left out: {newer.path} has the same config and seed"
    ]


def test_nothing_to_compare_is_a_run_error(tmp_path: Path) -> None:
    write_run(tmp_path, status="interrupted")
    told = r"of xor has a run that has ended \(.* is interrupted\); `dlx resume`"
    with pytest.raises(RunError, match=told):
        gather(["xor"], tmp_path)
    with pytest.raises(RunError, match="no run 'nothing'"):
        gather(["nothing"], tmp_path)
    ablation = make_ablation(tmp_path, "empty")
    with pytest.raises(RunError, match="has no run that has ended"):
        gather([str(ablation.path)], tmp_path)
    add_cohort(ablation.path, [row(9, phase="tuning")])
    with pytest.raises(RunError, match="has no run that has ended"):
        gather([str(ablation.path)], tmp_path)


def test_a_damaged_config_is_named(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    run.config_path.write_text("data: {name: [\n")
    with pytest.raises(RunError, match=r"config\.yaml"):
        gather(["xor"], tmp_path)
