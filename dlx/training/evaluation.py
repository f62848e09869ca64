"""What runs make of rows in evaluation mode: cost and metrics of a split, outputs, activations.

# K runs, N rows, I inputs, B rows that are looked at, O outputs of a layer
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from dlx import registry
from dlx.cohort import Cohort
from dlx.config.types import Choice
from dlx.data import randomness
from dlx.data.selection import Examples, Selection, examples
from dlx.data.splits import draw
from dlx.engine.evaluation import NativeEvaluation, Sums, native_evaluation
from dlx.nn.counts import CONFUSION, Rows
from dlx.nn.metrics import CORRUPTED, Measurement, tag
from dlx.nn.network import Network
from dlx.nn.passes import Pass

# Fixed, whatever the number of runs, so that a run's metrics have the same bits alone and together.
CHUNK = 1024


class BrokenOff(Exception):
    """An evaluation was asked to stop, between two chunks."""


@torch.no_grad()
def evaluate(
    cohort: Cohort,
    inputs: Tensor | Selection,
    targets: Tensor | Selection,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, list[float]]:
    """Return every run's `cost`, and all that is measured of any run of the cohort, on the rows.

    Dropout is off and batch norm uses its running statistics. Inputs are as they are; where runs
    corrupt them in training, cost and metrics are found on corrupted inputs too, under their names
    with `corrupted_` before: the same corruption at every evaluation.

    Args:
        cohort: K runs
        inputs: (N, I), shared by the runs, (K, N, I), or a selection
        targets: as the head encodes them, (N,) or (N, C), each run's own, or a selection
        stop: is asked before each chunk

    Raises:
        BrokenOff: `stop` said so
    """
    rows = examples(inputs, targets)
    values = _measured(cohort, *rows, stop)
    if cohort.network.corruption.present:
        corrupted = _measured(cohort, *rows, stop, corrupted=True)
        values |= {f"{CORRUPTED}{name}": value for name, value in corrupted.items()}
    # In one: on CUDA, taking values over waits for the device.
    return dict(zip(values, torch.stack(list(values.values())).tolist(), strict=True))


def _measured(
    cohort: Cohort,
    inputs: Selection,
    targets: Selection,
    stop: Callable[[], bool],
    *,
    corrupted: bool = False,
) -> dict[str, Tensor]:
    """Return cost, metrics and, of inputs as they are, what layers measure, by tag: (K,) each."""
    native = native_evaluation(cohort)
    if native is not None:
        return _measured_natively(native, cohort, (inputs, targets), stop, corrupted=corrupted)
    cost = torch.zeros(cohort.network.num_runs, dtype=torch.float64, device=cohort.device)
    names = () if corrupted else cohort.measures
    measures = {name: torch.zeros_like(cost) for name in names}
    measurement = Measurement(cohort.head, cohort.metrics)
    for number, start in enumerate(range(0, inputs.num_rows, CHUNK)):
        if stop():
            raise BrokenOff
        x = inputs.chunk(start, start + CHUNK)
        t = x if targets is inputs else targets.chunk(start, start + CHUNK)
        count = x.shape[1]
        pass_ = Pass(measured={})
        if corrupted:
            pass_ = Pass(batch_size=CHUNK, corrupted_chunk=number)
        z = cohort.network.forward(_for_each_run(cohort.network, x), pass_)
        costs = pass_.cost(cohort.head.cost(z, _for_each_run(cohort.network, t)))
        cost += costs.to(torch.float64) * count
        measurement.add(z, t)
        for name, sums in measures.items():
            assert pass_.measured is not None
            sums += pass_.measured[name].to(torch.float64) * count
    count = inputs.num_rows
    means = {name: sums / count for name, sums in measures.items()}
    metrics = measurement.results(count, lambda: targets.chunk(0, count))
    return {"cost": cost / count, **metrics, **means}


def _measured_natively(
    native: NativeEvaluation,
    cohort: Cohort,
    rows: Examples,
    stop: Callable[[], bool],
    *,
    corrupted: bool,
) -> dict[str, Tensor]:
    inputs, targets = rows
    count = inputs.num_rows
    measurement = Measurement(cohort.head, cohort.metrics)
    keeps_rows = not measurement.counts_alone
    stretches: list[Sums] = []
    size = CHUNK if keeps_rows or corrupted else count
    for start in range(0, count, size):
        number = min(size, count - start)
        chunk, first = rows, start
        if corrupted:
            chunk, first = _corrupted_chunk(cohort.network, rows, start), 0
        sums = native.measure(chunk, first, number, stop, keeps_rows=keeps_rows)
        if sums is None:
            raise BrokenOff
        if sums.rows is None:
            measurement.add_right(sums.correct)
        else:
            t = targets.chunk(start, start + number)
            measurement.add(sums.rows.z, t, sums.rows.outputs, sums.correct)
        stretches.append(replace(sums, rows=None))
    values = {"cost": native.costs(stretches, count)}
    values |= measurement.results(count, lambda: targets.chunk(0, count))
    measures = {"sparsity": native.penalties, "active_units": native.active_units}
    names = () if corrupted else cohort.measures
    return values | {name: measures[name](stretches, count) for name in names}


def _corrupted_chunk(network: Network, rows: Examples, start: int) -> Examples:
    """Return a chunk of rows with the corrupted inputs of every run, and targets as they are.

    Draws, comparisons, products and sums of single numbers make them: the same bits everywhere.
    """
    inputs, targets = rows
    x = inputs.chunk(start, start + CHUNK)
    t = x if targets is inputs else targets.chunk(start, start + CHUNK)
    pass_ = Pass(batch_size=CHUNK, corrupted_chunk=start // CHUNK)
    y = network.corruption.forward(_for_each_run(network, x), pass_)
    return Selection.own(y.contiguous()), Selection(t[0]) if len(t) == 1 else Selection.own(t)


@torch.no_grad()
def of_each_row(
    cohort: Cohort, rows: Examples, names: Collection[str], stop: Callable[[], bool] = lambda: False
) -> dict[str, Tensor]:
    """Return what each row adds to the metrics of every run: (K, N) by tag.

    A metric's value is the mean over its rows. What is no such mean, as an area under a curve, is
    left out. `stop` is asked before each chunk: BrokenOff if it says so.
    """
    inputs, targets = rows
    metrics = tuple(metric for metric in cohort.metrics if tag(metric) in names)
    chunks: dict[str, list[Tensor]] = {}
    native = native_evaluation(cohort)
    whole = Measurement(cohort.head, metrics)
    cost = torch.zeros(cohort.network.num_runs, dtype=torch.float64, device=cohort.device)
    for start in range(0, inputs.num_rows, CHUNK):
        if stop():
            raise BrokenOff
        x = inputs.chunk(start, start + CHUNK)
        t = x if targets is inputs else targets.chunk(start, start + CHUNK)
        t, number = _for_each_run(cohort.network, t), x.shape[1]
        if native is None:
            pass_ = Pass(measured={})
            z = cohort.network.forward(_for_each_run(cohort.network, x), pass_)
            costs, outputs = pass_.cost(cohort.head.cost(z, t)).double(), None
        else:
            sums = native.measure(rows, start, number, stop, keeps_rows=True)
            if sums is None:
                raise BrokenOff
            assert sums.rows is not None
            z, outputs, costs = sums.rows.z, sums.rows.outputs, native.costs([sums], number)
            chunks.setdefault("cost", []).append(sums.rows.costs)
        cost += costs * number
        whole.add(z, t, outputs)
        for name, values in _alone(cohort, z, t, metrics, outputs).items():
            chunks.setdefault(name, []).append(values)
    count = inputs.num_rows
    means = whole.results(count, lambda: _for_each_run(cohort.network, targets.chunk(0, count)))
    means["cost"] = cost / count
    by_name = {name: torch.cat(values, 1) for name, values in chunks.items() if name in names}
    return {
        name: values
        for name, values in by_name.items()
        if torch.allclose(values.double().mean(1), means[name], rtol=1e-4, atol=1e-7)
    }


def _alone(
    cohort: Cohort, z: Tensor, targets: Tensor, metrics: Sequence[Choice], outputs: Tensor | None
) -> dict[str, Tensor]:
    """Return metrics of each row by itself, (K, B): rows are taken for runs.

    Cost is one of them where the outputs are not known, which come with the costs of the rows.
    """
    shape = z.shape[:2]
    outputs = None if outputs is None else outputs.flatten(0, 1).unsqueeze(1)
    z, t = z.flatten(0, 1).unsqueeze(1), targets.flatten(0, 1).unsqueeze(1)
    head = cohort.head
    constants = {
        name: tensor.repeat_interleave(shape[1], 0) if len(tensor) == shape[0] > 1 else tensor
        for name, tensor in head.constants.items()
        if name in ("target_scale", "target_shift")
    }
    head = replace(head, constants=head.constants | constants)
    measurement = Measurement(head, metrics)
    measurement.add(z, t, outputs)
    values = {} if outputs is not None else {"cost": head.cost(z, t)}
    values |= measurement.results(1, lambda: t)
    return {name: own.view(shape) for name, own in values.items()}


def _for_each_run(network: Network, rows: Tensor) -> Tensor:
    """Return rows that runs share, (1, B, ...), or that are each run's own, as (K, B, ...)."""
    return rows.expand(network.num_runs, *rows.shape[1:])


def _chunks(network: Network, inputs: Tensor | Selection) -> Iterator[Tensor]:
    """Give inputs, (N, I), (K, N, I) or a selection, piece by piece as every run sees them."""
    rows, _ = examples(inputs, inputs)
    for start in range(0, rows.num_rows, CHUNK):
        yield _for_each_run(network, rows.chunk(start, start + CHUNK))


def asked(cohort: Cohort) -> dict[str, list[bool]]:
    """Return which runs ask for what is measured, by tag, in an order that others do not change."""
    order = registry.names("metric")
    tags = map(
        tag, sorted(cohort.metrics, key=lambda metric: (order.index(metric.name), tag(metric)))
    )
    names = ["cost", *tags]
    measured = [set(member.measured) for member in cohort.members]
    possible = [*names, *cohort.measures, *(f"{CORRUPTED}{name}" for name in names)]
    wanted = {name: [name in names for names in measured] for name in possible}
    return {name: asking for name, asking in wanted.items() if any(asking)}


def thinned(rows: Examples, most: int) -> Examples:
    """Return at most so many rows, drawn by class; the same object where there are no more."""
    inputs, targets = rows
    count = inputs.num_rows
    if count <= most:
        return rows
    # Not at even distances: files may hold their rows in a pattern.
    order = randomness.generator("evaluated", 0).permutation(count)
    kept = torch.from_numpy(draw(order, np.zeros(count, np.int64), most)[0])
    if not targets.base.is_floating_point() and targets.base.ndim == 1:
        classes = targets.chunk(0, count).cpu().numpy()
        # Runs of one seed have the same rows: their draw is made once.
        distinct = {own.tobytes(): own for own in classes}
        drawn = {rows: draw(order, own, most)[0] for rows, own in distinct.items()}
        kept = torch.from_numpy(np.stack([drawn[own.tobytes()] for own in classes]))
        kept = kept[0] if len(kept) == 1 else kept
    kept = kept.to(inputs.device)
    picked = inputs.picked(kept)
    return picked, picked if targets is inputs else targets.picked(kept)


def evaluate_all(
    cohort: Cohort, splits: Mapping[str, Examples], stop: Callable[[], bool] = lambda: False
) -> dict[str, dict[str, list[float]]]:
    """Return the metrics of every split; splits of the same rows are evaluated once.

    BrokenOff: `stop`, which is asked before each chunk, said so.
    """
    evaluated: dict[int, dict[str, list[float]]] = {}
    for rows in splits.values():
        if id(rows) not in evaluated:
            evaluated[id(rows)] = evaluate(cohort, *rows, stop)
    return {split: evaluated[id(rows)] for split, rows in splits.items()}


@torch.no_grad()
def confusion(cohort: Cohort, inputs: Tensor | Selection, targets: Tensor | Selection) -> Tensor:
    """Return every run's number of rows by true class and said class: (K, C, C) int64.

    Of labels that may hold together (K, T, 2, 2), whether each holds and is said to. Inputs are
    (N, I), targets as the head encodes them; or both are selections.
    """
    rows, truth = examples(inputs, targets)
    native = native_evaluation(cohort)
    counts = []
    for start in range(0, rows.num_rows, CHUNK):
        x = rows.chunk(start, start + CHUNK)
        if native is None:
            z, outputs = cohort.network.forward(_for_each_run(cohort.network, x), Pass()), None
        else:
            z, outputs = native.answers(rows, start, x.shape[1])
        t = truth.chunk(start, start + CHUNK)
        counts.append(CONFUSION.find(z, Rows(cohort.head, x.shape[1], lambda own=t: own, outputs)))
    return CONFUSION.join(counts)


@torch.no_grad()
def predict(cohort: Cohort, inputs: Tensor | Selection) -> Tensor:
    """Return every run's outputs, probabilities under softmax or sigmoid: (K, N, C)."""
    native = native_evaluation(cohort)
    if native is not None:
        rows, _ = examples(inputs, inputs)
        return native.answers(rows, 0, rows.num_rows)[1]
    outputs = [cohort.network.forward(x, Pass()) for x in _chunks(cohort.network, inputs)]
    return torch.cat([cohort.head.outputs(z) for z in outputs], 1)


@torch.no_grad()
def corrupted(network: Network, inputs: Tensor | Selection) -> Tensor:
    """Return every run's inputs (N, I) as `evaluate` corrupts them: (K, N, I), bit for bit."""
    chunks = [
        network.corruption.forward(x, Pass(batch_size=CHUNK, corrupted_chunk=number))
        for number, x in enumerate(_chunks(network, inputs))
    ]
    return torch.cat(chunks, 1)


@torch.no_grad()
def encode(cohort: Cohort, inputs: Tensor | Selection, layer: str) -> Tensor:
    """Return every run's outputs of a layer, in evaluation mode: (K, N, O).

    Inputs are (N, I), shared by the runs, (K, N, I), or a selection. The layer is none inside a
    block.
    """
    native = native_evaluation(cohort)
    if native is not None:
        return native.encode(examples(inputs, inputs)[0], layer)
    return encode_by_torch(cohort.network, inputs, layer)


@torch.no_grad()
def encode_by_torch(network: Network, inputs: Tensor | Selection, layer: str) -> Tensor:
    """Return what `encode` does of networks that are no cohort, or not evaluated by an engine."""
    return torch.cat([network.encode(x, layer) for x in _chunks(network, inputs)], 1)


@torch.no_grad()
def decode(cohort: Cohort, codes: Tensor, layer: str) -> Tensor:
    """Return every run's outputs, given those of a layer: (K, N, O) to (K, N, C).

    `predict` is this after `encode`, bit for bit.
    """
    native = native_evaluation(cohort)
    if native is not None:
        return native.decode(Selection.own(codes), layer)
    chunks = [cohort.network.decode(values, layer) for values in codes.split(CHUNK, 1)]
    return torch.cat([cohort.head.outputs(z) for z in chunks], 1)
