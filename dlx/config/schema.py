"""The sections of a config, with the meaning of every key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal
from unicodedata import normalize

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import (
    AfterValidator,
    GetCoreSchemaHandler,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from dlx.config.annotations import KeyMarker, descend
from dlx.config.sections import Most, Section, checked_model, option, rule
from dlx.config.types import Average, Corruption, Data, MetricChoice, Model, Optimizer, Seed, Text

Name = Annotated[
    str,
    Text(
        r"(?![. ])(?!.*\.\.)[^/\\\x00-\x1f\x7f]{0,99}[^/\\\x00-\x1f\x7f ]",
        "a folder's name of up to 100 characters, without '/', '\\', '..' or control characters, "
        "not starting with '.' or a space, nor ending with a space",
    ),
    # Two ways to write é are one name, as they are one folder's on some systems.
    AfterValidator(lambda name: normalize("NFC", name)),
]
NUMBER = r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
ENDS = rf"(?!.*\.\.\.)({NUMBER})\.\.({NUMBER})"  # of a range; 1...9 may mean 1 to 9 or 1 to 0.9
Device = Annotated[
    str, Text(r"auto|cpu|cuda(:[0-9]{1,99})?", "auto, cpu, cuda or cuda:N", ("auto", "cuda"))
]
Every = Annotated[
    str,
    Text(r"[1-9][0-9]{0,11} (epoch|step)s?", "'N epochs', 'N steps'", ("1 epochs", "100 steps")),
]
Metric = Annotated[
    str,
    Text(
        r"(train|train_dev|stop|dev|test)\..+",
        "PART.METRIC (such as dev.cost)",
        ("dev.cost", "dev.accuracy", "train.cost", "train.accuracy"),
    ),
]


COMPARING = ("ablation", "search")
"""The sections of a config that are about several runs: a run has none of them."""


@dataclass(frozen=True)
class _Dotted(KeyMarker):
    """Dotted keys of a run's config, and other keys that may stand beside them."""

    others: tuple[str, ...] = ()

    def meaning(self, key: str) -> Any:
        """Return the annotation of what stands at a dotted key, or None if nothing does."""
        path = key.split(".")
        return None if path[0] in ("name", *COMPARING) else descend(RunConfig, path)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, key: str) -> str:
        if key not in self.others and self.meaning(key) is None:
            if (section := key.split(".")[0]) in ("name", *COMPARING):
                raise rule(
                    f"unknown key of a run: {section} is of all runs together; name a key of one "
                    "run, such as optimizer.lr"
                )
            raise PydanticCustomError("unknown_key", "unknown key")
        return key


DottedKey = Annotated[str, _Dotted()]
Range = Annotated[
    str,
    Text(
        rf"{ENDS}( (log|linear) [1-9][0-9]{{0,11}})?",
        "a range (1..9, '0.001..1 log 7', '0..1 linear 5')",
    ),
]
Values = Annotated[list[Any], MinLen(1)] | Range
Interval = Annotated[
    str,
    Text(
        rf"{ENDS}( (log|linear)( [1-9][0-9]*)?)?",
        "a range ('1e-4..1e-1 log', 16..256, '0.0..0.5', '0..1 linear 5')",
    ),
]
Objective = Literal["parameters", "seconds_per_step"] | Metric
Constraint = Annotated[
    str,
    Text(
        rf"[a-z_]+(\.[^\s<>=]+)? *(<|<=|>|>=) *{NUMBER}",
        "a bound ('parameters < 1e5', 'seconds_per_step <= 0.001', 'dev.recall > 0.9')",
        ("parameters < 1e5", "seconds_per_step < 0.001"),
    ),
]
Points = Annotated[
    str,
    Text(
        r"(?=.*[1-9])([0-9]+(\.[0-9]*)?|\.[0-9]+) ?pp",
        "percentage points above 0 (0.3pp)",
        ("decided", "0.3pp"),
    ),
]
VariantSettings = Annotated[dict[Annotated[str, _Dotted(("name",))], Any], MinLen(1)]
MOST_SEEDS = 100_000
BATCH_SIZE = 128  # of training, where the rows suffice for it
FINE_TUNE_BATCH = 50  # of fine-tuning, where the labelled rows suffice for it
Method = Literal["autoencoder", "denoising", "rbm"]
BatchSize = Annotated[int, Gt(0)] | Literal["all"]


@checked_model
class EarlyStopping(Section):
    """When a run stops before its last step."""

    metric: Metric = option(
        "stop.cost", "The metric that is watched; of dev rows, it is that of stop rows."
    )
    patience: Annotated[int, Ge(1)] = option(
        5, "Evaluations without a new best value before training stops."
    )


@checked_model
class Penalty(Section):
    """A penalty on the weights, which is added to the cost: l1 sum |w| + l2 / 2 sum w^2."""

    l1: Annotated[float, Ge(0)] = option(0.0, "Factor of the weights' absolute values.")
    l2: Annotated[float, Ge(0)] = option(0.0, "Factor of half the weights' squares.")


@checked_model
class TrainConfig(Section):
    """How long a run trains, on which device, and by what limits."""

    alternatives: ClassVar[Mapping[str, str]] = {"epochs": "steps", "steps": "epochs"}

    epochs: Annotated[int, Ge(0)] | None = option(
        10, "Passes over the training rows; null if `steps` is given."
    )
    steps: Annotated[int, Ge(0)] | None = option(
        None, "Updates of the weights, instead of `epochs`."
    )
    batch_size: Annotated[int, Gt(0)] | Literal["all", "auto"] = option(
        "auto",
        f"Rows per update; auto: {BATCH_SIZE}, or all training rows if they are fewer. The last "
        "batch of an epoch may have fewer.",
    )
    accumulate: Annotated[int, Gt(0)] = option(
        1,
        "Parts of a batch whose gradients are computed one after another and added up, which takes "
        "less memory; not with what looks at the whole batch, such as batch norm.",
    )
    device: Device = option("auto", "auto (cuda if available), cpu, cuda or cuda:N.")
    engine: Literal["auto", "native", "torch"] = option(
        "auto",
        "native: in C, a run at a time, on the CPU, with the same bits alone or together, with any "
        "number of threads and on any processor; torch: covers everything, on every device; auto: "
        "native where it covers the run (docs/exactness.md).",
    )
    matmul_precision: Literal["highest", "high", "medium"] = option(
        "highest", "Precision of matrix products, one of torch's."
    )
    clip_norm: Annotated[float, Gt(0)] | None = option(
        None, "Largest norm of a run's gradient; null: not clipped."
    )
    clip_value: Annotated[float, Gt(0)] | None = option(
        None, "Largest absolute value in the gradient, before `clip_norm`; null: not clipped."
    )
    penalty: Penalty | None = option(
        None, "{l1, l2} on the weights, but not on biases and gains; logged apart from the cost."
    )
    max_norm: Annotated[float, Gt(0)] | None = option(
        None, "Largest norm of the weights into a hidden unit; null: unlimited."
    )
    average: Average | None = option(
        None, "Mean of the weights over the steps, evaluated instead of the last ones; null: none."
    )
    early_stopping: EarlyStopping | None = option(
        None, "Stop when a metric no longer improves; null: never."
    )
    checkpoint_seconds: Annotated[float, Ge(0)] = option(
        30.0, "Seconds between checkpoints, which torch's engine writes at the end of an epoch."
    )

    @model_validator(mode="before")
    @classmethod
    def _count_one(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and values.get("steps") is not None:
            return {"epochs": None, **values}
        return values

    @field_validator("steps")
    @classmethod
    def _exclude(cls, steps: int | None, info: ValidationInfo) -> int | None:
        if "epochs" in info.data and (info.data["epochs"] is None) == (steps is None):
            given = "neither epochs nor steps is" if steps is None else "epochs and steps are both"
            raise rule(f"{given} given; give one of them")
        return steps


@checked_model
class Stage(Section):
    """How one hidden layer is pre-trained; an option that is null is that of the whole section."""

    method: Method | None = option(None, "What the layer is trained as.")
    epochs: Annotated[int, Ge(0)] | None = option(None, "Passes over the training rows.")
    batch_size: BatchSize | None = option(None, "Rows per update.")
    optimizer: Optimizer | None = option(None, "The optimizer.")
    tied: bool | None = option(None, "Whether the decoder has the transposed weights.")
    corruption: Corruption | None = option(None, "Denoising: what is done to the inputs.")
    gibbs_steps: Annotated[int, Gt(0)] | None = option(None, "RBM: k of CD-k.")
    persistent: bool | None = option(None, "RBM: whether Gibbs chains go on from step to step.")
    chains: Annotated[int, Gt(0)] | None = option(None, "RBM: number of persistent chains.")


@checked_model
class Pretrain(Section):
    """Greedy layer-wise pre-training: each hidden layer learns to encode the outputs of the last.

    Reference:
        Hinton, Osindero and Teh (2006), A fast learning algorithm for deep belief nets; Bengio,
        Lamblin, Popovici and Larochelle (2007), Greedy layer-wise training of deep networks;
        Vincent et al. (2010), Stacked denoising autoencoders
    """

    method: Literal["none"] | Method = option(
        "autoencoder", "What each layer is trained as; none: no layer is pre-trained."
    )
    layers: Literal["all"] | Annotated[int, Ge(0)] = option(
        "all", "How many hidden layers are pre-trained, counted from the first."
    )
    stages: Literal["auto"] | Annotated[list[Stage], MinLen(1)] = option(
        "auto", "The options of each of these layers, a list, if they differ; auto: all are alike."
    )
    epochs: Annotated[int, Ge(0)] = option(10, "Passes over the training rows in each stage.")
    batch_size: BatchSize | None = option(None, "Rows per update; null: as in train.")
    optimizer: Optimizer = option("adam", "The optimizer of each stage.")
    tied: bool = option(
        False, "Autoencoders: whether the decoder has the transposed weights of the encoder."
    )
    corruption: Corruption = option(
        "masking", "Denoising: what is done to the inputs that are to be restored."
    )
    gibbs_steps: Annotated[int, Gt(0)] = option(
        1, "RBM: Gibbs steps between the two estimates of statistics, k of CD-k."
    )
    persistent: bool = option(
        False,
        "RBM: start Gibbs chains from their states at the last step, not from the data; needs a "
        "smaller learning rate.",
    )
    chains: Annotated[int, Gt(0)] = option(100, "RBM: number of persistent chains.")
    unroll: Annotated[int, Ge(0)] = option(
        0, "Epochs in which all these layers and their decoders then learn to reconstruct inputs."
    )
    freeze: bool = option(False, "Do not train the pre-trained layers any further: a linear probe.")
    equal_steps: bool = option(
        False,
        "Subtract the steps of the stages from those of the run, so that all runs take the same.",
    )


def resolved(given: Literal["auto"] | Sequence[Stage] | Pretrain | None) -> Pretrain | None:
    """Return the `pretrain` that a short form stands for; None if no layer is pre-trained."""
    if given is None:
        return None
    section = given if isinstance(given, Pretrain) else None
    if section is None:
        section = Pretrain() if given == "auto" else Pretrain(stages=list(given))  # type: ignore[arg-type]
    return None if section.method == "none" or section.layers == 0 else section


@checked_model
class FineTune(Section):
    """How the layers up to the code and a new output layer learn the labels."""

    steps: Annotated[int, Gt(0)] = option(300, "Updates of the weights.")
    batch_size: Annotated[int, Gt(0)] | Literal["all", "auto"] = option(
        "auto", f"Labelled rows per update; auto: {FINE_TUNE_BATCH}, or all where there are fewer."
    )
    optimizer: Optimizer = option("adam", "The optimizer.")


@checked_model
class Probe(Section):
    """How well labels can be learned from a run's codes, given those of a few training rows.

    Measured at the end of the run, with its scored weights: `probe_accuracy`, the accuracy of
    logistic regression on the codes, and with `fine_tune` the accuracy and the error of a network
    that begins with the layers up to the code.

    Reference:
        Alain and Bengio (2017), Understanding intermediate layers using linear classifier probes
    """

    labels: Annotated[int, Gt(0)] | None = option(
        None,
        "Training rows whose labels are used, drawn by the run's seed; null: 1,000, or half of "
        "them if there are fewer than 2,000.",
    )
    layer: str | Annotated[int, Gt(0)] | None = option(
        None,
        "The layer whose outputs are the codes; null: an autoencoder's code, or else the last "
        "hidden layer.",
    )
    fine_tune: FineTune | None = option(
        None, "How the layers up to the code are trained on the labelled rows; null: they are not."
    )


@checked_model
class LogConfig(Section):
    """What is logged, and how often."""

    level: Literal["minimal", "standard", "full"] = option("standard", "How much is logged.")
    points: Annotated[int, Gt(0)] = option(
        200, "Largest number of evaluations of a run; `every` takes precedence."
    )
    metrics: Literal["auto"] | Annotated[list[MetricChoice], MinLen(1)] = option(
        "auto", "What is measured beside the cost; auto: accuracy, or mse and r2 for numbers."
    )
    every: Annotated[int, Gt(0)] | Every | None = option(
        None, "Steps between evaluations, or 'N epochs'; null: by `points`."
    )


@checked_model
class SeedsUntil(Section):
    """Seeds that are added in batches to the variants that need them."""

    until: Literal["decided"] | Annotated[float, Gt(0)] | Points = option(
        ...,
        "decided: each variant has a verdict; a number or '0.3pp' (percentage points): the half of "
        "its interval is as narrow.",
    )
    max: Annotated[int, Gt(0), Most(MOST_SEEDS)] = option(
        ..., "The most seeds, which is fixed before the first run: the correction rests on it."
    )

    @property
    def half_width(self) -> float | None:
        """The half of the interval that is enough, in the metric's units; None: a verdict is."""
        if self.until == "decided":
            return None
        if isinstance(self.until, str):
            return float(self.until.removesuffix("pp")) / 100
        return self.until


@checked_model
class AblationConfig(Section):
    """What varies between the runs of an ablation, and how variants are compared."""

    question: str | None = option(
        None, "What the ablation asks, in words; it is kept with the plan before the first run."
    )
    vary: dict[DottedKey, Values] | Annotated[list[VariantSettings], MinLen(1)] = option(
        {}, "{dotted key: list of values or a range}; with design list, a list of variants."
    )
    design: Literal["grid", "one_at_a_time", "zip", "list"] = option(
        "grid", "How the values of several keys are combined."
    )
    exclude: list[dict[DottedKey, Any]] = option(
        [], "Variants that are left out, a list of {dotted key: value or list of values}."
    )
    only: dict[DottedKey, dict[DottedKey, Any]] = option(
        {}, "Where a key varies: {dotted key: {dotted key: value or list of values}}."
    )
    seeds: (
        Annotated[int, Gt(0), Most(MOST_SEEDS)] | Annotated[list[Seed], MinLen(1)] | SeedsUntil
    ) = option(
        10,
        "Number of seeds, a list of them, or {until: decided, max: 60}: undecided variants get "
        "more in batches, up to so many.",
    )
    folds: Annotated[int, Ge(2)] | None = option(
        None, "Folds of a cross-validation; each is the dev part of one run per variant and seed."
    )
    splits: Literal["each_seed", "fixed"] | None = option(
        None,
        "each_seed: every seed draws its own train and dev rows; fixed: seed 0 draws those of all; "
        "null: as data.split_seed says, which is each_seed by default.",
    )
    metric: Literal["success"] | Metric | None = option(
        None, "The metric that variants are judged by; null: dev.accuracy, or else dev.cost."
    )
    also: list[Metric] = option(
        [], "Further metrics that variants are judged by, each with verdicts of its own."
    )
    success: dict[Metric, float] | None = option(
        None, "{metric: value that it must reach at the end} for a run to count as a success."
    )
    baseline: str | dict[DottedKey, Any] | None = option(
        None, "The variant that the others are compared with: its name or {dotted key: value}."
    )
    comparisons: Literal["baseline", "all"] = option(
        "baseline",
        "What is compared: each variant with the baseline, or all pairs of variants too; all also "
        "names the group that is not shown to be worse than the best.",
    )
    margin: Annotated[float, Gt(0)] | None = option(
        None,
        "Largest difference that does not matter; null: half a percentage point, but at most 10 % "
        "of the baseline's error, or 5 % of a cost.",
    )
    steps_to: dict[Metric, float] = option(
        {}, "{metric: threshold}; the steps until it is reached are compared too."
    )
    show: list[Metric] = option(
        [],
        "Metrics that are shown beside the judged one or, with log.level standard, "
        "train.running/cost and train.gradient_norm/1, z_mean/1, z_std/1, between_rows/1; from the "
        "last evaluation if they are not measured at the end.",
    )
    tune: dict[DottedKey, Values] = option(
        {}, "{dotted key: values} of which each variant takes the best, chosen on stop rows."
    )
    tune_seeds: Annotated[int, Gt(0), Most(MOST_SEEDS)] = option(
        3, "Number of seeds of the tuning runs, which are not compared."
    )
    show_test: bool = option(
        False, "Show the test metrics of every variant, not only of the chosen one."
    )

    @property
    def most_seeds(self) -> int:
        """How many seeds a variant has at most."""
        if isinstance(self.seeds, SeedsUntil):
            return self.seeds.max
        return self.seeds if isinstance(self.seeds, int) else len(self.seeds)


@checked_model
class SearchConfig(Section):
    """In which values `dlx search` looks for the best ones, by what and for how long."""

    space: dict[DottedKey, Annotated[list[Any], MinLen(1)] | Interval] = option(
        {}, "{dotted key: list of values or a range}; integers at both ends: integers alone."
    )
    trials: Annotated[int, Gt(0), Le(100_000)] = option(
        100, "How many combinations of values are tried."
    )
    batch: Annotated[int, Gt(0)] | None = option(
        None,
        "How many trials are chosen at once, and train together; null: a fifth of all, from 5 to "
        "50.",
    )
    seeds: Annotated[int, Gt(0), Le(1_000)] = option(
        3, "Seeds of each trial; its value is the mean over them."
    )
    metric: Objective | Annotated[list[Objective], MinLen(1)] | None = option(
        None,
        "What is made as good as it can be: a metric, parameters or seconds_per_step, or several "
        "of them; null: dev.accuracy, or else dev.cost.",
    )
    constraints: list[Constraint] = option(
        [], "Bounds that a trial must keep, such as 'parameters < 1e5'."
    )
    sampler: Literal["tpe", "cmaes", "gp", "random", "grid"] = option(
        "tpe", "What chooses the trials: one of Optuna's samplers."
    )
    pruner: Literal["none", "asha", "hyperband", "wilcoxon"] = option(
        "none", "What lets trials leave before their last step."
    )
    judge: Annotated[int, Gt(0)] | Annotated[float, Gt(0), Lt(1)] = option(
        0.2,
        "Rows that judge the best trial against the config's own values, held out before the first "
        "trial: a count or a fraction of the rows that are not test.",
    )
    judge_seeds: Annotated[int, Ge(2), Le(1_000)] = option(
        10, "Fresh seeds of this verdict, which no trial has seen."
    )


@checked_model
class RunConfig(Section):
    """The config of a run."""

    name: Name = option("run", "Name of the run's folder; default: the file's name without .yaml.")
    data: Data = option(..., "The data set, with split and preprocessing.")
    model: Model = option("mlp", "The network.")
    optimizer: Optimizer = option("adam", "The optimizer.")
    pretrain: Literal["auto"] | Annotated[list[Stage], MinLen(1)] | Pretrain | None = option(
        None, "How hidden layers are pre-trained; auto: as autoencoders; null: not."
    )
    train: TrainConfig = option({}, "How the run trains.")
    probe: Probe | None = option(
        None, "How well labels can be learned from the codes, measured at the end; null: not."
    )
    log: LogConfig = option({}, "What is logged.")
    seed: Seed = option(0, "Seed of everything random but the test rows.")
    ablation: AblationConfig | None = option(
        None, "What `dlx ablate` varies; `dlx train` ignores it."
    )
    search: SearchConfig | None = option(
        None, "In which values `dlx search` looks; `dlx train` ignores it."
    )

    @property
    def watched(self) -> dict[str, str]:
        """The metrics that training watches to stop or to change its rate, by their keys."""
        stopping, schedule = self.train.early_stopping, self.optimizer.schedule
        watched = {} if stopping is None else {"train.early_stopping.metric": stopping.metric}
        if schedule.traits.watches:
            watched["optimizer.schedule.metric"] = schedule.metric
        return watched

    @property
    def watches_stop(self) -> bool:
        """Whether training watches rows that are not trained on: stop rows, taken from dev."""
        return any(metric.startswith(("stop.", "dev.")) for metric in self.watched.values())
