"""A network before (or after) training: shapes, costs, and how signals and gradients pass it.

# B batch, I inputs, O outputs
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from dlx import registry
from dlx.cohort import Cohort
from dlx.denormals import flushed_denormals
from dlx.diagnose.findings import findings
from dlx.diagnose.moments import Signal
from dlx.diagnose.theory import Prediction, Weights, predict
from dlx.models.design import Design
from dlx.nn.blocks import BranchSpec, ResidualSpec
from dlx.nn.dense import DenseSpec
from dlx.nn.passes import Pass
from dlx.nn.stack import Blueprint
from dlx.optimizers.rule import rule_of
from dlx.training.job import Job

_BYTES = 4  # of a float32


@torch.no_grad()
@flushed_denormals()
def inspect(job: Job, state: Mapping[str, Tensor] | None = None) -> dict[str, Any]:
    """Push a job's first training batch forward and back, and describe every layer.

    Nothing is updated. Masks of dropout and statistics of batch norm are those of the first step.

    Args:
        job: the run
        state: trained weights, as `Network.run_state` gives them; default: those at the start, for
            which theory has predictions

    Returns:
        name, seed, inputs, outputs, batch_size, parameters, flops (forward: of a row; step: of a
        batch), memory (bytes of parameters, gradients, optimizer and activations), layers, and
        findings in words. A layer has name, depth (how deep inside blocks), kind, activation, init,
        shapes (by name, in the notation of courses: units first), parameters, flops, fan_in,
        fan_out, weight_variance, and variance (of A) and gradient (mean square of dZ), each
        predicted and measured, and weight_gradient (root mean square of dW). What is not known or
        does not apply is None.
    """
    trainer = job.trainer()
    cohort = trainer.cohort
    if state is not None:
        cohort.network.load_run(0, dict(state))
    x, targets = job.first_batch(trainer.splits["train"])
    how = Pass(tape=[], batch_size=job.batch_size, activations={}, gradients={})
    kept = _pass(cohort, job.design, x, targets, how)
    rows = x.shape[1]
    predictions: dict[str, Prediction] = {}
    if state is None:
        output = (how.gradients or {}).get(cohort.network.layer_names[-1])
        predictions = predict(
            job.design, _weights(cohort), _inputs(x[0]), None if output is None else _square(output)
        )
    weights = _effective(cohort)
    layers = [
        _layer(spec, depth, rows, cohort, weights, how, predictions.get(spec.name, Prediction()))
        for spec, depth in _nested(job.design.layers)
    ]
    parameters = cohort.network.num_parameters(0)
    forward = sum(layer["flops"] or 0 for layer in layers)
    first = layers[0]["products"]
    for layer in layers:
        del layer["products"]
    return {
        "name": job.config.name,
        "seed": job.member.seed,
        "inputs": job.splits.task.num_inputs,
        "outputs": job.design.head.num_outputs,
        "batch_size": rows,
        "parameters": parameters,
        # Back through a layer: a product for dW, and one for dX, which the first layer needs not.
        "flops": {"forward": forward, "step": rows * (3 * forward - first)},
        "memory": {
            "parameters": parameters * _BYTES,
            "gradients": parameters * _BYTES,
            "optimizer": parameters * _BYTES * len(rule_of(job.member.optimizer).state),
            "activations": kept,
        },
        "layers": layers,
        "findings": findings(layers),
    }


def _pass(cohort: Cohort, design: Design, x: Tensor, targets: Tensor, how: Pass) -> int:
    """Pass a batch forward and, where a gradient passes, back; return the bytes kept in between."""
    z = cohort.network.forward(x, how)
    kept = {  # a layer's inputs are the outputs of the one before: the same memory
        tensor.data_ptr(): tensor.numel() * tensor.element_size()
        for entry in how.tape or []
        for tensor in (entry if isinstance(entry, tuple) else (entry,))
        if isinstance(tensor, Tensor)
    }
    named = [*(each.name for each in design.activations), design.head.output_name]
    if all(n == "softmax" or registry.get("activation", n).function.trainable for n in named):
        cohort.network.backward(cohort.head.cost_and_gradient(z, targets)[1], how)
        cohort.penalties.add_gradients()
    return sum(kept.values())


def _layer(
    spec: Any,
    depth: int,
    rows: int,
    cohort: Cohort,
    weights: Mapping[str, Tensor],
    how: Pass,
    theory: Prediction,
) -> dict[str, Any]:
    """Describe a layer or a block."""
    outputs, gradient = (how.activations or {}).get(spec.name), (how.gradients or {}).get(spec.name)
    own = [p for p in cohort.network.buffer.parameters if p.layer == spec.name and p.owners[0]]
    count = sum(p.value[0].numel() for p in own)
    found = {
        "name": spec.name,
        "depth": depth,
        "kind": type(spec).__name__.removesuffix("Spec").lower(),
        "activation": None,
        "init": None,
        "shapes": {f"A[{spec.name}]": [spec.outputs, rows]},
        "parameters": count,
        "flops": None,
        "products": 0,
        "fan_in": None,
        "fan_out": None,
        "weight_variance": None,
        "variance": {
            "predicted": theory.variance,
            "measured": None if outputs is None else float(outputs.double().var(correction=0)),
        },
        "gradient": {
            "predicted": theory.gradient,
            "measured": None if gradient is None else _square(gradient),
        },
        "weight_gradient": None,
    }
    if isinstance(spec, DenseSpec):
        weight = next(p for p in own if p.name.endswith(".weight"))
        products = 2 * spec.inputs * spec.width
        found |= {
            "activation": spec.activation.name,
            "init": spec.init.name,
            "shapes": _shapes(spec, rows),
            "flops": products + spec.width * spec.has_bias,
            "products": products,
            "fan_in": spec.inputs,
            "fan_out": spec.width,
            "weight_variance": float(weights[spec.name].var(correction=0)),
        }
        if gradient is not None:
            found["weight_gradient"] = _square(weight.gradient) ** 0.5
    elif isinstance(spec, ResidualSpec):
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


def _nested(layers: Blueprint, depth: int = 0) -> Iterator[tuple[Any, int]]:
    """Yield every layer and block with how deep inside blocks it is; a block before what it has."""
    for spec in layers:
        yield spec, depth
        inside: tuple[Blueprint, ...] = ()
        if isinstance(spec, ResidualSpec):
            inside = (spec.inner, () if spec.projection is None else (spec.projection,))
        elif isinstance(spec, BranchSpec):
            inside = spec.branches
        for each in inside:
            yield from _nested(each, depth + 1)


def _weights(cohort: Cohort) -> dict[str, Weights]:
    """Return the moments of every layer's weights and biases, by the layer's name."""
    found = {}
    state = cohort.network.run_state(0)
    for name, value in _effective(cohort).items():
        mean, variance = float(value.mean()), float(value.var(correction=0))
        # Five standard errors of the mean of so many draws.
        centred = mean**2 * value.numel() <= 25 * variance
        bias = state.get(f"{name}.bias")
        found[name] = Weights(
            float(value.square().mean()), 0.0 if bias is None else _square(bias), centred
        )
    return found


def _effective(cohort: Cohort) -> dict[str, Tensor]:
    """Return the weights (I, O) that every layer multiplies with, those of weight norm too."""
    state = cohort.network.run_state(0)
    found = {}
    for name, value in state.items():
        layer, _, kind = name.rpartition(".")
        if kind == "weight":
            found[layer] = value.double()
            if f"{layer}.magnitude" in state:
                lengths = found[layer].norm(dim=0)
                found[layer] = found[layer] / lengths * state[f"{layer}.magnitude"]
    return found


def _inputs(x: Tensor) -> Signal:
    """Return the moments of a batch of inputs (B, I)."""
    x = x.double()
    rows = len(x)
    squares = x.square()
    square = float(squares.mean())
    if rows == 1:
        return Signal(square, square, float(x.mean()))
    pairs = (x.sum(0).square() - squares.sum(0)) / (rows * (rows - 1))
    return Signal(square, float(pairs.mean()), float(x.mean()))


def _square(tensor: Tensor) -> float:
    return float(tensor.double().square().mean())
