"""What an ablation will train: variants, seeds, folds and cohorts, checked and written down first.

# K runs of a cohort
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from dlx.ablation import vary
from dlx.ablation.sizes import Size
from dlx.ablation.variants import Resolved, short_labels, show
from dlx.config import load as config_files
from dlx.config.schema import AblationConfig, RunConfig
from dlx.data import pipeline
from dlx.data.parts import Part, Splits
from dlx.errors import ConfigError
from dlx.nn.metrics import is_rising
from dlx.training import job as jobs
from dlx.training.job import Job

SUCCESS = "success"
# What else stands in an ablation's directory, and what the end of a shortened name looks like.
_RESERVED = re.compile(
    r"(?i)cohorts|runs|figures|tuning|train|dev|test|ablation\.yaml|(run|plan|index|summary)\.json|"
    r"results\.csv|report\.html|events\.out\..*|.* #[0-9]+"
)


@dataclass(frozen=True)
class Arm:
    """Runs that differ in seed and fold alone.

    Attributes:
        variant: the name of their variant
        settings: of the variant
        config: of the runs, but for the seed and the fold
        folder: where their directories are, below the ablation's
        choice: of a tuning arm: the settings that are tried; None for one that is compared
    """

    variant: str
    settings: Mapping[str, Any]
    config: RunConfig
    folder: str
    choice: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class PlannedRun:
    """One run of the plan.

    Attributes:
        arm: which runs it belongs to
        seed: of its random streams
        fold: of the cross-validation, from 1; None without
    """

    arm: Arm
    seed: int
    fold: int | None = None

    @property
    def path(self) -> str:
        """Its directory below the ablation's, which also is its name in a cohort."""
        fold = "" if self.fold is None else f" fold={self.fold}"
        return f"{self.arm.folder}/seed={self.seed}{fold}"


@dataclass(frozen=True)
class PlannedCohort:
    """Runs that train as one program.

    Attributes:
        number: from 1, in the order of the plan
        phase: 'tuning' or 'comparison'
        runs: paths, with equal choices as neighbours
        numbers: of these runs in the ablation
        size: of one of its runs, by which the rule of sizes went
        shape: of the network, in words
        data: fingerprint of what they train on
    """

    number: int
    phase: str
    runs: tuple[str, ...]
    numbers: tuple[int, ...]
    size: Size
    shape: str
    data: str

    def document(self) -> dict[str, Any]:
        """Return what plan.json says of it."""
        return {
            "number": self.number,
            "phase": self.phase,
            "shape": self.shape,
            "data": self.data,
            "bytes_per_run": self.size.total,
            "runs": list(self.runs),
            "numbers": list(self.numbers),
        }

    def number_of(self, path: str) -> int:
        """Return the number of one of its runs in the ablation."""
        return self.numbers[self.runs.index(path)]


@dataclass
class Plan:
    """An ablation before it is trained.

    Attributes:
        config: the base, resolved, with its `ablation` section
        variants: in the order in which the section names them
        baseline: the name of the variant that others are compared with
        metric: what is judged: `<split>.<tag>` or `success`; `make` fills in the default
        seeds: of the comparison
        tuning_seeds: of the tuning runs, none of which is among `seeds`
        cohorts: those that are planned; tuning is planned before the comparison
        chosen: by variant, the tuned settings; empty until tuning is over
        jobs: processes that the cohorts were planned for
    """

    config: RunConfig
    variants: list[Resolved]
    baseline: str
    metric: str
    seeds: list[int]
    tuning_seeds: list[int]
    data_dir: Path
    cohorts: list[PlannedCohort] = field(default_factory=list)
    chosen: dict[str, dict[str, Any]] = field(default_factory=dict)
    jobs: int = 1
    _arms: dict[str, list[Arm]] = field(default_factory=dict, repr=False)
    _jobs: dict[tuple[str, int | None], Job] = field(default_factory=dict, repr=False)
    _splits: dict[str, Splits] = field(default_factory=dict, repr=False)
    _shared: dict[str, Splits] = field(default_factory=dict, repr=False)

    @property
    def section(self) -> AblationConfig:
        """The `ablation` section."""
        assert self.config.ablation is not None
        return self.config.ablation

    @property
    def folds(self) -> list[int | None]:
        """The folds of every seed; None alone without cross-validation."""
        number = self.section.folds
        return [None] if number is None else [fold + 1 for fold in range(number)]

    @property
    def is_rising(self) -> bool:
        """Whether more of the judged metric is better."""
        return self.metric == SUCCESS or is_rising(self.metric.partition(".")[2])

    @property
    def tunings(self) -> list[dict[str, Any]]:
        """What every variant tries: one mapping of settings per try; none without tuning."""
        tune = self.section.tune
        values = [vary.expand(f"ablation.tune.{key}", each) for key, each in tune.items()]
        return [dict(zip(tune, each, strict=True)) for each in product(*values)] if tune else []

    def arms(self, phase: str) -> list[Arm]:
        """Return what is compared or, in the phase 'tuning', what is tried.

        Raises:
            ConfigError: a line for each tuned value that cannot stand in a variant's config
        """
        if phase not in self._arms:
            self._arms[phase] = self._make_arms(phase)
        return self._arms[phase]

    def _make_arms(self, phase: str) -> list[Arm]:
        found: list[Arm] = []
        problems: list[str] = []
        labels = short_labels(self.section.tune)
        choices = self.tunings if phase == "tuning" else []
        tried = _folders(
            [
                " ".join(f"{labels[key]}={show(value)}" for key, value in choice.items())
                for choice in choices
            ]
        )
        folders = _folders([each.variant.name for each in self.variants])
        for each, folder in zip(self.variants, folders, strict=True):
            variant = each.variant
            if phase == "tuning":
                for choice, its in zip(choices, tried, strict=True):
                    try:
                        config = config_files.assign(each.config, choice)
                    except ConfigError as error:
                        lines = str(error).split("\n")
                        problems += [f"ablation.tune: variant {variant.name!r}: {x}" for x in lines]
                        continue
                    path = f"tuning/{folder}/{its}"
                    found.append(Arm(variant.name, variant.settings, config, path, choice))
            else:
                config = each.config
                if variant.name in self.chosen:
                    config = config_files.assign(config, self.chosen[variant.name])
                found.append(Arm(variant.name, variant.settings, config, folder))
        if problems:
            raise ConfigError("\n".join(problems))
        return found

    def runs(self, phase: str) -> list[PlannedRun]:
        """Return the runs of a phase, by variant, seed and fold."""
        seeds = self.tuning_seeds if phase == "tuning" else self.seeds
        arms = self.arms(phase)
        return [PlannedRun(*each) for each in product(arms, seeds, self.folds)]

    @property
    def phases(self) -> list[str]:
        """What is trained first, and then."""
        return ["tuning", "comparison"] if self.section.tune else ["comparison"]

    def choose(self, chosen: dict[str, dict[str, Any]]) -> None:
        """Take over the tuned settings of each variant."""
        self.chosen = chosen
        self._jobs.clear()
        self._arms.clear()

    def job(self, run: PlannedRun) -> Job:
        """Return a run, ready to train.

        Raises:
            ConfigError: the config asks for what its data or model cannot do
            DataError: the data are missing or damaged
        """
        key = (run.arm.folder, run.fold)
        if key not in self._jobs:
            config = run_config(run, self.section.folds)
            self._jobs[key] = jobs.prepare(config, self._data(config))
        job = self._jobs[key]
        member = replace(job.member, name=run.path, seed=run.seed)
        config = job.config.model_copy(update={"seed": run.seed})
        return replace(job, config=config, member=member)

    @property
    def remarks(self) -> list[str]:
        """What the user is told of the first phase, each sentence with the variants it is about."""
        variants: dict[str, dict[str, None]] = {}
        for arm in self.arms(self.phases[0]):
            for fold in self.folds:
                for remark in self.job(PlannedRun(arm, self.seeds[0], fold)).remarks:
                    variants.setdefault(remark, {})[arm.variant] = None
        return [f"{self._named(list(names))}{remark}" for remark, names in variants.items()]

    def _named(self, names: Sequence[str]) -> str:
        """Return which variants a sentence is about; nothing if they are all."""
        if len(names) == len(self.variants):
            return ""
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        return f"{', '.join(names[:3])}{more}: "

    def _data(self, config: RunConfig) -> Splits:
        """Return a config's data; what differs in training alone is loaded once.

        Wrong labels are those of training rows: all else is then the same tensors.
        """
        same = config.data.model_copy(update={"augment": None, "bagging": False})
        key = f"{config.train.device} {same!r}"
        if key not in self._splits:
            device = jobs.resolve_device(config.train.device)
            loaded = pipeline.load(config.data, self.data_dir).to(device)
            right = same.model_copy(update={"label_noise": 0.0})
            labelled = f"{config.train.device} {right!r}"
            self._splits[key] = _sharing(loaded, self._shared.setdefault(labelled, loaded))
        return self._splits[key]

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
            "folds": self.section.folds,
            "variants": [
                {"name": arm.variant, "settings": arm.settings, "folder": arm.folder}
                for arm in self.arms("comparison")
            ],
            "tuning": tuning,
            "jobs": self.jobs,
            "cohorts": [cohort.document() for cohort in self.cohorts],
        }


def _sharing(splits: Splits, other: Splits) -> Splits:
    """Return splits with the other's tensors in the place of those that are equal to them."""

    def shared(part: Part, its: Part) -> Part:
        inputs = its.inputs if part.inputs.equal(its.inputs) else part.inputs
        targets = its.targets if part.targets.equal(its.targets) else part.targets
        return replace(part, inputs=inputs, targets=targets)

    parts = {name: shared(part, other.parts[name]) for name, part in splits.parts.items()}
    if splits.everything is not None and other.everything is not None:
        parts["everything"] = shared(splits.everything, other.everything)
    return replace(splits, **parts)


def known_phases(plan: Plan) -> list[str]:
    """Return the phases whose runs are known: the comparison's are once tuning is over."""
    return plan.phases if plan.chosen or not plan.section.tune else plan.phases[:1]


def runs_by_path(plan: Plan) -> dict[str, PlannedRun]:
    """Return all runs that are known so far, by their paths."""
    return {run.path: run for phase in known_phases(plan) for run in plan.runs(phase)}


def run_config(run: PlannedRun, folds: int | None) -> RunConfig:
    """Return the config of one run, seed and fold filled in."""
    config = run.arm.config.model_copy(update={"seed": run.seed})
    if run.fold is None:
        return config
    return config_files.assign(config, {"data.fold": {"number": run.fold, "of": folds}})


def _folders(names: Sequence[str]) -> list[str]:
    """Return a folder's name for each: its own, where it can be one and no other comes too near."""
    counts = Counter(name.lower() for name in names)  # some file systems know no capitals
    found = []
    for place, name in enumerate(names, start=1):
        plain = "".join(
            "_" if each in '/\\:*?"<>|\0' or not each.isprintable() else each for each in name
        )
        short = plain.strip(". ").encode()[:120].decode(errors="ignore").strip(". ")
        is_own = short == name and counts[name.lower()] == 1 and not _RESERVED.fullmatch(name)
        found.append(short if is_own else f"{short} #{place}".strip())
    return found
