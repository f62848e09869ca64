"""Every name that dlx has passes the checks that plug-ins are given."""

import pytest

from dlx import registry
from dlx.testing import (
    check_activation,
    check_block,
    check_corruption,
    check_data_source,
    check_dropout,
    check_initializer,
    check_loss,
    check_metric,
    check_model,
    check_optimizer,
    check_schedule,
    check_sparsity,
)
from tests.cohorts import INITIALIZERS

# What a block is told of the layers in it.
BLOCKS = {
    "dense": {"units": 3, "batch_norm": True},
    "residual": {"layers": [4, 3]},
    "branch": {"branches": [[3], [], [2, 2]]},
}


@pytest.mark.parametrize("name", registry.names("activation"))
def test_activation(name: str) -> None:
    check_activation(name)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_initializer(name: str) -> None:
    check_initializer(name)


@pytest.mark.parametrize("name", registry.names("loss"))
def test_loss(name: str) -> None:
    check_loss(name)


@pytest.mark.parametrize("name", registry.names("dropout"))
def test_dropout(name: str) -> None:
    check_dropout(name)


@pytest.mark.parametrize("name", registry.names("corruption"))
def test_corruption(name: str) -> None:
    check_corruption(name)


@pytest.mark.parametrize("name", registry.names("sparsity"))
def test_sparsity(name: str) -> None:
    check_sparsity(name)


@pytest.mark.parametrize("name", registry.names("metric"))
def test_metric(name: str) -> None:
    check_metric(name, **({"k": 2} if name == "top_k" else {}))


@pytest.mark.parametrize("name", registry.names("optimizer"))
def test_optimizer(name: str) -> None:
    check_optimizer(name)


@pytest.mark.parametrize("name", registry.names("schedule"))
def test_schedule(name: str) -> None:
    check_schedule(name)
    check_schedule(name, warmup=3)


@pytest.mark.parametrize("name", BLOCKS)
def test_block(name: str) -> None:
    check_block(name, **BLOCKS[name])


def test_model() -> None:
    check_model("mlp", hidden=[4, 3], activation="tanh")


@pytest.mark.parametrize("name", ["xor", "digits", "iris"])
def test_data_source(name: str) -> None:
    check_data_source(name)
