"""`dlx evaluate --importance`."""

from pathlib import Path
from typing import Any

import pytest

from dlx.data.pipeline import load_chosen
from tests.cli.conftest import Command


def test_importance_as_a_table(dlx: Command, trained: Path) -> None:
    ended = dlx("evaluate", "iris", "--importance", "--repeats", "5", "--runs-dir", trained)
    assert ended.code == 0
    lines = ended.out.splitlines()
    (start,) = (place for place, line in enumerate(lines) if line.startswith("importance"))
    assert lines[start].split() == ["importance", "mean", "low", "high"]
    means = [float(line.split("%")[0].split()[-1]) for line in lines[start + 1 : start + 5]]
    assert means == sorted(means, reverse=True)
    assert "petal length (cm)" in ended.out
    assert "drop of accuracy, " in lines[-1] and " on 30 test rows" in lines[-1]


def test_importance_as_json(dlx: Command, trained: Path) -> None:
    options = ["--metric", "error", "--split", "dev", "--json", "--runs-dir", trained]
    ended = dlx("evaluate", "iris", "--importance", *options)
    plain = dlx("evaluate", "iris", *options).json
    importance = ended.json["importance"]
    assert plain == {key: value for key, value in ended.json.items() if key != "importance"}
    assert (importance["split"], importance["metric"], importance["rising"]) == (
        "dev",
        "error",
        False,
    )
    assert (importance["rows"], importance["repeats"], len(importance["features"])) == (15, 30, 4)
    assert importance["value"] == plain["metrics"]["dev"]["error"]
    for feature in importance["features"]:
        assert feature["low"] <= feature["mean"] <= feature["high"]


def test_the_data_are_read_once(
    dlx: Command, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []

    def load(*arguments: Any) -> Any:
        read.append(arguments)
        return load_chosen(*arguments)

    monkeypatch.setattr("dlx.api.trained.load_chosen", load)
    options = ["--repeats", "2", "--runs-dir", trained]
    assert dlx("evaluate", "iris", "--importance", *options).code == 0
    assert len(read) == 1


def test_wrong_use_is_named(dlx: Command, trained: Path) -> None:
    ended = dlx("evaluate", "iris", "--repeats", "5", "--runs-dir", trained)
    assert (ended.code, ended.out) == (2, "")
    assert "--repeats is for --importance; add it, or leave out --repeats" in ended.err
    ended = dlx("evaluate", "digits", "--importance", "--runs-dir", trained)
    assert (ended.code, ended.out) == (2, "")
    assert "images or sequences of 8 × 8" in ended.err
