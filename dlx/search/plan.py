"""A search before it trains: its space, what makes a trial good, and the runs of a batch."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dlx.ablation import planning, workers
from dlx.ablation.plan import Plan, PlannedRun
from dlx.ablation.variants import Resolved, in_order
from dlx.cohort import Cohort
from dlx.config import load as config_files
from dlx.config.dump import to_plain
from dlx.config.schema import COMPARING, AblationConfig, RunConfig, SearchConfig
from dlx.errors import ConfigError, did_you_mean
from dlx.nn.metrics import is_rising, tag
from dlx.search.pruning import Pruner, pruner
from dlx.search.space import Dimension, check_points, dimensions, num_points
from dlx.search.trials import Trial
from dlx.training.job import Job, refuse_watched_dev
from dlx.training.transfer import split_of_source
from dlx.training.watching import not_portable

PARAMETERS, SECONDS = "parameters", "seconds_per_step"
DEFAULT, BEST = "default", "best"
_FIRST_JUDGE_SEED = 2_000_000  # far from the seeds of trials
_BATCHES = 5
_BATCH_SIZES = (5, 50)
_BOUND = re.compile(r"(\S+?) *(<=|>=|<|>) *(\S+)")


@dataclass(frozen=True)
class Bound:
    """A constraint: a number that a trial may not exceed, or fall below."""

    text: str  # as the config has it
    name: str  # of what it is of
    is_upper: bool
    is_strict: bool  # whether the bound itself is too much
    value: float

    @classmethod
    def of(cls, text: str) -> "Bound":
        """Return the bound that a constraint of the config says."""
        match = _BOUND.fullmatch(text.strip())
        assert match is not None, "the schema says so"
        name, sign, value = match.groups()
        if not math.isfinite(float(value)):
            raise ConfigError(
                f"search.constraints: received {text!r}; a bound without end bounds nothing: leave "
                "it out, or write a smaller number"
            )
        return cls(text, name, sign.startswith("<"), not sign.endswith("="), float(value))

    def violation(self, measured: float) -> float:
        """Return by how much a measured number breaks the bound; 0 or less: it does not."""
        excess = measured - self.value if self.is_upper else self.value - measured
        if excess == 0 and self.is_strict:
            return max(abs(self.value), 1.0) * 1e-9
        return excess


@dataclass
class SearchPlan:
    """A search, ready to train."""

    config: RunConfig  # resolved, with its `search` section
    data_dir: Path  # where data sets are kept
    space: list[Dimension]
    objectives: list[str]  # what is made as good as it can be
    rising: list[bool]  # of each, whether larger values are better
    bounds: list[Bound]
    pruner: Pruner | None
    num_trials: int
    jobs: int | None  # processes that train at a time; None: by the size of the work
    _data: Plan = field(repr=False)  # whose data sets all batches share
    # Of trials that have been looked at but not planned yet, by name: variants and jobs.
    _variants: dict[str, Resolved] = field(default_factory=dict, repr=False)
    _jobs: dict[Any, Job] = field(default_factory=dict, repr=False)

    @property
    def section(self) -> SearchConfig:
        """The `search` section."""
        assert self.config.search is not None
        return self.config.search

    @property
    def seeds(self) -> list[int]:
        """The seeds of every trial."""
        return list(range(self.section.seeds))

    @property
    def judge_seeds(self) -> list[int]:
        """The seeds of the verdict, which no trial has seen."""
        return list(range(_FIRST_JUDGE_SEED, _FIRST_JUDGE_SEED + self.section.judge_seeds))

    @property
    def batch_size(self) -> int:
        """How many trials are chosen at once."""
        low, high = _BATCH_SIZES
        share = -(-self.num_trials // _BATCHES)
        return self.section.batch or min(max(share, low), high)

    @property
    def metric(self) -> str:
        """The first objective that is a metric, by which the verdict is made, and pruning."""
        return next(name for name in self.objectives if name not in (PARAMETERS, SECONDS))

    def resolved(self, name: str, settings: Mapping[str, Any]) -> Resolved:
        """Return a trial's variant; ConfigError where dlx refuses its settings."""
        config = config_files.assign(self._data.variants[0].config, in_order(dict(settings)))
        refuse_watched_dev(config)
        return Resolved(name, dict(settings), config)

    def plan(
        self,
        variants: Sequence[Resolved],
        seeds: Sequence[int],
        cohorts: int,
        runs: int,
        jobs: dict[Any, Job] | None = None,
    ) -> Plan:
        """Return the ablation of some variants, after so many cohorts and runs, without cohorts.

        `jobs` are those of its runs that are known.
        """
        return Plan(
            self._data.config,
            list(variants),
            variants[0].name,
            self.metric,
            list(seeds),
            [],
            self.data_dir,
            jobs=self.jobs or 1,
            cohorts_before=cohorts,
            runs_before=runs,
            _splits=self._data._splits,
            _pools=self._data._pools,
            _jobs={} if jobs is None else jobs,
        )

    def trial_plan(
        self, trials: Sequence[Trial], cohorts: int, runs: int, parts: int | None = None
    ) -> Plan:
        """Return the ablation of trials over their seeds, planned for `parts` workers.

        None: as many as would train it here.
        """
        known, jobs = self._variants, self._jobs
        self._variants, self._jobs = {}, {}
        variants = [
            known.get(trial.name) or self.resolved(trial.name, trial.settings) for trial in trials
        ]
        return self._planned(self.plan(variants, self.seeds, cohorts, runs, jobs), parts)

    def verdict_plan(
        self, best: Mapping[str, Any], cohorts: int, runs: int, parts: int | None = None
    ) -> Plan:
        """Return the ablation of the config's own values and the best ones on judge rows."""
        pair = []
        for name, settings in ((DEFAULT, {}), (BEST, best)):
            trial = self.resolved(name, settings)
            config = config_files.assign(trial.config, {"data.split.judged": True})
            pair.append(Resolved(name, dict(settings), config))
        return self._planned(self.plan(pair, self.judge_seeds, cohorts, runs), parts)

    def _planned(self, plan: Plan, parts: int | None) -> Plan:
        runs = plan.runs("comparison")
        planning.check(plan, runs)
        plan.jobs = parts or self.processes(plan)
        planning.add_cohorts(plan, "comparison", runs, whole=True)
        return plan

    def processes(self, plan: Plan) -> int:
        """Return how many processes of this machine would train a part of the search."""
        count = self.jobs or planning.default_jobs(plan)
        device = plan.job(plan.runs("comparison")[0]).device
        return count if workers.are_copies(count, device) else 1

    def job(self, settings: Mapping[str, Any]) -> Job:
        """Return the first run of values; ConfigError or DataError where it cannot be trained."""
        return self._job(self.resolved("trial", settings), {})

    def _job(self, variant: Resolved, jobs: dict[Any, Job]) -> Job:
        plan = self.plan([variant], self.seeds, 0, 0, jobs)
        return plan.job(PlannedRun(plan.arms("comparison")[0], self.seeds[0]))

    def without_training(self, trial: Trial) -> dict[str, float]:
        """Return what is known of a trial before it trains, and bounded: its parameters.

        Raises:
            ConfigError, DataError: it cannot be trained
        """
        variant = self._variants[trial.name] = self.resolved(trial.name, trial.settings)
        job = self._job(variant, self._jobs)
        if all(bound.name != PARAMETERS for bound in self.bounds):
            return {}
        return {PARAMETERS: float(Cohort([job.member], 1).network.num_parameters(0))}

    def violations(self, measured: Mapping[str, float]) -> dict[str, float]:
        """Return by how much what was measured breaks each bound that it is of."""
        return {
            bound.text: bound.violation(measured[bound.name])
            for bound in self.bounds
            if bound.name in measured
        }

    @property
    def remarks(self) -> list[str]:
        """What the user is told of the data and of defaults."""
        job = self._data.job(self._data.runs("comparison")[0])
        named = [("search.metric", name) for name in self.objectives]
        named += [("search.constraints", bound.name) for bound in self.bounds]
        steers = [not_portable(key, name, job.member) for key, name in named]
        said = [line for lines in steers for line in lines]
        return self._data.remarks + said + self._data.warnings

    @property
    def fingerprint(self) -> str:
        """What tells other data from those of the search."""
        return self._data.job(self._data.runs("comparison")[0]).splits.fingerprint

    @property
    def defaults(self) -> dict[str, Any]:
        """The config's own values of the keys that are searched; None where it has none."""
        plain = to_plain(self.config)
        return {own.key: _at(plain, own.key) for own in self.space}


def _at(plain: Any, key: str) -> Any:
    for part in key.split("."):
        plain = plain.get(part) if isinstance(plain, Mapping) else None
    return plain


def make(config: RunConfig, data_dir: Path, jobs: int | None = None) -> SearchPlan:
    """Return the search of a config, checked with its data before anything is trained.

    Raises:
        ConfigError: the space, what is optimized, or a bound cannot be used
        DataError: the data are missing, or have too few rows
    """
    section = config.search or SearchConfig()
    config = config.model_copy(update={"search": section, "ablation": None})
    space = dimensions(section.space)
    base = _with_judge_rows(config, section)
    compared = config.model_copy(update={"ablation": AblationConfig(seeds=section.seeds)})
    data = Plan(compared, [Resolved(DEFAULT, {}, base)], DEFAULT, "", [0], [], data_dir)
    objectives = _objectives(section, data)
    bounds = [Bound.of(text) for text in section.constraints]
    plan = SearchPlan(
        config,
        data_dir,
        space,
        objectives,
        [name not in (PARAMETERS, SECONDS) and _rises(name) for name in objectives],
        bounds,
        pruner(section),
        section.trials,
        jobs,
        data,
    )
    _check_kinds(plan)
    _check_names(plan, data)
    check_points(space, plan.job)
    planning.check(
        verdict := plan.plan(
            [
                Resolved(
                    DEFAULT,
                    {},
                    config_files.assign(
                        plan.resolved(DEFAULT, {}).config, {"data.split.judged": True}
                    ),
                )
            ],
            plan.judge_seeds[:1],
            0,
            0,
        ),
        verdict.runs("comparison"),
    )
    return plan


def _with_judge_rows(config: RunConfig, section: SearchConfig) -> RunConfig:
    """Return the config of which trials are made: that of a run, which leaves judge rows out."""
    config = config.model_copy(update=dict.fromkeys(COMPARING))
    taken = split_of_source(config)
    return config_files.assign(config, {**taken, "data.split.judge": section.judge})


def _objectives(section: SearchConfig, data: Plan) -> list[str]:
    given = section.metric
    if given is None:
        job = data.job(data.runs("comparison")[0])
        tags = [tag(metric) for metric in job.member.metrics]
        return ["dev.accuracy" if "accuracy" in tags else "dev.cost"]
    names = list(given) if isinstance(given, list) else [given]
    if len(set(names)) < len(names):
        raise ConfigError(f"search.metric: received {names}, one of them twice; remove it")
    if all(name in (PARAMETERS, SECONDS) for name in names):
        raise ConfigError(
            f"search.metric: received {', '.join(names)} alone, which the smallest network wins; "
            "name a metric such as dev.accuracy too, or bound them with search.constraints"
        )
    return names


def _rises(metric: str) -> bool:
    return is_rising(metric.partition(".")[2])


def _check_kinds(plan: SearchPlan) -> None:
    """Refuse what samplers and pruners cannot do."""
    section = plan.section
    several = len(plan.objectives) > 1
    if section.sampler == "grid":
        plan.num_trials = min(plan.num_trials, num_points(plan.space))
    if section.sampler == "cmaes" and several:
        raise ConfigError(
            "search.sampler: cmaes knows one objective, and search.metric names "
            f"{len(plan.objectives)}; use tpe or gp"
        )
    if section.sampler == "cmaes" and all(own.values is not None for own in plan.space):
        raise ConfigError(
            "search.sampler: cmaes needs a range of numbers, and search.space has lists alone; "
            "use tpe, or write a list of numbers as a range"
        )
    if plan.pruner is not None and several:
        raise ConfigError(
            f"search.pruner: {section.pruner} prunes by one objective, and search.metric names "
            f"{len(plan.objectives)}; leave out one of the two"
        )


def _check_names(plan: SearchPlan, data: Plan) -> None:
    """Check that every objective and bound names something that runs measure."""
    measured = data.job(data.runs("comparison")[0]).final_metrics
    known = [f"{part}.{name}" for part, names in measured.items() for name in names]
    allowed = [name for name in known if not name.startswith(("test.", "stop."))]
    allowed += [PARAMETERS, SECONDS]
    named = [("search.metric", name) for name in plan.objectives]
    named += [("search.constraints", bound.name) for bound in plan.bounds]
    for key, name in named:
        if name.startswith("test."):
            raise ConfigError(
                f"{key}: received {name}, but nothing is chosen by test rows: they would become "
                f"dev rows; use dev.{name.removeprefix('test.')} (--test shows test metrics)"
            )
        if name not in allowed:
            raise ConfigError(
                f"{key}: received {name}{did_you_mean(name, allowed)} (allowed: "
                f"{', '.join(allowed)})"
            )
