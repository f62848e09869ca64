"""What of a run may have other last bits on another processor; see docs/exactness.md."""

import functools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dlx.engine.coverage import not_covered
from dlx.registry import is_own
from dlx.training.saved import open_saved

if TYPE_CHECKING:
    from dlx.training.job import Job

_DECODED = ("image_folder",)  # data sources whose pictures a library decodes


def differs_elsewhere(job: "Job") -> tuple[str, ...]:
    """Return what makes the difference, each with its key.

    Empty: weights, metrics and all that is recorded have the same bits on every machine.
    """
    return tuple(dict.fromkeys(_reasons(job)))


def _reasons(job: "Job") -> Iterator[str]:
    config, member = job.config, job.member
    if member.engine == "torch":
        yield "train.engine: torch's sums depend on the processor"
    for part in job.design.parts:
        init = part.facts().get("init")
        if part.starts_on_data:
            yield f"model.init: {init} looks at the first batch by torch"
        elif init is not None and not is_own("initializer", init):
            yield f"model.init: {init} is a plug-in's"
    for stage in job.stages:
        if member.engine == "native" and (
            reason := not_covered(replace(member, design=stage.design, optimizer=stage.optimizer))
        ):
            yield f"pretrain: torch trains {reason[1]}"
    source = config.model.source
    if source is not None and _engine_of(source.run) != "native":
        yield "model.from_run: torch trained the run that layers come from"
    if member.augmentation is not None and member.augmentation.moves:
        yield "data.augment: torch moves and bends images"
    if config.probe is not None:
        yield "probe: scikit-learn and torch make its probes"
    if config.data.name in _DECODED:
        yield f"data.name: a library decodes the pictures of {config.data.name}"
    if not is_own("data", config.data.name) or config.data.name == "python":
        yield f"data.name: the rows of {config.data.name} are made by other code"


@functools.cache
def _engine_of(run: str) -> str:
    """Return which engine trained a run, that many runs of an ablation may start from."""
    return open_saved(Path(run)).config.train.engine
