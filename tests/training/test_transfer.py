"""Layers that start from a run trained before."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlx import api
from dlx.errors import ConfigError
from dlx.training.job import Job

pytestmark = pytest.mark.usefixtures("without_pictures")

AUTOENCODER: dict[str, Any] = {
    "data": {"name": "digits", "limit": 200},
    "model": {"name": "autoencoder", "encoder": [24, 12], "activation": "sigmoid"},
    "train": {"epochs": 2},
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> api.Run:
    return api.train(AUTOENCODER, runs_dir=tmp_path_factory.mktemp("runs"))


def config(source: api.Run, hidden: list[int] | None = None, **how: Any) -> dict[str, Any]:
    model = {
        "hidden": hidden or [24, 12],
        "activation": "sigmoid",
        "from_run": {"run": str(source.path), **how} if how else str(source.path),
    }
    return {"data": {"name": "digits", "limit": 300}, "model": model, "train": {"epochs": 2}}


def test_hidden_layers_start_from_those_of_the_run(source: api.Run, tmp_path: Path) -> None:
    ready = api.prepare(config(source))
    start = Job.trainer([ready], is_new=True).cohort.network.run_state(0)
    tensors = source.tensors
    assert start["1.weight"].T.equal(tensors["0.weight"])
    assert start["2.bias"].view(-1).equal(tensors["2.bias"])
    plain = api.prepare(config(source) | {"model": {"hidden": [24, 12], "activation": "sigmoid"}})
    drawn = Job.trainer([plain], is_new=True).cohort.network.run_state(0)
    assert start["3.weight"].equal(drawn["3.weight"]), "the output layer is new"
    run = api.train(config(source), runs_dir=tmp_path)
    assert not run.tensors["0.weight"].equal(tensors["0.weight"]), "and all is fine-tuned"
    assert api.verify(run.path)["verified"][0]["identical"]


def test_frozen_layers_stay(source: api.Run, tmp_path: Path) -> None:
    run = api.train(config(source, layers=["1"], freeze=True), runs_dir=tmp_path)
    assert run.tensors["0.weight"].equal(source.tensors["0.weight"])
    assert not run.tensors["2.weight"].equal(source.tensors["2.weight"])


def test_layers_are_taken_as_far_as_both_are_alike(source: api.Run) -> None:
    ready = api.prepare(config(source, hidden=[24, 10]))
    assert set(ready.member.start) == {"1.weight", "1.bias"}


def test_a_run_goes_on_from_all_layers_of_another(source: api.Run) -> None:
    changes = {"from_run": {"run": str(source.path), "layers": "all"}}
    ready = api.prepare(AUTOENCODER | {"model": AUTOENCODER["model"] | changes})
    assert set(ready.member.start) == {f"{n}.{p}" for n in range(1, 5) for p in ("weight", "bias")}


def test_what_cannot_be_taken_is_refused(source: api.Run, tmp_path: Path) -> None:
    for given, words in (
        (config(source, hidden=[8]), "dense 64 8 1 here and layer 1 is dense 64 24 1 in"),
        (config(source, layers=["3"]), "dense 12 10 1 here and layer 3 is dense 12 24 1"),
        (config(source, layers=["9"]), "layer 9 is missing here"),
        (config(source) | {"pretrain": "auto"}, "pretrain is given too"),
    ):
        with pytest.raises(ConfigError, match=words):
            api.prepare(given)
    missing = config(source)
    missing["model"]["from_run"] = "nothing"
    with pytest.raises(ConfigError, match=rf"model\.from_run: no run 'nothing'.* in {tmp_path}"):
        api.prepare(missing, runs_dir=tmp_path)


def test_a_name_is_looked_for_in_the_runs_directory_and_kept_as_a_path(
    source: api.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs_dir = source.path.parents[1]
    named = config(source)
    named["model"]["from_run"] = source.path.parent.name
    monkeypatch.chdir(runs_dir.parent)
    run = api.train(named, runs_dir=runs_dir.name)
    assert run.config.model.source is not None
    assert run.config.model.source.run == str(source.path)
    monkeypatch.chdir(tmp_path)  # where neither the folder of runs nor the name lead anywhere
    path = runs_dir / run.path.parent.name / run.path.name
    assert api.verify(path)["verified"][0]["identical"]
    assert api.resume(path, ["train.epochs=3"]).result()["epochs"] == 3


def test_an_ablation_varies_the_run_by_name(source: api.Run, tmp_path: Path) -> None:
    runs_dir = source.path.parents[1]
    varied = config(source) | {"train": {"epochs": 1}}
    varied["model"] |= {"from_run": None}
    name = f"{source.path.parent.name}/{source.path.name}"
    varied["ablation"] = {
        "vary": {"model.from_run": [None, name, {"run": name, "freeze": True}]},
        "baseline": {"model.from_run": name},
        "seeds": 1,
    }
    plan = api.plan_ablation(api.read_ablation(varied), runs_dir=runs_dir)
    assert [each.name for each in plan.variants] == [
        "from_run=null",
        f"from_run={source.path.name}",
        f"from_run=(run={source.path.name},freeze=true)",
    ]
    assert plan.baseline == plan.variants[1].name
    assert plan.variants[1].config.model.from_run == str(source.path)
    ablation = api.train_plan(plan, runs_dir=tmp_path)
    assert ablation.status == "completed"
    assert ablation.config == plan.config


def test_an_ablation_is_not_a_run(source: api.Run, tmp_path: Path) -> None:
    wide = AUTOENCODER | {"train": {"epochs": 0}, "ablation": {"vary": {"optimizer.lr": [0.1]}}}
    ablation = api.ablate(wide | {"name": "wide"}, seeds=1, runs_dir=tmp_path)
    named = config(source)
    named["model"]["from_run"] = "wide"
    with pytest.raises(ConfigError, match=r"model\.from_run: .*is an ablation; .*/VARIANT@SEED"):
        api.prepare(named, runs_dir=tmp_path)
    path = f"{ablation.path}/lr=0.1/seed=0"
    named["model"]["from_run"] = path
    prepared = api.prepare(named).config
    assert prepared.model.from_run == f"{ablation.path}/runs/1"
    shutil.rmtree(ablation.path / "runs")  # it is made again
    assert api.prepare(prepared).member.start


def test_the_split_of_the_source_is_taken_over(source: api.Run) -> None:
    """So that no row judges which the source was trained on."""
    seen = source.splits().train.rows
    ready = api.prepare(config(source) | {"seed": 5})
    assert ready.config.data.split_seed == source.config.seed
    assert ready.config.data.test_seed == source.config.data.test_seed
    for part in ("dev", "test"):
        assert not np.isin(ready.splits.part(part).rows, seen).any()
    varied = config(source) | {"train": {"epochs": 0}}
    varied["ablation"] = {"vary": {"model.from_run": [None, str(source.path)]}, "seeds": 2}
    plan = api.plan_ablation(api.read_ablation(varied))
    jobs = [plan.job(run) for run in plan.runs("comparison")]
    dev = ready.splits.part("dev").rows.tolist()
    assert all(job.splits.part("dev").rows.tolist() == dev for job in jobs)


def test_rows_that_the_source_has_seen_judge_nothing(source: api.Run) -> None:
    with pytest.raises(ConfigError) as refused:
        api.prepare(config(source), ["data.split_seed=9"])
    other = api.prepare({"data": AUTOENCODER["data"], "name": "other"}, ["data.split_seed=9"])
    count = int(np.isin(other.splits.part("dev").rows, source.splits().train.rows).sum())
    assert f"model.from_run: {count} of the 359 dev rows were seen" in str(refused.value)
    assert f"data.split_seed={source.config.seed} data.test_seed=0" in str(refused.value)
    assert count > 30
