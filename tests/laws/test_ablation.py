"""Law 1 for a real ablation: any of its runs, trained alone, is the same bit for bit."""

from pathlib import Path

import pytest

from dlx import api
from dlx.runs import RunDirectory
from dlx.tracking.metrics import line
from tests.guarded import TOGETHER

pytestmark = pytest.mark.usefixtures("without_pictures")

VARIED = [
    "model.activation=relu,tanh,sigmoid,gelu,prelu",
    "model.init=he_normal,lsuv",
    "model.dropout=0,0.3",
    "model.batch_norm=false,true",
    "optimizer=sgd,momentum,adam,rmsprop,radam",
]
OVERRIDES = ["data.limit=70", "model.hidden=[7,5]", "train.batch_size=16", "train.epochs=3"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ablation")


@pytest.mark.slow(*TOGETHER)
def test_twenty_of_two_hundred_runs_are_the_same_alone(folder: Path, one_thread: None) -> None:
    config = {"name": "mixed", "data": "digits"}
    ended = api.ablate(config, OVERRIDES, varied=VARIED, seeds=1, runs_dir=folder)
    assert len(ended.results) == 200
    assert ended.info["cohorts"] == 1
    verified = api.verify(ended.path, 20)["verified"]
    assert len(verified) == 20
    assert all(result["identical"] for result in verified), verified
    assert {result["weights"] for result in verified} == {0.0}


@pytest.mark.parametrize(
    ("data", "overrides"),
    [
        ("digits", ["data.limit=120", "log.metrics=[accuracy,auc,f1,{name: top_k, k: 3}]"]),
        ("digits", ["data.limit=120", "train.batch_size=all", "model.init=lsuv"]),
        ("diabetes", ["log.metrics=[mse,r2]"]),
    ],
)
def test_runs_with_other_labels_share_a_cohort(
    data: str, overrides: list[str], folder: Path, one_thread: None
) -> None:
    varied = ["data.label_noise=0,0.2,0.6", "train.epochs=2,3"]
    config = {"name": f"labels-{data}", "data": data, "train": {"batch_size": 32}}
    ended = api.ablate(config, overrides, varied=varied, seeds=2, runs_dir=folder)
    assert (ended.info["cohorts"], len(ended.results)) == (1, 12)
    verified = api.verify(ended.path, 12)["verified"]
    assert all(result["identical"] for result in verified), verified


def test_a_run_that_is_not_the_same_is_told(folder: Path, one_thread: None) -> None:
    """What verifies a run can fail: here a logged number and a weight were changed."""
    config = {"name": "changed", "data": "xor", "train": {"steps": 9, "batch_size": "all"}}
    run = api.train(config, ["log.every=3"], runs_dir=folder)
    records = run.history
    assert records[2]["step"] == 6
    records[2]["dev"]["cost"] *= 2
    content = "".join(map(line, records)).encode()
    RunDirectory(run.path).write_files({"metrics.jsonl": content})
    [result] = api.verify(run.path)["verified"]
    assert (result["identical"], result["parted"], result["weights"]) == (False, 6, 0.0)
    assert (result["metrics"], result["missing"]) == (pytest.approx(0.5), 0)


@pytest.mark.parametrize("lost", [[1, 2], [3], [0, 1, 2, 3]])
def test_lines_that_are_missing_are_told(lost: list[int], tmp_path: Path) -> None:
    config = {"name": "cut", "data": "xor", "train": {"steps": 9, "batch_size": "all"}}
    run = api.train(config, ["log.every=3"], runs_dir=tmp_path)
    lines = (run.path / "metrics.jsonl").read_text().splitlines(keepends=True)
    assert len(lines) == 4
    kept = [line for place, line in enumerate(lines) if place not in lost]
    RunDirectory(run.path).write_files({"metrics.jsonl": "".join(kept).encode()})
    [result] = api.verify(run.path)["verified"]
    assert (result["identical"], result["missing"]) == (False, len(lost))
    assert (result["parted"], result["metrics"]) == (3 * lost[0], 0.0)
