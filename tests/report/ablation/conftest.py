"""Synthetic ablations that several tests use."""

import pytest

from dlx.ablation.results import RunResult
from tests.report.ablation import synthetic

Synthetic = tuple[dict, list[RunResult]]


@pytest.fixture
def two() -> Synthetic:
    """Relu against sigmoid at four seeds; relu is 3 to 4 points better."""
    variants = synthetic.grid(model__activation=["sigmoid", "relu"])
    levels = {"sigmoid": [0.90, 0.91, 0.92, 0.93], "relu": [0.94, 0.94, 0.95, 0.97]}
    runs = synthetic.results(
        variants, 4, lambda s, seed: levels[s["model.activation"]][seed], threshold=0.88
    )
    return synthetic.summary(variants, runs, steps_to=0.88), runs


@pytest.fixture
def lossy() -> Synthetic:
    """Two rates by two activations: the larger rate diverged at even seeds, with relu always."""
    variants = synthetic.grid(optimizer__lr=[0.1, 1.0], model__activation=["tanh", "relu"])

    def status(variant: synthetic.Variant, seed: int) -> str:
        relu = variant.settings["model.activation"] == "relu"
        lost = variant.settings["optimizer.lr"] == 1.0 and (relu or seed % 2 == 0)
        return "diverged" if lost else "completed"

    runs = synthetic.results(
        variants,
        6,
        lambda s, seed: 0.9 + 0.01 * s["optimizer.lr"] + 0.001 * seed ** (1 + s["optimizer.lr"]),
        status=status,
    )
    return synthetic.summary(variants, runs), runs
