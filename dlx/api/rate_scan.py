"""Which learning rate a config should train with: many rates, a few steps each, as one cohort.

# K runs: rates x seeds
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np

from dlx.ablation import planning
from dlx.ablation.plan import Plan, PlannedCohort, runs_by_path
from dlx.api.inputs import RUNS_DIR, data_directory
from dlx.config import load as config_files
from dlx.config.schema import ENDS, RunConfig
from dlx.config.types import LAST_SEED
from dlx.denormals import flushed_denormals
from dlx.errors import ConfigError, DivergedError
from dlx.training.job import Job
from dlx.training.pretraining import FOLDER, pretrain
from dlx.training.process import matmul_precision
from dlx.training.records import Outcome, Show
from dlx.training.session import Observer, Session
from dlx.training.store import Store
from dlx.training.trainer import Trainer
from dlx.training.transfer import located

NUM_RATES, SEEDS = 30, 3
RANGE = "1e-6..10"
STEPS = 100
_LOWEST, _HIGHEST = 1e-37, 3e38  # of single precision, which weights have
_ENOUGH = 0.95  # of the largest fall of the cost: a rate that reaches it is as good as the best
_LEARNED = 0.9  # of the cost of the best constant answer; as for a diagnosis
_SAFE = 0.5  # of the largest fall: a rate that is too large loses more of it


@dataclass(frozen=True)
class Rate:
    """What a learning rate does in a few steps."""

    lr: float
    costs: tuple[float | None, ...]  # of training rows after the steps, by seed; None: diverged
    starts: tuple[float, ...]  # before the first step

    @property
    def cost(self) -> float | None:
        """The mean over the seeds; None if one of them diverged."""
        known = [cost for cost in self.costs if cost is not None]
        return float(np.mean(known)) if len(known) == len(self.costs) else None

    def falls_by(self, fall: float) -> bool:
        """Whether the cost is finite and lower by so much than at the start, at every seed."""
        return all(
            cost is not None and cost <= start - fall
            for cost, start in zip(self.costs, self.starts, strict=True)
        )


@dataclass(frozen=True)
class RateScan:
    """What the rates of a range do to a config."""

    config: RunConfig  # with the rate that it has
    steps: int  # of each run
    seeds: tuple[int, ...]
    rates: tuple[Rate, ...]  # ascending
    constant: float | None = None  # the cost of the best constant answer; None: it is not known

    @property
    def start(self) -> float:
        """The mean cost before the first step."""
        return float(np.mean(self.rates[0].starts))

    @property
    def best(self) -> Rate | None:
        """The rate with the lowest cost; None if none lowers it at every seed."""
        falling = [rate for rate in self.rates if rate.cost is not None and rate.falls_by(0.0)]
        return min(falling, key=lambda rate: rate.cost or 0.0, default=None)

    @property
    def largest_safe(self) -> float | None:
        """The end of the rates from the best one on that keep half of its fall at every seed."""
        if self.best is None:
            return None
        above = self.rates[self.rates.index(self.best) + 1 :]
        kept = takewhile(lambda rate: rate.falls_by(_SAFE * self._fall), above)
        return [self.best, *kept][-1].lr

    @property
    def suggested(self) -> float | None:
        """The smallest rate whose cost falls by 95 % of what it falls by at the best rate."""
        enough = self.start - _ENOUGH * self._fall
        costs = {rate.lr: rate.cost for rate in self.rates if rate.cost is not None}
        return min(lr for lr, cost in costs.items() if cost <= enough) if self.best else None

    @property
    def _fall(self) -> float:
        """By how much the best rate lowers the mean cost."""
        return 0.0 if self.best is None else self.start - (self.best.cost or 0.0)

    @property
    def remarks(self) -> list[str]:
        """Sentences on a range that does not reach far enough, and on what was left aside."""
        remarks = []
        reached = self.best and self.best.cost
        if self.constant and reached and reached > _LEARNED * self.constant:
            remarks.append(
                f"nothing was learned at any rate: the lowest cost is {reached:.4g}, and that of "
                f"always giving the same answer is {self.constant:.4g}; so the suggested rate says "
                "little: try more --steps, or look for the cause with `dlx inspect`"
            )
        if self.largest_safe == self.rates[-1].lr:
            remarks.append(
                f"even {self.largest_safe:.3g} is safe: the range ends too early to show the "
                "largest rate; give --range a higher end"
            )
        if self.suggested is not None and self.suggested == self.rates[0].lr:
            remarks.append(
                f"the range begins with the best rate, {self.suggested:.3g}; give --range a lower "
                "beginning"
            )
        schedule = self.config.optimizer.schedule
        if schedule.name != "constant":
            remarks.append(
                f"every rate was held constant; optimizer.schedule {schedule.name} was left aside"
            )
        return remarks

    def document(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "name": self.config.name,
            "optimizer": self.config.optimizer.name,
            "metric": "train.cost",
            "steps": self.steps,
            "seeds": list(self.seeds),
            "start": self.start,
            "current": self.config.optimizer.lr,
            "largest_safe": self.largest_safe,
            "suggested": self.suggested,
            "rates": [
                {
                    "lr": rate.lr,
                    "cost": rate.cost,
                    "costs": list(rate.costs),
                    "diverged": rate.costs.count(None),
                    "lowers": rate.falls_by(0.0),
                }
                for rate in self.rates
            ],
            "remarks": self.remarks,
        }


def parse_range(text: str) -> tuple[float, float]:
    """Return the ends of a range of rates, `LOW..HIGH`; ConfigError where it is none."""
    parts = re.fullmatch(rf"\s*{ENDS}\s*", text)
    low, high = map(float, parts.groups()) if parts else (0.0, 0.0)
    if not _LOWEST <= low < high <= _HIGHEST:
        raise ConfigError(
            f"--range: received {text!r}; write two rates above 0, the lower one first, such as "
            f"{RANGE}; they lie between {_LOWEST:g} and {_HIGHEST:g}"
        )
    return low, high


@flushed_denormals()
def scan_rates(
    config: RunConfig,
    *,
    ends: tuple[float, float],
    num_rates: int = NUM_RATES,
    steps: int | None = None,
    seeds: int = SEEDS,
    runs_dir: Path | str = RUNS_DIR,
    data_dir: Path | str | None = None,
    show: Show = lambda progress: None,
) -> RateScan:
    """Train a config with many learning rates for a few steps; no run is kept.

    All rates and seeds are runs of one cohort (of several where memory asks for it). A rate is held
    constant, and nothing stops early. Rates lie at equal ratios. In place of one run whose rate
    rises step by step, which shows the sum of what all rates before have done, every rate has a
    run of its own from the same start.

    Args:
        config: what is trained
        ends: the smallest and the largest rate
        num_rates: how many
        steps: of each run; default: 100, or the config's own if they are fewer
        seeds: how many, from the config's seed on
        runs_dir: where runs that the config starts from, and stages of pre-training, are kept
        data_dir: where data sets are kept
        show: is told of progress

    Raises:
        ConfigError: the config cannot be trained
        DataError: the data are missing or damaged
        DivergedError: every run diverged

    Reference:
        Smith (2017), Cyclical learning rates for training neural networks, section 3.3, is the
        usual finder, with one run
    """
    rates = [float(f"{rate:.4g}") for rate in np.geomspace(*ends, num_rates)]
    if len(set(rates)) < len(rates):
        near = f"{ends[0]:g} and {ends[1]:g} are too near for {num_rates} rates"
        raise ConfigError(f"--range: {near}; name fewer with --rates")
    plan, count = _plan(config, rates, steps, seeds, Path(runs_dir), data_directory(data_dir))
    costs: dict[str, list[float | None]] = {}
    for cohort in plan.cohorts:
        costs |= _train(plan, cohort, Path(runs_dir), show)
    scanned = []
    for rate, arm in zip(rates, plan.arms("comparison"), strict=True):
        first, last = zip(
            *(costs[run.path] for run in plan.runs("comparison") if run.arm is arm), strict=True
        )
        scanned.append(Rate(rate, last, first))
    if all(cost is None for rate in scanned for cost in rate.costs):
        raise DivergedError(
            f"all {len(costs)} runs diverged, with rates from {rates[0]:.3g} on; give --range a "
            "lower beginning, or data.standardize inputs that are large"
        )
    constant = _constant_cost(plan.job(plan.runs("comparison")[0]))
    return RateScan(config, count, tuple(plan.seeds), tuple(scanned), constant)


def _plan(
    config: RunConfig,
    rates: Sequence[float],
    steps: int | None,
    seeds: int,
    runs_dir: Path,
    data_dir: Path,
) -> tuple[Plan, int]:
    """Return the rates as an ablation that is ready to train, and the steps of its runs."""
    numbers = list(range(config.seed, config.seed + seeds))
    if numbers[-1] > LAST_SEED:
        raise ConfigError(
            f"seed: received {config.seed}; the last of {seeds} seeds is {numbers[-1]}, and "
            f"at most {LAST_SEED:,} can be used; give a smaller one, or fewer --seeds"
        )
    changes: dict[str, Any] = {
        "optimizer.schedule": "constant",
        "train.early_stopping": None,
        "train.average": None,
        "probe": None,
        "log": {"level": "minimal", "metrics": "auto"},
        "ablation": {"vary": {"optimizer.lr": list(rates)}, "seeds": numbers},
    }
    plan = planning.outline(config_files.assign(located(config, runs_dir), changes), data_dir)
    if steps is None:
        steps = min(plan.job(plan.runs("comparison")[0]).member.num_steps, STEPS)
    if steps == 0:
        raise ConfigError("train.steps: received 0, and no rate shows without a step; give --steps")
    length = {"train.epochs": None, "train.steps": steps, "log.every": steps}
    plan = planning.outline(config_files.assign(plan.config, length), data_dir)
    compared = plan.runs("comparison")
    planning.check(plan, compared)
    planning.add_cohorts(plan, "comparison", compared)
    return plan, steps


def _constant_cost(job: Job) -> float | None:
    """Return what the best constant answer costs on training rows; None if no formula tells.

    Of shares p of the classes it is their entropy, -sum p log p; of z-scores it is their
    variance, 1.
    """
    task, loss = job.splits.task, job.design.head.loss
    if loss.model_dump(exclude={"name"}, exclude_defaults=True):  # weights, smoothing
        return None
    if task.kind == "regression":
        return 1.0 if task.target_scale and loss.name == "mse" else None
    if task.kind == "multilabel" or not loss.name.endswith("cross_entropy"):
        return None
    counts = np.array([count for count in task.class_counts if count], float)
    shares = counts / counts.sum()
    return float(-(shares * np.log(shares)).sum())


class _Costs(Observer):
    """Notes the cost of training rows before the first step and after the last, by run."""

    def __init__(self, names: Sequence[str]) -> None:
        self.costs: dict[str, list[float | None]] = {name: [math.nan, None] for name in names}

    def evaluated(self, trainer: Trainer, evaluation: Any) -> None:
        """Note the costs of the evaluation."""
        place = 0 if trainer.step == 0 else 1
        for row, cost in enumerate(evaluation.metrics["train"]["cost"]):
            is_known = cost is not None and math.isfinite(cost)
            self.costs[trainer.members[row].name][place] = cost if is_known else None

    def ended(self, trainer: Trainer, outcomes: Mapping[int, Outcome]) -> None:
        """Forget the cost of runs that diverged."""
        for row, outcome in outcomes.items():
            if outcome.status == "diverged":
                self.costs[trainer.members[row].name][1] = None


def _on_training_rows(job: Job) -> Job:
    """Return a run that evaluates no other rows."""
    alone = replace(job.splits, train_dev=None, stop=None, dev=None, test=None)
    return replace(job, splits=alone)


def _train(
    plan: Plan, cohort: PlannedCohort, runs_dir: Path, show: Show
) -> dict[str, list[float | None]]:
    """Train the runs of a cohort; return the cost of each before and after, by its path."""
    planned = runs_by_path(plan)
    jobs = [_on_training_rows(plan.job(planned[path])) for path in cohort.runs]
    with matmul_precision(jobs[0].config.train.matmul_precision):
        if any(job.stages for job in jobs):
            jobs = pretrain(jobs, runs_dir / ".cache" / FOLDER, show).jobs
        costs = _Costs(cohort.runs)
        Session(jobs, Store(), [costs], show=show).train()
    return costs.costs
