"""Ablations that never ran: results and the summary that belongs to them, made of given numbers."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from dlx.ablation.results import Curve, RunResult, Variant

Level = Callable[[Mapping[str, Any], int], float]


def grid(**values: Sequence[Any]) -> list[Variant]:
    """Every combination, by `section__key` of the dotted keys."""
    keys = [name.replace("__", ".") for name in values]
    return [
        variant(dict(zip(keys, each, strict=True))) for each in itertools.product(*values.values())
    ]


def one_at_a_time(**values: Sequence[Any]) -> list[Variant]:
    """The first values, named base, and every other value alone."""
    base = {name.replace("__", "."): each[0] for name, each in values.items()}
    found = [Variant("base", base)]
    for name, each in values.items():
        key = name.replace("__", ".")
        found += [
            Variant(f"{key.split('.')[-1]}={value}", base | {key: value}) for value in each[1:]
        ]
    return found


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
    """A run of every variant at every seed, with a saturating curve up to its level."""
    found = []
    for each, seed in itertools.product(variants, range(seeds)):
        end = level(each.settings, seed)
        ended = status(each, seed)
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
        found.append(
            RunResult(
                variant=each.name,
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
                path=f"{each.name}/seed={seed}",
            )
        )
    return found


def interval(values: Sequence[float | None]) -> dict[str, Any]:
    known = np.array([value for value in values if value is not None], float)
    n = len(known)
    mean = float(known.mean()) if n else None
    half = None
    if n > 1:
        half = float(stats.t.ppf(0.975, n - 1) * known.std(ddof=1) / np.sqrt(n))
    return {
        "mean": mean,
        "low": None if half is None or mean is None else mean - half,
        "high": None if half is None or mean is None else mean + half,
        "n": n,
        "values": list(values),
    }


def summary(
    variants: Sequence[Variant],
    runs: Sequence[RunResult],
    *,
    metric: str = "dev.accuracy",
    design: str = "grid",
    baseline: str | None = None,
    margin: float = 0.005,
    steps_to: float | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """What summary.json would hold of such runs; `changes` replace fields."""
    by_name = {each.name: [run for run in runs if run.variant == each.name] for each in variants}
    baseline = baseline or variants[0].name
    base = [run.value(metric) for run in by_name[baseline]]
    keys = list(dict.fromkeys(key for each in variants for key in each.settings))
    factors = []
    for key in keys:
        levels: list[Any] = []
        for each in variants:
            if key in each.settings and each.settings[key] not in levels:
                levels.append(each.settings[key])
        numeric = all(isinstance(v, int | float) and not isinstance(v, bool) for v in levels)
        label = key.split(".")[-1]
        factors.append({"key": key, "label": label, "values": levels, "numeric": numeric})
    entries = []
    for each in variants:
        mine = by_name[each.name]
        wins = sum(run.success or False for run in mine)
        low, high = stats.binomtest(wins, len(mine)).proportion_ci(method="wilson")
        entries.append(
            {
                "name": each.name,
                "settings": dict(each.settings),
                "n": sum(run.value(metric) is not None for run in mine),
                "runs": len(mine),
                "diverged": sum(run.status == "diverged" for run in mine),
                "failed": sum(run.status == "failed" for run in mine),
                "stopped_early": sum(run.status == "stopped_early" for run in mine),
                "parameters": 1234,
                "steps": 1000,
                "examples": 32000,
                "seconds": 0.4 * len(mine),
                "seconds_per_step": 0.0004,
                "metrics": {
                    split: {
                        tag: interval([run.value(f"{split}.{tag}") for run in mine])
                        for tag in ("accuracy", "cost")
                    }
                    for split in ("train", "dev")
                },
                "success": {
                    "count": wins,
                    "n": len(mine),
                    "rate": wins / len(mine),
                    "low": low,
                    "high": high,
                },
                "steps_to": {} if steps_to is None else {"dev.accuracy": _steps(mine, steps_to)},
                "vs_baseline": None
                if each.name == baseline
                else _compared([run.value(metric) for run in mine], base, margin),
            }
        )
    return {
        "schema": 1,
        "name": "made",
        "question": f"Does {' or '.join(keys)} change {metric}?",
        "metric": metric,
        "rising": "cost" not in metric,
        "baseline": baseline,
        "margin": margin,
        "confidence": 0.95,
        "design": design,
        "seeds": sorted({run.seed for run in runs}),
        "folds": None,
        "data": ["digits"],
        "tests": {
            "difference": "paired t",
            "equivalence": "two one-sided paired t",
            "failures": "Fisher exact",
            "correction": "Holm",
        },
        "factors": factors,
        "variants": entries,
        "chosen": {"name": baseline, "test": {"accuracy": interval([0.9, 0.92])}},
        "effects": None,
        "curves_by_factor": [],
        "per_data": {},
        "warnings": [],
        "tuning": None,
        "failures": [
            {
                "variant": run.variant,
                "seed": run.seed,
                "status": run.status,
                "step": run.steps,
                "reason": run.reason,
            }
            for run in runs
            if not run.is_scored
        ],
        "command": "dlx ablate made.yaml",
    } | changes


def _steps(runs: Sequence[RunResult], threshold: float) -> dict[str, Any]:
    values = [run.steps_to["dev.accuracy"] for run in runs]
    known = [value for value in values if value is not None]
    return {
        "threshold": threshold,
        "reached": len(known),
        "n": len(values),
        "median": float(np.median(known)) if 2 * len(known) > len(values) else None,
        "low": None,
        "high": None,
        "values": values,
    }


def _compared(
    mine: Sequence[float | None], base: Sequence[float | None], margin: float
) -> dict[str, Any]:
    pairs = [a - b for a, b in zip(mine, base, strict=True) if a is not None and b is not None]
    found = interval(pairs)
    difference, low, high = found["mean"], found["low"], found["high"]
    p = None
    if len(pairs) > 1:
        is_constant = np.ptp(pairs) < 1e-12
        p = float(pairs[0] == 0)
        if not is_constant:
            p = float(np.asarray(stats.ttest_1samp(pairs, 0))[1])
    verdict = "undecided"
    if low is not None and high is not None:
        if low > 0 or high < 0:
            verdict = "better" if low > 0 else "worse"
        elif -margin < low and high < margin:
            verdict = "equivalent"
    return {
        "difference": difference,
        "low": low,
        "high": high,
        "p": p,
        "p_raw": p,
        "wins": sum(pair > 0 for pair in pairs),
        "n": len(pairs),
        "test": "paired t",
        "verdict": verdict,
        "failures": None,
        "steps_to": {},
        "why": "the interval of the difference says so",
    }
