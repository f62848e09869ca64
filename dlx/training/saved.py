"""What a run has saved: its config, the task it was made for, the network it ended with."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from dlx.cohort import Cohort, Member
from dlx.config import load as config_files
from dlx.config.schema import RunConfig
from dlx.config.types import Choice, choice
from dlx.data.dataset import Task
from dlx.errors import ConfigError, RunError
from dlx.models.design import Design
from dlx.models.plain import from_torch, sequential
from dlx.native import library
from dlx.runs import RunDirectory, weights


@dataclass(frozen=True)
class Saved:
    """A trained run as its directory holds it."""

    path: Path  # of the directory
    config: RunConfig  # resolved

    @property
    def directory(self) -> RunDirectory:
        """The run's directory, with its files."""
        return RunDirectory(self.path)

    @functools.cached_property
    def task(self) -> Task:
        """What the network was made to do."""
        task = self.directory.read_info().get("task")
        if task is None:
            raise RunError(f"{self.path} has not begun to train; `dlx resume` it")
        try:
            return TypeAdapter(Task).validate_python(task)
        except ValidationError as error:
            path = self.directory.info_path
            raise RunError(f"{path} is damaged: its task cannot be read") from error

    @functools.cached_property
    def design(self) -> Design:
        """Layers and head of the network."""
        return self.config.model(self.task)

    @functools.cached_property
    def tensors(self) -> dict[str, Tensor]:
        """The scored weights, by the names of the plain torch network."""
        if self.directory.status() == "diverged":
            raise RunError(f"{self.path} diverged and has no final weights; train it again")
        path = self.directory.weights_path
        tensors = weights.load(self.directory.read_file(path.name), path)[0]
        check_weights(self.design, tensors, f"{path} holds")
        return tensors

    @property
    def state(self) -> dict[str, Tensor]:
        """The scored weights and statistics, by their names on the run axis."""
        return from_torch(self.design, self.tensors)


def check_weights(design: Design, tensors: Mapping[str, Tensor], whose: str) -> None:
    """Raise a RunError, which begins with `whose`, unless weights are those of a network."""
    expected = sequential(design)[0].state_dict()
    if _kinds(tensors) != _kinds(expected):
        raise RunError(
            f"{whose} the weights of another network than the config says; put them back, or "
            "train it again"
        )


def _kinds(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}


def open_saved(path: Path) -> Saved:
    """Return what a directory holds; RunError where its config is missing or damaged."""
    directory = RunDirectory(path)
    directory.read_file(directory.config_path.name)  # which checks its digest
    try:
        return Saved(path, config_files.load_resolved(directory.config_path))
    except ConfigError as error:
        raise RunError(f"the config of {path} cannot be used: {error}") from error


def evaluating_engine(config: RunConfig) -> str:
    """Return what evaluates a trained run: what trained it, or torch where that is not there.

    So what is said of a run that the native engine trained has the bits of its training.
    """
    is_native = config.train.engine == "native" and library.absence() is None
    return "native" if is_native else "torch"


def stack(
    networks: Sequence[tuple[Design, Mapping[str, Tensor]]],
    metrics: tuple[Choice, ...],
    seeds: Sequence[int] | None = None,
    *,
    engine: str = "torch",
) -> Cohort:
    """Return trained networks of equal shapes as one cohort on the CPU, in their order.

    Weights are by the names of the plain torch network; seeds are of what evaluations draw, which
    the engine makes (see `evaluating_engine`).
    """
    seeds = seeds or [0] * len(networks)
    # Nothing is trained: the optimizer is the one without a state.
    optimizer = choice("optimizer", "sgd")
    members = [
        Member(
            str(place),
            seed,
            design,
            optimizer,
            num_steps=0,
            evaluate_every=1,
            metrics=metrics,
            engine=engine,
        )
        for place, ((design, _), seed) in enumerate(zip(networks, seeds, strict=True))
    ]
    cohort = Cohort(members, batch_size=1)
    for row, (design, tensors) in enumerate(networks):
        cohort.network.load_run(row, from_torch(design, dict(tensors)))
    return cohort
