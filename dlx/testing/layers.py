"""Checks of a block, and of a model.

# K runs, B batch, I inputs, O outputs
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from dlx.cohort import Cohort, Member
from dlx.config.types import choice
from dlx.data.dataset import Task
from dlx.models import plain
from dlx.models.design import Design
from dlx.nn.passes import Pass
from dlx.testing.bits import assert_near, exactly
from dlx.testing.runs import SHAPES, Variant, assert_alone_or_together, chosen, numbers, regression


def check_block(block: str | Callable[..., Any], **options: Any) -> None:
    """Check that a network with a block keeps the laws of the run axis (see `check_model`)."""
    named = chosen("block", block, options)
    design = choice("model", "mlp", hidden=[named], activation="tanh", init="xavier_normal")
    _check(f"block {named.name}", design)


def check_model(model: str | Callable[..., Design], **options: Any) -> None:
    """Check that a model keeps the laws of the run axis.

    Its plain torch network computes the same outputs and gradients in float64. A run trains to the
    same bits alone and beside others, on odd shapes.
    """
    named = chosen("model", model, options)
    _check(f"model {named.name}", named)


def _check(what: str, design: Callable[[Task], Design]) -> None:
    run = Variant(design, choice("optimizer", "sgd", lr=0.05))
    other = replace(run, seed=1, optimizer=choice("optimizer", "adam"))
    with exactly():
        for num_inputs, batch in SHAPES:
            where = f"{what}, {num_inputs} inputs, batch {batch}"
            _check_plain(where, run.member("run", regression(num_inputs)), num_inputs, batch)
        assert_alone_or_together(what, run, (other, replace(run, seed=2)))


def _check_plain(what: str, run: Member, num_inputs: int, batch: int) -> None:
    design = run.design
    plain.check(design)
    cohort = Cohort([run], batch, torch.float64)
    x = numbers(batch, num_inputs, dtype=torch.float64)
    cohort.initialize(x.unsqueeze(0))
    network = plain.to_torch(design, cohort.network.run_state(0))
    outputs = cohort.head.outputs(cohort.network.forward(x.unsqueeze(0), Pass()))[0]
    assert_near(outputs, network(x).detach(), f"{what}: its outputs, against plain torch's", 1e-10)
    has_dropout = any(isinstance(module, nn.Dropout) for module in network.modules())
    if has_dropout or design.head.output_name != "identity":
        return
    pass_ = Pass(tape=[], batch_size=batch)
    upstream = numbers(*outputs.shape, seed=1, dtype=torch.float64)
    cohort.network.forward(x.unsqueeze(0), pass_)
    cohort.network.backward(upstream.unsqueeze(0).clone(), pass_)
    network.train()
    network(x).backward(upstream)
    gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    expected = plain.from_torch(design, {**network.state_dict(), **gradients})
    for parameter in cohort.network.buffer.parameters:
        if not parameter.owners[0]:
            continue
        gradient = parameter.gradient[0]
        where = f"{what}: the gradient of {parameter.name}, against plain torch's"
        assert_near(gradient, expected[parameter.name].view_as(gradient), where, 1e-10)
