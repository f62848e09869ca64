"""The shipped config of a restricted Boltzmann machine shows what it says it shows."""

import json
from pathlib import Path

import pytest

import dlx
from tests.guarded import LEARNING

pytestmark = pytest.mark.slow(*LEARNING)


def gaps(folder: Path, *overrides: str) -> tuple[float, float, float]:
    """Return by how much dev's free energy is above train's at first and last, and dev's error."""
    run = dlx.train("configs/rbm.yaml", overrides, runs_dir=folder)
    rows = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    first, last = (
        row["dev"]["free_energy"] - row["train"]["free_energy"] for row in rows[:: len(rows) - 1]
    )
    return first, last, run.metrics["dev"]["squared_error_per_row"]


def test_free_energy_tells_a_machine_that_overfits_from_one_that_does_not(tmp_path: Path) -> None:
    first, last, error = gaps(tmp_path, "train.epochs=40")
    assert abs(last - first) < 0.3
    assert error < 1.5  # the mean of the training rows leaves 4.8
    first, last, _ = gaps(tmp_path, "data.limit=60", "train.epochs=300")
    assert last - first > 2
