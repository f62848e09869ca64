"""The shipped configs about data show the effect that they are there for."""

from pathlib import Path
from typing import Any

import pytest

import dlx
from dlx.config.shipped import shipped
from dlx.errors import ConfigError
from tests.guarded import LEARNING


@pytest.fixture
def accuracy(tmp_path: Path) -> Any:
    def train(name: str, *overrides: str) -> dict[str, float]:
        run = dlx.train(shipped()[name], overrides, runs_dir=tmp_path)
        return {split: metrics["accuracy"] for split, metrics in run.metrics.items()}

    return train


@pytest.mark.slow(*LEARNING)
def test_spirals_need_hidden_layers(accuracy: Any) -> None:
    assert accuracy("spirals")["test"] > 0.95
    assert accuracy("spirals", "model.hidden=[]")["test"] < 0.75


def test_parity_needs_a_hidden_layer(accuracy: Any) -> None:
    assert accuracy("parity") == {"train": 1.0}
    assert accuracy("parity", "model.hidden=[]")["train"] <= 0.6


def test_wrong_labels_are_learnt_by_heart(accuracy: Any) -> None:
    found = accuracy("memorize")
    assert found["train"] == 1.0
    assert found["dev"] < 0.8
    assert accuracy("memorize", "data.label_noise=0")["dev"] > 0.85


def test_another_distribution_is_where_the_error_rises(accuracy: Any) -> None:
    found = accuracy("mismatch")
    assert list(found) == ["train", "train_dev", "dev", "test"]
    assert min(found["train"], found["train_dev"]) > 0.98
    assert max(found["dev"], found["test"]) < 0.9


def test_augmentation_makes_up_for_rows(accuracy: Any) -> None:
    plain = accuracy("augment", "data.augment=null", "log.points=2")
    changed = accuracy("augment", "log.points=2")
    assert plain["train"] == 1.0
    assert changed["dev"] > plain["dev"] + 0.015


def test_only_images_move(accuracy: Any) -> None:
    assert accuracy("spirals", "data.augment={noise: 0.05}", "train.epochs=1")["train"] > 0.3
    message = r"data\.augment\.rotation: the inputs of spirals have shape \(2,\), which are not im"
    with pytest.raises(ConfigError, match=message):
        accuracy("spirals", "data.augment={rotation: 5}")
