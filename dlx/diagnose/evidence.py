"""What a diagnosis is made from: a run's records, and what its network makes of the rows.

# N rows, I inputs, C outputs, L layers
"""

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from torch import Tensor

from dlx.cohort import Cohort
from dlx.config.schema import RunConfig
from dlx.config.types import choice
from dlx.data import randomness
from dlx.data.parts import Part, Splits
from dlx.data.selection import Selection
from dlx.denormals import flushed_denormals
from dlx.diagnose import simple_models
from dlx.diagnose.simple_models import SimpleModels, simple_answers
from dlx.models.design import Design
from dlx.tracking.evaluations import Curve
from dlx.training.baseline import baseline
from dlx.training.evaluation import of_each_row, predict
from dlx.training.linear_model import FEWEST_ROWS, of_part
from dlx.training.saved import evaluating_engine, stack

T = TypeVar("T")

_MOST_ROWS = 5_000  # of a part that are looked at
_REFERENCE_ROWS = 2_000  # that simple models are fitted on
_LIMITS = ("sparsity", "k_sparse", "contractive", "variational", "corruption")  # of a code
_MOST_INPUTS = 200  # of a table whose columns are tried one by one


@dataclass(frozen=True)
class Errors:
    """What a network gets wrong in a part: by row, and what the best constant answer does.

    Of classes and labels an error is the share that is told wrong; of numbers and of inputs that
    are reconstructed, a squared error as a share of what the mean of the training rows leaves.
    """

    rows: np.ndarray  # (N,)
    constant: float  # the error of the majority class, or 1
    # Of numbers, what the mean of the training rows leaves in each row, (N,); the mean of it is 1.
    left: np.ndarray | None = None

    @property
    def mean(self) -> float:
        """The part's error."""
        return float(self.rows.mean())

    @property
    def variance(self) -> float:
        """The variance of this mean, were other rows drawn.

        Of numbers the mean is a ratio of two, both of which come from these rows.

        Reference:
            Cochran 1977, Sampling techniques, 6.3
        """
        count = len(self.rows)
        if count < 2:
            return math.inf
        if self.left is not None:
            return float((self.rows - self.mean * self.left).var()) / count
        # One row more of each kind, so that no error in a few rows is not taken for certain.
        own = float(self.rows.var())
        if set(np.unique(self.rows)) <= {0.0, 1.0}:
            share = (float(self.rows.sum()) + 1) / (count + 2)
            own = share * (1 - share)
        return own / count


@dataclass(frozen=True)
class Evidence:
    """All that is known of a run that has ended."""

    config: RunConfig
    info: Mapping[str, Any]  # what run.json says
    curve: Curve
    errors: Mapping[str, Errors] = field(default_factory=dict)  # by part; none if it diverged
    # Probabilities of the classes (N, C) and the right ones (N,), by part; none of other tasks
    said: Mapping[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    splits: Splits | None = None  # None: the data are not there
    # What simple models make of the data, by the data's key: for runs that have the same ones.
    known: dict[tuple[Any, ...], Any] = field(default_factory=dict, repr=False)
    # Whether runs share them that differ in which rows of the same data they train on.
    shares_models: bool = False
    is_brief: bool = False  # whether neighbours alone speak for simple models

    @classmethod
    def of_network(
        cls,
        config: RunConfig,
        info: Mapping[str, Any],
        curve: Curve,
        splits: Splits,
        network: tuple[Design, Mapping[str, Tensor]],
        known: dict[tuple[Any, ...], Any] | None = None,
    ) -> "Evidence":
        """Return the evidence of a trained network: its design and weights, as `stack` has them."""
        metric = choice("metric", "mse" if splits.task.classes is None else "accuracy")
        cohort = stack([network], (metric,), [config.seed], engine=evaluating_engine(config))
        known = {} if known is None else known
        return cls(config, info, curve, *errors_of(cohort, splits), splits, known)

    @property
    def task(self) -> Mapping[str, Any]:
        """What the network had to do, as run.json has it."""
        return self.info.get("task") or {}

    @property
    def is_shared(self) -> bool:
        """Whether train, dev and test are the same rows."""
        return self.splits is not None and self.splits.shared

    @property
    def judged(self) -> str | None:
        """The part that says how good the network is on rows it did not see."""
        return next((part for part in ("dev", "test") if part in self.errors), None)

    @functools.cached_property
    def layers(self) -> tuple[str, ...]:
        """The layers whose signals were looked at, first to last; the last one is the output."""
        prefix = "between_rows/"
        tags = [tag for tag in self.curve.values.get("train", {}) if tag.startswith(prefix)]
        return tuple(tag.removeprefix(prefix) for tag in tags if tag != f"{prefix}input")

    @property
    def hidden(self) -> tuple[str, ...]:
        """The layers before the output."""
        return self.layers[:-1]

    def series(self, tag: str, split: str = "train") -> tuple[np.ndarray, np.ndarray]:
        """Return the steps at which a tag was measured, and its values."""
        values = np.array(self.curve.of(f"{split}.{tag}"), float)
        steps = np.array(self.curve.steps)[: len(values)]
        known = ~np.isnan(values)
        return steps[known], values[known]

    def last(self, tag: str, split: str = "train") -> float | None:
        """Return the newest value of a tag; None if it was never measured."""
        values = self.series(tag, split)[1]
        return float(values[-1]) if len(values) else None

    def first(self, tag: str, split: str = "train") -> float | None:
        """Return the first value of a tag; None if it was never measured."""
        values = self.series(tag, split)[1]
        return float(values[0]) if len(values) else None

    @functools.cached_property
    def has_learned(self) -> bool:
        """Whether a tenth or more of the error of a constant answer is gone on training rows."""
        train = self.errors.get("train")
        return train is not None and train.mean < 0.9 * train.constant

    @property
    def has_learned_well(self) -> bool:
        """Whether nine tenths or more of it are gone."""
        train = self.errors.get("train")
        return train is not None and train.mean < 0.1 * train.constant

    @property
    def output_variance(self) -> float | None:
        """The variance of the output layer's values between rows; None: it was not measured."""
        return self.last(f"between_rows/{self.layers[-1]}") if self.layers else None

    @property
    def is_constant(self) -> bool:
        """Whether the network answers every row alike."""
        return self.output_variance is not None and self.output_variance < 1e-6

    @functools.cached_property
    def sample(self) -> Part | None:
        """The training rows that simple models are fitted on; None: the data are not there."""
        return None if self.splits is None else _sample(self.splits.train, _REFERENCE_ROWS)

    @functools.cached_property
    def inputs(self) -> np.ndarray | None:
        """Their preprocessed inputs, (N, I)."""
        return None if self.sample is None else self.sample.inputs.numpy()

    @property
    def judged_inputs(self) -> np.ndarray | None:
        """The preprocessed inputs of at most 2,000 judged rows, (M, I); None: there are none."""
        if self.splits is None or self.judged is None:
            return None
        return _sample(self.splits.part(self.judged), _REFERENCE_ROWS).inputs.numpy()

    @property
    def targets(self) -> np.ndarray | None:
        """Their targets, see `Part.own_targets`; None: there are none, or too few rows."""
        sample = self.sample
        if sample is None or sample.own_targets is None or len(sample) < FEWEST_ROWS:
            return None
        return sample.own_targets.numpy()

    @functools.cached_property
    def reference(self) -> Mapping[str, float]:
        """The error that simple models leave on training rows, by name; none of few rows."""
        if self.splits is None or self.inputs is None:
            return {}
        if self.splits.task.kind == "reconstruction":
            return self._of_components()
        if self.simple is None:
            return {}
        errors = simple_models.errors_of
        return {
            name: float(errors(answers.own, self.simple.targets).mean())
            for name, answers in self.simple.by_name.items()
        }

    @functools.cached_property
    def simple(self) -> SimpleModels | None:
        """What simple models answer to training rows and to judged ones; None of few rows."""
        if self.splits is None or self.splits.task.kind == "multilabel":
            return None
        splits = self.splits

        def answers() -> SimpleModels | None:
            targets, inputs = self.targets, self.inputs
            if targets is None or inputs is None:
                return None
            part = splits.train if self.judged is None else splits.part(self.judged)
            others = _sample(part, _REFERENCE_ROWS)
            are_classes, asked = splits.task.classes is not None, others.inputs.numpy()
            linear = not self.is_brief
            by_name = simple_answers(inputs, targets, are_classes, asked, linear=linear)
            return SimpleModels(by_name, targets, others.targets.numpy())

        return self._once(f"simple models beside {self.judged}", answers, self.shares_models)

    @functools.cached_property
    def linear(self) -> np.ndarray | None:
        """What a linear model of the training rows answers to the judged ones of a table.

        It is the probabilities of classes, (N, C), or numbers; None: there is no such model.
        """
        if self.splits is None or self.sample is None or self.judged is None:
            return None
        if self.splits.encoder is None or self.splits.task.kind == "multilabel":
            return None
        sample, task = self.sample, self.splits.task
        judged = _sample(self.splits.part(self.judged), _MOST_ROWS)

        def answers() -> np.ndarray | None:
            model = of_part(sample, task)
            return None if model is None else model(judged.inputs.numpy())

        return self._once(f"answers to {self.judged}", answers)

    def _once(self, name: str, make: Callable[[], T], is_shared: bool = False) -> T:
        """Return what simple models make of the data: made once for all runs with the same data."""
        assert self.splits is not None
        rows = self.splits.fingerprint, self.splits.train.selection.key
        key = name, repr(self.config.data) if is_shared else rows
        if key not in self.known:
            self.known[key] = make()
        return self.known[key]

    def targets_of(self, part: str) -> np.ndarray:
        """Return the targets of the rows of a part that errors are of, see `Part.own_targets`."""
        assert self.splits is not None
        return _sample(self.splits.part(part), _MOST_ROWS).targets.numpy()

    @functools.cached_property
    def _left(self) -> tuple[int, np.ndarray]:
        """The width of a free code, and the share that 0, 1, … principal components leave.

        The width is 0 of a network that is no autoencoder, or limits its code.
        """
        if self.splits is None or self.inputs is None:
            return 0, np.ones(1)
        options = self.config.model.arguments()
        design = self.config.model(self.splits.task)
        width = next((part.outputs for part in design.layers if part.name == design.code), 0)
        is_free = all(options.get(key) is None for key in _LIMITS)
        if not is_free or not 0 < width < min(self.inputs.shape):
            return 0, np.ones(1)
        x = self.inputs.astype(np.float64) - self.inputs.mean(0)
        spread = np.linalg.eigvalsh(x.T @ x if len(x) > x.shape[1] else x @ x.T)[::-1]
        told = np.cumsum(spread) / max(spread.sum(), 1e-300)
        return width, np.maximum(1 - np.r_[0.0, told], 0.0)

    @property
    def wider_code(self) -> int | None:
        """How many components leave half of the variance, where those of the code leave more."""
        width, left = self._left
        enough = int(np.argmax(left <= 0.5))
        is_narrow = 0 < width < enough <= len(left) / 4
        return enough if is_narrow else None

    def _of_components(self) -> dict[str, float]:
        """Return what as many principal components leave as a code has numbers, if it is free.

        A code so narrow that most is lost is measured by as many as leave half.
        """
        width, left = self._left
        count = self.wider_code or width
        return (
            {f"{count} principal component{'s' * (count > 1)}": float(left[count])} if width else {}
        )

    @functools.cached_property
    def leak(self) -> tuple[str | None, float, bool]:
        """The input that alone tells the target, the share that it tells, and if that is all of it.

        Of classes, a tree with two leaves for each tells what the most frequent one misses; of a
        number, a line its variance. 85 % of classes are a leak where no other input tells half.
        """
        return self._once("leak", self._leak, self.shares_models) if self.splits else self._leak()

    def _leak(self) -> tuple[str | None, float, bool]:
        targets, nothing = self.targets, (None, 0.0, False)
        if self.splits is None or self.inputs is None or targets is None:
            return nothing
        task, inputs = self.splits.task, self.inputs
        if len(task.input_shape) != 1 or not 1 < inputs.shape[1] <= _MOST_INPUTS:
            return nothing
        if task.kind in ("binary", "multiclass"):
            from sklearn.tree import DecisionTreeClassifier

            most = np.bincount(targets).max() / len(targets)
            if most > 0.95:
                return nothing
            leaves = 2 * len(task.classes or (0, 1))
            trees = (DecisionTreeClassifier(max_leaf_nodes=leaves) for _ in inputs.T)
            right = [
                tree.fit(x, targets).score(x, targets)
                for tree, x in zip(trees, inputs.T[:, :, None], strict=True)
            ]
            told = (np.array(right) - most) / (1 - most)
            enough, all_of_it = 0.85, (0.995 - most) / (1 - most)
        elif task.kind == "regression" and targets.size == len(targets):
            told = _correlations(inputs, targets.reshape(-1)) ** 2
            enough = all_of_it = 0.999
        else:
            return nothing
        best = int(np.argmax(told))
        others = told[np.abs(_correlations(inputs, inputs[:, best])) < 0.99]
        is_all = bool(told[best] >= all_of_it)
        if not is_all and (told[best] < enough or others.max(initial=0.0) > 0.5):
            return nothing
        features = self.splits.features
        return features[best] if features else f"x{best + 1}", float(told[best]), is_all

    @property
    def copied(self) -> tuple[int, int]:
        """How many of the judged rows are training rows too, and how many there are."""
        if self.splits is None or self.judged is None:
            return 0, 0
        return self.splits.copied.get(self.judged, 0), len(self.splits.part(self.judged))


def _correlations(inputs: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the correlation of each input (N, I) with values (N,); 0 of what is constant."""
    x, y = (a.astype(np.float64) - a.mean(0, dtype=np.float64) for a in (inputs, values))
    sizes = np.sqrt((x**2).sum(0) * (y**2).sum())
    return np.divide(y @ x, sizes, out=np.zeros(len(sizes)), where=sizes > 0)


def places(part: Part, most: int) -> np.ndarray:
    """Return the places of at most so many rows of a part, ascending and always the same."""
    return np.sort(randomness.generator("diagnosed", 0).permutation(len(part))[:most])


def _sample(part: Part, most: int) -> Part:
    return part.picked(places(part, most))


@flushed_denormals()
def errors_of(cohort: Cohort, splits: Splits) -> tuple[dict[str, Errors], dict[str, Any]]:
    """Return the errors of one network by part, and the classes' probabilities, see `Evidence`.

    The cohort is of one run; it measures accuracy, or of numbers the mean squared error.
    """
    task, head = splits.task, cohort.head
    name = "mse" if task.classes is None else "accuracy"
    average = splits.train.targets.double().mean(0)
    errors, said = {}, {}
    for part_name, part in splits.parts.items():
        sample = _sample(part, _MOST_ROWS)
        inputs = targets = sample.selection
        if sample.own_targets is not None:
            targets = Selection(head.encode(sample.targets))
        measured = of_each_row(cohort, (inputs, targets), [name])
        constant = baseline(task, splits.train.targets, {"part": sample}, cohort.metrics)["part"]
        if name not in measured:
            continue
        values = measured[name][0].double().numpy()
        if task.classes is not None:
            errors[part_name] = Errors(1 - values, 1 - constant[name])
        else:
            left = (sample.targets.double() - average).square().mean(1).numpy()
            share = values / max(constant[name], 1e-300)
            errors[part_name] = Errors(share, 1.0, left / max(left.mean(), 1e-300))
        if task.kind in ("binary", "multiclass") and head.gives_probabilities:
            outputs = predict(cohort, inputs)[0].double().numpy()
            if outputs.shape[1] == 1:
                outputs = np.hstack([1 - outputs, outputs])
            said[part_name] = outputs, sample.targets.numpy()
    return errors, said
