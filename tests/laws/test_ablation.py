"""Law 1 for a real ablation: any of its runs, trained alone, is the same bit for bit."""

from pathlib import Path

import pytest

from dlx import api

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


def test_twenty_of_two_hundred_runs_are_the_same_alone(folder: Path, one_thread: None) -> None:
    config = {"name": "mixed", "data": "digits"}
    ended = api.ablate(config, OVERRIDES, varied=VARIED, seeds=1, runs_dir=folder)
    assert len(ended.results) == 200
    assert ended.info["cohorts"] == 1
    found = api.verify(ended.path, 20)["verified"]
    assert len(found) == 20
    assert all(each["identical"] for each in found), found
    assert {each["weights"] for each in found} == {0.0}


def test_a_run_that_is_not_the_same_is_told(folder: Path, one_thread: None) -> None:
    """What verifies a run can fail: here a logged number and a weight were changed."""
    config = {"name": "changed", "data": "xor", "train": {"steps": 9, "batch_size": "all"}}
    run = api.train(config, ["log.every=3"], runs_dir=folder)
    lines = (run.path / "metrics.jsonl").read_text().split("\n")
    assert '"step": 6' in lines[2]
    cost = run.history[2]["dev"]["cost"]
    lines[2] = lines[2].replace(f'"dev": {{"cost": {cost}', f'"dev": {{"cost": {2 * cost}')
    (run.path / "metrics.jsonl").write_text("\n".join(lines))
    [found] = api.verify(run.path)["verified"]
    assert (found["identical"], found["parted"], found["weights"]) == (False, 6, 0.0)
    assert found["metrics"] == pytest.approx(0.5)
