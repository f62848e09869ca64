"""Directories of runs that never trained."""

import json
from pathlib import Path
from typing import Any

from dlx.config.load import dump, load
from dlx.runs import RunDirectory


def write_run(
    runs_dir: Path,
    *overrides: str,
    name: str = "xor",
    seed: int = 0,
    status: str = "completed",
    accuracy: float | None = 0.9,
    **info: Any,
) -> RunDirectory:
    """Make a run of XOR with a config, and say how it ended."""
    fields = described(seed, status, accuracy) | info
    return RunDirectory.create(runs_dir, name, config=_config(seed, overrides), **fields)


def write_member(ablation: RunDirectory, variant: str, *overrides: str, seed: int = 0) -> None:
    """Make a run with a folder of its own, as the runs of an ablation once had."""
    folder = ablation.path / variant / f"seed={seed}"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(_config(seed, overrides))
    fields = {"kind": "run", "variant": variant} | described(seed, "completed", 0.9)
    (folder / "run.json").write_text(json.dumps(fields))
    for name in ("metrics.jsonl", "weights.safetensors", "preprocessing.safetensors"):
        (folder / name).write_bytes(b"x")


def described(seed: int, status: str, accuracy: float | None) -> dict[str, Any]:
    metrics = None if accuracy is None else {"dev": {"accuracy": accuracy, "cost": 1 - accuracy}}
    return {
        "status": status,
        "seed": seed,
        "steps": 100,
        "epochs": 100.0,
        "examples": 400,
        "seconds": 0.5,
        "parameters": 151,
        "metrics": metrics,
    }


def _config(seed: int, overrides: tuple[str, ...]) -> str:
    return dump(load({"data": "xor", "train": {"steps": 100}, "seed": seed}, overrides))
