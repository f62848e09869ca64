"""`dlx evaluate`, `dlx predict`, `dlx export`."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Command, environment
from tests.guarded import EXPORT


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_evaluate_repeats_the_final_metrics(dlx: Command, trained: Path) -> None:
    for name in ("digits", "iris", "xor"):
        ended = dlx("evaluate", name, "--runs-dir", trained, "--json")
        assert ended.code == 0
        (path,) = (trained / name).iterdir()
        final = json.loads((path / "run.json").read_text())
        for key in ("metrics", "baseline"):
            for split, values in final[key].items():
                own = {name: ended.json[key][split][name] for name in values}
                assert own == pytest.approx(values, rel=1e-6)


def test_evaluate_one_split(dlx: Command, trained: Path) -> None:
    ended = dlx("evaluate", "digits", "--split", "test", "--runs-dir", trained)
    rows, _, scores = ended.out.partition("(metrics of")
    assert [line.split()[0] for line in rows.splitlines()[2:]] == ["test", "baseline,"]
    assert rows.splitlines()[1].split() == ["cost", "accuracy", "precision", "recall", "f1"]
    heading, *classes = scores.partition("\n\n")[2].splitlines()
    assert heading.split() == ["class,", "test", "rows", "precision", "recall", "f1"]
    assert [line.split()[0] for line in classes] == [*"0123456789"]


def test_evaluate_new_rows(dlx: Command, tmp_path: Path) -> None:
    lines = [f"{x % 7},{x},{'yes' if x % 7 > 3 else 'no'}" for x in range(60)]
    (tmp_path / "new.csv").write_text("\n".join(["a,b,won", *lines[:20]]))
    (tmp_path / "old.csv").write_text("\n".join(["a,b,won", *lines[20:]]))
    config = "data: {name: csv, path: old.csv, target: won, standardize: true}\n"
    (tmp_path / "won.yaml").write_text(config + "train: {epochs: 20, batch_size: 8}\n")
    dlx("train", "won.yaml", "--quiet", "--no-figures")
    (tmp_path / "old.csv").unlink()
    ended = dlx("evaluate", "won", "new.csv")
    assert [line.split()[0] for line in ended.out.splitlines()[2:4]] == ["new", "baseline,"]
    assert "on the 20 rows of new.csv)" in ended.out
    result = dlx("evaluate", "won", "new.csv", "--json").json
    assert (result["rows"], result["input"]) == ({"new": 20}, "new.csv")
    no, yes = result["per_class"]["new"].values()
    assert (no["rows"], yes["rows"]) == (12, 8)
    right = no["recall"] * 12 + yes["recall"] * 8
    assert result["metrics"]["new"]["accuracy"] == pytest.approx(right / 20)
    for option in (["--split", "test"], ["--importance"]):
        ended = dlx("evaluate", "won", "new.csv", *option)
        assert (ended.code, f"{option[0]} is for the run's own data" in ended.err) == (2, True)


def test_evaluate_a_split_without_rows(dlx: Command) -> None:
    dlx("train", "iris", "train.steps=2", "train.early_stopping=null", "data.split={dev: 0}", "-q")
    ended = dlx("evaluate", "iris", "--split", "dev")
    assert ended.code == 3
    assert "was split without dev rows; there are train, test" in ended.err


def test_the_truth_table_of_xor(dlx: Command, trained: Path) -> None:
    ended = dlx("predict", "xor", "--split", "test", "--runs-dir", trained)
    assert ended.code == 0
    rows = table(ended.out)
    assert list(rows[0]) == ["x1", "x2", "target", "predicted", "p(0)", "p(1)"]
    assert [(float(row["x1"]), float(row["x2"]), row["target"]) for row in rows] == [
        (0, 0, "0"),
        (0, 1, "1"),
        (1, 0, "1"),
        (1, 1, "0"),
    ]
    for row in rows:
        assert float(row["p(0)"]) + float(row["p(1)"]) == pytest.approx(1)
        assert row["predicted"] == row["target"] == str(int(float(row["p(1)"]) > 0.5))


def test_predict_a_split_agrees_with_its_accuracy(dlx: Command, trained: Path) -> None:
    rows = table(dlx("predict", "digits", "--split", "dev", "--runs-dir", trained).out)
    assert list(rows[0])[:4] == ["row", "target", "predicted", "p(0)"]
    right = [row["target"] == row["predicted"] for row in rows]
    ended = dlx("evaluate", "digits", "--split", "dev", "--runs-dir", trained, "--json")
    assert np.mean(right) == pytest.approx(ended.json["metrics"]["dev"]["accuracy"])


def test_inputs_with_names_are_shown_before_preprocessing(dlx: Command, trained: Path) -> None:
    from sklearn.datasets import load_iris

    rows = table(dlx("predict", "iris", "--split", "test", "--runs-dir", trained).out)
    measured = load_iris().data.astype(np.float32)  # type: ignore[attr-defined]
    for row in rows:
        shown = [float(value) for value in list(row.values())[1:5]]
        assert shown == pytest.approx(measured[int(row["row"])], abs=1e-6)


def test_predict_a_csv_file(dlx: Command, trained: Path, tmp_path: Path) -> None:
    split = dlx("predict", "iris", "--split", "test", "--runs-dir", trained)
    (tmp_path / "flowers.csv").write_text(split.out)  # more columns than inputs, in its order
    ended = dlx("predict", "iris", "flowers.csv", "--runs-dir", trained, "-o", "said.csv")
    assert (ended.code, ended.out) == (0, "")
    (path,) = (trained / "iris").iterdir()
    assert ended.err == f"run: {path}\n30 rows written to said.csv\n"
    for expected, row in zip(
        table(split.out), table((tmp_path / "said.csv").read_text()), strict=True
    ):
        assert list(row) == ["predicted", "p(setosa)", "p(versicolor)", "p(virginica)"]
        assert row["predicted"] == expected["predicted"]
        assert float(row["p(setosa)"]) == pytest.approx(float(expected["p(setosa)"]), abs=1e-6)


def test_predict_arrays_and_images(dlx: Command, trained: Path, tmp_path: Path) -> None:
    from PIL import Image

    pixels = np.linspace(0, 255, 64).reshape(8, 8).astype(np.uint8)
    np.save(tmp_path / "a.npy", pixels / np.float32(255))
    np.savez(tmp_path / "a.npz", inputs=pixels[None] / np.float32(255))
    Image.fromarray(pixels).save(tmp_path / "a.png")
    results = [
        dlx("predict", "digits", name, "--runs-dir", trained, "--json").json["predictions"]
        for name in ("a.npy", "a.npz", "a.png")
    ]
    assert results[0] == results[1] == results[2]
    assert sum(
        value for key, value in results[0][0].items() if key != "predicted"
    ) == pytest.approx(1)


def test_images_are_predicted_as_they_were_trained(dlx: Command, tmp_path: Path) -> None:
    """Black strokes on a transparent ground, of any size and format, from a folder or alone."""
    from PIL import Image

    for name, box in (("bar", (2, 0, 4, 12)), ("line", (0, 2, 12, 4))):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number, suffix in enumerate((".png", ".webp", ".gif", ".tif") * 5):
            image = Image.new("RGBA", (12, 12))
            image.paste((0, 0, 0, 255), (box[0], box[1], box[2] + number % 3, box[3] + number % 3))
            image.save(tmp_path / "set" / name / f"{number}{suffix}")
    (tmp_path / "set/bar/notes.txt").touch()
    config = "data: {name: image_folder, path: set, size: 6, grey: true}\nmodel: {hidden: [4]}\n"
    (tmp_path / "set.yaml").write_text(config + "train: {epochs: 30, batch_size: 4}\n")
    trained = dlx("train", "set.yaml", "--quiet", "--no-figures")
    assert "note: " in trained.err and "holds 40 images of 2 classes: bar (20), line" in trained.err
    assert "left out 1 .txt files" in trained.err
    ended = dlx("predict", "set", "set")
    assert "note: set: left out 1 .txt files" in ended.err
    rows = table(ended.out)
    assert [*rows[0]] == ["file", "predicted", "p(bar)", "p(line)"]
    assert {row["file"]: row["predicted"] for row in rows} == {
        f"{name}/{path.name}": name
        for name in ("bar", "line")
        for path in (tmp_path / "set" / name).glob("*.[pwgt][!x]*")
    }
    alone = dlx("predict", "set", f"set/{rows[7]['file']}")
    assert table(alone.out)[0]["predicted"] == rows[7]["predicted"]
    shown = dlx("data", "show", "image_folder", "path=set", "grey=true")
    assert "left out 1 .txt files" in shown.err


@pytest.mark.parametrize("arguments", [[], ["a.csv", "--split", "test"]])
def test_predict_takes_one_source(arguments: list[str], dlx: Command, trained: Path) -> None:
    ended = dlx("predict", "iris", *arguments, "--runs-dir", trained)
    assert ended.code == 2
    assert "either a file of inputs or --split" in ended.err


def test_predict_numbers_that_are_no_probabilities(dlx: Command) -> None:
    dlx("train", "xor", "model.output=tanh", "train.steps=2", "--quiet")
    rows = table(dlx("predict", "xor", "--split", "test").out)
    assert list(rows[0]) == ["x1", "x2", "target", "predicted", "output(1)"]
    assert all(row["predicted"] == str(int(float(row["output(1)"]) > 0)) for row in rows)


def test_predict_several_labels(dlx: Command) -> None:
    from dlx import api

    ended = dlx("train", "gates/half_adder", "--quiet", "--json")
    assert ended.json["metrics"]["train"]["accuracy"] == 1
    rows = table(dlx("predict", "half_adder", "--split", "test").out)
    assert list(rows[0]) == [
        *("x1", "x2", "target(sum)", "target(carry)"),
        *("predicted(sum)", "predicted(carry)", "p(sum)", "p(carry)"),
    ]
    for row in rows:
        for name in ("sum", "carry"):
            said = row[f"predicted({name})"]
            assert said == row[f"target({name})"] == str(int(float(row[f"p({name})"]) > 0.5))
    run = api.load("half_adder")
    assert run.classify(run.predict([[0, 0], [0, 1], [1, 1]])) == [(), ("sum",), ("carry",)]


EXPORTED = {
    "digits": [],
    "breast_cancer": ["model.batch_norm=true", "model.dropout={input: 0.1, hidden: 0.2}"],
    "iris": ["model.batch_norm={position: after}", "model.hidden=[5, 4]"],
    "gates/half_adder": [],
    "xor": ["model.hidden=[3]", "model.activation=step", "train.steps=0"],
}


@pytest.mark.slow(*EXPORT)
def test_the_exported_scripts_compute_the_same(dlx: Command, tmp_path: Path) -> None:
    from dlx import api

    runs = {}
    for config, overrides in EXPORTED.items():
        name = config.split("/")[-1]
        dlx("train", config, "train.steps=20", *overrides, "--quiet")
        ended = dlx("export", name, "--output", name, "--json")
        assert ended.code == 0
        files = ["weights.safetensors", "load.py"]
        if name in ("iris", "breast_cancer"):
            files.insert(1, "preprocessing.safetensors")
        assert ended.json["files"] == [f"{name}/{file}" for file in files]
        run = api.load(name)
        inputs = np.random.default_rng(0).standard_normal((50, run.task.num_inputs), np.float32)
        if run.preprocessing.shift is not None and run.preprocessing.scale is not None:
            inputs = inputs * run.preprocessing.scale.numpy() + run.preprocessing.shift.numpy()
        np.save(tmp_path / name / "inputs.npy", inputs)
        text = (tmp_path / name / "load.py").read_text()
        assert "dlx" not in [line.split()[1] for line in text.splitlines() if "import " in line]
        assert f"nn.Linear({run.task.num_inputs}, " in text
        runs[name] = run, inputs
    # In a process that has never heard of dlx: each script itself, then its function.
    code = (
        "import runpy, sys, numpy, torch\n"
        f"for name in {list(runs)}:\n"
        "    loaded = runpy.run_path(f'{name}/load.py', run_name='__main__')\n"
        "    inputs = numpy.load(f'{name}/inputs.npy')\n"
        "    outputs = loaded['predict'](torch.from_numpy(inputs))\n"
        "    numpy.save(f'{name}/outputs.npy', outputs.numpy())\n"
        "assert not any(name.partition('.')[0] == 'dlx' for name in sys.modules)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.count("Sequential(") == len(runs)
    for name, (run, inputs) in runs.items():
        outputs = np.load(tmp_path / name / "outputs.npy")
        assert np.abs(outputs - run.predict(inputs)).max() <= 1e-6, name


def test_export_goes_into_the_run(dlx: Command, trained: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(trained, tmp_path / "runs")
    ended = dlx("export", "xor")
    (path,) = Path("runs/xor").iterdir()
    assert ended.out.splitlines() == [
        str(path / "export" / "weights.safetensors"),
        str(path / "export" / "load.py"),
    ]


@pytest.mark.slow(*EXPORT)
def test_onnx(dlx: Command, trained: Path) -> None:
    pytest.importorskip("onnxscript", reason="needs dlx[onnx]")
    from onnx.reference import ReferenceEvaluator  # pyright: ignore[reportMissingImports]

    from dlx import api

    ended = dlx("export", "iris", "--format", "onnx", "-o", "o", "--runs-dir", trained)
    assert ended.out == "o/network.onnx\n"
    inputs = np.random.default_rng(0).random((7, 4), dtype=np.float32) * 5
    (outputs,) = ReferenceEvaluator("o/network.onnx").run(None, {"inputs": inputs})
    expected = api.load("iris", runs_dir=trained).predict(inputs)
    assert np.abs(outputs - expected).max() <= 1e-6


def test_onnx_without_its_packages(
    dlx: Command, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    ended = dlx("export", "iris", "--format", "onnx", "--runs-dir", trained)
    assert ended.code == 2
    assert "pip install 'dlx[onnx]'" in ended.err
