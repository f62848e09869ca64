"""`dlx ensemble`."""

import pytest

from tests.cli.conftest import Command


def test_ensemble(dlx: Command) -> None:
    for seed in range(2):
        dlx("train", "iris", "train.steps=5", f"seed={seed}", f"name=iris{seed}", "-q")
    names = ["iris0", "iris1"]
    ended = dlx("ensemble", *names, "--split", "test", "--metric", "error", "--json")
    result = ended.json
    assert (ended.code, result["split"], result["combine"]) == (0, "test", "mean")
    assert [member["run"].split("/")[1] for member in result["members"]] == names
    mean = sum(member["metrics"]["error"] for member in result["members"]) / 2
    assert result["mean"]["error"] == pytest.approx(mean)
    assert result["gain"]["error"] == pytest.approx(mean - result["ensemble"]["error"])
    shown = dlx("ensemble", *names, "--vote").out.splitlines()
    assert [line.split()[0] for line in shown[3:]] == ["mean", "ensemble", "gain", "(on"]


def test_one_run_is_no_ensemble(dlx: Command) -> None:
    dlx("train", "iris", "train.steps=5", "-q")
    ended = dlx("ensemble", "iris")
    assert (ended.code, ended.out) == (2, "")
    assert "error: an ensemble needs at least two runs; received 1" in ended.err


def test_the_seeds_of_a_variant_are_an_ensemble(dlx: Command) -> None:
    varied = ["--vary", "model.activation=relu,tanh", "--seeds", "3", "data.bagging=true"]
    path = dlx("ablate", "iris", "train.epochs=3", *varied, "--json", "-q").json["ablation"]
    result = dlx("ensemble", path, "--variant", "activation=tanh", "--json").json
    assert [member["run"] for member in result["members"]] == [
        f"{path}/runs/{number}" for number in (4, 5, 6)
    ]
    costs = [member["metrics"]["accuracy"] for member in result["members"]]
    assert len(set(costs)) > 1, "each seed has its own bootstrap sample"
    best = dlx("ensemble", path, "--json").json["members"][0]["run"]
    assert best.split("/")[-1] in ("1", "4")
    table = dlx("ensemble", path, "--variant", "activation=tanh").out.splitlines()
    labels = [line.partition("  ")[0] for line in table[1:4]]
    assert labels == [f"{path}#{seed + 4} (activation=tanh@{seed})" for seed in range(3)]
    assert dlx("evaluate", labels[0].split()[0]).code == 0
    ended = dlx("ensemble", path, "--variant", "activation=tan")
    assert (ended.code, "did you mean 'activation=tanh'?" in ended.err) == (2, True)
