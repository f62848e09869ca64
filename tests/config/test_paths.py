from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from dlx.config import merge
from dlx.config.load import load
from dlx.config.merge import resolve_paths
from dlx.config.nodes import from_plain


class Files(BaseModel):
    path: Path
    parts: dict[str, Path]
    several: list[Path]
    cache: Literal["auto"] | Path | None
    title: str


class Outer(BaseModel):
    files: Files | None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"path": "rows.csv"}, {"path": "/configs/rows.csv"}),
        ({"path": "/data/rows.csv"}, {"path": "/data/rows.csv"}),
        ({"parts": {"train": "a.csv"}}, {"parts": {"train": "/configs/a.csv"}}),
        ({"several": ["a", "b/c"]}, {"several": ["/configs/a", "/configs/b/c"]}),
        ({"cache": "auto", "title": "a.csv"}, {"cache": "auto", "title": "a.csv"}),
        ({"cache": "here"}, {"cache": "/configs/here"}),
        ({"cache": None, "path": 3, "nonsense": "x"}, {"cache": None, "path": 3, "nonsense": "x"}),
    ],
)
def test_only_values_of_paths_change(values: Any, expected: Any) -> None:
    resolved = resolve_paths(from_plain({"files": values}), Path("/configs"), Outer)
    assert resolved.plain() == {"files": expected}


def test_the_home_folder_and_the_working_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    node = from_plain({"path": "~/rows.csv", "several": ["rows.csv"]})
    assert resolve_paths(node, Path(), Files).plain() == {
        "path": str(tmp_path / "home/rows.csv"),
        "several": [str(tmp_path / "rows.csv")],
    }


def test_a_config_without_paths_stays_as_it_is() -> None:
    node = from_plain({"data": {"name": "digits"}, "model": {"hidden": [3]}, "seed": 1})
    assert resolve_paths(node, Path("/configs")) == node
    problems: list[str] = []
    assert merge.override(node, ["data.name=iris"], problems).plain()["data"] == {"name": "iris"}
    assert problems == []


def test_what_is_a_path_depends_on_the_name_of_the_source(tmp_path: Path) -> None:
    """`inputs` is a path for npy, and the name of an array for npz."""
    (tmp_path / "base.yaml").write_text("data: {name: npz, path: x.npz}\n")
    (tmp_path / "more").mkdir()
    config = tmp_path / "more/mine.yaml"
    config.write_text("extends: ../base.yaml\ndata: {inputs: x_train}\n")
    data = load(config, ["data.targets=y_train"]).data
    assert data.path.resolve() == tmp_path / "x.npz"
    assert (data.inputs, data.targets) == ("x_train", "y_train")
    config.write_text("data: {name: npy, inputs: x.npy, targets: y.npy}\n")
    data = load(config, ["data.targets=z.npy"]).data
    assert (data.inputs, data.targets) == (tmp_path / "more/x.npy", Path("z.npy").absolute())


def test_paths_at_dotted_keys_of_an_ablation() -> None:
    section = {
        "vary": {"data.path": ["a.csv", "/b.csv"], "optimizer.lr": "0.1..1 log 3"},
        "tune": {"data.path": ["a.csv"]},
        "exclude": [{"data.path": "a.csv", "model.activation": "relu"}],
        "only": {"optimizer.lr": {"data.path": ["a.csv"]}},
        "baseline": {"data.path": "a.csv"},
        "metric": "dev.cost",
    }
    resolved = resolve_paths(from_plain({"ablation": section}), Path("/configs")).plain()
    assert resolved["ablation"] == {
        "vary": {"data.path": ["/configs/a.csv", "/b.csv"], "optimizer.lr": "0.1..1 log 3"},
        "tune": {"data.path": ["/configs/a.csv"]},
        "exclude": [{"data.path": "/configs/a.csv", "model.activation": "relu"}],
        "only": {"optimizer.lr": {"data.path": ["/configs/a.csv"]}},
        "baseline": {"data.path": "/configs/a.csv"},
        "metric": "dev.cost",
    }
    section = {"vary": [{"name": "a", "data.path": "a.csv"}, {"data": {"path": "b.csv"}}]}
    resolved = resolve_paths(from_plain({"ablation": section}), Path("/configs")).plain()
    assert resolved["ablation"]["vary"] == [
        {"name": "a", "data.path": "/configs/a.csv"},
        {"data": {"path": "/configs/b.csv"}},
    ]
