"""Rows that networks make up."""

from pathlib import Path

import numpy as np
import pytest
import torch

import dlx
from dlx import streams
from dlx.errors import ConfigError
from tests.guarded import LEARNING

pytestmark = pytest.mark.usefixtures("one_thread")
STEPS = ["train.epochs=null", "train.steps=40"]
VARIATIONAL = ["model.tied=false", "model.variational={beta: 1}", "name=vae"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dlx.Run]:
    folder = tmp_path_factory.mktemp("sampled")
    asked = {"autoencoder": ("autoencoder", []), "vae": ("autoencoder", VARIATIONAL)}
    asked |= {"rbm": ("rbm", []), "gaussian": ("rbm", ["data={name: iris, standardize: true}"])}
    asked |= {"digits": ("digits", [])}
    return {
        name: dlx.train(f"configs/{config}.yaml", [*STEPS, *more], runs_dir=folder)
        for name, (config, more) in asked.items()
    }


@pytest.mark.slow(*LEARNING)
def test_a_variational_autoencoder_decodes_standard_normal_codes(runs: dict[str, dlx.Run]) -> None:
    run = runs["vae"]
    rows = run.sample(300, seed=5)
    codes = streams.stream(5, "latent", "sample").normal_(torch.empty(300, 8))
    assert np.array_equal(rows, run.decode(codes))
    assert abs(codes.mean()) < 0.1 and abs(codes.std() - 1) < 0.1
    assert np.array_equal(rows, run.sample(300, seed=5))
    assert not np.array_equal(rows, run.sample(300, seed=6))


@pytest.mark.slow(*LEARNING)
def test_an_rbm_is_sampled_in_the_units_of_the_data(runs: dict[str, dlx.Run]) -> None:
    run = runs["rbm"]
    rows = run.sample(9, seed=2, steps=4)
    assert rows.shape == (9, 64) and rows.min() >= 0 and rows.max() <= 1
    assert not np.array_equal(rows, run.sample(9, seed=2, steps=5))
    assert not np.array_equal(rows, run.sample(9, seed=3, steps=4))
    gaussian = runs["gaussian"]
    rows = gaussian.sample(50, steps=4)
    seen = gaussian.cohort.network.sample(50, 4, [0])[0]
    shift, scale = gaussian.preprocessing.shift, gaussian.preprocessing.scale
    assert shift is not None and scale is not None
    np.testing.assert_allclose(rows, seen * scale + shift, rtol=1e-5)
    table = gaussian.table_of_rows(rows)
    assert table.columns[0] == "sepal length (cm)" and len(table.rows) == 50


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("autoencoder", {}, r"has no distribution to draw from; sample a variational autoencoder"),
        ("digits", {}, r"has no distribution to draw from"),
        ("vae", {"steps": 3}, r"--steps: received 3, but .* draws its codes at once"),
        ("rbm", {"steps": 0}, r"--steps: received 0; it is 1 or more"),
        ("rbm", {"number": 0}, r"-n: received 0; it is 1 or more"),
    ],
)
def test_what_cannot_be_sampled(
    name: str, options: dict[str, int], message: str, runs: dict[str, dlx.Run]
) -> None:
    with pytest.raises(ConfigError, match=message):
        runs[name].sample(**options)


def test_an_rbm_decodes_what_it_encodes(runs: dict[str, dlx.Run], tmp_path: Path) -> None:
    run = runs["rbm"]
    rows = np.random.default_rng(0).random((50, 64), np.float32)
    assert np.array_equal(run.decode(run.encode(rows)), run.predict(rows))
