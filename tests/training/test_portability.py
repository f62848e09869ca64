"""What is said of a run's bits on other machines, by what its config asks for."""

from pathlib import Path
from typing import Any

import pytest

import dlx
from dlx import api
from dlx.native import library
from dlx.training.portability import differs_elsewhere

REASONS: dict[str, list[str]] = {
    "model.init=he_normal": [],
    "model.init=lsuv": ["model.init: lsuv looks at the first batch by torch"],
    "data.augment={noise: 0.1}": [],
    "data.augment={shift: 0.1}": ["data.augment: torch moves and bends images"],
    "train.engine=torch": ["train.engine: torch's sums depend on the processor"],
    "probe={}": ["probe: scikit-learn and torch make its probes"],
    "optimizer.name=muon": ["train.engine: torch's sums depend on the processor"],
    "pretrain={method: autoencoder, epochs: 1}": [],
    "pretrain={method: rbm, epochs: 1}; model.activation=sigmoid; data.standardize=false": [
        "pretrain: torch trains Boltzmann machines"
    ],
}

pytestmark = pytest.mark.skipif(bool(library.absence()), reason="there is no library")


@pytest.mark.parametrize("override", REASONS)
def test_what_differs_is_named_with_its_key(override: str) -> None:
    job = api.prepare("configs/digits.yaml", override.split("; "))
    assert list(differs_elsewhere(job)) == REASONS[override]


def test_layers_are_as_portable_as_the_run_that_they_come_from(tmp_path: Path) -> None:
    for engine, expected in (
        ("native", []),
        ("torch", ["model.from_run: torch trained the run that layers come from"]),
    ):
        first = dlx.train(
            "configs/digits.yaml", ["train.steps=2", f"train.engine={engine}"], runs_dir=tmp_path
        )
        job = api.prepare("configs/digits.yaml", [f"model.from_run={first.path}"])
        assert list(differs_elsewhere(job)) == expected
        said: Any = first.info["differs_elsewhere"]
        assert bool(said) == (engine == "torch")
