from collections.abc import Callable
from pathlib import Path

import pytest

from dlx.errors import ConfigError, RunError
from dlx.report.run_comparison import compare, gather
from dlx.runs import RunDirectory
from tests.report.ablation_folder import make_ablation
from tests.report.runs_on_disk import write_run


def test_the_first_variant_is_the_baseline_and_pairs_are_of_equal_seeds(tmp_path: Path) -> None:
    for seed, (low, high) in enumerate([(0.5, 0.7), (0.6, 0.85), (0.7, 0.89)]):
        write_run(tmp_path, seed=seed, accuracy=low)
        write_run(tmp_path, "optimizer.lr=0.5", seed=seed, accuracy=high)
    write_run(tmp_path, "optimizer.lr=0.5", seed=9, accuracy=0.0)  # has no partner
    summary = compare(["xor"], tmp_path)
    assert (summary["metric"], summary["baseline"]) == ("dev.accuracy", "lr=0.001")
    base, other = summary["variants"]
    assert base["vs_baseline"] is None and other["n"] == 4
    document = other["vs_baseline"]
    assert (document["n"], document["wins"]) == (3, 3)
    assert document["difference"] == pytest.approx((0.2 + 0.25 + 0.19) / 3)


@pytest.mark.parametrize(
    ("metrics", "judged"),
    [
        ({"dev": {"accuracy": 0.5, "cost": 1.0}}, "dev.accuracy"),
        ({"dev": {"mse": 0.5, "cost": 1.0}}, "dev.cost"),
        ({"train": {"cost": 1.0}}, "train.cost"),
        (None, "dev.cost"),
    ],
)
def test_the_metric_is_that_of_an_ablation(
    metrics: dict | None, judged: str, tmp_path: Path
) -> None:
    status = "completed" if metrics else "diverged"
    write_run(tmp_path, metrics=metrics, status=status)
    write_run(tmp_path, "optimizer.lr=0.5", metrics=metrics, status=status)
    assert compare(["xor"], tmp_path)["metric"] == judged


def test_a_metric_that_is_asked_for_is_judged_on_test_rows_too(tmp_path: Path) -> None:
    write_run(tmp_path, metrics={"test": {"accuracy": 0.5}})
    (variant,) = compare(["xor"], tmp_path, "test.accuracy")["variants"]
    assert variant["metrics"]["test"]["accuracy"]["mean"] == 0.5


def test_a_metric_that_no_run_has_is_named(tmp_path: Path) -> None:
    write_run(tmp_path)
    with pytest.raises(
        ConfigError,
        match=r"no run has 'dev\.cots'; did you mean 'dev\.cost'\?.* dev\.accuracy, dev",
    ):
        compare(["xor"], tmp_path, "dev.cots")


@pytest.mark.parametrize(
    ("put", "words"),
    [
        (
            lambda path: path.unlink(),
            r"summary\.json is missing: not saved yet, or deleted; resume",
        ),
        (
            lambda path: (path.unlink(), path.symlink_to("/nowhere")),
            r"summary\.json is a link, which dlx does not follow",
        ),
    ],
)
def test_an_ablation_whose_summary_is_gone_gets_no_other_baseline(
    put: Callable[[Path], object], words: str, tmp_path: Path
) -> None:
    path = make_ablation(tmp_path, {"relu": 0.9, "tanh": 0.8})
    content = (path / "summary.json").read_bytes()
    RunDirectory(path).write_files({"summary.json": content})
    baseline = compare([path.parent.name], tmp_path)["baseline"]
    put(path / "summary.json")
    with pytest.raises(RunError, match=words):
        compare([path.parent.name], tmp_path)
    (path / "summary.json").unlink(missing_ok=True)
    (path / "summary.json").write_bytes(content)
    assert compare([path.parent.name], tmp_path)["baseline"] == baseline


def test_what_cannot_be_read_is_told_where_nothing_is_left(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "moons")
    run.info_path.write_text("{")
    with pytest.raises(RunError, match=r"none of moons has a run .*\(.*run\.json is damaged"):
        gather(["moons"], tmp_path)
