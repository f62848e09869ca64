"""Every name that dlx has passes the checks that plug-ins are given."""

import pytest

from dlx import registry
from dlx.data.fetch import NAMES as FETCHED
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
from tests.data.needed import needed

# What a block or a model is told of the layers in it.
BLOCKS = {
    "dense": {"units": 3, "batch_norm": True},
    "maxout": {"units": 3, "pieces": 2},
    "residual": {"layers": [4, 3]},
    "branch": {"branches": [[3], [], [2, 2]]},
}
MODELS = {
    "mlp": {"hidden": [4, 3], "activation": "tanh"},
    "autoencoder": {"encoder": [4, 2]},
    "recurrent": {"hidden": [4]},
}


def is_at_hand(source: str) -> bool:
    """Say whether a data source needs no file."""
    return not needed(source) and source not in (*FETCHED, "california")


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


@pytest.mark.parametrize("name", registry.names("block"))
def test_block(name: str) -> None:
    assert name in BLOCKS, "say in BLOCKS of which layers an example of it consists"
    check_block(name, **BLOCKS[name])


# An RBM follows an estimate of another gradient than that of its plain network.
@pytest.mark.parametrize("name", sorted({*registry.names("model")} - {"rbm"}))
def test_model(name: str) -> None:
    assert name in MODELS, "say in MODELS of which layers an example of it consists"
    check_model(name, **MODELS[name])


@pytest.mark.parametrize("name", [name for name in registry.names("data") if is_at_hand(name)])
def test_data_source(name: str) -> None:
    check_data_source(name)
