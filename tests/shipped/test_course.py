"""The small course ablations show what docs/course.md says, with fewer seeds and wider bands.

A share p of n seeds is allowed three standard errors around ours, each sqrt(p (1 - p) / n).
"""

from pathlib import Path
from typing import Any

import pytest

from dlx import api
from dlx.config.shipped import shipped
from tests.guarded import LEARNING

pytestmark = [pytest.mark.slow(*LEARNING), pytest.mark.usefixtures("one_thread")]


def variants(folder: Path, name: str, seeds: int, *changes: str) -> dict[str, Any]:
    """Return the variants of a course ablation's summary by name."""
    options = ["log.points=2", *changes]
    ended = api.ablate(shipped()[f"course/{name}"], options, seeds=seeds, runs_dir=folder)
    return {each["name"]: each for each in ended.summary["variants"]}


def test_one_unit_learns_and_and_or_but_never_xor(tmp_path: Path) -> None:
    found = {k: v["success"]["rate"] for k, v in variants(tmp_path, "gates", 40).items()}
    assert found["AND by one unit"] == found["OR by one unit"] == 1
    assert found["XOR by one unit"] == 0
    assert found["XOR by three units"] == pytest.approx(0.71, abs=0.22)  # 3 sqrt(0.71 0.29 / 40)


def test_hidden_layers_untangle_spirals(tmp_path: Path) -> None:
    found = variants(tmp_path, "depth", 3)
    accuracy = {k: v["metrics"]["dev"]["accuracy"]["mean"] for k, v in found.items()}
    assert accuracy["hidden=[]"] < 0.68 < accuracy["hidden=[16]"] < 0.9
    assert accuracy["hidden=[16,16,16]"] > 0.97


def test_the_cost_falls_with_the_learning_rate_until_it_rises(tmp_path: Path) -> None:
    found = variants(tmp_path, "learning_rate", 3)
    cost = [each["metrics"]["train"]["cost"]["mean"] for each in found.values()]
    falling = cost[: list(found).index("lr=10") + 1]
    assert falling == sorted(falling, reverse=True)
    assert cost[-1] > 10 * falling[-1]


def test_equal_units_stay_equal(tmp_path: Path) -> None:
    found = variants(tmp_path, "symmetry", 2)
    accuracy = {k: v["metrics"]["dev"]["accuracy"]["mean"] for k, v in found.items()}
    for activation in ("tanh", "relu", "sigmoid"):
        assert accuracy[f"init=zeros activation={activation}"] < 0.2
        assert accuracy[f"init=constant activation={activation}"] < 0.2
        assert accuracy[f"init=xavier_normal activation={activation}"] > 0.7


def test_few_units_underfit_and_many_learn_the_wrong_labels(tmp_path: Path) -> None:
    found = variants(tmp_path, "number_of_weights", 2)
    cost = {k: v["metrics"]["train"]["cost"]["mean"] for k, v in found.items()}
    error = {k: v["metrics"]["dev"]["error"]["mean"] for k, v in found.items()}
    assert cost["hidden=[128]"] < 0.01 and error["hidden=[128]"] > 0.15
    assert error["hidden=[1]"] > 0.7
