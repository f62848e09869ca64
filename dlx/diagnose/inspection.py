"""A network before (or after) training: shapes, costs, and how signals and gradients pass it.

# B batch, T steps, I inputs, O outputs, H units, G gates
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dlx.cohort import Cohort
from dlx.denormals import flushed_denormals
from dlx.diagnose.findings import findings
from dlx.diagnose.moments import Signal
from dlx.diagnose.theory import Prediction, predict
from dlx.diagnose.weights import effective, moments
from dlx.models.design import Design
from dlx.nn.blocks import BranchSpec, ResidualSpec
from dlx.nn.code import CodeSpec
from dlx.nn.dense import DenseSpec
from dlx.nn.passes import Pass
from dlx.nn.recurrent import RecurrentSpec
from dlx.nn.stack import Blueprint
from dlx.optimizers.rule import Search
from dlx.training.job import Job

_BYTES = 4  # of a float32


@torch.no_grad()
@flushed_denormals()
def inspect(job: Job, state: Mapping[str, Tensor] | None = None) -> dict[str, Any]:
    """Push a job's first training batch forward and back, and describe every layer.

    Nothing is updated. Masks of dropout and corruption, and statistics of batch norm, are those of
    the first step.

    Args:
        job: the run
        state: trained weights, as `Network.run_state` gives them; default: those at the start, for
            which theory has predictions

    Returns:
        name, seed, inputs, outputs, batch_size, parameters, flops (forward: of a row; step: of a
        batch), memory (bytes of parameters, gradients, optimizer and activations), layers, and
        findings in words. A layer has name, depth (how deep inside blocks), kind, activation, init,
        shapes (by name, in the notation of courses: units first; of a recurrent layer's step),
        parameters, flops (of all steps), fan_in, fan_out, weight_variance, and variance (of A) and
        gradient (mean square of dZ), each predicted and measured, and weight_gradient (root mean
        square of dW). Maxout has more than one of pieces. A recurrent layer has a cell, and steps:
        variance and gradient again, of each step's state. What is not known or does not apply is
        None.
    """
    trainer = Job.trainer([job], is_new=True)
    cohort = trainer.cohort
    if state is not None:
        cohort.network.load_run(0, dict(state))
    x, targets = job.first_batch(trainer.splits["train"])
    pass_ = Pass(tape=[], batch_size=job.batch_size, activations={}, gradients={}, states={})
    kept = _pass(cohort, job.design, x, targets, pass_)
    rows = x.shape[1]
    weights = effective(cohort)
    predictions: dict[str, Prediction] = {}
    if state is None:
        training = Pass(tape=[], batch_size=job.batch_size)
        seen = cohort.network.corruption.forward(x, training)
        output = (pass_.gradients or {}).get(cohort.network.layer_names[-1])
        recurrent = {s.name for s in job.design.layers if isinstance(s, RecurrentSpec)}
        predictions = predict(
            job.design,
            moments(weights, cohort.network.run_state(0), recurrent),
            _inputs(job.design, seen),
            None if output is None else _square(output),
        )
    layers = [
        _layer(each, rows, cohort, weights, pass_, predictions.get(each.spec.name, Prediction()))
        for each in _nested(job.design.layers)
    ]
    parameters = cohort.network.num_parameters(0)
    optimizer = job.member.optimizer()
    kept_by_optimizer = optimizer.vectors if isinstance(optimizer, Search) else len(optimizer.state)
    forward = sum(layer["flops"] or 0 for layer in layers)
    return {
        "name": job.config.name,
        "seed": job.member.seed,
        "inputs": job.splits.task.num_inputs,
        "outputs": job.design.head.num_outputs,
        "batch_size": rows,
        "parameters": parameters,
        # Back through a layer: a product for dW, and one for dX, which the first layer needs not.
        "flops": {
            "forward": forward,
            "step": rows * (3 * forward - _first_products(job.design.layers)),
        },
        "memory": {
            "parameters": parameters * _BYTES,
            "gradients": parameters * _BYTES,
            "optimizer": parameters * _BYTES * kept_by_optimizer,
            "activations": kept,
        },
        "layers": layers,
        "findings": findings(layers),
    }


def _pass(cohort: Cohort, design: Design, x: Tensor, targets: Tensor, pass_: Pass) -> int:
    """Pass a batch forward and, where a gradient passes, back; return the bytes kept in between."""
    z = cohort.network.forward(x, pass_)
    kept = {  # a layer's inputs are the outputs of the one before: the same memory
        tensor.data_ptr(): tensor.numel() * tensor.element_size() for tensor in _tensors(pass_.tape)
    }
    if design.untrainable is None:
        gradient = cohort.head.cost_and_gradient(z, targets, pass_.emphasis)[1]
        cohort.network.backward(gradient, pass_)
        cohort.penalties.add_gradients()
    return sum(kept.values())


def _tensors(recorded: Any) -> Iterator[Tensor]:
    if isinstance(recorded, Tensor):
        yield recorded
    elif isinstance(recorded, list | tuple):
        for each in recorded:
            yield from _tensors(each)


def _layer(
    place: "_Place",
    rows: int,
    cohort: Cohort,
    weights: Mapping[str, Tensor],
    pass_: Pass,
    theory: Prediction,
) -> dict[str, Any]:
    """Describe a layer or a block."""
    spec = place.spec
    outputs, gradient = (
        (pass_.activations or {}).get(spec.name),
        (pass_.gradients or {}).get(spec.name),
    )
    own = [p for p in cohort.network.buffer.parameters if p.layer == spec.name and p.owners[0]]
    count = sum(p.value[0].numel() for p in own)
    found = {
        "name": spec.name,
        "depth": place.depth,
        "kind": place.kind,
        "cell": None,
        "pieces": None,
        "activation": None,
        "init": None,
        "shapes": {f"A[{spec.name}]": [spec.outputs, rows]},
        "parameters": count,
        "flops": None,
        "fan_in": None,
        "fan_out": None,
        "weight_variance": None,
        "variance": {
            "predicted": theory.variance,
            "measured": None if outputs is None else _variance(outputs),
        },
        "gradient": {
            "predicted": theory.gradient,
            "measured": None if gradient is None else _square(gradient),
        },
        "weight_gradient": None,
        "steps": None,
    }
    if isinstance(spec, DenseSpec):
        found |= {
            "pieces": spec.pieces,
            "activation": spec.activation.name,
            "init": spec.init.name,
            "shapes": _shapes(spec, rows),
            "flops": place.steps * (_products(spec) + spec.width * spec.has_bias),
            "fan_in": spec.inputs,
            "fan_out": spec.width // spec.gates,
        }
    elif isinstance(spec, RecurrentSpec):
        biased = any(p.name.endswith(".bias") for p in own)
        gates = spec.projection.outputs
        found |= {
            "cell": spec.cell,
            "activation": spec.activation.name,
            "init": spec.init.name,
            "shapes": _state_shapes(spec, rows, biased),
            # Of a step: the product with U, the sum with what the inputs give, GRU's bias.
            "flops": spec.num_steps * (2 * spec.units * gates + gates + spec.units * biased),
            "fan_in": spec.units,
            "fan_out": spec.units,
            "steps": _steps(spec, (pass_.states or {})[spec.name], gradient, theory),
        }
    if spec.name in weights:
        found["weight_variance"] = _variance(weights[spec.name])
        weight = next((p for p in own if p.name.endswith(".weight")), None)
        # The gradient of a tied weight is its owner's.
        if gradient is not None and weight is not None:
            found["weight_gradient"] = _square(weight.gradient) ** 0.5
    if isinstance(spec, ResidualSpec):
        found |= {"activation": spec.activation.name, "flops": spec.outputs}
    return found


def _shapes(spec: DenseSpec, rows: int) -> dict[str, list[int]]:
    """Return the shapes of a layer's matrices as courses write them: Z = W A + b."""
    # Of maxout each unit has several rows of W, and as many z.
    weight, column = [spec.width, spec.inputs], [spec.width, 1]
    sums, signals = [spec.width, rows], [spec.outputs, rows]
    shapes = {"W": weight, "dW": weight}
    if spec.has_bias:
        shapes |= {"b": column, "db": column}
    shapes |= {"Z": sums, "dZ": sums, "A": signals, "dA": signals}
    return {f"{name}[{spec.name}]": shape for name, shape in shapes.items()}


def _state_shapes(spec: RecurrentSpec, rows: int, biased: bool) -> dict[str, list[int]]:
    """Return the shapes of a recurrent layer's step, but for those of its projection."""
    weight = [spec.projection.outputs, spec.units]
    shapes = {"U": weight, "dU": weight}
    if biased:
        shapes |= {"b": [spec.units, 1], "db": [spec.units, 1]}
    sums, signals = [spec.projection.outputs, rows], [spec.units, rows]
    shapes |= {"Z": sums, "dZ": sums, "A": signals, "dA": signals}
    return {f"{name}[{spec.name}]": shape for name, shape in shapes.items()}


def _steps(
    spec: RecurrentSpec, states: Tensor, gradient: Tensor | None, theory: Prediction
) -> dict[str, Any]:
    """Return variance and gradient of the states (K, B, T, H) along the steps."""
    measured = None
    if gradient is not None:
        by_step = gradient.unflatten(1, (-1, spec.num_steps)).unbind(2)
        measured = [_square(each) for each in by_step]
    return {
        "variance": {
            "predicted": theory.variances,
            "measured": [_variance(each) for each in states.unbind(2)],
        },
        "gradient": {"predicted": theory.gradients, "measured": measured},
    }


@dataclass(frozen=True)
class _Place:
    """A layer or a block.

    Attributes:
        spec: of it
        kind: in a word
        depth: how deep inside blocks
        steps: how often a row passes it
    """

    spec: Any
    kind: str
    depth: int
    steps: int = 1


def _nested(layers: Blueprint, depth: int = 0) -> Iterator[_Place]:
    """Yield every layer and block that changes its inputs; a block before what it has."""
    for spec in layers:
        if isinstance(spec, CodeSpec) and not spec.changes:
            continue
        yield _Place(spec, type(spec).__name__.removesuffix("Spec").lower(), depth)
        inside: tuple[Blueprint, ...] = ()
        if isinstance(spec, RecurrentSpec):
            yield _Place(spec.projection, "projection", depth + 1, spec.num_steps)
        elif isinstance(spec, ResidualSpec):
            inside = (spec.inner, () if spec.projection is None else (spec.projection,))
        elif isinstance(spec, BranchSpec):
            inside = spec.branches
        for each in inside:
            yield from _nested(each, depth + 1)


def _products(spec: DenseSpec) -> int:
    return 2 * spec.inputs * spec.width


def _first_products(layers: Blueprint) -> int:
    """Return the FLOPs of the products that read the network's inputs."""
    if not layers:
        return 0
    first = layers[0]
    if isinstance(first, DenseSpec):
        return _products(first)
    if isinstance(first, RecurrentSpec):
        return first.num_steps * _products(first.projection)
    if isinstance(first, ResidualSpec):
        shortcut = () if first.projection is None else (first.projection,)
        return _first_products(first.inner) + _first_products(shortcut)
    if isinstance(first, BranchSpec):
        return sum(map(_first_products, first.branches))
    return 0


def _inputs(design: Design, x: Tensor) -> Signal | list[Signal]:
    """Return the moments of a batch of inputs (K, B, I), of each step where a layer reads them."""
    first = design.layers[0]
    if isinstance(first, RecurrentSpec):
        return [_signal(step) for step in first.read(x)[0].unbind(1)]
    return _signal(x[0])


def _signal(x: Tensor) -> Signal:
    """Return the moments of rows (B, I)."""
    x = x.double()
    rows = len(x)
    squares = x.square()
    square = float(squares.mean())
    if rows == 1:
        return Signal(square, square, float(x.mean()))
    pairs = (x.sum(0).square() - squares.sum(0)) / (rows * (rows - 1))
    return Signal(square, float(pairs.mean()), float(x.mean()))


def _variance(tensor: Tensor) -> float:
    return float(tensor.double().var(correction=0))


def _square(tensor: Tensor) -> float:
    return float(tensor.double().square().mean())
