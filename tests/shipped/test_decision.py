"""Hidden layers without an activation cannot bend the line between two classes."""

from pathlib import Path

import numpy as np
import pytest

import dlx
from dlx.report.run.regions import Plane
from tests.guarded import LEARNING

pytestmark = pytest.mark.slow(*LEARNING)


def departure_from_a_line(run: dlx.Run) -> float:
    """Return how far the line between the classes is from straight, in points of the picture."""
    surface = Plane(run.splits()).look(run.cohort.network, run.design.head, 0)
    above = surface.outputs[0] > 0.5
    columns = np.flatnonzero((above[1:] != above[:-1]).any(0))
    heights = np.array([np.flatnonzero(above[1:, c] != above[:-1, c])[0] for c in columns])
    straight = np.polyval(np.polyfit(columns, heights, 1), columns)
    return float(np.abs(heights - straight).max())


@pytest.mark.parametrize(
    ("activation", "hidden"), [("identity", "[]"), ("identity", "[8, 8]"), ("tanh", "[8, 8]")]
)
def test_identity_layers_cannot_bend_the_line_and_tanh_can(
    activation: str, hidden: str, tmp_path: Path
) -> None:
    overrides = [f"model.activation={activation}", f"model.hidden={hidden}"]
    run = dlx.train("configs/moons.yaml", overrides, runs_dir=tmp_path)
    accuracy, departure = run.metrics["train"]["accuracy"], departure_from_a_line(run)
    if activation == "identity":
        assert accuracy < 0.9 and departure < 1.5
    else:
        assert accuracy > 0.95 and departure > 20
