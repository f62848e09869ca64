"""The directory of an ablation that has ended, as far as TensorBoard and its readers need it."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from dlx.tracking.evaluations import Record
from dlx.tracking.overview import write_overview
from tests import cohorts_on_disk
from tests.cohorts_on_disk import Row

STEPS = np.arange(5) * 10
METRICS = ("dev.accuracy", "dev.cost")


def make_ablation(runs_dir: Path, means: Mapping[str, float | None], seeds: int = 2) -> Path:
    """Make an ablation with a variant for each of the means of its final dev accuracy."""
    lines, rows, bands, variants, settings = ["variant,path"], [], {}, [], {}
    for name, mean in means.items():
        settings[name] = {"model.activation": name}
        curve = np.linspace(0.1, mean or 0, len(STEPS))
        measured = [{"dev": {"accuracy": float(v), "cost": float(1 - v)}} for v in curve]
        for seed in range(seeds):
            row = Row(
                name,
                seed,
                status="diverged" if mean is None else "completed",
                metrics={} if mean is None else measured[-1],
                differences={"model.activation": {"name": name}},
                records=[
                    Record(step, step / 10, step * 8, metrics)
                    for step, metrics in zip(STEPS.tolist(), measured, strict=True)
                ],
            )
            rows.append(row)
            lines.append(f"{name},{row.name}")
        if mean is not None:
            band = SimpleNamespace(
                steps=STEPS, mean=curve, low=curve, high=curve, runs=np.full(len(STEPS), seeds)
            )
            bands[name] = dict.fromkeys(METRICS, band)
        means_by_split = {} if mean is None else {"dev": {"accuracy": {"mean": mean}}}
        variants.append({"name": name, "metrics": means_by_split})
    path = cohorts_on_disk.make_ablation(runs_dir, "demo", rows).path
    write_overview(
        path,
        name="demo",
        settings=settings,
        folders={name: name.replace("/", "_") for name in means},
        metrics=METRICS,
        bands=bands,
        last={name: {"dev.accuracy": mean} for name, mean in means.items() if mean is not None},
        steps=dict.fromkeys(means, 40),
    )
    summary = {"metric": "dev.accuracy", "rising": True, "variants": variants}
    (path / "summary.json").write_text(json.dumps(summary))
    (path / "results.csv").write_text("\n".join(lines) + "\n")
    return path
