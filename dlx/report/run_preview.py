"""A preview of a run: layers, data and steps of its config, and the cost of its first batch."""

from typing import Any

from dlx.cohort import Cohort
from dlx.errors import DivergedError
from dlx.nn.layers import Spec
from dlx.nn.passes import Pass
from dlx.training.job import Job
from dlx.training.portability import differs_elsewhere
from dlx.training.rehearsal import rehearse

# What a layer has that says nothing of it.
_NEUTRAL = {
    "activation": None,
    "init": None,
    "dropout": 0.0,
    "dropout_kind": "dropout",
    "noise": 0.0,
    "batch_norm": None,
    "layer_norm": None,
    "weight_norm": False,
    "pieces": 1,
}


def preview(job: Job) -> dict[str, Any]:
    """Describe a job, after its network and those of its pre-training have made their first steps.

    So what training would fail in, fails here.
    """
    reasons = rehearse([job])
    if reasons:
        raise DivergedError(job.divergence(reasons[job.member.name]))
    cohort = Cohort([job.member], job.batch_size, device=job.device)
    batch = job.first_batch(job.examples()["train"])
    cohort.initialize(batch[0])
    if job.member.num_steps:
        costs, _ = cohort.forward_backward(*batch, step=0)
    else:  # only evaluated: its network may pass no gradient
        costs = cohort.head.cost(cohort.network.forward(batch[0], Pass()), batch[1])
    head, member = job.design.head, job.member
    corruption = job.config.model.arguments().get("corruption")
    return {
        "name": job.config.name,
        "seed": member.seed,
        "data": {
            "name": job.splits.name,
            "task": job.splits.task.kind,
            "inputs": job.splits.task.num_inputs,
            "outputs": head.num_outputs,
            "rows": {name: len(part.rows) for name, part in job.splits.parts.items()},
        },
        "input_dropout": job.design.inputs.dropout,
        "input_noise": job.design.inputs.noise,
        "corruption": corruption and corruption.model_dump(),
        "layers": [_layer(spec, cohort) for spec in job.design.parts],
        "output": head.output_name,
        "loss": head.loss.name,
        "parameters": cohort.network.num_parameters(0),
        "optimizer": member.optimizer.name,
        "batch_size": job.batch_size,
        "steps": member.num_steps,
        "epochs": member.num_steps / job.steps_per_epoch,
        "evaluate_every": member.evaluate_every,
        "device": str(job.device),
        "engine": member.engine,
        "engine_reason": job.by_torch,
        "differs_elsewhere": differs_elsewhere(job),
        "cost": costs.item(),
    }


def _layer(spec: Spec, cohort: Cohort) -> dict[str, Any]:
    owned = (p for p in cohort.network.buffer.parameters if p.owners[0])
    facts = spec.facts()
    return {
        "name": spec.name,
        "inputs": spec.inputs,
        "outputs": spec.outputs,
        **{name: facts.get(name, neutral) for name, neutral in _NEUTRAL.items()},
        "parameters": sum(p.value[0].numel() for p in owned if p.layer == spec.name),
    }
