"""A run of an ablation that is materialised has the files of the same run trained by itself."""

import json
from pathlib import Path
from typing import Any

import pytest

from dlx import api
from dlx.errors import DivergedError
from dlx.runs.info import CIRCUMSTANCES

CLOCKS = ("seconds", "time", "crc")
TABLE = "x,color,y\n" + "".join(f"{n % 7},{'rgb'[n % 3]},{n % 2}\n" for n in range(60))

CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "gates": ({"data": "xor", "train": {"steps": 12, "batch_size": "all"}}, []),
    "test rows of their own, evaluated as training goes": (
        {"data": {"name": "digits", "limit": 90}, "model": {"batch_norm": True}},
        ["log.level=standard"],
    ),
    "statistics of layers": (
        {"data": {"name": "digits", "limit": 90}, "model": {"dropout": 0.2}},
        ["log.level=full"],
    ),
    "early stopping": (
        {"data": {"name": "digits", "limit": 90}},
        ["train.early_stopping={metric: dev.cost, patience: 1}", "optimizer.lr=0.3"],
    ),
    "a table": ({"data": {"name": "csv", "path": "table.csv", "target": "y"}}, []),
    "numbers": ({"data": "diabetes"}, []),
    "stages of pre-training": (
        {"data": {"name": "digits", "limit": 90}, "pretrain": {"epochs": 1}},
        ["model.hidden=[6, 5]"],
    ),
    "codes and what they are worth": (
        {
            "data": {"name": "digits", "limit": 200, "scale": True},
            "model": {"name": "autoencoder", "encoder": [5], "corruption": "masking"},
            "probe": {"labels": 50, "fine_tune": {"steps": 3}},
        },
        [],
    ),
    "divergence": (
        {"data": "diabetes", "model": {"activation": "identity"}, "optimizer": "sgd"},
        ["optimizer.lr=1e30"],
    ),
    "a stage of pre-training that diverges": (
        {
            "data": {"name": "digits", "limit": 90},
            "pretrain": {"epochs": 2, "optimizer": {"name": "sgd", "lr": 1e38}},
            "model": {"hidden": [6], "activation": "relu"},
        },
        [],
    ),
}


def timeless(lines: bytes) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in lines.splitlines()]
    return [{k: v for k, v in record.items() if k not in CLOCKS} for record in records]


@pytest.mark.parametrize("case", CASES)
def test_files_are_the_same(
    case: str, tmp_path: Path, one_thread: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("table.csv").write_text(TABLE)
    config, overrides = CASES[case]
    config = {"name": "same", "model": {"hidden": [4]}, "train": {"epochs": 3}} | config
    config["train"] = {"batch_size": 32, "checkpoint_seconds": 0} | config["train"]
    varied = ["train.clip_norm=null,1"]
    together = api.ablate(config, overrides, varied=varied, seeds=2, runs_dir=tmp_path / "many")
    run = api.load(f"{together.path}#3")  # seed 0 of the second variant
    alone = api.new_training(api.prepare(run.config), runs_dir=tmp_path / "one")
    try:
        alone.train()
    except DivergedError:
        assert run.status == "diverged"
    names = {path.name for path in run.path.iterdir() if path.is_file()}
    assert {"config.yaml", "run.json", "metrics.jsonl", "preprocessing.safetensors"} <= names
    assert ("weights.safetensors" in names) == (run.status != "diverged")
    assert ("table.json" in names) == (case == "a table")
    assert ("pretraining.jsonl" in names) == ("pretrain" in config)
    for name in sorted(names - {"run.json", "metrics.jsonl", "pretraining.jsonl"}):
        assert (run.path / name).read_bytes() == (alone.path / name).read_bytes(), name
    metrics = [(path / "metrics.jsonl").read_bytes() for path in (run.path, alone.path)]
    assert timeless(metrics[0]) == timeless(metrics[1]) != []
    ours, others = (json.loads((path / "run.json").read_bytes()) for path in (run.path, alone.path))
    assert list(ours) == list(others)
    aside = {*CIRCUMSTANCES, "digest", "digests"}
    for field in ours.keys() - aside:
        assert without_reuse(ours[field]) == without_reuse(others[field]), field
    assert ours["digests"].keys() == others["digests"].keys()


def without_reuse(value: Any) -> Any:
    """Return a field of run.json without whether stages came from the cache."""
    if isinstance(value, list):
        return [without_reuse(item) for item in value]
    return {k: v for k, v in value.items() if k != "reused"} if isinstance(value, dict) else value
