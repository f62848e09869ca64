"""Both engines mean the same training: equal weights in float64, with equal masks and noise."""

from dataclasses import replace

import pytest
import torch

from dlx.data.dataset import Task
from tests.cohorts import built, grouped, member, reconstruction, rows, task, train
from tests.engine.networks import covered, mixed
from tests.plain_loop import relative_distance

pytestmark = pytest.mark.usefixtures("one_thread")

TASKS: dict[str, tuple[Task, list[int]]] = {
    "classes": (task(5, 3), [17, 4]),
    "two classes": (task(5, 2), [6]),
    "numbers": (task(5, 0), [9, 5]),
    "inputs": (reconstruction(5), [7]),
    "unbounded inputs": (reconstruction(5, in_unit_interval=False), [7]),
}


@pytest.mark.parametrize("name", TASKS)
def test_mixtures_train_alike(name: str) -> None:
    what, hidden = TASKS[name]
    members = [
        # A bias before a norm is zero but for rounding, whose sign an l1 penalty follows.
        replace(run, penalty=None) if run.design.layers[0].norm is not None else run
        for run in grouped(mixed(what, hidden, num_steps=20))
    ]
    inputs, targets = rows(what, 53, torch.float64)
    by_engine = {
        engine: train(
            [replace(run, engine=engine) for run in members], inputs, targets, 16, torch.float64
        )
        for engine in ("torch", "native")
    }
    assert len(members) > 15
    for run in members:
        if run.optimizer.name == "lion" and run.design.layers[0].norm is not None:
            continue  # it steps by the sign of such a bias's gradient
        ended = [by_engine[engine].ended_runs[run.name].outcome for engine in by_engine]
        assert ended[0].status == ended[1].status
        for key, value in ended[0].state.items():
            # The gradient of a bias before a norm is nothing but rounding, which optimizers that
            # divide by its size make large.
            divides = run.optimizer.name not in ("sgd", "momentum", "nesterov")
            is_normalized = run.design.layers[0].norm is not None
            bound = 1e-4 if divides and is_normalized else 1e-10
            assert relative_distance(ended[1].state[key], value) < bound, (run.name, key)
        costs = [by_engine[engine].records[run.name][-1].metrics["train"] for engine in by_engine]
        for key in ("running/cost", "running/accuracy", "optimizer/lr", "gradient_norm/1"):
            if key in costs[0]:
                assert costs[1][key] == pytest.approx(costs[0][key], rel=1e-9), (run.name, key)


def test_codes_train_alike() -> None:
    what = reconstruction(5)
    options = {"encoder": [8, 6], "code_activation": "sigmoid", "noise": 0.1, "dropout": 0.2}
    networks = {
        "sparse": {"sparsity": {"name": "kl", "weight": 0.1}},
        "l1": {"sparsity": {"name": "l1", "weight": 0.1}},
        "k-sparse": {"k_sparse": 2},
        "masked": {"corruption": "masking", "emphasis": {"corrupted": 1.0, "clean": 0.3}},
        "noisy": {"corruption": "gaussian", "tied": True},
        "peppered": {"corruption": "salt_and_pepper"},
    }
    inputs, targets = rows(what, 53, torch.float64)
    for name, own in networks.items():
        [run] = covered([member(name, built("autoencoder", what, **options | own), num_steps=20)])
        native, torchs = (
            train([replace(run, engine=engine)], inputs, targets, 16, torch.float64)
            for engine in ("native", "torch")
        )
        for key, value in torchs.ended_runs[name].outcome.state.items():
            state = native.ended_runs[name].outcome.state
            assert relative_distance(state[key], value) < 1e-10, (name, key)
