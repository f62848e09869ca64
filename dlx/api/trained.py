"""What a run in its directory is: its record, its network, and the data it learned from."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from dlx.api.inputs import data_directory
from dlx.cohort import Cohort
from dlx.config.types import Choice
from dlx.data.channels import fitting
from dlx.data.parts import Splits
from dlx.data.pipeline import Pool, load_chosen, source_of
from dlx.data.preprocessing import Preprocessing
from dlx.data.tables.encoder import Encoder
from dlx.denormals import flushed_denormals
from dlx.errors import ConfigError, DataError
from dlx.models.plain import sequential
from dlx.report import notebook
from dlx.report.predictions import classify
from dlx.runs import weights
from dlx.runs.ablations import PRETRAINING
from dlx.runs.files import exists
from dlx.tracking.metrics import records_of
from dlx.training import job as jobs
from dlx.training.evaluation import predict
from dlx.training.saved import Saved, evaluating_engine, stack

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Trained(Saved):
    """A run in its directory; see `dlx.api.Run`."""

    info: Mapping[str, Any]

    def __repr__(self) -> str:
        metrics = (f"{k} {v:.4g}" for k, v in self.metrics.get("dev", {}).items() if v is not None)
        measured = f", dev {', '.join(metrics)}" if self.metrics.get("dev") else ""
        return f"Run({str(self.path)!r}, {self.info.get('status')}{measured})"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: metrics, and the curves where it has trained to its end."""
        heading = f"<b>{escape(str(self.path))}</b>: {self.status}"
        drawn = notebook.picture(self.plot()) if self.metrics else ""
        return f"{heading}{notebook.metrics_table(self.metrics)}{drawn}"

    def plot(self) -> "Figure":
        """Return a figure of cost and first metric over the steps; see docs/pictures.md.

        Raises:
            RunError: it has not begun to train
        """
        from dlx.report.run.run_figures import curves

        return curves(self.config, self.design, self.history)

    @property
    def status(self) -> str:
        """running, completed, stopped_early, interrupted, diverged or failed."""
        return self.directory.status()

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """The final metrics on all rows, by split and name; empty if it has not ended well."""
        return self.info.get("metrics") or {}

    @property
    def history(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl: one per evaluation."""
        path = self.directory.metrics_path
        return records_of(self.directory.read_file(path.name), path)

    @property
    def stages(self) -> list[dict[str, Any]]:
        """The lines of pretraining.jsonl: one per evaluation of a stage; empty without any."""
        path = self.path / PRETRAINING
        if PRETRAINING not in (self.info.get("digests") or {}) and not exists(path):
            return []
        return records_of(self.directory.read_file(PRETRAINING), path)

    @functools.cached_property
    def preprocessing(self) -> Preprocessing:
        """Shift and scale of the inputs, as fitted on the training rows."""
        path = self.path / "preprocessing.safetensors"
        return Preprocessing.from_tensors(
            weights.load(self.directory.read_file(path.name), path)[0]
        )

    @functools.cached_property
    def encoder(self) -> Encoder | None:
        """From a table's columns to its inputs, as fitted on the training rows."""
        if not self.info.get("table"):
            return None
        path = self.path / "table.json"
        return Encoder.from_json(self.directory.read_file(path.name), path)

    @functools.cached_property
    def cohort(self) -> Cohort:
        """The trained network on the run axis: a cohort of one, on the CPU."""
        metrics = jobs.chosen_metrics(self.config, self.design)
        return self._stacked(metrics)

    def _stacked(self, metrics: tuple[Choice, ...]) -> Cohort:
        network = self.design, self.tensors
        return stack([network], metrics, [self.config.seed], engine=evaluating_engine(self.config))

    def network(self) -> torch.nn.Sequential:
        """Return the trained network as ordinary torch modules, in evaluation mode.

        It takes inputs as `preprocessing` gives them, (N, I), and ends in the output function.
        """
        network = sequential(self.design)[0]
        network.load_state_dict(self.tensors)
        return network

    def preprocessed(self, x: np.ndarray | Tensor | Sequence[Any], verb: str) -> Tensor:
        """Return raw inputs, (N, I) or (N, *input_shape), as the network sees them: (N, I).

        Args:
            x: the inputs; pixels as numbers in [0, 1]
            verb: what they are wanted for, for the error

        Raises:
            DataError: the rows do not have the width that the network takes
        """
        inputs = torch.as_tensor(x)
        if self.encoder is None:
            channels = self.config.data.arguments().get("channels", "auto")
            shaped = fitting(inputs.float().numpy(), self.task.input_shape, channels)
            inputs = torch.from_numpy(shaped)
        rows = inputs.reshape(len(inputs), -1) if inputs.ndim > 1 else inputs.unsqueeze(0)
        if rows.shape[1] != self.task.num_inputs:
            raise DataError(
                f"{verb}: received rows of {rows.shape[1]} numbers; the network of {self.path} "
                f"takes {self.task.num_inputs}, of shape {self.task.input_shape}"
            )
        return self.preprocessing(rows).to(torch.float32)

    @flushed_denormals()
    def predict(self, x: np.ndarray | Tensor | Sequence[Any]) -> np.ndarray:
        """Return the network's outputs for raw inputs, which are preprocessed as in training.

        Args:
            x: (N, I), or (N, *input_shape); pixels as numbers in [0, 1]

        Returns:
            (N, C) float32: probabilities under softmax, (N, 1) the second class's under sigmoid,
            (N, C) those of the labels, or numbers in the targets' own units

        Raises:
            DataError: the rows do not have the width that the network takes
        """
        outputs = predict(self.cohort, self.preprocessed(x, "predict"))
        return self.task.in_units(outputs[0].numpy())

    def classify(self, outputs: np.ndarray) -> list[str] | list[tuple[str, ...]]:
        """Return the class that each row of `predict`'s outputs says, or the labels that hold.

        Raises:
            ConfigError: the run predicts numbers
        """
        if self.task.classes is None:
            raise ConfigError(f"{self.path} predicts numbers, not classes")
        return classify(self.task, self.design.head, outputs)

    def splits(self, data_dir: Path | str | None = None, labelled: Splits | None = None) -> Splits:
        """Return the data that the run was trained on, with the targets that it learned.

        See `labelled_splits`, which are not read again where they are given; of a run that
        reconstructs, targets are the inputs.
        """
        return jobs.targeted(self.config, labelled or self.labelled_splits(data_dir))

    def labelled_splits(
        self, data_dir: Path | str | None = None, pools: dict[str, Pool] | None = None
    ) -> Splits:
        """Return the data that the run was trained on, split and preprocessed as it was.

        Targets are the data's own, whatever the run learned. Data that are in `pools` already are
        not read again.

        Raises:
            DataError: the data are missing, or are not those the run was trained on
        """
        config, pools = self.config, {} if pools is None else pools
        source = source_of(config.data)
        if source not in pools:
            pools[source] = Pool(load_chosen(config.data, data_directory(data_dir)))
        splits = pools[source].split_for(config)
        if splits.fingerprint != self.info.get("data_fingerprint"):
            raise DataError(
                f"the data {self.config.data.name!r} have changed since {self.path} was trained, "
                "or this version of dlx reads them otherwise: its split and metrics would not be "
                "the same; train a new run"
            )
        return splits

    def files_read(self, inputs: Path | None) -> list[Path]:
        """Return the files that the run's data come from, and inputs, if they are a file."""
        return [p for p in (inputs, *self.config.data.arguments().values()) if isinstance(p, Path)]

    def result(self) -> dict[str, Any]:
        """Return the JSON object that train, evaluate and resume print."""
        info = self.info
        return {
            "run": str(self.path),
            "status": self.status,
            "weights": info.get("weights"),
            "seed": self.config.seed,
            **{key: info.get(key) for key in ("steps", "epochs", "seconds", "parameters")},
            "metrics": self.metrics,
            "baseline": info.get("baseline") or {},
            **{key: info[key] for key in ("pretraining", "resumed") if key in info},
        }
