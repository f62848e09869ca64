"""What theory predicts, against what is measured in wide networks."""

import math
from typing import Any

import pytest

from dlx.diagnose.inspection import inspect
from tests.diagnose.conftest import MakeJob

WIDE = 300
FLAT = {"name": "dense", "units": WIDE, "activation": "identity"}
NETWORKS: dict[str, dict[str, Any]] = {
    "rectifiers": {"hidden": [WIDE] * 5, "activation": "relu", "init": "he_normal"},
    "tanh": {"hidden": [WIDE] * 5, "activation": "tanh", "init": "xavier_uniform"},
    "sigmoid": {"hidden": [WIDE] * 3, "activation": "sigmoid", "init": "lecun_normal"},
    "linear": {"hidden": [WIDE] * 4, "activation": "identity", "init": "orthogonal"},
    "torch's own start": {"hidden": [WIDE] * 4, "activation": "gelu", "init": "torch_default"},
    "batch norm": {"hidden": [WIDE] * 4, "activation": "relu", "batch_norm": True},
    "batch norm after": {
        "hidden": [WIDE] * 4,
        "activation": "tanh",
        "batch_norm": {"position": "after"},
    },
    "dropout": {
        "hidden": [WIDE] * 4,
        "activation": "relu",
        "dropout": {"input": 0.2, "hidden": 0.5},
    },
    "layer norm": {"hidden": [WIDE] * 4, "activation": "relu", "layer_norm": True},
    "layer norm after": {
        "hidden": [WIDE] * 4,
        "activation": "relu",
        "layer_norm": {"position": "after"},
    },
    "weight norm": {"hidden": [WIDE] * 4, "activation": "tanh", "weight_norm": True},
    "residual": {
        "hidden": [WIDE, {"name": "residual", "layers": [WIDE, FLAT], "repeat": 3}],
        "activation": "relu",
    },
    "residual of positive terms": {
        "hidden": [WIDE, {"name": "residual", "layers": [WIDE], "repeat": 2}],
        "activation": "relu",
    },
    "residual with an activation and a projection": {
        "hidden": [{"name": "residual", "layers": [WIDE, FLAT], "activation": "tanh"}],
        "activation": "tanh",
    },
    **{
        f"branches joined by {join}": {
            "hidden": [
                WIDE,
                {"name": "branch", "branches": [[WIDE], [WIDE, WIDE]], "join": join},
                WIDE,
            ],
            "activation": "relu",
        }
        for join in ("concat", "sum", "mean")
    },
}


@pytest.mark.parametrize("name", NETWORKS)
def test_theory_predicts_what_is_measured_in_wide_layers(job: MakeJob, name: str) -> None:
    model = NETWORKS[name]
    data = {"name": "digits", "standardize": True}
    inspected = inspect(job(data=data, **model))
    *hidden, output = inspected["layers"]
    for layer in hidden:
        variance = layer["variance"]
        assert variance["predicted"] == pytest.approx(variance["measured"], rel=0.3), layer["name"]
        gradient = layer["gradient"]
        if layer["kind"] == "branch":
            assert gradient == {"predicted": None, "measured": None}
        else:
            assert gradient["predicted"] == pytest.approx(gradient["measured"], rel=0.45), layer
    assert output["gradient"]["predicted"] == output["gradient"]["measured"]


def test_nine_sigmoid_layers_lose_the_gradient_and_rectifiers_do_not(job: MakeJob) -> None:
    hidden = [100] * 9
    sigmoid = inspect(job(hidden=hidden, activation="sigmoid", init="xavier_normal"))
    relu = inspect(job(hidden=hidden, activation="relu", init="he_normal"))

    def lost(inspected: dict[str, Any], which: str) -> float:
        first, last = (
            inspected["layers"][0]["gradient"][which],
            inspected["layers"][8]["gradient"][which],
        )
        return math.log10(first / last)

    assert lost(sigmoid, "measured") < -8
    assert lost(sigmoid, "predicted") == pytest.approx(lost(sigmoid, "measured"), rel=0.1)
    assert abs(lost(relu, "measured")) < 0.5
    assert abs(lost(relu, "predicted")) < 0.5


def test_no_prediction_where_theory_does_not_apply(job: MakeJob) -> None:
    inspected = inspect(job(hidden=[30, 30], activation="tanh", init="constant"))
    assert all(layer["variance"]["predicted"] is None for layer in inspected["layers"])
    assert inspected["layers"][0]["gradient"]["predicted"] is None
    step = inspect(
        job(
            hidden=[
                {"name": "residual", "layers": [30], "activation": "relu"},
                {"name": "residual", "layers": [30], "activation": "relu"},
            ],
            activation="relu",
        )
    )
    blocks = [layer for layer in step["layers"] if layer["kind"] == "residual"]
    assert blocks[1]["variance"]["predicted"] is None  # a sum of positive terms is not normal


@pytest.mark.parametrize(
    "model",
    [
        {"hidden": [{"name": "maxout", "units": 9}, 9]},
        {"hidden": [9, 9], "dropout": {"name": "alpha_dropout", "hidden": 0.1}},
        {"hidden": [9, 9], "dropout": {"name": "drop_connect", "hidden": 0.1}},
    ],
)
def test_no_prediction_for_what_theory_does_not_know(job: MakeJob, model: dict[str, Any]) -> None:
    inspected = inspect(job(data="xor", activation="relu", **model))
    assert all(layer["variance"]["predicted"] is None for layer in inspected["layers"])
    assert inspected["layers"][0]["variance"]["measured"] > 0


def test_a_signal_that_overflows_has_no_prediction(job: MakeJob) -> None:
    init = {"name": "normal", "std": 3e38}
    inspected = inspect(job(hidden=[50] * 8, activation="relu", init=init))
    assert inspected["layers"][-2]["variance"]["predicted"] is None
