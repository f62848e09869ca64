"""Variants that are the same in effect: their configs differ in what their runs do not use."""

from dataclasses import replace
from typing import Any

from dlx.ablation.plan import Plan, PlannedRun
from dlx.data.parts import Part
from dlx.data.selection import digest
from dlx.training.job import Job


def same_variants(plan: Plan) -> list[list[str]]:
    """Return the groups of variants whose runs train alike, by name; those alone are left out.

    What is compared is what trains: the network as it is built, optimizer, steps, batches, stages
    and data. So dropout without a hidden layer to drop, or a limit above the number of rows, makes
    no other variant. With tuning all choices have to agree.
    """
    groups: dict[tuple[Any, ...], list[str]] = {}
    arms = plan.arms(plan.phases[0])
    watches_evaluations = bool(plan.section.steps_to)
    for variant in plan.variants:
        jobs = [
            plan.job(PlannedRun(arm, plan.seeds[0], plan.folds[0]))
            for arm in arms
            if arm.variant == variant.name
        ]
        key = tuple(_trained(job, watches_evaluations=watches_evaluations) for job in jobs)
        groups.setdefault(key, []).append(variant.name)
    return [names for names in groups.values() if len(names) > 1]


def _trained(job: Job, *, watches_evaluations: bool) -> tuple[Any, ...]:
    """Return what is equal for runs that train alike; tensors are told apart by their values."""
    member = job.member
    watches = watches_evaluations or member.stop_metric or member.rate_metric
    member = replace(
        member,
        name="",
        seed=0,
        metrics=(),
        evaluate_every=member.evaluate_every if watches else 0,
        # It bounds the weights into hidden units.
        max_norm=member.max_norm if len(member.design.parts) > 1 else None,
    )
    return (
        repr(member),
        repr(job.stages),
        repr(job.probing),
        job.batch_size,
        str(job.device),
        job.config.train.matmul_precision,
        tuple(member.start),
        digest(*member.start.values()),
        tuple(map(_data, [*job.splits.parts.values(), job.splits.unlabelled.train])),
    )


def _data(part: Part) -> tuple[Any, ...]:
    """Return what is equal for the same rows with the same targets, preprocessed alike."""
    selection = part.selection
    return id(selection.base), selection.key, digest(part.own_targets)
