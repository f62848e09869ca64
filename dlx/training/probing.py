"""What the codes of runs are worth at their end: probes, and networks that begin with their layers.

# K runs, N training rows, L labelled rows, I inputs, D units of the code
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlx.cohort import Cohort, Member, group
from dlx.config.schema import FINE_TUNE_BATCH, FineTune, RunConfig
from dlx.config.types import choice
from dlx.data.parts import Part, Splits
from dlx.data.selection import Selection
from dlx.errors import ConfigError, did_you_mean
from dlx.models.design import Design
from dlx.models.heads import build_head, output_layer
from dlx.nn.layers import Blueprint
from dlx.nn.network import Network
from dlx.tracking.evaluations import Metrics
from dlx.training import batch_sizes
from dlx.training.evaluation import confusion, encode_by_torch
from dlx.training.records import Finish, Outcome, Stop
from dlx.training.trainer import Listener, Trainer

LABELS = 1000  # rows whose labels are known, unless another number is asked for
OUTPUT = "output"  # the layer that is new when a run is fine-tuned
_BYTES = 2**28  # of the codes, and of the labelled rows, that are held at a time


@dataclass(frozen=True)
class Probing:
    """How a run is asked what its codes are worth."""

    layer: str  # whose outputs the codes are
    layers: Blueprint  # of the run's network, up to it
    labels: int  # L, training rows whose labels are known
    splits: Splits = field(repr=False)  # the data with their classes, on the device
    fine_tune: FineTune | None  # how these layers learn the labels; None: they do not
    design: Design  # the network that does so
    remarks: tuple[str, ...] = ()  # sentences for the user

    @property
    def judged(self) -> dict[str, Part]:
        """The parts that codes are judged on, by name."""
        return {name: part for name, part in self.splits.parts.items() if name != "train"}

    @property
    def metrics(self) -> tuple[str, ...]:
        """What it measures of each of these parts."""
        fine_tuned = ("fine_tuned_accuracy", "fine_tuned_error") if self.fine_tune else ()
        return ("probe_accuracy", *fine_tuned)

    def rows(self, seed: int) -> np.ndarray:
        """Return the numbers of the labelled training rows of a run: (L,), ascending."""
        from dlx.training.probes import labelled  # scikit-learn takes a second to load

        classes = self.splits.train.targets.cpu().numpy()
        return labelled(classes, self.splits.task.classes, self.labels, seed, "probe.labels")


def default_labels(num_rows: int) -> int:
    """Return how many of so many training rows have labels: 1,000, or half of fewer than 2,000."""
    return min(LABELS, -(-num_rows // 2))


def plan(config: RunConfig, splits: Splits, design: Design) -> Probing | None:
    """Return how a run is asked what its codes are worth; None if it is not.

    Splits have their own targets.
    """
    section = config.probe
    if section is None:
        return None
    if splits.task.kind not in ("multiclass", "binary"):
        what = "numbers" if splits.task.kind == "regression" else "labels that may hold together"
        raise ConfigError(
            f"probe: the targets of {splits.name} are {what}, but codes are judged by how well "
            "they tell classes apart; leave probe out"
        )
    if len(splits.parts) == 1:
        raise ConfigError(
            f"probe: {splits.name} was split without dev and test rows, on which codes are judged; "
            "give data.split some"
        )
    layer = _layer(section.layer, design)
    layers = design.layers[: [part.name for part in design.layers].index(layer) + 1]
    labels = section.labels or default_labels(len(splits.train))
    probing = Probing(layer, layers, labels, splits, section.fine_tune, _labelling(layers, splits))
    probing.rows(config.seed)  # how many of each class there are is the same for every seed
    return probing if section.fine_tune is None else _fine_tuned(section.fine_tune, probing)


def _layer(given: str | int | None, design: Design) -> str:
    wanted = None if given is None else str(given)
    names = [layer.name for layer in design.layers[:-1]]
    if not names:
        raise ConfigError(
            "probe: the network has no hidden layer whose outputs could be its codes; add one, or "
            "leave probe out"
        )
    if wanted is not None and wanted not in names:
        raise ConfigError(
            f"probe.layer: received {wanted}{did_you_mean(wanted, names)} (allowed: "
            f"{', '.join(names)})"
        )
    return wanted or design.code or names[-1]


def _labelling(layers: Blueprint, splits: Splits) -> Design:
    """Return the network of layers and a new output that tells classes apart.

    Layers are as they were in training, dropout too, but that nothing of the inputs is lost and a
    code adds nothing to the cost. The hidden units of a Boltzmann machine are a sigmoid layer.
    """
    head = build_head(splits.task)
    kept = [layer.without_terms() for layer in layers]
    init = choice("initializer", "xavier_uniform")
    last = output_layer(kept, splits.task, head, init, None)
    return Design((*kept, replace(last, name=OUTPUT)), head)


def _fine_tuned(given: FineTune, probing: Probing) -> Probing:
    """Return the probing with the batch size that its rows allow; ConfigError where none is."""
    key, rows = "probe.fine_tune.batch_size", "labelled rows"
    size = batch_sizes.resolved(given.batch_size, probing.labels, key, rows, FINE_TUNE_BATCH)
    batch_sizes.check_batch_norm(probing.design, size, probing.labels, key, rows)
    if given.optimizer.traits.searches:
        raise ConfigError(
            f"probe.fine_tune.optimizer: {given.optimizer.name} trains one network at a time, runs "
            "are fine-tuned side by side; use another one, such as adam"
        )
    if given.batch_size != "auto":
        return probing
    remarks = batch_sizes.remarks("auto", size, key, rows, FINE_TUNE_BATCH)
    fine_tune = given.model_copy(update={"batch_size": size})
    return replace(probing, fine_tune=fine_tune, remarks=remarks)


@dataclass(frozen=True)
class _Ended:
    name: str
    seed: int
    probing: Probing
    state: Mapping[str, Tensor]
    rows: np.ndarray


def finisher(probings: Mapping[str, Probing]) -> Finish | None:
    """Return what is measured of runs, by name, when they end; None where nothing is.

    Runs that end together are asked together.
    """
    if not probings:
        return None

    def finish(
        members: Sequence[Member], outcomes: dict[int, Outcome], stop: Stop
    ) -> dict[int, Outcome] | None:
        runs = {}
        for row, outcome in outcomes.items():
            probing = probings.get(members[row].name)
            if probing is not None and outcome.status != "diverged":
                name, seed = members[row].name, members[row].seed
                runs[row] = _Ended(name, seed, probing, outcome.state, probing.rows(seed))
        ended = list(runs.values())
        metrics = {run.name: {part: {} for part in run.probing.judged} for run in ended}
        if not _probe(ended, metrics, stop) or not _fine_tune(ended, metrics, stop):
            return None
        more = {row: outcomes[row].measured(metrics[run.name]) for row, run in runs.items()}
        return outcomes | more

    return finish


def _probe(runs: Sequence[_Ended], metrics: dict[str, Metrics], stop: Stop) -> bool:
    """Find out what logistic regression reads from the codes of runs; False if stopped."""
    alike: dict[Any, list[_Ended]] = {}
    for run in runs:
        alike.setdefault((run.probing.layer, *_sizes(run.probing)), []).append(run)
    for piece in (piece for own in alike.values() for piece in _pieces(own, _code_bytes)):
        if stop():
            return False
        first = piece[0].probing
        network = Network(
            [run.probing.layers for run in piece],
            [run.seed for run in piece],
            device=first.splits.train.selection.device,
        )
        for row, run in enumerate(piece):
            network.load_start(row, run.state)
        probings = [run.probing for run in piece]
        codes = {
            name: encode_by_torch(network, _inputs(probings, name), first.layer).cpu().numpy()
            for name in first.splits.parts
        }
        for row, run in enumerate(piece):
            codes_of_run = {name: values[row] for name, values in codes.items()}
            for part, accuracy in _logistic_accuracy(run, codes_of_run).items():
                metrics[run.name][part]["probe_accuracy"] = accuracy
    return True


def _logistic_accuracy(run: _Ended, codes: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return the accuracy of logistic regression by part, fitted on a run's labelled rows.

    Codes are (N, D) by part; z-scores are those of all training rows.
    """
    from sklearn.preprocessing import StandardScaler

    from dlx.training.probes import logistic

    parts = run.probing.splits.parts
    targets = {name: part.targets.cpu().numpy() for name, part in parts.items()}
    scaler = StandardScaler().fit(codes["train"])
    known = np.asarray(scaler.transform(codes["train"][run.rows]))
    model = logistic(known, targets["train"][run.rows])
    return {
        name: float(np.mean(model.predict(scaler.transform(codes[name])) == targets[name]))
        for name in run.probing.judged
    }


def _fine_tune(runs: Sequence[_Ended], metrics: dict[str, Metrics], stop: Stop) -> bool:
    """Train the layers of runs, from where they ended, on the labelled rows; False if stopped."""
    tuned = [run for run in runs if run.probing.fine_tune is not None]
    members = [_member(run) for run in tuned]
    shared = [(_batch_size(run.probing), run.probing.labels, *_sizes(run.probing)) for run in tuned]
    for indices in group(members, shared):
        together = [tuned[index] for index in indices]
        if not all(_train(piece, metrics, stop) for piece in _pieces(together, _row_bytes)):
            return False
    return True


def _train(runs: Sequence[_Ended], metrics: dict[str, Metrics], stop: Stop) -> bool:
    first = runs[0].probing
    probings, head = [run.probing for run in runs], first.design.head
    inputs = _inputs(probings, "train")
    device = inputs.device
    cohort = Cohort([_member(run) for run in runs], _batch_size(first), device=device)
    # Not `Cohort.initialize`: what starts by LSUV has started, and must not be scaled again.
    cohort.network.buffer.initialize()
    for row, run in enumerate(runs):
        cohort.network.load_start(row, run.state)
    rows = torch.from_numpy(np.stack([run.rows for run in runs])).to(device)
    # Each run's own: where labels are wrong on purpose, they may differ over the same inputs.
    encoded = [head.encode(run.probing.splits.train.targets) for run in runs]
    targets = torch.stack([targets[own] for targets, own in zip(encoded, rows, strict=True)])
    trainer = Trainer(cohort, {"train": (inputs.gather(rows), targets)}, gradient_norms=False)
    trainer.fit(_Judge({run.name: run.probing for run in runs}, metrics), stop)
    return not trainer.members


class _Judge(Listener):
    """Finds the accuracy of runs that were fine-tuned; one that diverged has none.

    Nothing is saved: a run whose training is resumed is fine-tuned from its start.
    """

    def __init__(self, probings: Mapping[str, Probing], metrics: dict[str, Metrics]) -> None:
        self._probings = probings
        self._metrics = metrics

    def ended(self, trainer: Trainer, outcomes: dict[int, Outcome]) -> None:
        """Judge the runs that leave."""
        ended = [row for row, outcome in outcomes.items() if outcome.status == "completed"]
        if not ended:
            return
        probings, head = [self._probings[m.name] for m in trainer.members], trainer.cohort.head
        for name, part in probings[0].judged.items():
            targets = Selection.stacked([head.encode(p.judged[name].targets) for p in probings])
            counts = confusion(trainer.cohort, _inputs(probings, name), targets).cpu()
            right = counts.diagonal(dim1=-2, dim2=-1).sum(-1).double() / len(part)
            for row in ended:
                values = self._metrics[trainer.members[row].name][name]
                values["fine_tuned_accuracy"] = float(right[row])
                values["fine_tuned_error"] = float(1 - right[row])


def _sizes(probing: Probing) -> tuple[int, ...]:
    """Return the number of rows of each part, which must agree for runs to be asked together."""
    return tuple(len(part) for part in probing.splits.parts.values())


def _inputs(probings: Sequence[Probing], part: str) -> Selection:
    """Return the inputs of a part for runs that end together: each its own rows."""
    return Selection.together([probing.splits.part(part).selection for probing in probings])


def _member(run: _Ended) -> Member:
    how = run.probing.fine_tune
    assert how is not None
    return Member(
        name=run.name,
        seed=run.seed,
        design=run.probing.design,
        optimizer=how.optimizer,
        num_steps=how.steps,
        evaluate_every=how.steps,
        start=run.state,
    )


def _batch_size(probing: Probing) -> int:
    assert probing.fine_tune is not None
    given = probing.fine_tune.batch_size
    return batch_sizes.resolved(given, probing.labels, "probe.fine_tune.batch_size")


def _code_bytes(run: _Ended) -> int:
    """Return the bytes that the codes of all rows of a run take."""
    rows = sum(len(part) for part in run.probing.splits.parts.values())
    return 4 * rows * run.probing.layers[-1].outputs


def _row_bytes(run: _Ended) -> int:
    """Return the bytes that the labelled rows of a run take."""
    return 4 * run.probing.labels * run.probing.splits.task.num_inputs


def _pieces(runs: Sequence[_Ended], size: Callable[[_Ended], int]) -> list[Sequence[_Ended]]:
    """Return runs in neighbourhoods that fit into memory."""
    most = max(_BYTES // max(map(size, runs)), 1)
    return [runs[start : start + most] for start in range(0, len(runs), most)]
