"""A kind of layer that a plug-in brings: everything that dlx does with its own kinds."""

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import dlx
from dlx import api, plugins
from dlx.cli import main
from dlx.diagnose.inspection import inspect
from dlx.errors import ConfigError
from dlx.testing import check_block
from dlx.training.records import Progress
from tests.shown_files import write_examples

pytestmark = pytest.mark.usefixtures("one_thread")

GATED = {"name": "gated", "units": 6}
CONFIG = {
    "name": "gates",
    "data": {"name": "digits", "limit": 120},
    "model": {
        "hidden": [
            GATED,
            {"name": "residual", "layers": [GATED]},
            {"name": "branch", "branches": [[GATED], [3]]},
        ],
        "activation": "tanh",
        "init": "lecun_normal",
    },
    "train": {"epochs": 3, "batch_size": 32, "checkpoint_seconds": 0},
}

# u and v are independent and normal: E[y²] = q E[sigmoid(v)²], E[y] = 0.
THEORY = '''

from dlx.config.types import choice
from dlx.nn.moments import Signal, pooled, through
from dlx.nn.theory import Prediction, mean, times


@dataclass(frozen=True)
class PredictedSpec(GatedSpec):
    """A gated linear unit that knows its theory."""

    def theory_forward(self, inputs, field):
        gain = self.inputs * field.weights[self.name].square
        x = pooled(inputs)
        square, product = gain * x.square, gain * x.product
        gate, slope = through(choice("activation", "sigmoid"), square, product)
        field.recorded[self.name] = (gate.square + square * slope) / 2
        field.predictions[self.name] = Prediction(square * gate.square)
        return Signal(square * gate.square, product * gate.product, 0.0)

    def theory_backward(self, outputs, field):
        return self.theory_from_z(times(mean(outputs), field.recorded.get(self.name)), field)

    def theory_from_z(self, dz, field):
        field.prediction(self.name).gradient = dz
        return times(dz, 2 * self.outputs * field.weights[self.name].square)


@dlx.register("block")
def predicted(place: Place, *, units: int) -> PredictedSpec:
    """A gated linear unit that knows its theory.

    Args:
        units: outputs
    """
    return PredictedSpec(place.name, place.inputs, units, place.choices.init)
'''


@pytest.fixture(autouse=True)
def plugin(forgotten: None, tmp_path: Path) -> Path:
    """Load the file that docs/plugins.md shows, with a kind that has a theory beside it."""
    write_examples(tmp_path, "plugins.md")
    path = tmp_path / "gated.py"
    path.write_text(path.read_text() + THEORY)
    plugins.load(path)
    return path


@pytest.fixture
def run(tmp_path: Path) -> api.Run:
    return dlx.train(CONFIG, runs_dir=tmp_path)


def test_it_keeps_the_laws_of_the_run_axis() -> None:
    check_block("gated", units=3)
    check_block("predicted", units=3)


def test_its_run_exports_to_plain_torch_with_equal_outputs(run: api.Run, tmp_path: Path) -> None:
    assert run.info["plugins"] == plugins.loaded()
    assert [type(module) for module in run.network()][:2] == [nn.Linear, nn.GLU]
    pixels = np.random.default_rng(0).random((9, 64), dtype=np.float32)
    outputs = dlx.load(run.path).predict(pixels)
    run.export(tmp_path / "export")
    exported = runpy.run_path(str(tmp_path / "export" / "load.py"))
    plain = exported["predict"](torch.from_numpy(pixels)).numpy()
    np.testing.assert_allclose(plain, outputs, rtol=1e-5, atol=1e-7)


def test_its_run_is_evaluated_and_verified_to_the_bit(run: api.Run) -> None:
    again = dlx.load(run.path)
    assert again.evaluate() == run.metrics
    [verified] = api.verify(run.path)["verified"]
    assert verified["identical"], verified


def test_its_run_is_resumed_to_the_same_bits(run: api.Run, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.step >= 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dlx.train(CONFIG, runs_dir=tmp_path / "stopped", show=stop)
    resumed = dlx.resume("latest", runs_dir=tmp_path / "stopped")
    assert resumed.metrics == run.metrics
    assert resumed.tensors.keys() == run.tensors.keys()
    assert all(torch.equal(resumed.tensors[name], value) for name, value in run.tensors.items())


def test_its_runs_share_a_cohort_and_each_trains_alone_to_the_same_bits(tmp_path: Path) -> None:
    varied = ["model.init=lecun_normal,he_normal", "optimizer=adam,momentum"]
    ended = api.ablate(CONFIG, varied=varied, seeds=2, runs_dir=tmp_path)
    assert (ended.info["cohorts"], len(ended.results)) == (1, 8)
    verified = api.verify(ended.path, 8)["verified"]
    assert len(verified) == 8 and all(result["identical"] for result in verified), verified


def layers_of(block: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what `dlx inspect` says of a network of a wide block and an output layer."""
    model = {"hidden": [block, 300], "activation": "tanh", "init": "lecun_normal"}
    job = api.prepare({"data": {"name": "digits", "scale": True}, "model": model})
    return inspect(job)["layers"]


def test_it_is_inspected_without_a_theory() -> None:
    gates, hidden, _ = layers_of({"name": "gated", "units": 400})
    assert (gates["kind"], gates["depth"]) == ("gated", 0)
    assert gates["parameters"] == 64 * 800 + 800
    assert gates["flops"] == 2 * 64 * 800 + 4 * 400
    assert gates["shapes"] == {"A[1]": [400, 128]}
    assert gates["variance"]["measured"] > 0 and gates["gradient"]["measured"] > 0
    for layer in (gates, hidden):
        assert layer["variance"]["predicted"] is None
    # On the way back theory begins at the output, and ends at the layer that it does not know.
    assert (gates["gradient"]["predicted"], hidden["gradient"]["predicted"]) == (None, None)


def test_its_theory_is_right_of_wide_layers() -> None:
    for layer in layers_of({"name": "predicted", "units": 400}):
        for quantity in ("variance", "gradient"):
            measured = layer[quantity]["measured"]
            assert layer[quantity]["predicted"] == pytest.approx(measured, rel=0.35), layer["name"]


def test_the_command_line_knows_it(plugin: Path, tmp_path: Path, capsys: Any) -> None:
    config = tmp_path / "gates.yaml"
    config.write_text(json.dumps(CONFIG))
    assert main(["--plugin", str(plugin), "inspect", str(config)]) == 0
    assert "gated" in capsys.readouterr().out
    assert main(["--plugin", str(plugin), "train", str(config), "--dry-run"]) == 0
    assert "64 → 6" in capsys.readouterr().out


def test_it_cannot_be_trained_ahead_of_the_network() -> None:
    config = {**CONFIG, "pretrain": {"method": "autoencoder", "epochs": 1}}
    with pytest.raises(ConfigError, match="layer 1 is a gated block, which cannot be pre-trained"):
        api.prepare(config)
