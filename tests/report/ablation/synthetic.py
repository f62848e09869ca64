"""Ablations that never ran: results and their summary, from given numbers."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dlx.ablation.results import RunResult, Variant
from dlx.ablation.summary import summarize
from dlx.tracking.evaluations import Curve

Level = Callable[[Mapping[str, Any], int], float]


def grid(**values: Sequence[Any]) -> list[Variant]:
    """Return a variant for every combination of values, given by `section__key`."""
    keys = [name.replace("__", ".") for name in values]
    return [
        variant(dict(zip(keys, row, strict=True))) for row in itertools.product(*values.values())
    ]


def one_at_a_time(**values: Sequence[Any]) -> list[Variant]:
    """Return the first values, named base, and a variant for every other value."""
    base = {name.replace("__", "."): of_key[0] for name, of_key in values.items()}
    variants = [Variant("base", base)]
    for name, of_key in values.items():
        key = name.replace("__", ".")
        variants += [
            Variant(f"{key.split('.')[-1]}={value}", base | {key: value}) for value in of_key[1:]
        ]
    return variants


def variant(settings: Mapping[str, Any]) -> Variant:
    name = " ".join(f"{key.split('.')[-1]}={value}" for key, value in settings.items())
    return Variant(name, settings)


def results(
    variants: Sequence[Variant],
    seeds: int,
    level: Level,
    *,
    steps: int = 1000,
    points: int = 41,
    status: Callable[[Variant, int], str] = lambda variant, seed: "completed",
    threshold: float | None = None,
) -> list[RunResult]:
    """Return a run of every variant at every seed, with a curve that saturates at its level."""
    runs = []
    for variant, seed in itertools.product(variants, range(seeds)):
        end = level(variant.settings, seed)
        ended = status(variant, seed)
        share = (1 - np.exp(-5 * np.linspace(0, 1, points))) / (1 - np.exp(-5))
        dev = 0.1 + (end - 0.1) * share
        train = 0.1 + (min(end + 0.02, 1) - 0.1) * share
        values = {
            "train": {"accuracy": tuple(train), "cost": tuple(2.3 * (1 - train) + 0.01)},
            "dev": {"accuracy": tuple(dev), "cost": tuple(2.3 * (1 - dev) + 0.02)},
        }
        places = tuple(int(step) for step in np.linspace(0, steps, points))
        reached = {}
        if threshold is not None:
            over = np.flatnonzero(dev >= threshold)
            reached = {"dev.accuracy": places[over[0]] if len(over) else None}
        scored = ended in ("completed", "stopped_early")
        runs.append(
            RunResult(
                variant=variant.name,
                seed=seed,
                status=ended,  # type: ignore[arg-type]
                steps=steps if scored else steps // 7,
                seconds=0.4,
                parameters=1234,
                examples=steps * 32,
                metrics={s: {t: v[-1] for t, v in m.items()} for s, m in values.items()}
                if scored
                else {},
                curve=Curve(places, values),
                steps_to=reached,
                success=bool(scored and end >= 0.9),
                reason="" if scored else "the cost was not finite at step 142",
                path=f"{variant.name}/seed={seed}",
            )
        )
    return runs


def summary(
    variants: Sequence[Variant],
    runs: Sequence[RunResult],
    *,
    metric: str = "dev.accuracy",
    design: str = "grid",
    baseline: str | None = None,
    steps_to: float | None = None,
    comparisons: str = "baseline",
    **changes: Any,
) -> dict[str, Any]:
    """Return the summary of such runs; `changes` replace its fields."""
    varied: dict[str, list[Any]] = {}
    for variant in variants:
        for key, value in variant.settings.items():
            if value not in varied.setdefault(key, []):
                varied[key].append(value)
    document = summarize(
        variants,
        runs,
        name="made",
        metric=metric,
        baseline=baseline or variants[0].name,
        varied=varied,
        seeds=sorted({run.seed for run in runs}),
        design=design,
        data=["digits"],
        comparisons=comparisons,
        success={"dev.accuracy": 0.9},
        steps_to={} if steps_to is None else {"dev.accuracy": steps_to},
        command="dlx ablate made.yaml",
    )
    return document | changes
