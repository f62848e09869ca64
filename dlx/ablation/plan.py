"""The plan of an ablation: variants, seeds, folds and cohorts, written down before training.

# K runs of a cohort
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from dlx.ablation import vary
from dlx.ablation.rules import RULES
from dlx.ablation.sizes import Size
from dlx.ablation.statistics.sequential import Schedule, planned_looks
from dlx.ablation.variants import Resolved, short_labels, show
from dlx.config import load as config_files
from dlx.config.schema import AblationConfig, RunConfig, SeedsUntil
from dlx.data import pipeline
from dlx.data.dataset import Dataset
from dlx.data.parts import Splits
from dlx.data.pipeline import Pool
from dlx.errors import ConfigError
from dlx.nn.metrics import is_rising
from dlx.texts import folded
from dlx.training import job as jobs
from dlx.training import transfer
from dlx.training.job import Job
from dlx.training.watching import not_portable

SUCCESS = "success"
# Names of other files in an ablation's directory, names that end like a shortened one, and what
# every object of JavaScript has, which TensorBoard's pages would take a folder of that name for.
_RESERVED = re.compile(
    r"(?i)cohorts|runs|figures|tuning|train|dev|test|ablation\.yaml|(run|plan|index|summary)\.json|"
    r"results\.csv|report\.html|events\.out\..*|.* #[0-9]+|"
    r"constructor|toString|toLocaleString|valueOf|hasOwnProperty|isPrototypeOf|"
    r"propertyIsEnumerable|__proto__|__(define|lookup)[GS]etter__"
)


@dataclass(frozen=True)
class Arm:
    """Runs that differ in seed and fold alone."""

    variant: str  # the name of their variant
    settings: Mapping[str, Any]
    config: RunConfig  # of the runs, without seed and fold
    folder: str  # of the runs, below the ablation's directory
    # The tuned settings that are tried; None in the comparison.
    choice: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class PlannedRun:
    """One run of the plan."""

    arm: Arm
    seed: int  # of its random streams
    fold: int | None = None  # of the cross-validation, from 1; None without one

    @property
    def path(self) -> str:
        """Its name: a folder below the ablation's directory."""
        fold = "" if self.fold is None else f" fold={self.fold}"
        return f"{self.arm.folder}/seed={self.seed}{fold}"


@dataclass(frozen=True)
class PlannedCohort:
    """Runs that train as one program."""

    number: int  # from 1, in the order of the plan
    phase: str  # 'tuning' or 'comparison'
    runs: tuple[str, ...]  # their paths; runs with equal choices are neighbours
    numbers: tuple[int, ...]  # of the runs in the ablation
    size: Size  # of one run, which limits the number of runs
    shape: str  # of the network, in words
    data: str  # fingerprint of the data
    engine: str
    by_torch: str | None = None  # why, where the config left the choice

    def document(self) -> dict[str, Any]:
        """Return its part of plan.json."""
        return {
            "number": self.number,
            "phase": self.phase,
            "shape": self.shape,
            "data": self.data,
            "engine": self.engine,
            **({} if self.by_torch is None else {"engine_reason": self.by_torch}),
            "bytes_per_run": self.size.total,
            "runs": list(self.runs),
            "numbers": list(self.numbers),
        }

    def number_of(self, path: str) -> int:
        """Return a run's number in the ablation."""
        return self.numbers[self.runs.index(path)]


@dataclass(frozen=True)
class Left:
    """When a variant got no more seeds, of an ablation that adds some until it has decided."""

    seeds: int  # that it had
    why: str  # as `comparisons.compare` says it


@dataclass
class Plan:
    """An ablation before it is trained."""

    config: RunConfig  # the base, resolved, with its `ablation` section
    variants: list[Resolved]  # in the order in which the section names them
    baseline: str  # the name of the variant that others are compared with
    metric: str  # that is judged: `<split>.<tag>` or `success`; empty until `make` fills it in
    seeds: list[int]  # of the comparison; those so far, where seeds are added
    tuning_seeds: list[int]  # of the tuning runs, none of them among `seeds`
    data_dir: Path  # where data sets are kept
    # Those planned so far; with tuning the comparison's are planned after it.
    cohorts: list[PlannedCohort] = field(default_factory=list)
    # By variant, the tuned settings; empty until tuning has ended.
    chosen: dict[str, dict[str, Any]] = field(default_factory=dict)
    jobs: int = 1  # number of processes that the cohorts were planned for
    rules: int = RULES  # by which its verdicts were to be made when it began
    # Cohorts and runs of the same folder that come before its own, as of a search's earlier trials.
    cohorts_before: int = 0
    runs_before: int = 0
    # Where seeds are added until a verdict: after how many there is a look, the most of them last;
    # and the variants that have left.
    looks: tuple[int, ...] = ()
    left: dict[str, Left] = field(default_factory=dict)
    _arms: dict[str, list[Arm]] = field(default_factory=dict, repr=False)
    _jobs: dict[tuple[str, int | None, int | None], Job] = field(default_factory=dict, repr=False)
    _splits: dict[str, Splits] = field(default_factory=dict, repr=False)
    _pools: dict[str, Pool] = field(default_factory=dict, repr=False)

    @property
    def section(self) -> AblationConfig:
        """The `ablation` section."""
        assert self.config.ablation is not None
        return self.config.ablation

    @property
    def folds(self) -> list[int | None]:
        """The folds of every seed; [None] without cross-validation."""
        number = self.section.folds
        return [None] if number is None else [fold + 1 for fold in range(number)]

    @property
    def is_rising(self) -> bool:
        """Whether larger values of the judged metric are better."""
        return self.metric == SUCCESS or is_rising(self.metric.partition(".")[2])

    @property
    def tuned_metric(self) -> str:
        """The metric by which settings are chosen: the judged one, on stop rows in place of dev.

        Of ablations from before there were stop rows it is that of dev. The success of a tuning run
        is told on stop rows, see `loading`.
        """
        split, _, name = self.metric.partition(".")
        has_stop = self.config.data.split != "auto" and self.config.data.split.stop
        return f"stop.{name}" if split == "dev" and has_stop else self.metric

    @property
    def tunings(self) -> list[dict[str, Any]]:
        """The choices of tuned settings that every variant tries; none without tuning."""
        tune = self.section.tune
        lists = [vary.expand(f"ablation.tune.{key}", values) for key, values in tune.items()]
        return [dict(zip(tune, values, strict=True)) for values in product(*lists)] if tune else []

    def arms(self, phase: str) -> list[Arm]:
        """Return the arms that are compared or, in the phase 'tuning', those that are tried."""
        if phase not in self._arms:
            folders = folders_of([variant.name for variant in self.variants])
            make_arms = self._tuning_arms if phase == "tuning" else self._compared_arms
            self._arms[phase] = make_arms(folders)
        return self._arms[phase]

    def _compared_arms(self, folders: Sequence[str]) -> list[Arm]:
        arms = []
        for variant, folder in zip(self.variants, folders, strict=True):
            config = variant.config
            if variant.name in self.chosen:
                config = config_files.assign(config, self.chosen[variant.name])
            arms.append(Arm(variant.name, variant.settings, config, folder))
        return arms

    def _tuning_arms(self, folders: Sequence[str]) -> list[Arm]:
        arms: list[Arm] = []
        problems: list[str] = []
        labels = short_labels(self.section.tune)
        choices = self.tunings
        words = [
            " ".join(f"{labels[key]}={show(value)}" for key, value in choice.items())
            for choice in choices
        ]
        tries = list(zip(choices, folders_of(words), strict=True))
        for variant, folder in zip(self.variants, folders, strict=True):
            for choice, name in tries:
                try:
                    config = config_files.assign(variant.config, choice)
                except ConfigError as error:
                    where = f"ablation.tune: variant {variant.name!r}"
                    problems += [f"{where}: {line}" for line in str(error).split("\n")]
                    continue
                path = f"tuning/{folder}/{name}"
                arms.append(Arm(variant.name, variant.settings, config, path, choice))
        if problems:
            raise ConfigError("\n".join(problems))
        return arms

    def runs(self, phase: str) -> list[PlannedRun]:
        """Return the runs of a phase, by variant, seed and fold."""
        seeds = self.tuning_seeds if phase == "tuning" else self.seeds
        return [
            PlannedRun(arm, seed, fold)
            for arm in self.arms(phase)
            for seed, fold in product(self._seeds_of(arm, seeds), self.folds)
        ]

    def _seeds_of(self, arm: Arm, seeds: list[int]) -> list[int]:
        """Return those of the seeds that an arm has: up to the look at which its variant left."""
        left = None if arm.choice is not None else self.left.get(arm.variant)
        return seeds if left is None else seeds[: left.seeds]

    @property
    def schedule(self) -> Schedule | None:
        """When it is looked at, and what is enough; None where the number of seeds is fixed."""
        seeds = self.section.seeds
        return Schedule(self.looks, seeds.half_width) if isinstance(seeds, SeedsUntil) else None

    @property
    def phases(self) -> list[str]:
        """The phases in the order in which they are trained."""
        return ["tuning", "comparison"] if self.section.tune else ["comparison"]

    def choose(self, chosen: dict[str, dict[str, Any]]) -> None:
        """Set the tuned settings of each variant."""
        self.chosen = chosen
        self._jobs.clear()
        self._arms.clear()

    def job(self, run: PlannedRun) -> Job:
        """Return a run that is ready to train; ConfigError where its data or model cannot do it."""
        draws = run.arm.config.data.split_seed == "auto"
        key = (run.arm.folder, run.fold, run.seed if draws else None)
        if key not in self._jobs:
            config = run.arm.config.model_copy(update={"seed": run.seed})
            if run.fold is not None:
                fold = {"number": run.fold, "of": self.section.folds}
                config = config_files.assign(config, {"data.fold": fold})
            splits = self._data(config)
            transfer.refuse_leaks(config, splits, self._pool(config))
            self._jobs[key] = jobs.prepare(config, splits)
        job = self._jobs[key]
        member = replace(job.member, name=run.path, seed=run.seed)
        config = job.config.model_copy(update={"seed": run.seed})
        return replace(job, config=config, member=member, judged=self._judged(run, job))

    def _judged(self, run: PlannedRun, job: Job) -> tuple[str, ...]:
        """Return the metrics by which a run is judged row by row: none of folds, or in tuning."""
        if run.arm.choice is not None or run.fold is not None:
            return ()
        parts = [part for part in job.splits.parts if part != "train"]
        metrics = dict.fromkeys([self.metric, *self.section.also])
        return tuple(metric for metric in metrics if metric.partition(".")[0] in parts)

    @property
    def remarks(self) -> list[str]:
        """What the user is told of the first phase, each sentence with the variants it is about."""

        def said(job: Job) -> Sequence[str]:
            steers = [not_portable(key, metric, job.member) for key, metric in self._steering]
            return [*job.remarks, *(line for lines in steers for line in lines)]

        return self._said(said)

    @property
    def _steering(self) -> list[tuple[str, str]]:
        """The metrics that choose settings, or how many seeds there are, and the keys that ask."""
        section = self.section
        keys = ["ablation.tune"] if section.tune else []
        keys += ["ablation.seeds.until"] if isinstance(section.seeds, SeedsUntil) else []
        metrics = section.success or {} if self.metric == SUCCESS else [self.metric]
        return [(key, metric) for key in keys for metric in metrics]

    @property
    def warnings(self) -> list[str]:
        """Warnings about the data, each with the variants it is about."""
        return self._said(lambda job: job.splits.warnings)

    def _said(self, of: Callable[[Job], Sequence[str]]) -> list[str]:
        variants: dict[str, dict[str, None]] = {}
        for arm in self.arms(self.phases[0]):
            for fold in self.folds:
                for remark in of(self.job(PlannedRun(arm, self.seeds[0], fold))):
                    variants.setdefault(remark, {})[arm.variant] = None
        return [f"{self._named(list(names))}{remark}" for remark, names in variants.items()]

    def _named(self, names: Sequence[str]) -> str:
        """Return which variants a sentence is about; nothing if they are all."""
        if len(names) == len(self.variants):
            return ""
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        return f"{', '.join(names[:3])}{more}: "

    def _data(self, config: RunConfig) -> Splits:
        """Return a config's data: read once for all that differ in how they are split alone."""
        data, device = config.data, config.train.device
        loaded_part = data.model_copy(update={"augment": None, "bagging": False})
        seed = config.seed if data.split_seed == "auto" else None
        key = f"{device} {seed} {config.watches_stop} {loaded_part!r}"
        if key not in self._splits:
            self._splits[key] = self._pool(config).split_for(config)
        return self._splits[key]

    def _pool(self, config: RunConfig) -> Pool:
        """Return the data set of a config, read once."""
        source = source_of(config)
        if source not in self._pools:
            dataset = pipeline.load_chosen(config.data, self.data_dir)
            self._pools[source] = Pool(dataset, jobs.resolve_device(config.train.device))
        return self._pools[source]

    def dataset(self, config: RunConfig) -> Dataset:
        """Return the data set of a config, without what reads its files again."""
        dataset = self._pool(config).dataset
        if dataset.table is None:
            return dataset
        return replace(dataset, table=replace(dataset.table, texts=None))

    def document(self) -> dict[str, Any]:
        """Return plan.json."""
        tuning = None
        if self.section.tune:
            tuning = {"seeds": self.tuning_seeds, "tried": self.tunings, "chosen": self.chosen}
        return {
            "name": self.config.name,
            "metric": self.metric,
            "baseline": self.baseline,
            "seeds": self.seeds,
            "looks": list(self.looks),
            "left": {name: asdict(left) for name, left in self.left.items()},
            "folds": self.section.folds,
            "variants": [
                {"name": arm.variant, "settings": arm.settings, "folder": arm.folder}
                for arm in self.arms("comparison")
            ],
            "tuning": tuning,
            "jobs": self.jobs,
            "rules": self.rules,
            "cohorts": [cohort.document() for cohort in self.cohorts],
        }


def source_of(config: RunConfig) -> str:
    """Return what is equal for configs of one data set on one kind of device."""
    return f"{config.train.device} {pipeline.source_of(config.data)}"


def planned_seeds(section: AblationConfig) -> list[int]:
    """Return the seeds that a config begins with; after a pilot a plan has the first of them."""
    if isinstance(section.seeds, SeedsUntil):
        return list(range(planned_looks(section.seeds.max)[0]))
    return list(range(section.seeds)) if isinstance(section.seeds, int) else section.seeds


def runs_by_path(plan: Plan) -> dict[str, PlannedRun]:
    """Return all runs by their paths; the comparison's are not known before tuning has ended."""
    is_tuned = plan.chosen or not plan.section.tune
    phases = plan.phases if is_tuned else plan.phases[:1]
    return {run.path: run for phase in phases for run in plan.runs(phase)}


def folders_of(names: Sequence[str]) -> list[str]:
    """Return the folder of each name: the name itself if that is a valid and unique folder name."""
    counts = Counter(map(folded, names))
    folders = []
    for place, name in enumerate(names, start=1):
        plain = "".join("_" if c in '/\\:*?"<>|\0' or not c.isprintable() else c for c in name)
        short = plain.strip(". ").encode()[:120].decode(errors="ignore").strip(". ")
        is_own = short == name and counts[folded(name)] == 1 and not _RESERVED.fullmatch(name)
        folders.append(short if is_own else f"{short} #{place}".strip())
    return folders
