import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dlx import api
from dlx.errors import DlxWarning
from dlx.report.ablation import reconstructions
from tests.guarded import PICTURES

CONFIG = {
    "name": "noise",
    "data": {"name": "digits", "limit": 100},
    "model": {"name": "autoencoder", "encoder": [9], "code_activation": "sigmoid"},
    "train": {"epochs": 1, "batch_size": 50},
    "ablation": {
        "vary": {"model.corruption": [None, {"name": "masking", "rate": 0.3}]},
        "metric": "dev.squared_error_per_row",
        "seeds": 2,
    },
}


@pytest.fixture(scope="module")
def ablation(tmp_path_factory: pytest.TempPathFactory) -> api.Ablation:
    return api.ablate(CONFIG, runs_dir=tmp_path_factory.mktemp("runs"))


def test_the_report_shows_what_each_variant_reconstructs(ablation: api.Ablation) -> None:
    page = (ablation.path / "report.html").read_text()
    for name, title in (
        ("reconstructions", "Reconstructions"),
        ("unit_filters", "Weights of units"),
    ):
        assert f">{title}<" in page
        with Image.open(ablation.path / "figures" / f"{name}.png") as image:
            assert image.width > 300


def test_lines_are_the_inputs_and_what_runs_of_the_first_seed_make_of_them(
    ablation: api.Ablation,
) -> None:
    plan = ablation.plan()
    rows, filters = reconstructions.draw(plan, ablation.path, ablation.summary, ablation.results)
    labels = [axes.texts[0].get_text() for axes in rows.figure.axes if axes.texts]
    assert labels[0] == "input" and labels.count("corrupted") == 1
    assert labels[labels.index("corrupted") + 1].startswith("corruption=masking")
    assert len(rows.figure.axes) == 10 * 4
    assert [axes.get_title("left") for axes in filters.figure.axes] == [
        label for label in labels if label.startswith("corruption=")
    ]
    plain = api.load(ablation.path / "corruption=null" / "seed=0")
    drawn = rows.figure.axes[10 * labels.index("corruption=null")].images[0].get_array()
    assert drawn is not None
    shown = reconstructions.Sample(plain.splits(), plain.labelled_splits(), plain.design).shown[0]
    expected = plain.predict(plain.splits().part("dev").inputs.numpy()[shown][None])
    pixels = np.asarray(drawn).squeeze()[::4, ::4] / 255
    np.testing.assert_allclose(pixels, np.clip(expected, 0, 1).reshape(8, 8), atol=0.003)


def test_there_are_none_where_weights_are_gone_or_rows_are_no_images(
    ablation: api.Ablation, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(ablation.path, bare)
    [weights] = bare.glob("cohorts/*/weights.safetensors")
    asked = ablation.plan(), bare, ablation.summary, ablation.results
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.warns(DlxWarning, match=r"weights of 2 runs are left out, since .* is damaged"):
        assert reconstructions.draw(*asked) == []
    weights.unlink()
    assert reconstructions.draw(*asked) == []
    changes = ["data={name: iris, scale: true}", "model.encoder=[2]"]
    table = api.ablate(CONFIG, changes, runs_dir=tmp_path)
    assert not (table.path / "figures" / "reconstructions.png").exists()


@pytest.mark.slow(*PICTURES)
def test_variants_stand_below_the_rows_that_they_saw(tmp_path: Path) -> None:
    """One variant tells classes apart, one reconstructs a table, two see other images."""
    ablation = {
        "vary": [
            {"name": "classes", "model": {"name": "mlp", "hidden": [3]}},
            {"name": "first rows"},
            {"name": "table", "data": "moons"},
            {"name": "other rows", "data.split_seed": 1},
        ],
        "design": "list",
        "seeds": 1,
        "metric": "dev.cost",
    }
    ended = api.ablate(CONFIG | {"ablation": ablation}, runs_dir=tmp_path)
    rows, filters = reconstructions.draw(ended.plan(), ended.path, ended.summary, ended.results)
    labels = [axes.texts[0].get_text() for axes in rows.figure.axes if axes.texts]
    assert labels[::2] == ["input", "input"] and {*labels[1::2]} == {"first rows", "other rows"}
    assert len(filters.figure.axes) == 2
