"""The restricted Boltzmann machine as a model: the laws over its options, what is refused."""

import runpy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import dlx
from dlx import api
from dlx.cohort import Cohort, Member
from dlx.config.types import choice
from dlx.data.dataset import Task
from dlx.errors import ConfigError, DlxError
from dlx.models.plain import from_torch, to_torch
from dlx.models.rbm import rbm_of
from dlx.nn.layers.dense import DenseSpec
from tests.cohorts import (
    AVERAGES,
    assert_same_run,
    bits,
    built,
    grouped,
    member,
    reconstruction,
    rows,
    train,
    trainer_of,
)
from tests.guarded import LEARNING, TOGETHER
from tests.laws.test_stop_anywhere import assert_resumes

pytestmark = pytest.mark.usefixtures("one_thread")


build = partial(built, "rbm")


def variants(what: Task, **options: Any) -> list[Member]:
    """Return runs of one shape and many choices."""
    return [
        member("CD-1", build(what, **options), "momentum", seed=1, num_steps=7, lr=0.1),
        member("CD-3", build(what, gibbs_steps=3, **options), "sgd", seed=1, num_steps=5, lr=0.3),
        member("adam", build(what, bias="uniform", **options), "adam", seed=2, num_steps=7),
        member(
            "CD-3 again",
            build(what, gibbs_steps=3, init="xavier_uniform", **options),
            "momentum",
            seed=0,
            num_steps=7,
            weight_decay=0.01,
            decay="weights",
            schedule={"name": "one_cycle", "peak": 1e-6, "momentum": [0.5, 0.9]},
            average=AVERAGES[0],
        ),
        member("CD-2", build(what, gibbs_steps=2, **options), "adam", seed=3, clip_norm=0.1),
        *[
            member(
                f"{k} {last}", build(what, gibbs_steps=k, **(options | {"reconstruction": last}))
            )
            for k in (1, 3)
            for last in (["samples"] if options.get("persistent") else ["means", "samples"])
        ],
    ]


@pytest.mark.slow(*TOGETHER)
@pytest.mark.parametrize("chains", [0, 5, 16])
@pytest.mark.parametrize(
    ("num_inputs", "hidden", "size"),
    [(5, 3, 8), (7, 6, 16), (4, 9, 21), (3, 1, 4), (1, 2, 4), (30, 16, 7), (33, 13, 21)],
)
@pytest.mark.parametrize("in_unit_interval", [False, True])
def test_a_run_trains_to_the_same_bits_alone_and_together(
    num_inputs: int, hidden: int, size: int, in_unit_interval: bool, chains: int
) -> None:
    what = reconstruction(num_inputs, in_unit_interval)
    options = {"persistent": True, "chains": chains} if chains else {}
    visible = "bernoulli" if in_unit_interval else "gaussian"
    members = grouped(variants(what, hidden=hidden, visible=visible, **options))
    inputs, targets = rows(what, 23)
    together = train(members, inputs, targets, size)
    for run in members:
        assert_same_run(run.name, together, train([run], inputs, targets, size))


@pytest.mark.parametrize("chains", [0, 5])
@pytest.mark.parametrize("in_unit_interval", [False, True])
def test_stopped_machines_resume_to_the_same_bits(in_unit_interval: bool, chains: int) -> None:
    what = reconstruction(6, in_unit_interval)
    options = {"persistent": True, "chains": chains} if chains else {}
    visible = "bernoulli" if in_unit_interval else "gaussian"
    members = grouped(variants(what, hidden=4, visible=visible, **options))
    assert_resumes(members, what, {1, 4, 6}, left=True)


def test_persistent_chains_go_on_from_step_to_step() -> None:
    what = reconstruction(6)
    inputs, targets = rows(what, 40)
    trainer = trainer_of(
        [member("run", build(what, hidden=4, persistent=True, chains=3))], inputs, targets
    )
    cohort = trainer.cohort
    seen = [cohort.tensors()["network/1.chains"].clone()]
    assert seen[0].shape == (1, 3, 6)
    for step in range(3):
        cohort.forward_backward(inputs[None, :16], targets[None, :16], step)
        seen.append(cohort.tensors()["network/1.chains"].clone())
        assert not torch.equal(seen[-1], seen[-2])
        assert set(seen[-1].unique().tolist()) <= {0.0, 1.0}
    # Strong couplings hold a chain where it is: it starts there, not at the data.
    named = {p.name: p.value for p in cohort.network.buffer.parameters}
    named["1.weight"].zero_()[0, :4] = 60 * torch.eye(4)
    named["1.bias"].fill_(-30)
    named["visible.bias"].fill_(-30)
    chains = cohort.tensors()["network/1.chains"]
    chains.copy_(torch.tensor([[1.0, 0, 1, 0, 0, 0], [0, 1, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0]]))
    held = chains.clone()
    for step in range(5):
        cohort.forward_backward(inputs[None, :16], targets[None, :16], step)
    assert torch.equal(cohort.tensors()["network/1.chains"], held)
    # They are no part of a trained run.
    assert set(cohort.network.run_state(0)) == {"1.weight", "1.bias", "visible.bias"}


@pytest.mark.parametrize("in_unit_interval", [False, True])
def test_a_trained_machine_goes_to_torch_and_back(in_unit_interval: bool) -> None:
    what = reconstruction(6, in_unit_interval)
    inputs, targets = rows(what, 21)
    visible = "bernoulli" if in_unit_interval else "gaussian"
    design = build(what, hidden=4, visible=visible, persistent=True)
    state = (
        train([member("run", design, lr=0.1)], inputs, targets, 8).ended_runs["run"].outcome.state
    )
    network = to_torch(design, state)
    names = [type(module).__name__ for module in network]
    assert names == ["Linear", "Sigmoid", "Transposed"] + ["Sigmoid"] * in_unit_interval
    h = torch.sigmoid(inputs @ state["1.weight"] + state["1.bias"])
    z = h @ state["1.weight"].T + state["visible.bias"]
    torch.testing.assert_close(network(inputs), z.sigmoid() if in_unit_interval else z)
    back = from_torch(design, network.state_dict())
    assert state.keys() == back.keys()
    assert all(torch.equal(bits(back[name]), bits(value)) for name, value in state.items())


@pytest.mark.parametrize("in_unit_interval", [False, True])
def test_samples_have_the_same_bits_alone_and_together(in_unit_interval: bool) -> None:
    what = reconstruction(7, in_unit_interval)
    visible = "bernoulli" if in_unit_interval else "gaussian"
    design = build(what, hidden=5, visible=visible, init="xavier_normal")
    inputs, _ = rows(what)

    def drawn(seeds: list[int]) -> Tensor:
        members = [member(str(seed), design, seed=seed) for seed in seeds]
        cohort = Cohort(members, 16)
        cohort.initialize(inputs[:16].expand(len(seeds), 16, 7))
        return cohort.network.sample(9, 4, seeds)

    together = drawn([2, 0, 1])
    assert together.shape == (3, 9, 7)
    for place, seed in enumerate([2, 0, 1]):
        assert torch.equal(drawn([seed])[0], together[place])


def sigmoid_layer(**options: Any) -> DenseSpec:
    """Return a hidden layer of a network."""
    activation, init = choice("activation", "sigmoid"), choice("initializer", "xavier_normal")
    return replace(DenseSpec("3", 6, 4, activation, init), **options)


def test_the_hidden_layer_of_a_network_learns_as_a_machine() -> None:
    what = reconstruction(6)
    design = rbm_of(sigmoid_layer(dropout=0.5, noise=0.1), what, gibbs_steps=2)
    assert [layer.name for layer in design.layers] == ["3", "visible"]
    assert design.code == "3"
    assert design.layers[0].init == choice("initializer", "xavier_normal")
    assert design.layers[0].dropout == 0
    inputs, targets = rows(what, 40)
    run = member("run", design, "momentum", num_steps=200, lr=0.1)
    recorder = train([run], inputs, targets)
    first, last = (recorder.records["run"][place].metrics["train"] for place in (0, -1))
    assert last["mse"] < 0.9 * first["mse"]
    assert set(recorder.ended_runs["run"].outcome.state) == {"3.weight", "3.bias", "visible.bias"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activation": choice("activation", "relu")}, r"layer 3 has activation relu, but the hid"),
        ({"weight_norm": True}, r"layer 3 has weight_norm, but the hidden units of an RBM are pla"),
        ({"pieces": 2}, r"layer 3 is maxout, but the hidden units of an RBM are plain sigmoid uni"),
        (
            {"init": choice("initializer", "lsuv")},
            r"layer 3 starts by lsuv, which scales weights by the layer's own outputs",
        ),
    ],
)
def test_a_layer_that_is_not_of_plain_sigmoid_units_is_refused(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        rbm_of(sigmoid_layer(**options), reconstruction(6))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"visible": "bernoulli"},
            r"model\.visible: received bernoulli, but inputs of training rows lie outside \[0, 1\]"
            r", or may once data\.augment moves scaled pixels; bring them there with data\.scale: "
            r"true, or use gaussian with data\.standardize: true",
        ),
        (
            {},
            r"model\.visible: received auto, but inputs of training rows lie outside \[0, 1\] and "
            r"are not standardized, and Gaussian units have unit variance; use data\.scale: true "
            r"or data\.standardize: true, or say gaussian",
        ),
        ({"hidden": 0}, r"model rbm: hidden: received 0"),
        ({"gibbs_steps": 0}, r"model rbm: gibbs_steps: received 0"),
        ({"chains": 0}, r"model rbm: chains: received 0"),
        ({"visible": "poisson"}, r"visible: received 'poisson' \(allowed: auto, bernoulli or gau"),
        ({"init": "lsuv"}, r"layer 1 starts by lsuv"),
        (
            {"visible": "gaussian", "persistent": True, "reconstruction": "means"},
            r"model\.reconstruction: received means, but persistent chains go on from samples; use "
            r"auto or samples, or persistent: false",
        ),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(reconstruction(6, in_unit_interval=False), **options)


CONFIG: dict[str, Any] = {
    "name": "small",
    "data": {"name": "iris", "standardize": True},
    "model": {"name": "rbm", "hidden": 6},
    "optimizer": {"name": "momentum", "lr": 0.01},
    "train": {"epochs": 60, "batch_size": 16},
}


@pytest.mark.parametrize(
    ("key", "section"),
    [
        ("train.early_stopping.metric", "train.early_stopping={{metric: {}}}"),
        ("optimizer.schedule.metric", "optimizer.schedule={{name: reduce_on_plateau, metric: {}}}"),
    ],
)
@pytest.mark.parametrize("part", ["dev", "train"])
def test_free_energies_of_different_steps_are_not_compared(
    key: str, section: str, part: str
) -> None:
    instead = part.replace("dev", "stop")  # which are watched in place of dev rows
    words = (
        rf"{key}: received {part}\.free_energy, but free energies of different steps do not compare"
        rf".*; use {instead}\.cost or {instead}\.squared_error_per_row"
    )
    with pytest.raises(ConfigError, match=words):
        api.prepare(CONFIG, [section.format(f"{part}.free_energy")])
    with pytest.raises(ConfigError, match=r"received dev.accuracy; allowed: (?!.*free_energy)"):
        api.prepare(CONFIG, [section.format("dev.accuracy")])
    api.prepare(CONFIG, [section.format(f"{part}.squared_error_per_row")])


def test_early_stopping_chooses_a_machine_by_its_reconstructions() -> None:
    stopping = {"early_stopping": {"patience": 1}}
    ready = api.prepare(CONFIG | {"train": CONFIG["train"] | stopping})
    assert ready.member.stop_metric == "stop.cost"


@pytest.mark.slow(*LEARNING)
def test_a_gaussian_machine_learns_where_the_data_are(tmp_path: Path) -> None:
    run = dlx.train(CONFIG, runs_dir=tmp_path / "runs")
    assert run.design.head.output_name == "identity"
    assert list(run.metrics["dev"]) == ["cost", "squared_error_per_row", "mse", "free_energy"]
    assert run.metrics["dev"]["mse"] < 0.6  # 1 is the mean's
    tensors = run.network().state_dict()
    w, b, c = tensors["0.weight"], tensors["2.bias"], tensors["0.bias"]
    v = torch.randn(500, 4, generator=torch.Generator().manual_seed(0))
    noise = (v - b).square().sum(1) / 2 - torch.nn.functional.softplus(v @ w.T + c).sum(1)
    assert run.metrics["test"]["free_energy"] < noise.mean().item() - 0.3
    run.export(tmp_path / "exported")
    exported = runpy.run_path(str(tmp_path / "exported" / "load.py"))
    rows = torch.tensor([[5.1, 3.5, 1.4, 0.2]])
    np.testing.assert_allclose(exported["predict"](rows), run.predict(rows.numpy()), rtol=1e-5)
    assert run.evaluate() == run.metrics


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data=iris"], r"model\.visible: received auto, but inputs of training rows lie outside"),
        (["model.visible=bernoulli"], r"model\.visible: received bernoulli, but inputs of traini"),
        (
            ["optimizer={name: lbfgs}"],
            r"optimizer: received lbfgs, which searches along the slope of the cost, but an RBM "
            r"follows an estimate of another gradient; use momentum, adam",
        ),
        (["model.hiden=3"], r"hidden"),
        (["log.metrics=[accuracy]"], r"accuracy is not defined for this task, which is reconstru"),
    ],
)
def test_a_config_that_cannot_be_trained_is_refused(
    overrides: list[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DlxError, match=message):
        dlx.train(CONFIG, overrides, runs_dir=tmp_path)
