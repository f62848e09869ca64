import json
from pathlib import Path

import pytest

from dlx import api
from dlx.errors import RunError
from dlx.report.gather import gather
from dlx.runs import RunDirectory
from tests.report.runs_on_disk import write_member, write_run


def grouped(found) -> dict[str, list[int]]:
    return {
        variant.name: sorted(run.seed for run in found.results if run.variant == variant.name)
        for variant in found.variants
    }


def test_runs_whose_configs_agree_apart_from_the_seed_are_one_variant(tmp_path: Path) -> None:
    for seed in (0, 1):
        write_run(tmp_path, seed=seed)
        write_run(tmp_path, "optimizer.lr=0.5", "log.level=minimal", seed=seed, name="other")
    found = gather(["xor", "other"], tmp_path)
    assert grouped(found) == {"lr=0.001": [0, 1], "lr=0.5": [0, 1]}
    assert found.variants[1].settings == {"optimizer.lr": 0.5}
    assert found.data == ["xor"] and found.warnings == []
    run = found.results[0]
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
    found = gather(["xor"], tmp_path)
    assert list(grouped(found)) == [
        "activation=relu optimizer=sgd lr=0.01",
        "activation=relu optimizer=adam lr=0.001",
        "activation=tanh optimizer=adam lr=0.5",
    ]


def test_an_ablation_s_runs_join_others_of_the_same_config(tmp_path: Path) -> None:
    write_run(tmp_path, "optimizer.lr=0.5", seed=7)
    ablation = write_run(tmp_path, name="rates", kind="ablation")
    for seed in (0, 1):
        write_member(ablation, "lr=0.5", "optimizer.lr=0.5", seed=seed)
        write_member(ablation, "lr=0.1", "optimizer.lr=0.1", seed=seed, fold=" fold=2")
    write_member(RunDirectory(ablation.path / "tuning"), "lr=9", "optimizer.lr=9")
    found = gather([str(ablation.path), "xor"], tmp_path)
    assert grouped(found) == {"lr=0.1": [0, 1], "lr=0.5": [0, 1, 7]}
    assert {run.fold for run in found.results if run.variant == "lr=0.1"} == {2}


def test_an_ablation_s_baseline_comes_first(tmp_path: Path) -> None:
    ablation = write_run(tmp_path, name="rates", kind="ablation")
    for rate in (0.1, 0.3, 0.5):
        write_member(ablation, f"lr={rate}", f"optimizer.lr={rate}")
    found = {"baseline": "lr=0.3", "variants": [{"name": f"lr={rate}"} for rate in (0.5, 0.3, 0.1)]}
    (ablation.path / "summary.json").write_text(json.dumps(found))
    assert list(grouped(gather(["rates"], tmp_path))) == ["lr=0.3", "lr=0.5", "lr=0.1"]


def test_a_null_that_older_configs_do_not_have_is_no_difference(tmp_path: Path) -> None:
    old = write_run(tmp_path, seed=0)
    text = old.config_path.read_text()
    assert "  clip_norm: null\n" in text
    old.config_path.write_text(text.replace("  clip_norm: null\n", ""))
    write_run(tmp_path, seed=1)
    assert list(grouped(gather(["xor"], tmp_path)).values()) == [[0, 1]]
    write_run(tmp_path, "train.clip_norm=1", seed=1)
    assert list(grouped(gather(["xor"], tmp_path)))[1] == "clip_norm=1.0"


def test_lost_runs_count_and_unended_ones_are_left_out_with_a_word(tmp_path: Path) -> None:
    write_run(tmp_path, seed=0, status="diverged", accuracy=None)
    left = write_run(tmp_path, seed=1, status="interrupted")
    found = gather(["xor"], tmp_path)
    assert [run.status for run in found.results] == ["diverged"]
    assert found.warnings == [f"{left.path} is left out: it is interrupted"]


def test_of_a_config_and_seed_the_newest_run_counts(tmp_path: Path) -> None:
    older = write_run(tmp_path, accuracy=0.1)
    newer = write_run(tmp_path, accuracy=0.8)
    found = gather([str(newer.path), str(older.path), str(newer.path)], tmp_path)
    assert [run.metrics["dev"]["accuracy"] for run in found.results] == [0.8]
    assert found.warnings == [
        f"{older.path} is left out: {newer.path} has the same config and seed"
    ]


def test_nothing_to_compare_is_a_run_error(tmp_path: Path) -> None:
    write_run(tmp_path, status="interrupted")
    with pytest.raises(RunError, match="xor has a run that has ended; `dlx resume`"):
        gather(["xor"], tmp_path)
    with pytest.raises(RunError, match="no run 'nothing'"):
        gather(["nothing"], tmp_path)
    ablation = write_run(tmp_path, name="empty", kind="ablation")
    with pytest.raises(RunError, match="has no run that has ended"):
        gather([str(ablation.path)], tmp_path)


def test_a_damaged_config_is_named(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    run.config_path.write_text("data: {name: [\n")
    with pytest.raises(RunError, match=r"config\.yaml"):
        gather(["xor"], tmp_path)
