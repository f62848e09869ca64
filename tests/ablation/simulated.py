"""Ablations whose runs were not trained but drawn."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from dlx.ablation.results import Curve, RunResult, Variant


def grid(varied: Mapping[str, Sequence[Any]]) -> list[Variant]:
    """Return a variant for every combination of values, named by them."""
    variants = []
    for values in product(*varied.values()):
        settings = dict(zip(varied, values, strict=True))
        name = " ".join(f"{key.rpartition('.')[2]}={value}" for key, value in settings.items())
        variants.append(Variant(name, settings))
    return variants


def run(variant: Variant, seed: int, dev: float, **options: Any) -> RunResult:
    """Return a run with this dev accuracy, a lower cost, and test rows that say something else."""
    status = options.pop("status", "completed")
    metrics = {
        "train": {"cost": 1 - dev, "accuracy": min(dev + 0.02, 1.0)},
        "dev": {"cost": 1.1 - dev, "accuracy": dev},
        "test": {"cost": 1.2 - dev, "accuracy": dev - 0.01},
    }
    curve = Curve((0, 50, 100), {"dev": {"accuracy": (0.1, dev + 0.01, dev)}})
    defaults: dict[str, Any] = {"seconds": 0.5, "parameters": 81, "examples": 6400}
    settings = defaults | options
    is_scored = status in ("completed", "stopped_early")
    return RunResult(
        variant.name,
        seed,
        status,
        settings.pop("steps", 100),
        metrics=metrics if is_scored else {},
        curve=curve if is_scored else Curve((), {}),
        path=f"{variant.name}/seed={seed}",
        **settings,
    )


def runs(
    variants: Sequence[Variant],
    seeds: Sequence[int],
    level: Callable[[Variant], float],
    *,
    noise: float = 0.003,
) -> list[RunResult]:
    """Return runs whose dev accuracy is the variant's level, the seed's noise and their own."""
    generator = np.random.default_rng(0)
    shared = dict(zip(seeds, generator.normal(0, 0.01, len(seeds)), strict=True))
    return [
        run(variant, seed, level(variant) + shared[seed] + generator.normal(0, noise))
        for variant, seed in product(variants, seeds)
    ]
