"""What the shipped configs of optimizers show."""

from pathlib import Path

import pytest

import dlx
from dlx.config.shipped import shipped
from tests.guarded import LEARNING

pytestmark = [pytest.mark.slow(*LEARNING), pytest.mark.usefixtures("one_thread")]


def final_cost(runs_dir: Path, config: str, *overrides: str) -> float:
    """Return the training cost at the end of a run."""
    return dlx.train(shipped()[config], list(overrides), runs_dir=runs_dir).metrics["train"]["cost"]


@pytest.mark.parametrize("seed", [0, 1])
def test_muon_learns_digits_in_fewer_epochs_than_adamw(seed: int, tmp_path: Path) -> None:
    same = (f"seed={seed}", "log.level=minimal")
    rates = (0.003, 0.01, 0.03)
    adamw = [
        final_cost(tmp_path, "muon", "optimizer.name=adamw", f"optimizer.lr={rate}", *same)
        for rate in rates
    ]
    assert final_cost(tmp_path, "muon", *same) < 0.8 * min(adamw)


@pytest.mark.parametrize("seed", [0, 1])
def test_one_cycle_learns_at_a_rate_that_is_too_high_all_along(seed: int, tmp_path: Path) -> None:
    same = (f"seed={seed}", "log.level=minimal")
    constant = final_cost(tmp_path, "one_cycle", "optimizer.schedule=constant", *same)
    cycle = final_cost(tmp_path, "one_cycle", *same)
    assert cycle < 0.1
    assert constant > 3 * cycle


@pytest.mark.parametrize("seed", [0, 1])
def test_lbfgs_reaches_in_few_full_batch_steps_what_adam_does_not_in_many(
    seed: int, tmp_path: Path
) -> None:
    same = (f"seed={seed}", "log.level=minimal", "log.points=2")
    rates = (0.01, 0.03, 0.1)
    adam = [
        final_cost(
            tmp_path,
            "lbfgs",
            f"optimizer={{name: adam, lr: {rate}}}",
            "train.steps=250",  # L-BFGS evaluates its five batches at most 125 times
            *same,
        )
        for rate in rates
    ]
    assert final_cost(tmp_path, "lbfgs", *same) < 0.01 * min(adam)
