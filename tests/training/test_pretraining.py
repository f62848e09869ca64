"""Greedy pre-training: the course's steps, stages side by side, the cache, stop and go on."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dlx import api
from dlx.data.selection import Examples
from dlx.engine.evaluation import NativeEvaluation
from dlx.errors import ConfigError, RunError
from dlx.nn.layers.boltzmann import HiddenSpec
from dlx.nn.network import Network
from dlx.nn.passes import Pass
from dlx.runs.locks import hold
from dlx.training import pretraining
from dlx.training.job import Job
from dlx.training.pretraining import Pretrained, keys_of, pretrain
from dlx.training.records import Progress
from dlx.training.session import Stopped
from dlx.training.trainer import Trainer
from tests.cohorts import Recorder

BASE: dict[str, Any] = {
    "data": "digits",
    "model": {"hidden": [24, 12], "activation": "sigmoid"},
    "pretrain": {"epochs": 3},
    "train": {"epochs": 2},
}

CHAINS = {"method": "rbm", "persistent": True, "chains": 7}


def job(**changes: Any) -> Job:
    return api.prepare(BASE | changes)


def on_the_same_rows(jobs: list[Job]) -> list[Job]:
    """Return runs that can go together, as those of an ablation can."""
    return [replace(each, splits=jobs[0].splits) for each in jobs]


def done(jobs: list[Job], cache: Path) -> Pretrained:
    return pretrain(jobs, cache)


def fitted(ready: Job) -> dict[str, torch.Tensor]:
    listener = Recorder()
    Job.trainer([ready], is_new=True).fit(listener)
    [outcome] = listener.outcomes.values()
    return outcome.state


def test_the_second_autoencoder_is_trained_on_the_codes_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Examples]] = []

    class Watched(Trainer):
        def __init__(self, cohort: Any, splits: Any, *rest: Any, **options: Any) -> None:
            seen.append(splits)
            super().__init__(cohort, splits, *rest, **options)

    monkeypatch.setattr(pretraining, "Trainer", Watched)
    ready = job()
    found = done([ready], tmp_path)
    assert seen[0]["train"][0] is ready.splits.train.selection
    first = Network([ready.stages[0].layers], [0])
    first.load_run(0, dict(found.jobs[0].member.start))
    assert ready.member.engine == "native"  # which trains the stage, too
    for part in ("train", "dev"):
        codes = NativeEvaluation(first).encode(ready.splits.parts[part].selection, "1")
        assert codes.shape == (1, len(ready.splits.parts[part].inputs), 24)
        assert seen[1][part][0].chunk(0, len(codes[0])).equal(codes)
        assert seen[1][part][1] is seen[1][part][0], "and reconstructs them"
    assert "test" not in seen[0] and "test" not in seen[1]


def test_the_stack_starts_from_the_stages_and_everything_changes_after(tmp_path: Path) -> None:
    ready = job()
    found = done([ready], tmp_path)
    start = found.jobs[0].member.start
    plain, stacked = Job.trainer([ready], is_new=True), Job.trainer(found.jobs, is_new=True)
    before, drawn = (t.cohort.network.run_state(0) for t in (stacked, plain))
    before = {name: value.clone() for name, value in before.items()}
    for name in ("1.weight", "1.bias", "2.weight", "2.bias"):
        assert before[name].equal(start[name]), name
        assert not before[name].equal(drawn[name]), name
    for name in ("3.weight", "3.bias"):
        assert name not in start
        assert before[name].equal(drawn[name]), "the softmax layer is new"
    after = fitted(found.jobs[0])
    assert all(not after[name].equal(before[name]) for name in before)


def test_runs_that_do_not_fit_together_are_trained_in_halves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = on_the_same_rows([job(seed=seed, pretrain={"epochs": 1}) for seed in range(3)])
    whole = done(jobs, tmp_path / "whole")
    sizes = []

    class Narrow(Trainer):
        def __init__(self, cohort: Any, *rest: Any, **options: Any) -> None:
            sizes.append(len(cohort.members))
            if sizes[-1] > 2:
                raise torch.OutOfMemoryError("too many")
            super().__init__(cohort, *rest, **options)

    monkeypatch.setattr(pretraining, "Trainer", Narrow)
    halved = done(jobs, tmp_path / "halved")
    assert sizes == [3, 1, 2, 3, 1, 2], "two stages"
    assert (
        halved.warnings == ["pre-training: 3 runs did not fit into memory; trained in halves"] * 2
    )
    for mine, theirs in zip(halved.jobs, whole.jobs, strict=True):
        assert all(value.equal(theirs.member.start[n]) for n, value in mine.member.start.items())


@pytest.mark.parametrize("section", [{}, CHAINS])
def test_runs_learn_the_same_alone_and_together(
    tmp_path: Path, one_thread: None, section: dict[str, Any]
) -> None:
    section = section | {"epochs": 2, "unroll": 1}
    jobs = [
        job(seed=seed, pretrain=section | {"optimizer": {"name": "adam", "lr": lr}})
        for seed, lr in ((0, 0.01), (1, 0.001), (1, 0.01))
    ]
    jobs = on_the_same_rows(jobs)
    together = done(jobs, tmp_path / "together")
    for place, ready in enumerate(jobs):
        alone = done([ready], tmp_path / f"alone-{place}")
        start, expected = together.jobs[place].member.start, alone.jobs[0].member.start
        assert start.keys() == expected.keys()
        assert all(start[name].equal(expected[name]) for name in expected)


def test_what_varies_in_the_fine_tuning_alone_reuses_the_stages(tmp_path: Path) -> None:
    first = done([job()], tmp_path)
    assert [each.reused for each in first.stages[0]] == [False, False]
    second = done([job(optimizer="sgd", train={"epochs": 5})], tmp_path)
    assert [each.reused for each in second.stages[0]] == [True, True]
    assert second.stages[0][0].records == first.stages[0][0].records
    start, other = first.jobs[0].member.start, second.jobs[0].member.start
    assert all(start[name].equal(other[name]) for name in start)
    assert fitted(done([job()], tmp_path).jobs[0]).keys() == fitted(first.jobs[0]).keys()
    deeper = done([job(model={"hidden": [24, 12, 6], "activation": "sigmoid"})], tmp_path)
    assert [each.reused for each in deeper.stages[0]] == [True, True, False]
    for change in ({"seed": 1}, {"data": {"name": "digits", "split_seed": 1}}):
        assert not any(each.reused for each in done([job(**change)], tmp_path).stages[0])


def test_layers_are_pre_trained_on_rows_whose_labels_are_not_told(tmp_path: Path) -> None:
    batches = {"epochs": 2, "batch_size": 60}
    whole = job(train=batches)
    [all_told] = done([whole], tmp_path / "one").jobs
    few = job(train=batches, data={"name": "digits", "labels": 60})
    assert [len(each.splits.train.inputs) for each in (few, whole)] == [60, 1079]
    assert few.spent_before == whole.spent_before
    assert few.spent_before["pretraining_examples"] == 2 * 3 * 1079
    [told] = done([few], tmp_path / "other").jobs
    assert told.member.start.keys() == all_told.member.start.keys()
    for name, value in all_told.member.start.items():
        assert torch.equal(told.member.start[name], value), name
    again = done([few], tmp_path / "one")
    assert [stage.reused for stage in again.stages[0]] == [True, True]
    assert told.steps_per_epoch == 1, "fine-tuned on the 60"


def test_what_learns_from_no_labels_is_told_none() -> None:
    with pytest.raises(
        ConfigError, match=r"data\.labels: received 60, but autoencoder learns from"
    ):
        job(data={"name": "digits", "labels": 60}, model="autoencoder", pretrain=None)


def test_equal_stages_are_trained_once(tmp_path: Path) -> None:
    found = done([job(), job(optimizer="sgd")], tmp_path)
    assert len([each for each in tmp_path.iterdir() if each.is_dir()]) == 2
    start, other = (each.member.start for each in found.jobs)
    assert all(start[name].equal(other[name]) for name in start)


def test_a_damaged_entry_is_found_and_made_again(tmp_path: Path) -> None:
    start = done([job()], tmp_path).jobs[0].member.start
    [damaged, *_] = tmp_path.glob("*/*.safetensors")
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    again = done([job()], tmp_path)
    assert sorted(each.reused for each in again.stages[0]) == [False, True]
    assert any("pre-training is repeated" in warning for warning in again.warnings)
    assert all(start[name].equal(again.jobs[0].member.start[name]) for name in start)


def test_the_entry_of_another_stage_is_told_and_made_again(tmp_path: Path) -> None:
    start = done([job()], tmp_path).jobs[0].member.start
    (first, second) = ([*(tmp_path / key).iterdir()] for key in keys_of(job()))
    first[0].unlink()
    shutil.copy(second[0], first[0].parent)
    again = done([job()], tmp_path)
    assert [each.reused for each in again.stages[0]] == [False, True]
    assert any("is that of another stage" in warning for warning in again.warnings)
    assert all(start[name].equal(again.jobs[0].member.start[name]) for name in start)


def test_a_file_in_place_of_an_entry_is_told_and_a_link_refused(tmp_path: Path) -> None:
    cache, own = tmp_path / "cache", tmp_path / "own"
    done([job()], cache)
    (entry, *_) = keys_of(job())
    shutil.rmtree(cache / entry)
    (cache / entry).touch()
    again = done([job()], cache)
    assert any(f"{entry} is no folder" in warning for warning in again.warnings)
    (cache / entry).rename(own)
    (cache / entry).symlink_to(own)
    with pytest.raises(RunError, match=f"{entry} is a link, which dlx does not follow"):
        done([job()], cache)


@pytest.mark.parametrize("engine", ["torch", "native"])
@pytest.mark.parametrize(
    ("stop_at", "section"), [(1, {}), (4, {}), (12, {}), (30, {}), (12, CHAINS), (30, CHAINS)]
)
def test_a_stopped_stage_goes_on_to_the_same_end(
    tmp_path: Path, stop_at: int, section: dict[str, Any], engine: str
) -> None:
    changes = {
        "train": {"epochs": 1, "checkpoint_seconds": 0, "engine": engine},
        "pretrain": BASE["pretrain"] | section,
    }
    whole = done([job(**changes)], tmp_path / "whole").jobs[0].member.start
    looks = 0

    def stop() -> bool:
        nonlocal looks
        looks += 1
        return looks == stop_at

    with pytest.raises(Stopped):
        pretrain([job(**changes)], tmp_path / "parts", stop=stop)
    shown: list[Progress] = []
    rest = pretrain([job(**changes)], tmp_path / "parts", shown.append)
    # At the first look it stands in the evaluation before the first step, which is made again. How
    # often the native engine asks in that evaluation depends on its speed.
    is_on = shown[0].step > 0 or shown[0].stage.startswith("stage 2")
    assert is_on == (stop_at > 1) or (engine == "native" and stop_at == 4)
    start = rest.jobs[0].member.start
    assert all(whole[name].equal(start[name]) for name in whole)
    assert not list((tmp_path / "parts").glob("training-*/*.safetensors")), "nothing is left"


def test_frozen_layers_stay_and_the_others_learn(tmp_path: Path) -> None:
    decayed = {"name": "adamw", "lr": 0.01, "weight_decay": 0.1}
    ready = job(pretrain={"epochs": 1, "freeze": True}, optimizer=decayed)
    [started] = done([ready], tmp_path).jobs
    after = fitted(started)
    for name, value in started.member.start.items():
        assert after[name].equal(value), name
    assert not after["3.weight"].equal(
        Job.trainer([ready], is_new=True).cohort.network.run_state(0)["3.weight"]
    )


def test_an_autoencoder_starts_from_encoders_and_decoders(tmp_path: Path) -> None:
    model = {"name": "autoencoder", "encoder": [24, 12], "activation": "sigmoid"}
    [started] = done([job(model=model)], tmp_path).jobs
    start = started.member.start
    assert set(start) == {f"{n}.{part}" for n in range(1, 5) for part in ("weight", "bias")}
    assert start["4.weight"].shape == (24, 64)
    cost = {}
    for ready in (started, job(model=model)):
        trainer = Job.trainer([ready], is_new=True)
        x = ready.splits.train.inputs
        z = trainer.cohort.network.forward(x.unsqueeze(0), Pass())
        cost[ready is started] = trainer.cohort.head.cost(z, x.unsqueeze(0)).item()
    assert cost[True] < cost[False]


def test_tied_stages_start_decoders_from_the_transposed_weights(tmp_path: Path) -> None:
    model = {"name": "autoencoder", "encoder": [24], "activation": "sigmoid"}
    [started] = done([job(model=model, pretrain={"epochs": 1, "tied": True})], tmp_path).jobs
    start = started.member.start
    assert start["2.weight"].equal(start["1.weight"].mT)


@pytest.mark.parametrize("activation", ["sigmoid", "relu", "tanh"])
def test_denoising_stages_restore_what_was_corrupted(tmp_path: Path, activation: str) -> None:
    section = {
        "method": "denoising",
        "epochs": 2,
        "stages": [{}, {"corruption": {"name": "gaussian", "std": 0.2}}],
    }
    model = {"hidden": [24, 12], "activation": activation}
    plain = done([job(model=model)], tmp_path).jobs[0].member.start
    found = done([job(model=model, pretrain=section)], tmp_path)
    assert "corrupted_cost" in found.stages[0][1].records[-1]["dev"]
    start = found.jobs[0].member.start
    assert start.keys() == plain.keys()
    assert not start["1.weight"].equal(plain["1.weight"])
    rates = [stage.stage.design.inputs.corruption for stage in found.stages[0]]
    assert all(rates), rates


@pytest.mark.parametrize("scale", [True, False])
def test_machines_learn_layers_and_both_ways_of_a_deep_autoencoder(
    tmp_path: Path, scale: bool
) -> None:
    model = {"name": "autoencoder", "encoder": [24, 12], "activation": "sigmoid"}
    model["code_activation"] = "sigmoid"
    data = {"name": "digits", "scale" if scale else "standardize": True}
    ready = job(model=model, data=data, pretrain={"method": "rbm", "epochs": 3})
    [started] = done([ready], tmp_path).jobs
    start = started.member.start
    names = {layer.name for layer in ready.design.layers if layer.name != "code"}
    assert set(start) == {f"{name}.{part}" for name in names for part in ("weight", "bias")}
    assert start["4.weight"].equal(start["1.weight"].mT)
    assert start["3.weight"].equal(start["2.weight"].mT)
    assert start["4.bias"].abs().sum() > 0
    assert {"free_energy", "cost"} <= done([ready], tmp_path).stages[0][0].records[-1]["dev"].keys()


def test_machines_of_persistent_chains_are_stages_of_their_own(tmp_path: Path) -> None:
    section = {"method": "rbm", "epochs": 1}
    chains = job(pretrain=section | {"stages": [{"persistent": True, "chains": 7}, {}]})
    found = done([chains], tmp_path)
    persistent, plain = (stage.stage.design.layers[0] for stage in found.stages[0])
    assert isinstance(persistent, HiddenSpec) and isinstance(plain, HiddenSpec)
    assert (persistent.chains, persistent.means) == (7, False)
    assert (plain.chains, plain.means) == (0, True)
    assert set(found.jobs[0].member.start) == {f"{n}.{p}" for n in "12" for p in ("weight", "bias")}
    more = {"stages": [{"persistent": True, "chains": 8}, {}]}
    for other in (section, section | more):
        again = done([job(pretrain=other)], tmp_path)
        assert [each.reused for each in again.stages[0]] == [False, False]
    assert all(each.reused for each in done([chains], tmp_path).stages[0])
    everywhere = section | {"persistent": True, "chains": 7, "stages": [{}, {"persistent": False}]}
    assert all(each.reused for each in done([job(pretrain=everywhere)], tmp_path).stages[0])


def test_a_deep_belief_net_can_be_unrolled_first(tmp_path: Path) -> None:
    section = {"method": "rbm", "epochs": 3, "unroll": 2, "gibbs_steps": 2}
    ready = job(pretrain=section)
    found = done([ready], tmp_path)
    assert [each.stage.method for each in found.stages[0]] == ["rbm", "rbm", "unroll"]
    drawn = done([job(pretrain={"epochs": 0, "unroll": 1})], tmp_path).stages[0][2].records
    last = found.stages[0][2].records
    assert last[0]["train"]["cost"] < drawn[0]["train"]["cost"] - 0.1, "it starts from the machines"
    assert last[-1]["train"]["cost"] < last[0]["train"]["cost"]


def test_a_stage_that_diverges_says_so(tmp_path: Path) -> None:
    wild = {"epochs": 3, "optimizer": {"name": "sgd", "lr": 1e38}}
    model = {"hidden": [24, 12], "activation": "relu"}
    found = done([job(pretrain=wild, model=model)], tmp_path)
    assert [each.status for each in found.stages[0]] == ["diverged", "diverged"]
    assert "not finite" in found.stages[0][0].reason


def test_equal_steps_take_those_of_the_stages_off_the_runs() -> None:
    ready = job(pretrain={"epochs": 3, "equal_steps": True}, train={"epochs": 10})
    per_epoch = ready.steps_per_epoch
    assert [stage.num_steps for stage in ready.stages] == [3 * per_epoch] * 2
    assert ready.member.num_steps == 4 * per_epoch


def test_who_waits_for_another_process_can_be_stopped(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        pretrain([job()], tmp_path, stop=lambda: True)
    [lock] = tmp_path.glob("training-*/.lock")
    asked: list[bool] = []

    def stop() -> bool:
        asked.append(True)
        return len(asked) == 2

    with hold(lock), pytest.raises(Stopped):
        pretrain([job()], tmp_path, stop=stop)
    assert len(asked) == 2, "it waited for a while"


def test_bagged_runs_see_their_own_rows_in_every_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohorts: list[list[bool]] = []

    class Watched(Trainer):
        def __init__(self, cohort: Any, *rest: Any, **options: Any) -> None:
            cohorts.append([member.bagging for member in cohort.members])
            super().__init__(cohort, *rest, **options)

    monkeypatch.setattr(pretraining, "Trainer", Watched)
    bagged, plain = on_the_same_rows([job(data={"name": "digits", "bagging": True}), job()])
    together = [each.member.start for each in done([bagged, plain], tmp_path).jobs]
    assert [sorted(its) for its in cohorts] == [[False, True]] * 2, "both stages side by side"
    assert all(not together[0][name].equal(together[1][name]) for name in together[0])
    for ready, start in zip((bagged, plain), together, strict=True):
        alone = done([ready], tmp_path / "alone").jobs[0].member.start
        assert all(start[name].equal(alone[name]) for name in alone)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": {"hidden": []}}, "no hidden layer"),
        ({"pretrain": {"layers": 3}}, "pretrain.layers: received 3, but the network has 2 hidden"),
        (
            {"pretrain": [{}, {}, {}]},
            "pretrain.stages: received 3, but the network has 2 hidden layers",
        ),
        ({"pretrain": {"stages": [{}], "layers": 2}}, "leave one of them out"),
        (
            {"model": {"hidden": [{"name": "residual", "layers": [8]}]}},
            "layer 1 is a residual block, which cannot be pre-trained",
        ),
        ({"model": {"hidden": [{"name": "maxout", "units": 8}]}}, "layer 1 is a maxout layer"),
        ({"model": {"hidden": [8], "init": "lsuv"}}, "layer 1 starts by lsuv"),
        ({"model": {"hidden": [8], "weight_norm": True}, "pretrain": {"tied": True}}, "tied"),
        ({"pretrain": {"batch_size": 10**6}}, "pretrain.batch_size: received 1000000"),
        (
            {"pretrain": {"batch_size": 77}, "model": {"hidden": [8], "batch_norm": True}},
            "pretrain.batch_size: with 1079 training rows, batches of 77 leave one row alone",
        ),
        ({"pretrain": {"optimizer": "lbfgs"}}, "pretrain.optimizer: lbfgs"),
        ({"pretrain": {"epochs": 5, "equal_steps": True}}, "which leaves none"),
        (
            {"pretrain": {"method": "rbm"}, "model": {"hidden": [8], "activation": "relu"}},
            "pretrain.method: layer 1 has activation relu, but the hidden units of an RBM",
        ),
        (
            {
                "pretrain": {"method": "denoising", "corruption": "salt_and_pepper"},
                "model": {"hidden": [8, 8], "activation": "relu"},
            },
            "pretrain.corruption: salt_and_pepper replaces inputs by their lowest",
        ),
        ({"pretrain": {"method": "denoising", "corruption": {"rate": 1}}}, "pretrain.corruption"),
        ({"pretrain": {"method": "rbm", "chains": 0}}, "pretrain.chains: received 0"),
        ({"pretrain": {"method": "magic"}}, "pretrain.method: received 'magic'"),
        ({"pretrain": "yes"}, "pretrain: received 'yes'"),
    ],
)
def test_stages_that_do_not_fit_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        job(**changes)


@pytest.mark.parametrize("none", [{"method": "none"}, {"layers": 0}, None])
def test_no_pre_training_is_none(none: Any) -> None:
    assert job(pretrain=none).stages == ()


def test_a_boltzmann_machine_is_not_pretrained() -> None:
    data = {"name": "moons", "scale": True}
    for given in ("auto", [{}], {"method": "rbm"}, {"unroll": 1}):
        with pytest.raises(ConfigError, match="pretrain: an RBM is what a layer is pre-trained as"):
            api.prepare({"data": data, "model": {"name": "rbm", "hidden": 6}, "pretrain": given})
