"""A run in its directory, and what can be asked of it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dlx import plugins
from dlx.api.coding import Coder
from dlx.api.inputs import RUNS_DIR, data_directory
from dlx.api.measuring import Measured
from dlx.data.parts import Splits
from dlx.errors import ConfigError
from dlx.models import export
from dlx.report import sheets
from dlx.report.prediction_rows import of_file, of_split
from dlx.report.predictions import Predictions, tabulate
from dlx.report.run.pictures import is_image
from dlx.training.evaluation import predict
from dlx.training.finding import find_run
from dlx.training.saved import open_saved


class Run(Measured, Coder):
    """A run in its directory.

    Attributes:
        path: the directory
        config: resolved, every default filled in
        info: what run.json says
    """

    def predict_file(
        self, path: Path | str, layout: Mapping[str, Any] | None = None
    ) -> Predictions:
        """Return what the network says of the inputs in a file, or in a folder of images.

        It is asked as the script of `export` asks it, in plain torch, and gives the same bits.

        Args:
            path: of the file
            layout: separator, encoding and header of a table in CSV, as far as they are known

        Raises:
            DataError: the file is missing, damaged, or does not fit the network
        """
        features, data = self.info.get("features"), self.config.data
        inputs, context = of_file(Path(path), self.task, features, self.encoder, data, layout or {})
        network = self.network()
        with torch.no_grad():
            answers = map(network, self.preprocessed(inputs, "predict").split(export.CHUNK))
            outputs = self.task.in_units(torch.cat([*answers]).numpy())
        table = tabulate(self.task, self.design.head, outputs, context)
        return replace(table, inputs=inputs.numpy(), outputs=outputs)

    def predict_split(
        self,
        split: str,
        data_dir: Path | str | None = None,
        splits: Splits | None = None,
        places: np.ndarray | None = None,
    ) -> Predictions:
        """Return what the network says of the rows of train, dev or test, beside the targets.

        Args:
            split: the part
            data_dir: where data sets are kept
            splits: what `splits` has given, which then are not read again
            places: of some rows in the part; default: all of them

        Raises:
            DataError: the data are missing or changed, or have no rows in this split
        """
        folder = data_directory(data_dir)
        splits = splits or self.splits(folder)
        if places is not None:
            splits = replace(splits, **{split: splits.part(split).picked(places)})
        inputs, context = of_split(splits, split, self.config.data, folder)
        outputs = self.task.in_units(predict(self.cohort, inputs)[0].numpy())
        table = tabulate(self.task, self.design.head, outputs, context)
        return replace(table, inputs=self.preprocessing.undone(inputs).numpy(), outputs=outputs)

    def draw_predictions(self, predictions: Predictions) -> bytes:
        """Return the first 100 images and what is said of them as the contents of a PNG file.

        See `dlx.report.sheets.draw`.

        Args:
            predictions: of `predict_file` or `predict_split`

        Raises:
            ConfigError: the network's inputs are no images
        """
        if not is_image(self.task.input_shape):
            raise ConfigError(
                f"--picture: the inputs of {self.path} are rows of shape {self.task.input_shape}, "
                "not images; leave it out, and write the predictions with --output FILE.csv"
            )
        return sheets.png(self.task, predictions, self.config.name)

    def export(self, folder: Path, form: str = "torch") -> list[Path]:
        """Write the network as files that need no dlx, and return their paths.

        Args:
            folder: made if it is not there
            form: 'torch' (safetensors and a script that rebuilds the network) or 'onnx'

        Raises:
            ConfigError: 'onnx' without the packages that it needs
            StorageError: a file cannot be written
        """
        write = {"torch": export.write_torch, "onnx": export.write_onnx}[form]
        parts = self.network(), self.preprocessing, self.task, self.design.head, self.encoder
        return write(folder, export.Export(str(self.path), *parts, self.info.get("features")))


def load(run: Path | str, *, runs_dir: Path | str = RUNS_DIR) -> Run:
    """Return a run by its path, its name (the newest), id or tag, 'latest', or `ABLATION#17`.

    Raises:
        ConfigError: the run was made with a plug-in that is not loaded
        RunError: no such run, or its config is missing or damaged
    """
    directory = find_run(run, Path(runs_dir))
    info = directory.read_info()
    plugins.require(info.get("plugins") or [], directory.path)
    return Run(directory.path, open_saved(directory.path).config, info)
