"""What the command line and Python users call: train, resume, load, evaluate, predict, export.

>>> import dlx
>>> run = dlx.train("configs/digits.yaml", ["optimizer.lr=0.01"])
>>> run.metrics["test"]["accuracy"]
>>> dlx.load(run.path).predict(x)
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlx.cohort import Cohort, Member
from dlx.config import load as config_files
from dlx.config.schema import RunConfig
from dlx.data import default_directory
from dlx.data.dataset import Task
from dlx.data.pipeline import Splits
from dlx.data.pipeline import load as load_data
from dlx.data.preprocessing import Preprocessing
from dlx.errors import ConfigError, DataError, DivergedError, RunError
from dlx.models.design import Design
from dlx.models.plain import from_torch, to_torch
from dlx.runs import RunDirectory, find, weights
from dlx.tracking import read
from dlx.training import job as jobs
from dlx.training import session
from dlx.training.evaluation import evaluate, predict

# Before any parallel region: the worker threads inherit it. Denormal numbers, of which Adam's
# running means are full after a while, are very slow on most processors.
torch.set_flush_denormal(True)

RUNS_DIR = Path("runs")
_RESUMABLE = ("train.", "log.")
_FIXED = ("train.batch_size",)


@dataclass(frozen=True)
class Run:
    """A run in its directory.

    Attributes:
        path: the directory
        config: resolved, every default filled in
        info: what run.json says
    """

    path: Path
    config: RunConfig
    info: Mapping[str, Any]

    @property
    def status(self) -> str:
        """running, completed, stopped_early, interrupted, diverged or failed."""
        return RunDirectory(self.path).status()

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """The final metrics on all rows, by split and name; empty if it has not ended well."""
        return self.info.get("metrics") or {}

    @property
    def history(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl: one per evaluation."""
        return read(RunDirectory(self.path).metrics_path)

    @functools.cached_property
    def task(self) -> Task:
        """What the network was made to do."""
        task = self.info.get("task")
        if task is None:
            raise RunError(f"{self.path} has not begun to train; `dlx resume` it")
        return Task(
            task["kind"],
            task["num_inputs"],
            task["num_outputs"],
            task["classes"] and tuple(task["classes"]),
            tuple(task["input_shape"]),
        )

    @functools.cached_property
    def design(self) -> Design:
        """Layers and head of the network."""
        return jobs.build_design(self.config, self.task)

    @functools.cached_property
    def tensors(self) -> dict[str, Tensor]:
        """The scored weights, by the names of the plain torch network."""
        if self.status == "diverged":
            raise RunError(f"{self.path} diverged and has no final weights; train it again")
        return weights.load(RunDirectory(self.path).weights_path)[0]

    @functools.cached_property
    def preprocessing(self) -> Preprocessing:
        """Shift and scale of the inputs, as fitted on the training rows."""
        return Preprocessing.from_tensors(weights.load(self.path / "preprocessing.safetensors")[0])

    @functools.cached_property
    def cohort(self) -> Cohort:
        """The trained network on the run axis: a cohort of one, on the CPU."""
        member = Member(
            self.config.name, self.config.seed, self.design, self.config.optimizer, 0, 1
        )
        cohort = Cohort([member], batch_size=1)
        cohort.network.load_run(0, from_torch(self.design, self.tensors))
        return cohort

    def network(self) -> torch.nn.Sequential:
        """Return the trained network as ordinary torch modules, in evaluation mode.

        It takes inputs as `preprocessing` gives them, (N, I), and ends in the output function.
        """
        return to_torch(self.design, from_torch(self.design, self.tensors))

    def predict(self, x: np.ndarray | Tensor | Sequence[Any]) -> np.ndarray:
        """Return the network's outputs for raw inputs, which are preprocessed as in training.

        Args:
            x: (N, I), or (N, *input_shape); pixels as numbers in [0, 1]

        Returns:
            (N, C) float32: probabilities under softmax, (N, 1) the second class's under sigmoid

        Raises:
            DataError: the rows do not have the width that the network takes
        """
        inputs = torch.as_tensor(x, dtype=torch.float32)
        rows = inputs.reshape(len(inputs), -1) if inputs.ndim > 1 else inputs.unsqueeze(0)
        if rows.shape[1] != self.task.num_inputs:
            raise DataError(
                f"predict: received rows of {rows.shape[1]} numbers; the network of {self.path} "
                f"takes {self.task.num_inputs}, of shape {self.task.input_shape}"
            )
        return predict(self.cohort, self.preprocessing(rows))[0].numpy()

    def classify(self, outputs: np.ndarray) -> list[str]:
        """Return the class that each row of `predict`'s outputs says.

        Raises:
            ConfigError: the run predicts numbers
        """
        if self.task.classes is None:
            raise ConfigError(f"{self.path} predicts numbers, not classes")
        if outputs.shape[1] > 1:
            return [self.task.classes[index] for index in outputs.argmax(1)]
        middle = 0.0 if self.design.head.output_name == "tanh" else 0.5
        return [self.task.classes[int(value > middle)] for value in outputs[:, 0]]

    def splits(self, data_dir: Path | None = None) -> Splits:
        """Return the data that the run was trained on, split and preprocessed as it was.

        Raises:
            DataError: the data are missing, or are not those the run was trained on
        """
        splits = load_data(self.config.data, data_dir or default_directory())
        if splits.fingerprint != self.info.get("data_fingerprint"):
            raise DataError(
                f"the data {self.config.data.name!r} have changed since {self.path} was trained: "
                "its split and metrics would not be the same; train a new run"
            )
        return splits

    def evaluate(self, data_dir: Path | None = None) -> dict[str, dict[str, float]]:
        """Return the metrics of the saved weights on all rows of every split."""
        splits = self.splits(data_dir)
        job = jobs.prepare(read_config(self.config, ["train.device=cpu"]), splits)
        return {
            name: {k: v[0] for k, v in evaluate(self.cohort, *examples).items()}
            for name, examples in job.examples().items()
        }

    def result(self) -> dict[str, Any]:
        """Return the JSON object that train, evaluate and resume print."""
        info = self.info
        return {
            "run": str(self.path),
            "status": self.status,
            "weights": info.get("weights"),
            "seed": self.config.seed,
            "steps": info.get("steps"),
            "epochs": info.get("epochs"),
            "seconds": info.get("seconds"),
            "parameters": info.get("parameters"),
            "metrics": self.metrics,
        }


def read_config(
    config: RunConfig | str | Path | Mapping[str, Any], overrides: Sequence[str] = ()
) -> RunConfig:
    """Return a checked config from a file, a mapping or a config, with overrides KEY=VALUE.

    Raises:
        ConfigError: with every error of the config at once
    """
    if isinstance(config, RunConfig):
        return config_files.override(config, overrides)
    return config_files.load(config, overrides)


def prepare(
    config: RunConfig | str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    data_dir: Path | None = None,
) -> jobs.Job:
    """Return a config's run, ready to train: data loaded, network designed, all checked.

    Raises:
        ConfigError: the config cannot be used
        DataError: the data are missing or damaged
    """
    config = read_config(config, overrides)
    return jobs.prepare(config, load_data(config.data, data_dir or default_directory()))


def train(
    config: RunConfig | str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    runs_dir: Path = RUNS_DIR,
    data_dir: Path | None = None,
    show: session.Show = lambda progress: None,
) -> Run:
    """Train a config's run in a new directory `runs_dir/<name>/<id>`.

    Args:
        config: a path to YAML, a mapping of the same form, or a config
        overrides: KEY=VALUE, the value read as YAML
        runs_dir: where runs are kept
        data_dir: where data sets are kept; default: $DLX_DATA, else the user's cache
        show: is told of progress

    Raises:
        ConfigError, DataError: before anything is written
        DivergedError: a cost was not finite
        Interrupted: SIGINT or SIGTERM, after saving
        StorageError: a file could not be written
    """
    job = prepare(config, overrides, data_dir=data_dir)
    return train_job(job, runs_dir=runs_dir, show=show)


def train_job(
    job: jobs.Job, *, runs_dir: Path = RUNS_DIR, show: session.Show = lambda progress: None
) -> Run:
    """Train a prepared run in a new directory; see `train`."""
    run = RunDirectory.create(
        runs_dir, job.config.name, config=config_files.dump(job.config), seed=job.config.seed
    )
    session.train(job, run, show)
    return load(run.path)


def resume(
    run: Path | str,
    overrides: Sequence[str] = (),
    *,
    runs_dir: Path = RUNS_DIR,
    data_dir: Path | None = None,
    show: session.Show = lambda progress: None,
) -> Run:
    """Go on with a stopped run; a finished one is left alone unless an override extends it.

    Args:
        run: a path, a name (its newest run), an id or 'latest'
        overrides: of `train.` and `log.` keys, such as train.epochs=40
        runs_dir: where runs are kept
        data_dir: where data sets are kept
        show: is told of progress

    Raises:
        ConfigError: an override of what a trained run cannot change
        RunError: no such run, or no checkpoint of it can be used
    """
    loaded = load(run, runs_dir=runs_dir)
    for override in overrides:
        key = override.split("=", 1)[0]
        if not key.startswith(_RESUMABLE) or key in _FIXED:
            raise ConfigError(
                f"{override}: a run that has begun keeps its {key}; only train.* (but not "
                "batch_size) and log.* can change; train a new run for anything else"
            )
    if not overrides and loaded.status in ("completed", "stopped_early"):
        return loaded
    if loaded.status == "diverged":
        raise DivergedError(f"{loaded.info.get('reason')}; train a new run ({loaded.path})")
    config = read_config(loaded.config, overrides)
    splits = load_data(config.data, data_dir or default_directory())
    directory = RunDirectory(loaded.path)
    recorded = loaded.info.get("data_fingerprint")
    if recorded is not None and splits.fingerprint != recorded:
        raise DataError(
            f"the data {config.data.name!r} have changed since {loaded.path} began; train a new run"
        )
    job = jobs.prepare(config, splits)
    session.train(job, directory, show, changed=bool(overrides))
    return load(loaded.path)


def load(run: Path | str, *, runs_dir: Path = RUNS_DIR) -> Run:
    """Return a run by its path, its name (the newest), its id, or 'latest'.

    Raises:
        RunError: no such run
    """
    directory = find(run, runs_dir)
    config = config_files.load(directory.config_path)
    return Run(directory.path, config, directory.read_info())
