"""`dlx encode` and `dlx decode`, and what `dlx predict` says of an autoencoder."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Command
from tests.guarded import EXPORT


@pytest.fixture
def runs(trained_autoencoder: Path) -> list[str]:
    return ["--runs-dir", str(trained_autoencoder)]


@pytest.fixture(scope="session")
def trained_autoencoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from dlx.cli import main

    folder = tmp_path_factory.mktemp("codes") / "runs"
    short = ["train.epochs=2", "--quiet", "--runs-dir", str(folder)]
    assert main(["train", "autoencoder", *short]) == 0
    assert main(["train", "iris", *short]) == 0
    return folder


def test_evaluate_says_how_well_each_class_is_reconstructed(dlx: Command, runs: list[str]) -> None:
    result = dlx("evaluate", "autoencoder", "--json", *runs).json
    assert list(result["per_class"]) == list(result["metrics"]) == ["train", "dev", "test"]
    one = result["per_class"]["test"]["9"]
    assert set(one) == {"rows", "squared_error_per_row"}
    text = dlx("evaluate", "autoencoder", "--split", "test", *runs).out
    head, *rows = text[text.index("\nclass ") + 1 :].splitlines()[:11]
    assert head.split() == ["class", "test"]
    assert [row.split()[0] for row in rows] == [str(number) for number in range(10)]
    assert float(rows[9].split()[1]) == pytest.approx(one["squared_error_per_row"], rel=1e-3)


@pytest.mark.parametrize("form", ["npz", "csv"])
def test_codes_go_through_a_file_and_come_back_as_predictions(
    form: str, dlx: Command, runs: list[str]
) -> None:
    name = f"codes.{form}"
    ended = dlx("encode", "autoencoder", "--split", "test", "-o", name, *runs)
    assert (ended.code, ended.out, ended.err) == (0, "", f"359 codes written to {name}\n")
    decoded = dlx("decode", "autoencoder", name, "--json", *runs).json["predictions"]
    ended = dlx("predict", "autoencoder", "--split", "test", "--json", *runs)
    for reconstruction, row in zip(decoded, ended.json["predictions"], strict=True):
        assert reconstruction == {
            key: value for key, value in row.items() if key.startswith("predicted_")
        }


def test_codes_on_stdout_and_as_json(dlx: Command, runs: list[str]) -> None:
    text = dlx("encode", "autoencoder", "--split", "dev", *runs).out
    rows = list(csv.DictReader(io.StringIO(text)))
    assert list(rows[0]) == ["row", "target", *(f"code_{number}" for number in range(1, 9))]
    result = dlx("encode", "autoencoder", "--split", "dev", "--json", *runs).json
    assert result["layer"] == "code"
    assert [float(row["code_3"]) for row in rows] == pytest.approx(
        [row["code_3"] for row in result["codes"]]
    )


def test_reconstructions_are_inputs_again_and_a_picture(
    dlx: Command, runs: list[str], tmp_path: Path
) -> None:
    from PIL import Image

    dlx("encode", "autoencoder", "--split", "test", "-o", "codes.npz", *runs)
    files = ["-o", "again.npz", "--picture", "again.png"]
    ended = dlx("decode", "autoencoder", "codes.npz", *files, *runs)
    assert ended.err == "images written to again.png\n359 rows written to again.npz\n"
    again = np.load(tmp_path / "again.npz")["inputs"]
    assert again.shape == (359, 8, 8)
    with Image.open("again.png") as image:
        assert (image.mode, image.size) == ("L", (338, 338))
        first = np.asarray(image)[:32:4, :32:4] / 255
    assert np.abs(first - again[0]).max() < 0.01
    assert dlx("predict", "autoencoder", "again.npz", *runs).code == 0


def test_predict_draws_what_it_says(dlx: Command, runs: list[str], tmp_path: Path) -> None:
    from PIL import Image

    ended = dlx("predict", "autoencoder", "--split", "dev", "--picture", "said.png", *runs)
    assert (ended.code, ended.out) == (0, "")
    assert ended.err.endswith("\nimages written to said.png\n")
    with Image.open(tmp_path / "said.png") as image:
        assert image.size[0] == 880


def test_a_network_of_classes_is_asked_for_its_hidden_layer(
    dlx: Command, runs: list[str], tmp_path: Path
) -> None:
    (tmp_path / "flowers.csv").write_text("5.1,3.5,1.4,0.2\n6.0,2.9,4.5,1.5\n")
    result = dlx("encode", "iris", "flowers.csv", "-o", "codes.csv", "--json", *runs).json
    assert len(result["codes"]) == 2
    said = [
        dlx(*command, "--json", *runs).json["predictions"]
        for command in (("decode", "iris", "codes.csv"), ("predict", "iris", "flowers.csv"))
    ]
    for decoded, predicted in zip(*said, strict=True):  # of a file, as the exported script says it
        assert decoded.pop("predicted") == predicted.pop("predicted")
        assert decoded == pytest.approx(predicted, rel=1e-6)
    ended = dlx("decode", "iris", "codes.csv", "-o", "said.npz", *runs)
    assert np.load("said.npz")["outputs"].shape == (2, 3), ended.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["encode", "autoencoder"], 2, "encode takes either a file of inputs or --split"),
        (["encode", "autoencoder", "--split", "dev", "-o", "x.txt"], 2, "received x.txt; write"),
        (["encode", "autoencoder", "--split", "dev", "--layer", "9"], 2, "--layer: received 9"),
        (["decode", "autoencoder", "narrow.csv"], 3, "codes of 2 numbers, but layer code has 8"),
        (["decode", "autoencoder", "nothing.npz"], 3, "nothing.npz: no such file"),
        (
            ["decode", "iris", "wide.csv", "--picture", "p.png"],
            2,
            "are classes, not images; write the numbers with --output",
        ),
        (
            ["predict", "iris", "--split", "dev", "--picture", "p.png"],
            2,
            "are rows of shape (4,), not images; leave it out, and write the predictions with",
        ),
    ],
)
def test_mistakes(
    arguments: list[str], code: int, message: str, dlx: Command, runs: list[str], tmp_path: Path
) -> None:
    (tmp_path / "narrow.csv").write_text("code_1,code_2\n1,2\n")
    width = 16
    (tmp_path / "wide.csv").write_text(",".join(["1"] * width) + "\n")
    ended = dlx(*arguments, *runs)
    assert (ended.code, ended.out) == (code, "")
    assert message in ended.err
    assert not (tmp_path / "p.png").exists()


def test_a_table_is_reconstructed_under_its_columns(dlx: Command, tmp_path: Path) -> None:
    kinds = ["flat", "house"]
    rows = [f"h{n},{40 + 3 * n},{kinds[n % 2]},{100 + 7 * n}" for n in range(40)]
    (tmp_path / "houses.csv").write_text("\n".join(["house,area,kind,price", *rows]) + "\n")
    config = {
        "data": {"name": "csv", "path": "houses.csv", "target": "price", "id": "house"},
        "model": {"name": "autoencoder", "encoder": [2]},
        "train": {"epochs": 2, "batch_size": 8},
    }
    (tmp_path / "houses.yaml").write_text(json.dumps(config))
    dlx("train", "houses.yaml", "data.standardize=true", "-q")
    features = ["area", "kind=flat", "kind=house"]
    said = [f"predicted_{name}" for name in features]
    split = dlx("predict", "houses", "--split", "test", "--json").json["predictions"]
    columns = ["row", "house", "area", "kind", *(f"target_{name}" for name in features)]
    assert list(split[0]) == [*columns, *said]
    assert split[0]["target_area"] == pytest.approx(float(split[0]["area"]), rel=1e-5)
    file = dlx("predict", "houses", "houses.csv", "--json").json["predictions"]
    assert list(file[0]) == ["row", "house", *said]
    codes = dlx("encode", "houses", "--split", "test", "--json").json["codes"]
    assert list(codes[0]) == ["row", "house", "target", "code_1", "code_2"]
    # The target is the table's own, not what the network learned to say.
    assert [row["target"] for row in codes] == [100 + 7 * (row["row"] - 2) for row in codes]


@pytest.mark.slow(*EXPORT)
def test_predict_and_encode_images_of_mnist(dlx: Command, mnist: Path, tmp_path: Path) -> None:
    from PIL import Image

    from dlx.data.idx import read

    (path,) = mnist.glob("MNIST/raw/t10k-images-idx3-ubyte*")
    images = read(path)[:3]
    np.savez(tmp_path / "images.npz", inputs=images)
    Image.fromarray(images[0]).save(tmp_path / "image.png")
    small = ["data.limit=500", "model.encoder=[16, 4]", "train.epochs=1"]
    dlx("train", "mnist_autoencoder", *small, "-q")
    rows = dlx("predict", "mnist_autoencoder", "images.npz", "--json").json["predictions"]
    assert list(rows[0]) == [f"predicted_{number}" for number in range(1, 785)]
    one = dlx("predict", "mnist_autoencoder", "image.png", "--json").json["predictions"]
    assert list(one[0].values()) == pytest.approx(list(rows[0].values()), abs=1e-6)
    assert len(dlx("encode", "mnist_autoencoder", "image.png", "--json").json["codes"][0]) == 4


def test_samples_are_inputs_in_a_file_and_a_picture(dlx: Command, tmp_path: Path) -> None:
    dlx("train", "rbm", "train.epochs=1", "-q")
    files = ["-o", "samples.npz", "--picture", "samples.png"]
    ended = dlx("sample", "rbm", "-n", 9, "--steps", 3, *files)
    assert (ended.code, ended.out) == (0, "")
    assert np.load(tmp_path / "samples.npz")["inputs"].shape == (9, 8, 8)
    assert (tmp_path / "samples.png").read_bytes().startswith(b"\x89PNG")
    text = dlx("sample", "rbm", "-n", 9, "--steps", 3).out
    (tmp_path / "samples.csv").write_text(text)
    assert text.startswith("x1,x2,")
    for name in ("samples.npz", "samples.csv"):
        assert len(dlx("encode", "rbm", name, "--json").json["codes"]) == 9
    result = dlx("sample", "rbm", "-n", 2, "--seed", 4, "--steps", 3, "--json").json
    assert (result["seed"], len(result["samples"])) == (4, 2)
    ended = dlx("sample", "rbm", "-n", 0)
    assert (ended.code, ended.err) == (2, "error: -n: received 0; it is 1 or more\n")
