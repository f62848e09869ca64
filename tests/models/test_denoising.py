"""Denoising autoencoders: clean targets, emphasis, fixed evaluations, laws, and what cannot be."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import dlx
from dlx.cohort import Cohort, Member
from dlx.data.dataset import Task
from dlx.errors import ConfigError, DlxError
from dlx.nn.passes import Pass
from dlx.training.evaluation import CHUNK, evaluate
from tests.cohorts import assert_same_run, grouped, member, reconstruction, rows, train
from tests.laws.test_stop_anywhere import assert_resumes
from tests.models.test_autoencoder import build

pytestmark = pytest.mark.usefixtures("one_thread", "without_pictures")

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "dropout and noise": {"dropout": {"input": 0.1, "hidden": 0.3}, "noise": {"input": 0.1}},
    "masking": {"corruption": {"name": "masking", "rate": 0.4}},
    "masking less": {"corruption": {"name": "masking", "rate": 0.2}, "activation": "tanh"},
    "masking, emphasis": {
        "corruption": {"name": "masking", "rate": 0.4},
        "emphasis": {"corrupted": 1.5, "clean": 0.5},
    },
    "gaussian": {"corruption": {"name": "gaussian", "std": 0.2}, "dropout": {"input": 0.2}},
    "salt and pepper": {"corruption": {"name": "salt_and_pepper", "rate": 0.3}},
    "salt and pepper, emphasis": {
        "corruption": {"name": "salt_and_pepper", "rate": 0.3},
        "emphasis": {"clean": 0.0},
    },
    "rate 0": {"corruption": {"name": "masking", "rate": 0.0}, "emphasis": {"clean": 0.25}},
}


def variants(what: Task, **options: Any) -> list[Member]:
    """Return runs of one shape that differ in what they do to their inputs."""
    return [
        member(name, build(what, **options, **variant), "adam", seed=seed % 4, num_steps=7)
        for seed, (name, variant) in enumerate(VARIANTS.items())
    ]


def task_of(num_inputs: int, in_unit_interval: bool) -> Task:
    if in_unit_interval:
        return reconstruction(num_inputs)
    bounds = tuple(float(i + 1) for i in range(num_inputs))
    shape = (num_inputs,)
    return Task(
        "reconstruction",
        num_inputs,
        num_inputs,
        None,
        shape,
        lowest=tuple(-bound for bound in bounds),
        highest=bounds,
    )


@pytest.mark.parametrize("loss", ["auto", "mse", "mae", {"name": "huber", "delta": 0.3}])
@pytest.mark.parametrize(("num_inputs", "encoder", "size"), [(5, [3], 8), (7, [6, 2], 16)])
@pytest.mark.parametrize("in_unit_interval", [False, True])
def test_a_run_trains_to_the_same_bits_alone_and_together(
    num_inputs: int, encoder: list[int], size: int, in_unit_interval: bool, loss: Any
) -> None:
    what = task_of(num_inputs, in_unit_interval)
    members = grouped(variants(what, encoder=encoder, loss=loss))
    inputs, targets = rows(what, 23)
    together = train(members, inputs, targets, size)
    for run in members:
        assert_same_run(run.name, together, train([run], inputs, targets, size))
        names = set(together.records[run.name][0].metrics["dev"])
        assert ("corrupted_cost" in names) == ("corruption" in VARIANTS[run.name])


def test_stopped_runs_resume_to_the_same_bits() -> None:
    what = reconstruction(6)
    assert_resumes(grouped(variants(what, encoder=[5, 3])), what, {1, 4, 6}, left=False)


LOSSES = {
    "binary_cross_entropy": lambda z, t: -(t * F.logsigmoid(z) + (1 - t) * F.logsigmoid(-z)),
    "mse": lambda z, t: (z - t) ** 2,
    "mae": lambda z, t: (z - t).abs(),
    "huber": lambda z, t: F.huber_loss(z, t, reduction="none"),
    "mse of a sigmoid": lambda z, t: (z.sigmoid() - t) ** 2,
}


@pytest.mark.parametrize("loss", LOSSES)
def test_the_cost_weighs_corrupted_and_clean_inputs_against_autograd(loss: str) -> None:
    what = reconstruction(6)
    options: dict[str, Any] = {"loss": loss}
    if loss == "mse of a sigmoid":
        options = {"loss": "mse", "output": "sigmoid"}
    members = [
        member("weighs", build(what, encoder=[4], **VARIANTS["masking, emphasis"], **options)),
        member("does not", build(what, encoder=[4], **VARIANTS["masking"], **options), seed=1),
    ]
    cohort = Cohort(members, 16, torch.float64)
    cohort.initialize()
    inputs, _ = rows(what, 16, torch.float64)
    x = inputs.expand(2, *inputs.shape).clone()
    pass_ = Pass(tape=[], step=3, batch_size=16)
    seen = cohort.network.corruption.forward(x, pass_)
    replaced = seen != x
    assert 0.2 < float(replaced.double().mean()) < 0.6

    costs, _ = cohort.forward_backward(x, x, 3)

    for run, weights in enumerate((torch.where(replaced[0], 1.5, 0.5), torch.ones(16, 6))):
        state = cohort.network.run_state(run)
        own = {name: value.clone().requires_grad_() for name, value in state.items()}
        hidden = seen[run] @ own["1.weight"] + own["1.bias"]
        z = hidden @ own["2.weight"] + own["2.bias"]
        cost = (weights * LOSSES[loss](z, inputs)).mean()
        cost.backward()
        torch.testing.assert_close(costs[run], cost.detach(), rtol=1e-12, atol=1e-14)
        for parameter in cohort.network.buffer.parameters:
            slope = own[parameter.name].grad
            assert slope is not None
            actual = parameter.gradient[run].view(slope.shape)
            torch.testing.assert_close(actual, slope, rtol=1e-10, atol=1e-14)


def measured(seed: int, num_rows: int, dtype: torch.dtype = torch.float32) -> dict[str, float]:
    what = reconstruction(6)
    run = member("run", build(what, encoder=[4], **VARIANTS["masking, emphasis"]), seed=seed)
    cohort = Cohort([run], 16, dtype)
    cohort.initialize()
    inputs, targets = rows(what, num_rows, dtype)
    return {name: values[0] for name, values in evaluate(cohort, inputs, targets).items()}


def test_evaluations_are_on_clean_inputs_and_on_the_same_corruption_every_time() -> None:
    num_rows = 2 * CHUNK + 100
    first, again, other = measured(0, num_rows), measured(0, num_rows), measured(1, num_rows)
    assert first == again
    names = ["cost", "squared_error_per_row", "mse", "cross_entropy_per_row"]
    corrupted = [name for name in first if name.startswith("corrupted_")]
    assert corrupted == [f"corrupted_{name}" for name in names]
    assert all(first[f"corrupted_{name}"] != first[name] for name in names)
    assert first["corrupted_cost"] != other["corrupted_cost"]


def test_corrupted_metrics_are_those_of_corrupted_inputs_and_clean_targets() -> None:
    what = reconstruction(6)
    design = build(what, encoder=[4], **VARIANTS["masking, emphasis"])
    cohort = Cohort([member("run", design, seed=3)], 16, torch.float64)
    cohort.initialize()
    inputs, targets = rows(what, CHUNK + 40, torch.float64)
    metrics = evaluate(cohort, inputs, targets)
    seen = [
        cohort.network.corruption.forward(
            x.unsqueeze(0), Pass(batch_size=CHUNK, corrupted_chunk=number)
        )
        for number, x in enumerate(inputs.split(CHUNK))
    ]
    assert 0.3 < float((torch.cat(seen, 1)[0] != inputs).double().mean()) < 0.5
    outputs = cohort.network.forward(torch.cat(seen, 1), Pass())[0].sigmoid()
    squares = (outputs - inputs).square()
    # Not weighed by the emphasis: runs of different emphasis can be compared.
    nats = F.binary_cross_entropy(outputs, inputs, reduction="none")
    assert metrics["corrupted_mse"][0] == pytest.approx(squares.mean().item(), rel=1e-9)
    error = metrics["corrupted_squared_error_per_row"][0]
    assert error == pytest.approx(squares.sum(1).mean().item(), rel=1e-9)
    assert metrics["corrupted_cost"][0] == pytest.approx(nats.mean().item(), rel=1e-9)
    entropy = metrics["corrupted_cross_entropy_per_row"][0]
    assert entropy == pytest.approx(nats.sum(1).mean().item(), rel=1e-9)


def test_what_is_replaced_by_zero_is_learned_from_its_neighbours() -> None:
    # Six copies of one number: what is masked stands beside it. A plain autoencoder copies.
    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand(200, 1, generator=generator).expand(200, 6).clone()
    what = reconstruction(6)
    masking = {"corruption": {"name": "masking", "rate": 0.5}}

    def error(options: dict[str, Any], rate: dict[str, Any]) -> float:
        run = member(
            "run", build(what, encoder=[16], loss="mse", **options), num_steps=800, lr=0.01
        )
        state = train([run], inputs, inputs, 50).ended_runs["run"].outcome.state
        judged = Cohort([member("run", build(what, encoder=[16], loss="mse", **rate))], 50)
        judged.network.load_run(0, state)
        return evaluate(judged, inputs, inputs)["corrupted_mse"][0]

    assert error(masking, masking) < 0.5 * error({}, masking)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"emphasis": {"clean": 0.5}},
            r"model\.emphasis: tells inputs that are corrupted from those that are not, but "
            r"model\.corruption is null; use corruption: masking, or leave emphasis out",
        ),
        (
            {"emphasis": {"clean": 0.5}, "corruption": "gaussian"},
            r"model\.emphasis: gaussian changes every input, so that none is left clean; use "
            r"masking or salt_and_pepper, or leave emphasis out",
        ),
        ({"corruption": {"name": "masking", "rate": 1.0}}, r"rate: received 1\.0 \(allowed: a num"),
        ({"corruption": {"name": "masking", "rate": -0.1}}, r"rate: received -0\.1 \(allowed: a"),
        ({"corruption": {"name": "salt_and_pepper", "rate": 2}}, r"rate: received 2 \(allowed: a"),
        ({"corruption": {"name": "gaussian", "std": -1.0}}, r"std: received -1\.0 \(allowed: a nu"),
        ({"corruption": {"name": "masking", "std": 0.1}}, r"corruption\.std: unknown"),
        ({"corruption": "maskin"}, r"received 'maskin'; did you mean 'masking'"),
        (
            {"corruption": "masking", "emphasis": {"corrupted": 0, "clean": 0}},
            r"corrupted and clean are both 0, which leaves no cost; raise one of them",
        ),
        ({"corruption": "masking", "emphasis": {"clean": -1}}, r"clean: received -1 \(allowed: a"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(reconstruction(6), **options)


@pytest.mark.usefixtures("forgotten")
def test_a_loss_that_cannot_weigh_its_outputs_is_refused() -> None:
    @dlx.register("loss")
    def log_cosh(a: Tensor, targets: Tensor) -> Tensor:
        """Mean log cosh (a - t)."""
        return (a - targets).cosh().log().flatten(1).mean(1)

    with pytest.raises(
        ConfigError,
        match=r"model\.emphasis: the loss log_cosh cannot weigh its outputs; use "
        r"binary_cross_entropy, mse, mae, huber, or leave emphasis out",
    ):
        build(reconstruction(6), loss="log_cosh", corruption="masking", emphasis={"clean": 0.5})


CONFIG: dict[str, Any] = {
    "name": "denoising",
    "data": {"name": "iris", "standardize": True},
    "model": {
        "name": "autoencoder",
        "encoder": [3],
        "corruption": {"name": "salt_and_pepper", "rate": 0.4},
    },
    "train": {"epochs": 2, "batch_size": 32},
    "seed": 5,
}


def test_a_trained_run_is_evaluated_to_the_same_bits_again(tmp_path: Path) -> None:
    run = dlx.load(dlx.train(CONFIG, runs_dir=tmp_path).path)
    assert run.evaluate() == run.metrics
    assert set(run.metrics) == {"train", "dev", "test"}
    assert {name for name in run.metrics["test"] if name.startswith("corrupted")} == {
        "corrupted_cost",
        "corrupted_mse",
        "corrupted_squared_error_per_row",
    }
    asked = run.evaluate(split="dev", metrics=["mae"])
    assert set(asked["dev"]) - set(run.metrics["dev"]) == {"mae", "corrupted_mae"}
    assert asked["dev"]["corrupted_cost"] == run.metrics["dev"]["corrupted_cost"]


def test_salt_and_pepper_take_the_extremes_of_training_rows_alone(tmp_path: Path) -> None:
    run = dlx.load(dlx.train(CONFIG, runs_dir=tmp_path).path)
    corruption = run.design.inputs.corruption
    assert corruption is not None
    train_rows = run.splits().train.inputs
    assert corruption.lowest == tuple(train_rows.amin(0).tolist())
    assert corruption.highest == tuple(train_rows.amax(0).tolist())
    saved = json.loads((run.path / "run.json").read_text())["task"]
    assert tuple(saved["lowest"]) == corruption.lowest
    scaled = dlx.train(CONFIG, ["data={name: iris, scale: true}"], runs_dir=tmp_path)
    corruption = scaled.design.inputs.corruption
    assert corruption is not None
    assert (corruption.lowest, corruption.highest) == ((), ())


def test_a_run_may_stop_early_on_corrupted_rows_if_it_corrupts(tmp_path: Path) -> None:
    stopping = "train.early_stopping={metric: dev.corrupted_cost, patience: 1}"
    run = dlx.train(CONFIG, [stopping], runs_dir=tmp_path)
    assert run.info["weights"] == "best"
    with pytest.raises(DlxError, match=r"received dev\.corrupted_cost; allowed: train\.cost, "):
        dlx.train(CONFIG, [stopping, "model.corruption=null"], runs_dir=tmp_path)


def test_cross_entropy_of_inputs_outside_the_unit_interval_is_refused(tmp_path: Path) -> None:
    changes = ["model.output=sigmoid", "log.metrics=[cross_entropy_per_row]"]
    with pytest.raises(DlxError, match=r"needs inputs in \[0, 1\], but training rows have others"):
        dlx.train(CONFIG, changes, runs_dir=tmp_path)


def test_the_exported_network_corrupts_nothing(tmp_path: Path) -> None:
    run = dlx.train(CONFIG, runs_dir=tmp_path)
    inputs = run.splits().part("dev").inputs
    plain = run.network()
    assert [type(module).__name__ for module in plain] == ["Linear", "Linear"]
    expected = run.cohort.network.forward(inputs.unsqueeze(0), Pass())[0]
    torch.testing.assert_close(plain(inputs), expected)
