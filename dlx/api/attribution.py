"""Which of the keys in which two configs differ makes the difference between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dlx.ablation.factors import same
from dlx.ablation.outcomes import Outcomes
from dlx.ablation.plan import Plan
from dlx.ablation.results import RunResult
from dlx.ablation.session import Show
from dlx.ablation.statistics.multiple import holm
from dlx.ablation.statistics.paired import Difference, paired_t
from dlx.ablation.statistics.shapley import shapley
from dlx.api.ablation import Ablation, plan_ablation, train_plan
from dlx.api.inputs import RUNS_DIR
from dlx.config import load as config_files
from dlx.config.dump import to_plain
from dlx.config.schema import RunConfig
from dlx.data.pipeline import STOP_SHARE
from dlx.errors import ConfigError, RunError
from dlx.report.run_list import IGNORED

MOST_KEYS = 6  # 64 variants
SEEDS = 5
_APART = (*IGNORED, "log", "probe")  # what changes no weights, or what a comparison holds equal


@dataclass(frozen=True)
class Share:
    """What one key does to the judged metric."""

    key: str
    values: tuple[Any, Any]  # of the first config and of the second
    share: Difference  # of the whole difference, see `shapley`
    p: float  # of the share, Holm-adjusted over the keys
    alone: float  # mean difference if the first config takes this value of the second
    last: float  # mean difference if the second config has everything but this


@dataclass(frozen=True)
class Why:
    """Why the second of two configs does better, or worse, than the first."""

    ablation: Ablation
    metric: str
    is_rising: bool  # whether larger values are better
    whole: Difference  # the second config's metric less the first's, over seeds
    shares: list[Share]  # the largest first
    left_out: int  # seeds at which some variant diverged or failed

    def document(self) -> dict[str, Any]:
        """Return it as JSON values."""

        def of(test: Difference) -> dict[str, Any]:
            return {"difference": test.mean, "low": test.low, "high": test.high, "n": test.n}

        keys = [
            {
                "key": own.key,
                "from": own.values[0],
                "to": own.values[1],
                **of(own.share),
                "p": own.p,
                "alone": own.alone,
                "last": own.last,
            }
            for own in self.shares
        ]
        return {
            "ablation": str(self.ablation.path),
            "metric": self.metric,
            "rising": self.is_rising,
            "whole": of(self.whole),
            "keys": keys,
            "seeds_left_out": self.left_out,
        }


def differing(first: RunConfig, second: RunConfig) -> dict[str, tuple[Any, Any]]:
    """Return the keys in which two configs differ, and both values.

    Where a choice differs, such as the optimizer, it is one key with all its options. So is `train`
    where one config counts epochs and the other steps, which exclude each other.
    """
    changes: dict[str, tuple[Any, Any]] = {}
    one, other = to_plain(first), to_plain(second)
    for section in one:
        _compare(one[section], other[section], section, changes)
    if {"train.epochs", "train.steps"} <= changes.keys():
        changes = {key: values for key, values in changes.items() if not key.startswith("train.")}
        changes["train"] = (one["train"], other["train"])
    return changes


def _compare(one: Any, other: Any, key: str, changes: dict[str, tuple[Any, Any]]) -> None:
    if key in _APART:
        return
    are_alike = (
        isinstance(one, Mapping)
        and isinstance(other, Mapping)
        and one.keys() == other.keys()
        and same(one.get("name")) == same(other.get("name"))
    )
    if are_alike:
        for option in one:
            _compare(one[option], other[option], f"{key}.{option}", changes)
        return
    if same(one) != same(other):
        changes[key] = (one, other)


def plan_why(
    first: RunConfig,
    second: RunConfig,
    *,
    keys: Sequence[str] | None = None,
    seeds: int | None = None,
    metric: str | None = None,
    runs_dir: Path | str = RUNS_DIR,
    data_dir: Path | str | None = None,
    jobs: int | None = None,
) -> Plan:
    """Return the ablation of all mixtures of two configs, ready to train.

    Args:
        first: what the second is compared with
        second: the other config
        keys: of those that differ, the ones to mix; the others keep the first config's values
        seeds: how many; default 5
        metric: that is judged, `<split>.<tag>`; default as in every ablation
        runs_dir: where runs that a config starts from are looked for
        data_dir: where data sets are kept
        jobs: processes that will share the work

    Raises:
        ConfigError: the configs are alike, differ in too many keys or in their data sets, or do not
            differ in a named key
    """
    # A run's engine follows from its other keys.
    first, second = (config_files.assign(c, {"train.engine": "auto"}) for c in (first, second))
    changes = differing(first, second)
    if not changes:
        raise ConfigError("both configs are the same but for name, seed and log; nothing is to ask")
    if "data" in changes:
        raise ConfigError("the data sets differ, so that no difference is made by a key; name two")
    for key in keys or ():
        if key not in changes:
            raise ConfigError(
                f"--keys: the configs do not differ in {key} (but in {_all(changes)})"
            )
    chosen = {key: changes[key] for key in keys or changes}
    if len(chosen) > MOST_KEYS:
        raise ConfigError(
            f"the configs differ in {len(chosen)} keys, and {2 ** len(chosen):,} variants would be "
            f"trained; name at most {MOST_KEYS} with --keys: {_all(changes)}"
        )
    data = to_plain(first.data)
    if first.watches_stop != second.watches_stop and "data.split" not in chosen:
        # Both are judged on the dev rows of the one that takes stop rows from them.
        split = {} if data["split"] == "auto" else data["split"]
        data["split"] = {"stop": STOP_SHARE, **split}
    section = to_plain(first.ablation) if first.ablation is not None else {}
    kept = {name: section[name] for name in ("metric", "splits") if section.get(name) is not None}
    config = to_plain(first) | {
        "name": f"why_{first.name}",
        "data": data,
        "ablation": {
            **kept,
            "vary": {key: list(values) for key, values in chosen.items()},
            "seeds": seeds or SEEDS,
            **({"metric": metric} if metric else {}),
        },
    }
    return plan_ablation(config_files.load(config), runs_dir=runs_dir, data_dir=data_dir, jobs=jobs)


def why(
    ready: Plan,
    *,
    runs_dir: Path | str = RUNS_DIR,
    jobs: int | None = None,
    show: Show = lambda progress: None,
) -> Why:
    """Train what `plan_why` planned, and share the difference out among the keys.

    Raises:
        RunError: at fewer than two seeds all variants ended with the metric
        CrashedError, MemoryLimitError, Interrupted, StorageError: as `train_plan`
    """
    ablation = train_plan(ready, runs_dir=runs_dir, jobs=jobs, show=show)
    return shared_out(ready, ablation, ablation.results)


def shared_out(ready: Plan, ablation: Ablation, results: Sequence[RunResult]) -> Why:
    """Return the answer that an ended ablation of `plan_why` gives."""
    varied = ready.section.vary
    assert isinstance(varied, Mapping)
    variants = ready.variants
    outcomes = Outcomes.of(variants, results, seeds=ready.seeds, folds=None)
    cells = np.full((*(2 for _ in varied), len(ready.seeds)), np.nan)
    for variant in variants:
        place = tuple(
            int(same(variant.settings[key]) != same(values[0])) for key, values in varied.items()
        )
        cells[place] = outcomes.values(variant.name, ready.metric)
        if not outcomes.have_same_rows(variant.name, variants[0].name, ready.metric):
            raise RunError("the keys change which rows judge, so that no difference is made by one")
    known = ~np.isnan(cells).any(tuple(range(len(varied))))
    left_out = int((~known).sum())
    if left_out > len(ready.seeds) - 2:
        raise RunError(
            f"{ablation.path}: variants diverged or failed at {left_out} of {len(ready.seeds)} "
            "seeds, and it takes two at which all ended; `dlx diagnose` says which, and --keys "
            "leaves keys out"
        )
    cells = cells[..., known]
    overlap = outcomes.redrawn(ready.baseline, ready.metric)
    first, last = (0,) * len(varied), (1,) * len(varied)
    tests = [paired_t(own, overlap=overlap) for own in shapley(cells)]
    adjusted = holm([test.p_coarse for test in tests])
    shares = [
        Share(
            key,
            (values[0], values[1]),
            test,
            float(p),
            float((cells[_at(first, place, 1)] - cells[first]).mean()),
            float((cells[last] - cells[_at(last, place, 0)]).mean()),
        )
        for place, ((key, values), test, p) in enumerate(
            zip(varied.items(), tests, adjusted, strict=True)
        )
    ]
    shares.sort(key=lambda own: -abs(own.share.mean))
    whole = paired_t(cells[last] - cells[first], overlap=overlap)
    return Why(ablation, ready.metric, ready.is_rising, whole, shares, left_out)


def _at(place: tuple[int, ...], axis: int, level: int) -> tuple[int, ...]:
    return (*place[:axis], level, *place[axis + 1 :])


def _all(keys: Mapping[str, Any]) -> str:
    return ", ".join(keys)
