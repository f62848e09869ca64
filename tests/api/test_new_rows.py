"""Rows of a new file with their targets: measured as the same rows are as a test part."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dlx import api
from dlx.errors import ConfigError, DataError

pytestmark = pytest.mark.usefixtures("without_pictures")

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 3)).astype(np.float32)
NUMBERS = 1e5 * (3 + X[:, 0] + 0.1 * RANDOM.normal(size=60))
CLASSES = np.array(["no", "yes"])[(X[:, 0] > 0).astype(int)]
KINDS = ["classes", "numbers", "0 and 1", "labels", "one-hot"]
TARGETS = {
    "classes": CLASSES,
    "numbers": NUMBERS,
    "0 and 1": (X[:, 0] > 0).astype(float),
    "labels": (X > 0).astype(int),
    "words": np.where(X > 0, "yes", "no"),
    "one-hot": np.eye(3, dtype=int)[X.argmax(1)],
}
SHORT = ["model.hidden=[4]", "train.epochs=2", "train.batch_size=8"]


def trained(data: dict[str, Any], folder: Path) -> api.Run:
    return api.train({"name": "r", "data": data}, SHORT, runs_dir=folder / "runs")


def same_as_test_part(run: api.Run, path: Path) -> None:
    """All metrics and scores of the file are those of the run's own test part."""
    new = run.evaluate_file(path, usual=True)
    splits = run.splits()
    known, constant = run.evaluate_beside_baseline(split="test", splits=splits, usual=True)
    assert new.metrics["new"] == pytest.approx(known["test"], rel=1e-6)
    assert new.baseline["new"] == pytest.approx(constant["test"], rel=1e-4, abs=1e-6)
    scores = run.class_scores({"new": splits.part("test")})
    assert new.class_scores == scores
    assert new.rows == len(splits.part("test").rows)


@pytest.mark.parametrize("kind", KINDS)
def test_an_npz_file(kind: str, tmp_path: Path) -> None:
    targets = TARGETS[kind]
    np.savez(tmp_path / "set.npz", x=X[:40], y=targets[:40], tx=X[40:], ty=targets[40:])
    names = {"inputs": "x", "targets": "y", "test_inputs": "tx", "test_targets": "ty"}
    run = trained({"name": "npz", "path": str(tmp_path / "set.npz"), **names}, tmp_path)
    for one, other in (("x", "y"), ("inputs", "targets")):
        np.savez(tmp_path / "new.npz", **{one: X[40:], other: targets[40:]})
        same_as_test_part(run, tmp_path / "new.npz")


@pytest.mark.parametrize("kind", [*KINDS, "words"])
def test_a_table(kind: str, tmp_path: Path) -> None:
    targets = np.asarray(TARGETS[kind]).reshape(60, -1)
    names = [f"t{number}" for number in range(targets.shape[1])]
    header = ",".join(["a", "b", "c", *names])
    lines = [",".join(map(str, [*x, *t])) for x, t in zip(X, targets.tolist(), strict=True)]
    (tmp_path / "train.csv").write_text("\n".join([header, *lines[:40]]))
    (tmp_path / "test.csv").write_text("\n".join([header, *lines[40:]]))
    paths = {part: str(tmp_path / f"{part}.csv") for part in ("train", "test")}
    target = names if len(names) > 1 else names[0]
    run = trained({"name": "csv", "path": paths, "target": target}, tmp_path)
    same_as_test_part(run, tmp_path / "test.csv")
    shuffled = "\n".join([header.replace("a,b", "b,a"), "1,2,3" + ",1" * len(names)])
    (tmp_path / "one.csv").write_text(
        shuffled.replace(",1", ",yes") if kind in ("classes", "words") else shuffled
    )
    if kind != "one-hot":
        assert run.evaluate_file(tmp_path / "one.csv").rows == 1
    if kind == "words":
        (tmp_path / "one.csv").write_text("\n".join([header, "1,2,3,yes,maybe,no"]))
        with pytest.raises(DataError, match="row 2, column 't1': 'maybe' is neither of the words"):
            run.evaluate_file(tmp_path / "one.csv")


def test_a_folder_of_classes(tmp_path: Path) -> None:
    for part, number in (("train", 20), ("test", 6)):
        for name, dark in (("cat", 0), ("dog", 120)):
            (tmp_path / part / name).mkdir(parents=True)
            for index in range(number):
                pixels = RANDOM.integers(dark, dark + 130, (5, 7), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / part / name / f"{index}.png")
    paths = {"path": str(tmp_path / "train"), "test_path": str(tmp_path / "test")}
    run = trained({"name": "image_folder", "size": 4, "grey": True, **paths}, tmp_path)
    same_as_test_part(run, tmp_path / "test")
    (tmp_path / "test/fox").mkdir()
    Image.new("L", (3, 3)).save(tmp_path / "test/fox/a.png")
    with pytest.raises(DataError, match="class 'fox' has no folder in the data that the network"):
        run.evaluate_file(tmp_path / "test")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> api.Run:
    """A run on a table of the classes no and yes."""
    folder = tmp_path_factory.mktemp("told")
    lines = [f"{x[0]},{t}" for x, t in zip(X, CLASSES, strict=True)]
    (folder / "set.csv").write_text("\n".join(["a,y", *lines]))
    return trained({"name": "csv", "path": str(folder / "set.csv"), "target": "y"}, folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,y\n1,yes\n2,perhaps\n", r"row 3: the network knows no class 'perhaps' \(it knows no"),
        ("a,y\n1,yes\n2,yse\n", "knows no class 'yse'; did you mean 'yes'"),
        ("a,y\n1,yes\n2,\n", "row 3: the target is missing or no finite number, one of 1; comp"),
        ("a,z\n1,yes\n", "no column 'y'; .*which the network predicts|no column 'y', which"),
        ("b,y\n1,yes\n", "no column 'a'"),
    ],
)
def test_a_table_that_does_not_fit(text: str, message: str, told: api.Run, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        told.evaluate_file(tmp_path / "new.csv")


def test_files_of_other_kinds(told: api.Run, tmp_path: Path) -> None:
    for name, message in (
        ("none.csv", "none.csv: no such file"),
        (
            "set.npz",
            r"set\.npz: rows with their targets are read from \.csv and \.parquet files, as",
        ),
    ):
        if "npz" in name:
            np.savez(tmp_path / name, inputs=X, targets=CLASSES)
        with pytest.raises(DataError, match=message):
            told.evaluate_file(tmp_path / name)
    run = api.train(
        "autoencoder", ["train.steps=1", *["data.limit=200"]], runs_dir=tmp_path / "runs"
    )
    with pytest.raises(
        ConfigError, match="reconstructs its inputs and is measured on its own data"
    ):
        run.evaluate_file(tmp_path / "set.npz")


def test_arrays_that_do_not_fit(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", inputs=X, targets=TARGETS["0 and 1"])
    run = trained({"name": "npz", "path": str(tmp_path / "set.npz")}, tmp_path)
    for targets, message in (
        ([0, 2], r"new\.npz, row 1 \(the first is 0\): the network knows no class '2' \(it"),
        ([0, np.nan], r"row 1 \(the first is 0\): the target is missing or no finite number"),
        ([0], "2 rows of inputs but 1 of targets"),
        ([[0, 0, 1], [0, 1, 0]], "3 targets, but the network predicts 2"),
        ([[1, 0], [1, 1]], r"row 1 \(the first is 0\): 2 ones, but a row has one class"),
    ):
        np.savez(tmp_path / "new.npz", inputs=X[:2], targets=targets)
        with pytest.raises(DataError, match=message):
            run.evaluate_file(tmp_path / "new.npz")
    np.savez(tmp_path / "new.npz", inputs=X[:2])
    with pytest.raises(DataError, match=r"the array of targets: .*new\.npz has no array 'targets'"):
        run.evaluate_file(tmp_path / "new.npz")
