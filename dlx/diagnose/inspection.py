"""A network before or after training: shapes, costs, and how signals and gradients pass it.

# B batch, T steps, I inputs, O outputs, H units, G gates
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from dlx.cohort import Cohort
from dlx.denormals import flushed_denormals
from dlx.diagnose.findings import findings
from dlx.diagnose.theory import effective, predict
from dlx.models.design import Design
from dlx.nn.layers import Blueprint, Spec
from dlx.nn.passes import Pass
from dlx.nn.theory import Prediction, Weights
from dlx.optimizers.rule import Search
from dlx.training.job import Job
from dlx.training.portability import differs_elsewhere

_BYTES = 4  # of a float32


@torch.no_grad()
@flushed_denormals()
def inspect(job: Job, state: Mapping[str, Tensor] | None = None) -> dict[str, Any]:
    """Push a job's first training batch forward and back, and describe every layer.

    Nothing is updated. Masks of dropout and corruption, and statistics of batch norm, are those of
    the first step.

    The weights are trained ones, as `Network.run_state` gives them, or else initial ones, which
    theory has predictions for.

    Returns:
        name, seed, inputs, outputs, batch_size, engine (engine_reason: why it is torch's, where
        that was not asked for), parameters, flops (forward: of a row; step: of a batch), memory
        (bytes of parameters, gradients, optimizer and activations), layers, and findings in words.
        A layer has name, depth (number of blocks around it), kind, activation,
        init, shapes (by name, units first as in courses; of one step of a recurrent layer),
        parameters, flops (of all steps), fan_in, fan_out, weight_variance, weight_gradient (root
        mean square of dW), and both variance (of A) and gradient (mean square of dZ) as predicted
        and as measured; of A also between_rows, the variance of a unit over the rows, the mean over
        units. Maxout has pieces, more than 1. A recurrent layer has a cell, and steps: variance and
        gradient of each step's state. None stands for what is not known or does not apply.
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
        biases = cohort.network.run_state(0)
        predictions = predict(
            job.design,
            {name: Weights.of(w, biases.get(f"{name}.bias")) for name, w in weights.items()},
            job.design.layers[0].input_signals(seen[0]),
            None if output is None else _square(output),
        )
    layers = [
        _layer(spec, depth, rows, cohort, weights, pass_, predictions.get(spec.name, Prediction()))
        for spec, depth in _nested(job.design.layers)
    ]
    parameters = cohort.network.num_parameters(0)
    size, optimizer = parameters * _BYTES, job.member.optimizer()
    vectors = optimizer.vectors if isinstance(optimizer, Search) else len(optimizer.state)
    forward = sum(layer["flops"] or 0 for layer in layers)
    return {
        "name": job.config.name,
        "seed": job.member.seed,
        "inputs": job.splits.task.num_inputs,
        "outputs": job.design.head.num_outputs,
        "batch_size": rows,
        "engine": job.member.engine,
        "engine_reason": job.by_torch,
        "differs_elsewhere": differs_elsewhere(job),
        "parameters": parameters,
        # Back through a layer: a product for dW, and one for dX but in the first layer.
        "flops": {
            "forward": forward,
            "step": rows * (3 * forward - job.design.layers[0].input_flops),
        },
        "memory": {
            "parameters": size,
            "gradients": size,
            "optimizer": size * vectors,
            "activations": kept,
        },
        "layers": layers,
        "findings": findings(layers),
    }


def _pass(cohort: Cohort, design: Design, x: Tensor, targets: Tensor, pass_: Pass) -> int:
    """Pass a batch forward and, where a gradient passes, back; return the bytes kept in between."""
    z = cohort.network.forward(x, pass_)
    # A layer's inputs are the outputs of the one before: the same memory.
    kept = {tensor.data_ptr(): tensor.nbytes for tensor in _tensors(pass_.tape)}
    if design.untrainable is None:
        gradient = cohort.head.cost_and_gradient(z, targets, pass_.emphasis)[1]
        cohort.network.backward(gradient, pass_)
        cohort.penalties.add_gradients()
    return sum(kept.values())


def _tensors(recorded: Any) -> Iterator[Tensor]:
    if isinstance(recorded, Tensor):
        yield recorded
    elif isinstance(recorded, list | tuple):
        for element in recorded:
            yield from _tensors(element)


def _layer(
    spec: Spec,
    depth: int,
    rows: int,
    cohort: Cohort,
    weights: Mapping[str, Tensor],
    pass_: Pass,
    theory: Prediction,
) -> dict[str, Any]:
    name, facts = spec.name, spec.facts()
    outputs, gradient = (pass_.activations or {}).get(name), (pass_.gradients or {}).get(name)
    states = (pass_.states or {}).get(name)
    own = [p for p in cohort.network.buffer.parameters if p.layer == name and p.owners[0]]
    weight = next((p for p in own if p.name == f"{name}.weight"), None)
    weight_gradient = None
    if weight is not None and gradient is not None:  # a tied weight's gradient is its owner's
        weight_gradient = _square(weight.gradient) ** 0.5
    return {
        "name": name,
        "depth": depth,
        "kind": spec.kind,
        **{fact: facts.get(fact) for fact in ("cell", "pieces", "activation", "init")},
        "shapes": spec.shapes(rows),
        "parameters": sum(p.value[0].numel() for p in own),
        "flops": spec.flops,
        "fan_in": facts.get("fan_in"),
        "fan_out": facts.get("fan_out"),
        "weight_variance": _variance(weights[name]) if name in weights else None,
        "variance": {
            "predicted": theory.variance,
            "measured": None if outputs is None else _variance(outputs),
            "between_rows": None if outputs is None else _between_rows(outputs),
        },
        "gradient": {
            "predicted": theory.gradient,
            "measured": None if gradient is None else _square(gradient),
        },
        "weight_gradient": weight_gradient,
        "steps": None if states is None else _steps(states, gradient, theory),
    }


def _steps(states: Tensor, gradient: Tensor | None, theory: Prediction) -> dict[str, Any]:
    """Describe a recurrent layer's steps by its states (K, B, T, H) and dZ (K, B T, G H)."""
    measured = None
    if gradient is not None:
        by_step = gradient.unflatten(1, (-1, states.shape[2])).unbind(2)
        measured = [_square(dz) for dz in by_step]
    return {
        "variance": {
            "predicted": theory.variances,
            "measured": [_variance(state) for state in states.unbind(2)],
        },
        "gradient": {"predicted": theory.gradients, "measured": measured},
    }


def _nested(layers: Blueprint, depth: int = 0) -> Iterator[tuple[Spec, int]]:
    """Yield every layer and block that changes its inputs, and its depth; a block comes first."""
    for spec in layers:
        if spec.changes:
            yield spec, depth
            for stack in spec.inside:
                yield from _nested(stack, depth + 1)


def _between_rows(outputs: Tensor) -> float:
    """Return the variance of a unit over the rows of (K, B, …), the mean over units."""
    return float(outputs.double().var(1, correction=0).mean())


def _variance(tensor: Tensor) -> float:
    return float(tensor.double().var(correction=0))


def _square(tensor: Tensor) -> float:
    return float(tensor.double().square().mean())
