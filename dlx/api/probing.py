"""What the codes of runs are worth: probes on codes, on the inputs and on principal components."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlx.api.run import Run
from dlx.denormals import flushed_denormals
from dlx.errors import ConfigError
from dlx.training.evaluation import encode_by_torch
from dlx.training.probing import default_labels

if TYPE_CHECKING:
    from dlx.training.probes import Features

Scores = dict[str, list[float]]
"""By probe, a value per seed."""

MOST_SEEDS = 1_000


@dataclass(frozen=True)
class Probed:
    """What probes read from the codes of one run, and from features of the same rows."""

    run: Run  # it
    layer: str  # whose outputs the codes are
    widths: dict[str, int]  # how many features there are, of `codes`, `inputs` and `pca`
    scores: dict[str, Scores]  # likewise, by probe a value per seed


@dataclass(frozen=True)
class Probe:
    """What probes read from the codes of runs.

    Attributes:
        runs: in their order
        split: whose rows the probes are judged on
        metric: accuracy, or of numbers r2
        labels: training rows whose labels the probes are told
        seeds: how many draws of them
        num_train: training rows
        num_test: rows of the split
    """

    runs: tuple[Probed, ...]
    split: str
    metric: str
    labels: int
    seeds: int
    num_train: int
    num_test: int

    def document(self) -> dict[str, Any]:
        """Return it as JSON: means and 95 % intervals over the seeds, paired differences.

        A difference is of the codes minus other features, seed by seed: the run's inputs, their
        principal components, and the codes of the first run.
        """
        return {
            "split": self.split,
            "metric": self.metric,
            "labels": self.labels,
            "seeds": self.seeds,
            "rows": {"train": self.num_train, self.split: self.num_test},
            "runs": [self._of_run(probed) for probed in self.runs],
        }

    def _of_run(self, probed: Probed) -> dict[str, Any]:
        own = probed.scores["codes"]
        others = {name: probed.scores[name] for name in ("inputs", "pca")}
        if probed is not self.runs[0]:
            others["first"] = self.runs[0].scores["codes"]
        return {
            "run": str(probed.run.path),
            "layer": probed.layer,
            "features": {
                name: {"width": probed.widths[name]}
                | {kind: _interval(values) | {"values": values} for kind, values in scores.items()}
                for name, scores in probed.scores.items()
            },
            "differences": {
                name: {kind: _paired(own[kind], scores[kind]) for kind in own}
                for name, scores in others.items()
            },
        }


@flushed_denormals()
def probe(
    runs: Sequence[Run],
    *,
    split: str = "dev",
    labels: int | None = None,
    seeds: int = 10,
    layer: str | None = None,
    data_dir: Path | str | None = None,
    show: Callable[[str], None] = lambda text: None,
) -> Probe:
    """Return what simple models learn from the codes of runs when few rows have labels.

    A seed draws training rows whose labels the probes are told, the same rows for all features of
    all runs, so that differences are paired. See `dlx.training.probes` for the probes.

    Args:
        runs: of the same data
        split: whose rows they are judged on
        labels: rows with labels; default 1,000, or half of the training rows if there are fewer
            than 2,000: seeds that draw the same rows say nothing of chance
        seeds: draws; with all rows labelled there is one
        layer: whose outputs are the codes, see `Run.layer`
        data_dir: where data sets are kept
        show: is told of progress

    Raises:
        ConfigError: no run, one named twice or of other data, more labels than training rows,
            labels that may hold together, no such layer
        DataError: the data are missing or changed, have no rows in this split, or a class has too
            few rows with labels
    """
    # Here, since scikit-learn takes a second to load.
    from dlx.training.probes import Features, labelled, score_classes, score_numbers

    _check(runs, labels, seeds)
    splits = [run.labelled_splits(data_dir) for run in runs]
    task, train, test = splits[0].task, splits[0].train, splits[0].part(split)
    if task.kind == "multilabel":
        raise ConfigError(
            f"{runs[0].path} has labels that may hold together; probes are for classes or numbers"
        )
    num_train = len(train)
    if labels is None:
        labels = default_labels(num_train)
    seeds = 1 if labels == num_train else seeds
    targets = train.targets.numpy(), test.targets.numpy()
    drawn = [labelled(targets[0], task.classes, labels, seed) for seed in range(seeds)]
    measure = score_numbers if task.classes is None else score_classes
    score = partial(_score, measure, targets, drawn)
    known: dict[Any, tuple[int, Scores]] = {}  # runs of equal preprocessing have equal inputs
    probed = []
    for run, parts in zip(runs, splits, strict=True):
        name = run.layer(layer)
        inputs = Features(parts.train.inputs.numpy(), parts.part(split).inputs.numpy())
        show(f"{run.path}: codes of layer {name}")
        codes = Features(
            *(
                encode_by_torch(run.cohort.network, parts.part(part).inputs, name)[0].numpy()
                for part in ("train", split)
            )
        )
        width = codes.train.shape[1]
        scores, widths = {"codes": score(codes)}, {"codes": width}
        seen = tuple(tensor.numpy().tobytes() for tensor in parts.preprocessing.tensors().values())
        for kind in ("inputs", "pca"):
            key = (kind, seen, width if kind == "pca" else None)
            if key not in known:
                show(f"{run.path}: {kind}")
                features = inputs if kind == "inputs" else inputs.principal_components(width)
                known[key] = features.train.shape[1], score(features)
            widths[kind], scores[kind] = known[key]
        probed.append(Probed(run, name, widths, scores))
    metric = "r2" if task.classes is None else "accuracy"
    return Probe(tuple(probed), split, metric, labels, seeds, num_train, len(test))


def _check(runs: Sequence[Run], labels: int | None, seeds: int) -> None:
    if labels is not None and labels < 1:
        raise ConfigError(f"--labels: received {labels}; probes need a row with a label or more")
    if seeds < 1:
        raise ConfigError(f"--seeds: received {seeds}; draw the labelled rows once or more")
    if seeds > MOST_SEEDS:
        raise ConfigError(f"--seeds: received {seeds}; it is at most {MOST_SEEDS:,}")
    if not runs:
        raise ConfigError("a probe needs a run; name one or more")
    paths = [run.path.resolve() for run in runs]
    for run, path in zip(runs, paths, strict=True):
        if paths.count(path) > 1:
            raise ConfigError(f"{run.path} is named twice; name each run once")
        if run.info.get("data_fingerprint") != runs[0].info.get("data_fingerprint"):
            raise ConfigError(
                f"{run.path} was trained on other data or another split ({run.config.data.name}) "
                f"than {runs[0].path} ({runs[0].config.data.name}): probes on them are not to be "
                "compared; probe each by itself"
            )


def _score(
    measure: Callable[..., dict[str, float]],
    targets: tuple[np.ndarray, np.ndarray],
    drawn: Sequence[np.ndarray],
    features: "Features",
) -> Scores:
    """Return what probes reach on features: by probe, a value per draw of labelled rows."""
    scaled = features.standardized()
    scores = [measure(features, scaled, *targets, rows) for rows in drawn]
    return {kind: [score[kind] for score in scores] for kind in scores[0]}


def _interval(values: Any) -> dict[str, float]:
    from dlx.ablation.statistics.intervals import mean_interval  # SciPy, which only probes need

    interval = asdict(mean_interval(values))
    return {key: interval[key] for key in ("mean", "low", "high")}


def _paired(values: Any, others: Any) -> dict[str, float]:
    from dlx.ablation.statistics.paired import differences

    return _interval(differences(values, others))
