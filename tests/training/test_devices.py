"""The training step on a device that is not the CPU (see tests/pretend_device.py)."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from dlx import api, streams
from dlx.cohort import Cohort
from dlx.data import augmentation
from dlx.data.dataset import Task
from dlx.nn import draws
from dlx.nn.layers import boltzmann
from dlx.training.evaluation import evaluate, predict
from dlx.training.job import Job
from dlx.training.trainer import Trainer
from tests.cohorts import (
    LOSSES,
    Recorder,
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
from tests.guarded import TOGETHER
from tests.models.test_codes import COHORTS, cohort_of
from tests.models.test_rbm import build
from tests.pretend_device import DEVICE, OnDevice, PretendedDevice

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[PretendedDevice]:
    def generator(seed: int, name: str, *place: Any, device: Any = "cpu") -> torch.Generator:
        # There is none on the device without a driver: both sides draw by torch's on the CPU.
        return torch.Generator().manual_seed(streams.key(seed, name, *place))

    def drawn(
        fill: streams.Fill, keys: list[int], length: int, dtype: torch.dtype, device: torch.device
    ) -> Tensor:
        rows = torch.empty(len(keys), length, dtype=dtype, device=device)
        for row, key in zip(rows, keys, strict=True):
            fill(row, torch.Generator().manual_seed(key))
        return rows

    for module in (boltzmann, augmentation):
        monkeypatch.setattr(module, "generator", generator)
    monkeypatch.setattr(draws, "drawn", drawn)
    with PretendedDevice() as mode:
        yield mode


def on_cpu(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k: v.inner if isinstance(v, OnDevice) else v for k, v in tensors.items()}


def assert_close(actual: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    # Not to the bit: Adagrad is fused on the CPU only.
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-12)


def trainer_on_device(members: list, inputs: Tensor, targets: Tensor) -> Trainer:
    return trainer_of(members, inputs, targets, 16, torch.float64, DEVICE)


def step_beside(device: PretendedDevice, trainer: Trainer, reference: Cohort, step: int) -> None:
    """Take a step with every tensor on the device, and the same step on the CPU."""
    x, t = trainer._batches(step)
    with device.only():
        trainer.cohort.forward_backward(x, t, step)
    # torch itself counts steps on the CPU, a number for each parameter group.
    with device.only(numbers=True):
        trainer.cohort.update(x, t, step)
    inner = on_cpu({"x": x, "t": t})
    reference.forward_backward(inner["x"], inner["t"], step)
    reference.update(inner["x"], inner["t"], step)


def test_the_pretended_device_notices_what_a_real_one_would(device: PretendedDevice) -> None:
    there = torch.ones(3, device=DEVICE)
    assert there.device.type == "cuda"
    assert (there * 2).sum().item() == 6
    with pytest.raises(AssertionError, match="on the device and on the CPU"):
        torch.add(there, torch.ones(3))
    with device.only(), pytest.raises(AssertionError, match="made a tensor off the device"):
        torch.zeros(3)


@pytest.mark.parametrize("what", [task(5, 3), task(5, 2), task(5, 0)], ids=lambda what: what.kind)
def test_a_step_makes_every_tensor_on_the_device(device: PretendedDevice, what: Task) -> None:
    members = grouped(mixed_members(what, [6, 4], 13, num_steps=10))
    inputs, targets = rows(what, dtype=torch.float64)
    trainer = trainer_on_device(members, inputs, targets)
    cohort = trainer.cohort
    reference = trainer_of(members, inputs, targets, 16, torch.float64).cohort
    for step in range(3):
        step_beside(device, trainer, reference, step)
        # What corrupts evaluated rows is drawn on the CPU, the same for every device.
        evaluate(cohort, *trainer.splits["dev"])
        clean = [row for row, run in enumerate(members) if run.design.inputs.corruption is None]
        others = cohort.keep(clean)
        with device.only():
            evaluate(others, *trainer.splits["dev"])
            predict(cohort, trainer.splits["dev"][0])
    assert_close(on_cpu(cohort.tensors()), reference.tensors())
    assert {"aten.bmm", "aten.baddbmm", "aten._fused_adam_", "aten._fused_sgd_"} <= (
        device.operations
    )


@pytest.mark.parametrize("name", COHORTS)
def test_codes_are_made_on_the_device(device: PretendedDevice, name: str) -> None:
    what = reconstruction(6)
    # Second derivatives of these two, of torch's own operations, crash on the pretended device.
    crash = ("softplus", "mish")
    members = [run for run in cohort_of(name, what) if not any(each in run.name for each in crash)]
    inputs, targets = rows(what, dtype=torch.float64)
    trainer = trainer_on_device(members, inputs, targets)
    cohort = trainer.cohort
    reference = trainer_of(members, inputs, targets, 16, torch.float64).cohort
    for step in range(3):
        step_beside(device, trainer, reference, step)
        with device.only():
            evaluate(cohort, *trainer.splits["dev"])
    assert_close(on_cpu(cohort.tensors()), reference.tensors())


@pytest.mark.slow(*TOGETHER)
def test_training_on_a_device_leaving_included_is_that_of_the_cpu(device: PretendedDevice) -> None:
    what = task(5, 3)
    members = grouped(mixed_members(what, [6, 4], 13, num_steps=6))
    inputs, targets = rows(what, dtype=torch.float64)
    there = Recorder()
    trainer_on_device(members, inputs, targets).fit(there)
    here = train(members, inputs, targets, dtype=torch.float64)
    for run in members:
        for mine, other in zip(there.records[run.name], here.records[run.name], strict=True):
            assert mine.step == other.step
            for split, values in other.metrics.items():
                assert mine.metrics[split] == pytest.approx(values, rel=1e-9)
        mine, other = there.ended_runs[run.name], here.ended_runs[run.name]
        assert_close(on_cpu(mine.tensors), other.tensors)
        for kind in ("status", "step", "weights"):
            assert getattr(mine.outcome, kind) == getattr(other.outcome, kind)


@pytest.mark.slow(*TOGETHER)
def test_a_run_resumes_on_a_device_from_tensors_of_the_cpu(device: PretendedDevice) -> None:
    what = task(5, 3)
    members = grouped(mixed_members(what, [6, 4], 13, num_steps=6))
    inputs, targets = rows(what, dtype=torch.float64)
    saved: list[tuple[dict[str, Tensor], dict[str, Any]]] = []

    class Stopper(Recorder):
        def advanced(self, trainer: Trainer) -> None:
            if trainer.step == 3:
                tensors, metadata = trainer.snapshot()
                copies = {k: v.clone() for k, v in on_cpu(tensors).items()}
                saved.append((copies, metadata))

    whole = Stopper()
    trainer_on_device(members, inputs, targets).fit(whole)
    resumed = Recorder()
    trainer = trainer_on_device(members, inputs, targets)
    trainer.restore(*saved[0])
    staying = [run.name for run in trainer.members]
    trainer.fit(resumed)
    assert len(staying) > 10
    for name in staying:
        assert_same_bits(
            on_cpu(resumed.ended_runs[name].tensors), on_cpu(whole.ended_runs[name].tensors)
        )


@pytest.mark.slow(*TOGETHER)
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_trains_on_the_device_to_the_same_weights(
    loss: str, device: PretendedDevice
) -> None:
    what, chosen = LOSSES[loss]
    members = grouped(mixed_members(what, [5], 3, num_steps=5, loss=chosen))
    inputs, targets = rows(what, dtype=torch.float64)
    here = train(members, inputs, targets, dtype=torch.float64)
    there = Recorder()
    trainer_on_device(members, inputs, targets).fit(there)
    for name, ended in here.ended_runs.items():
        assert_close(on_cpu(there.ended_runs[name].outcome.state), ended.outcome.state)


@pytest.mark.parametrize("chains", [0, 7])
@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_boltzmann_machines_train_on_the_device_to_the_same_weights(
    visible: str, chains: int, device: PretendedDevice
) -> None:
    what = reconstruction(5, visible == "bernoulli")
    options = {"persistent": True, "chains": chains} if chains else {}
    members = grouped(
        [
            member(str(k), build(what, hidden=4, visible=visible, gibbs_steps=k, **options), seed=k)
            for k in (1, 3)
        ]
    )
    inputs, targets = rows(what, dtype=torch.float64)
    trainer = trainer_on_device(members, inputs, targets)
    reference = trainer_of(members, inputs, targets, 16, torch.float64).cohort
    for step in range(3):
        step_beside(device, trainer, reference, step)
        with device.only():
            evaluate(trainer.cohort, *trainer.splits["dev"])
    assert_close(on_cpu(trainer.cohort.tensors()), reference.tensors())


def test_codes_are_worth_on_the_device_what_they_are_on_the_cpu(device: PretendedDevice) -> None:
    tuned = {"steps": 5, "batch_size": 20}
    ready = api.prepare(
        {
            "data": {"name": "digits", "limit": 60},
            "model": {"name": "autoencoder", "encoder": [6]},
            "train": {"steps": 3, "batch_size": 20, "engine": "torch"},
            "probe": {"labels": 40, "fine_tune": tuned},
        }
    )
    assert ready.probing is not None
    moved = replace(ready.probing, splits=ready.probing.splits.to(DEVICE))
    on_device = replace(
        ready, device=torch.device(DEVICE), splits=ready.splits.to(DEVICE), probing=moved
    )
    here, there = Recorder(), Recorder()
    Job.trainer([ready], is_new=True).fit(here)
    Job.trainer([on_device], is_new=True).fit(there)
    [expected], [found] = here.outcomes.values(), there.outcomes.values()
    assert {"probe_accuracy", "fine_tuned_accuracy"} <= expected.metrics["dev"].keys()
    for split, values in expected.metrics.items():
        assert found.metrics[split] == pytest.approx(values, rel=1e-6)


@pytest.mark.parametrize("line_search", ["strong_wolfe", None])
def test_lbfgs_searches_on_the_device_and_resumes_there_to_the_same_weights(
    line_search: str | None, device: PretendedDevice
) -> None:
    what = task(5, 3)
    options: dict[str, Any] = {"line_search": line_search, "lr": 0.5, "max_iter": 4}
    members = [member("run", design(what, [6], "tanh", dropout=0.2), "lbfgs", **options)]
    inputs, targets = rows(what, dtype=torch.float64)
    trainer = trainer_on_device(members, inputs, targets)
    reference = trainer_of(members, inputs, targets, 16, torch.float64).cohort
    for step in range(4):
        step_beside(device, trainer, reference, step)
        if step == 1:
            saved = {k: v.clone() for k, v in on_cpu(trainer.cohort.tensors()).items()}
            trainer = trainer_on_device(members, inputs, targets)
            trainer.cohort.load_tensors(saved)
    assert_close(on_cpu(trainer.cohort.tensors()), reference.tensors())
    assert "aten.dot" in device.operations
