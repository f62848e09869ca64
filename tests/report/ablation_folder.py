"""The directory of an ablation that has ended, as far as TensorBoard and its readers need it."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from dlx.runs import RunDirectory
from dlx.tracking import FinishedRun, write_finished, write_overview

STEPS = np.arange(5) * 10
METRICS = ("dev.accuracy", "dev.cost")


def make_ablation(runs_dir: Path, means: Mapping[str, float | None], seeds: int = 2) -> Path:
    """Make an ablation with a variant for each of the means of its final dev accuracy."""
    run = RunDirectory.create(runs_dir, "demo", kind="ablation", status="completed")
    rows, runs, bands, variants, settings = ["variant,path"], [], {}, [], []
    for name, mean in means.items():
        folder = name.replace("/", "_")
        settings.append({"model.activation": name})
        curve = np.linspace(0.1, mean or 0, len(STEPS))
        for seed in range(seeds):
            rows.append(f"{name},{folder}/seed={seed}")
            metrics = {"dev": {"accuracy": curve, "cost": 1 - curve}}
            runs.append(
                FinishedRun(
                    run.path / folder / f"seed={seed}",
                    *(STEPS, STEPS / 10, STEPS * 8, STEPS / 1e3, 1.7e9 + STEPS),
                    metrics,
                    settings[-1],
                    name,
                    mean is not None,
                )
            )
        band = SimpleNamespace(
            steps=STEPS, mean=curve, low=curve, high=curve, runs=np.full(len(STEPS), seeds)
        )
        bands[folder] = dict.fromkeys(METRICS, band)
        found = {} if mean is None else {"dev": {"accuracy": {"mean": mean}}}
        variants.append({"name": name, "metrics": found})
    write_finished(runs)
    write_overview(run.path, name="demo", settings=settings, metrics=METRICS, bands=bands)
    summary = {"metric": "dev.accuracy", "rising": True, "variants": variants}
    (run.path / "summary.json").write_text(json.dumps(summary))
    (run.path / "results.csv").write_text("\n".join(rows) + "\n")
    return run.path
