"""The training step on a GPU, beside that on the CPU, and alone beside together."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from dlx.data.dataset import Task
from dlx.training.trainer import Trainer
from tests.cohorts import (
    ACTIVATIONS,
    ALONE,
    LOSSES,
    OPTIMIZERS,
    Recorder,
    all_metrics,
    assert_same_bits,
    design,
    grouped,
    member,
    mixed_members,
    reconstruction,
    rows,
    task,
    train,
    trainer_of,
)
from tests.models.test_codes import COHORTS, cohort_of
from tests.plain_loop import relative_distance

TASKS = [task(5, 3), task(5, 2), task(5, 0), reconstruction(5)]


def trained(members: list, inputs: Tensor, targets: Tensor) -> Recorder:
    recorder = Recorder()
    trainer_of(members, inputs, targets, 16, torch.float64, "cuda").fit(recorder)
    return recorder


def assert_close(
    actual: dict[str, Tensor],
    expected: dict[str, Tensor],
    what: str,
    gradients: Mapping[str, Tensor] | None = None,
) -> None:
    """Equal to 1e-8, but for biases before batch norm, and the means it keeps of them.

    Their gradients are nothing but rounding, of which Adam makes whole steps. Other gradients may
    be near 0 for a step, where Adam divides rounding of 1e-17 by as little as its eps, 1e-8.
    """
    assert list(actual) == list(expected)
    rounding = {
        name.removesuffix("bias")
        for name, gradient in (gradients or {}).items()
        if name.endswith("bias") and 0 < float(gradient.abs().max()) < 1e-13
    }
    skipped = {f"{layer}{name}" for layer in rounding for name in ("bias", "running_mean")}
    for name, value in actual.items():
        if value.is_floating_point() and name not in skipped:
            distance = relative_distance(value.cpu(), expected[name].cpu())
            assert distance < 1e-8, (what, name, distance)


@pytest.mark.parametrize("what", TASKS, ids=lambda what: what.kind)
def test_a_run_learns_the_same_alone_and_together(what: Task) -> None:
    members = grouped(mixed_members(what, [6, 4], num_steps=50))
    inputs, targets = rows(what, dtype=torch.float64)
    start = trainer_of(members, inputs, targets, 16, torch.float64, "cuda").cohort
    together = trained(members, inputs, targets)
    for row, run in enumerate(members):
        alone = trainer_of([run], inputs, targets, 16, torch.float64, "cuda")
        if not alone.cohort.starts_on_data:
            assert_same_bits(alone.cohort.network.state(), start.keep([row]).network.state())
        recorder = Recorder()
        alone.fit(recorder)
        one, other = recorder.ended_runs[run.name], together.ended_runs[run.name]
        assert (one.outcome.status, one.outcome.step) == (other.outcome.status, other.outcome.step)
        gradients = recorder.gradients[run.name][-1]
        assert_close(one.outcome.state, other.outcome.state, run.name, gradients)
        for mine, others in zip(
            recorder.records[run.name], together.records[run.name], strict=True
        ):
            assert mine.step == others.step
            for split, values in others.metrics.items():
                assert mine.metrics[split] == pytest.approx(values, rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("what", TASKS, ids=lambda what: what.kind)
def test_what_draws_nothing_learns_as_on_the_cpu(what: Task) -> None:
    norms: list[dict[str, Any]] = [
        {"batch_norm": True},
        {"layer_norm": True},
        {"weight_norm": True},
    ]
    networks = [design(what, [6, 4], name) for name in ACTIVATIONS]
    options: dict[str, Any] = {"metrics": all_metrics(what.kind), "num_steps": 20}
    members = [member(f"{k}", network, **options) for k, network in enumerate(networks)]
    members += [member(name, networks[0], name, **options) for name in OPTIMIZERS]
    members += [member(str(norm), design(what, [6, 4], **norm), **options) for norm in norms]
    members = grouped(members)
    inputs, targets = rows(what, dtype=torch.float64)
    there = trained(members, inputs, targets)
    here = train(members, inputs, targets, dtype=torch.float64)
    for name, ended in here.ended_runs.items():
        assert_close(there.ended_runs[name].outcome.state, ended.outcome.state, name)
        found, expected = there.ended_runs[name].outcome.metrics, ended.outcome.metrics
        for split, values in expected.items():
            assert found[split] == pytest.approx(values, rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("name", ALONE)
def test_searching_optimizers_learn_as_on_the_cpu(name: str) -> None:
    what = task(5, 3)
    members = [member("run", design(what, [6], "tanh"), name, lr=0.5, max_iter=4, num_steps=3)]
    inputs, targets = rows(what, dtype=torch.float64)
    there, here = (
        trained(members, inputs, targets),
        train(members, inputs, targets, dtype=torch.float64),
    )
    assert_close(there.outcomes["run"].state, here.outcomes["run"].state, name)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_is_that_of_the_cpu(loss: str) -> None:
    what, chosen = LOSSES[loss]
    members = [member("run", design(what, [5], loss=chosen), num_steps=5)]
    inputs, targets = rows(what, dtype=torch.float64)
    there, here = (
        trained(members, inputs, targets),
        train(members, inputs, targets, dtype=torch.float64),
    )
    assert_close(there.outcomes["run"].state, here.outcomes["run"].state, loss)
    for split, values in here.outcomes["run"].metrics.items():
        assert there.outcomes["run"].metrics[split] == pytest.approx(values, rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("name", COHORTS)
def test_codes_are_learned_the_same_alone_and_together(name: str) -> None:
    what = reconstruction(6)
    members = grouped(cohort_of(name, what))
    inputs, targets = rows(what, dtype=torch.float64)
    together = trained(members, inputs, targets)
    for run in members:
        alone = trained([run], inputs, targets)
        one, other = alone.outcomes[run.name], together.outcomes[run.name]
        assert_close(one.state, other.state, run.name)


def test_a_stopped_cohort_goes_on_to_the_same_bits() -> None:
    what = task(5, 3)
    members = grouped(mixed_members(what, [6, 4], num_steps=12))
    inputs, targets = rows(what, dtype=torch.float64)
    saved: list[tuple[dict[str, Tensor], dict[str, Any]]] = []

    class Keeper(Recorder):
        def advanced(self, trainer: Trainer) -> None:
            if trainer.step == 4:
                tensors, metadata = trainer.snapshot()
                saved.append(({k: v.cpu().clone() for k, v in tensors.items()}, metadata))

    whole, resumed = Keeper(), Recorder()
    trainer_of(members, inputs, targets, 16, torch.float64, "cuda").fit(whole)
    trainer = trainer_of(members, inputs, targets, 16, torch.float64, "cuda")
    trainer.restore(*saved[0])
    trainer.fit(resumed)
    assert len(resumed.ended_runs) > 20
    for name, ended in resumed.ended_runs.items():
        assert_same_bits(ended.tensors, whole.ended_runs[name].tensors)


def test_a_run_that_diverges_between_two_looks_is_named_with_its_step() -> None:
    what = task(5, 0)
    wild = member("wild", design(what, [6, 4]), "sgd", lr=1e3, num_steps=300, evaluate_every=300)
    tame = member("tame", design(what, [6, 4]), "sgd", lr=1e-3, num_steps=300, evaluate_every=300)
    inputs, targets = rows(what, dtype=torch.float64)
    there, here = (
        trained([wild, tame], inputs, targets),
        train([wild, tame], inputs, targets, dtype=torch.float64),
    )
    assert here.outcomes["wild"].status == there.outcomes["wild"].status == "diverged"
    assert there.outcomes["wild"].step == pytest.approx(here.outcomes["wild"].step, abs=1)
    assert there.outcomes["tame"].status == "completed"
