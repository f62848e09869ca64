"""What a run has saved: its config, the task it was made for, the network it ended with."""

import functools
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from dlx.config import load as config_files
from dlx.config.schema import RunConfig
from dlx.data.dataset import Task
from dlx.errors import ConfigError, RunError
from dlx.models.design import Design
from dlx.models.plain import from_torch, sequential
from dlx.runs import RunDirectory, weights


@dataclass(frozen=True)
class Saved:
    """A trained run as its directory holds it.

    Attributes:
        path: of the directory
        config: resolved
    """

    path: Path
    config: RunConfig

    @property
    def _directory(self) -> RunDirectory:
        return RunDirectory(self.path)

    @functools.cached_property
    def task(self) -> Task:
        """What the network was made to do.

        Raises:
            RunError: the run has not begun, or run.json is damaged
        """
        task = self._directory.read_info().get("task")
        if task is None:
            raise RunError(f"{self.path} has not begun to train; `dlx resume` it")
        try:
            return TypeAdapter(Task).validate_python(task)
        except ValidationError as error:
            path = self._directory.info_path
            raise RunError(f"{path} is damaged: its task cannot be read") from error

    @functools.cached_property
    def design(self) -> Design:
        """Layers and head of the network."""
        return self.config.model(self.task)

    @functools.cached_property
    def tensors(self) -> dict[str, Tensor]:
        """The scored weights, by the names of the plain torch network.

        Raises:
            RunError: there are none, or not of this network
        """
        if self._directory.status() == "diverged":
            raise RunError(f"{self.path} diverged and has no final weights; train it again")
        path = self._directory.weights_path
        tensors = weights.load(self._directory.read_file(path.name), path)[0]
        shapes = {name: tensor.shape for name, tensor in tensors.items()}
        expected = sequential(self.design)[0].state_dict()
        if shapes != {name: tensor.shape for name, tensor in expected.items()}:
            raise RunError(f"{path} holds the weights of another network than {self.path} has")
        return tensors

    @property
    def state(self) -> dict[str, Tensor]:
        """The scored weights and statistics, by their names on the run axis."""
        return from_torch(self.design, self.tensors)


def open_saved(path: Path) -> Saved:
    """Return what a directory holds.

    Raises:
        RunError: its config is missing or damaged
    """
    directory = RunDirectory(path)
    directory.read_file(directory.config_path.name)  # which checks its digest
    try:
        return Saved(path, config_files.load(directory.config_path))
    except ConfigError as error:
        raise RunError(f"the config of {path} cannot be used: {error}") from error
