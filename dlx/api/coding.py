"""What the layers of a run make of inputs, and what it makes of codes: encode, decode, sample."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlx.api.inputs import data_directory
from dlx.api.trained import Trained
from dlx.config.types import LAST_SEED
from dlx.data.dataset import Task
from dlx.denormals import flushed_denormals
from dlx.errors import ConfigError, did_you_mean
from dlx.report.code_table import Codes, archive, columns_beside_codes, read_codes, wrong_width
from dlx.report.prediction_rows import of_file, of_split
from dlx.report.predictions import Context, Predictions, tabulate
from dlx.report.run import pictures
from dlx.streams import stream
from dlx.tracking.images import png
from dlx.training.evaluation import decode, encode

GIBBS_STEPS = 1000
MOST_SAMPLES = 10_000_000  # rows, and Gibbs steps


class Coder(Trained):
    """A run as an encoder and a decoder; see `dlx.api.Run`."""

    def layer(self, name: str | None = None) -> str:
        """Return the layer whose outputs are the run's codes, or the one that is named.

        Args:
            name: of a layer of the network, not of one inside a block; default: the code of an
                autoencoder, of other networks the last hidden layer

        Raises:
            ConfigError: no such layer, or a network without a hidden one
        """
        names = [layer.name for layer in self.design.layers]
        if name is None and self.design.code is None and len(names) == 1:
            raise ConfigError(
                f"{self.path} has no hidden layer whose outputs could be its codes; name its "
                f"output layer with --layer {names[0]}, or give a run that has one"
            )
        if name is not None and name not in names:
            raise ConfigError(
                f"--layer: received {name}; the layers of {self.path} are "
                f"{', '.join(names)}{did_you_mean(name, names)}"
            )
        return name or self.design.code or names[-2]

    @flushed_denormals()
    def encode(
        self, x: np.ndarray | Tensor | Sequence[Any], layer: str | None = None
    ) -> np.ndarray:
        """Return the codes of raw inputs, which are preprocessed as in training.

        Args:
            x: (N, I), or (N, *input_shape); pixels as numbers in [0, 1]
            layer: whose outputs, see `layer`; those of the output layer are without the output
                function

        Returns:
            (N, D) float32

        Raises:
            ConfigError: no such layer
            DataError: the rows do not have the width that the network takes
        """
        name = self.layer(layer)
        return encode(self.cohort, self.preprocessed(x, "encode"), name)[0].numpy()

    @flushed_denormals()
    def decode(
        self, codes: np.ndarray | Tensor | Sequence[Any], layer: str | None = None
    ) -> np.ndarray:
        """Return what the network makes of codes: decode(encode(x)) is predict(x), bit for bit.

        Args:
            codes: (N, D), or one code (D,)
            layer: whose outputs they are, see `layer`

        Returns:
            (N, C) float32, as `predict`: of an autoencoder reconstructions in the data's own units

        Raises:
            ConfigError: no such layer
            DataError: the codes do not have the layer's width
        """
        name = self.layer(layer)
        values = torch.as_tensor(codes, dtype=torch.float32)
        values = values if values.ndim > 1 else values.unsqueeze(0)
        width = self._width(name)
        if values.shape[1:] != (width,):
            raise wrong_width("decode", values.shape[-1], width, name)
        return self.task.in_units(decode(self.cohort, values.unsqueeze(0), name)[0].numpy())

    def encode_file(self, path: Path | str, layer: str | None = None) -> Codes:
        """Return the codes of the inputs in a file, or in a folder of images.

        Raises:
            ConfigError: no such layer
            DataError: the file is missing, damaged, or does not fit the network
        """
        features, data = self.info.get("features"), self.config.data
        inputs, context = of_file(Path(path), self.task, features, self.encoder, data)
        return self._table(self.encode(inputs, layer), layer, self.task, context)

    @flushed_denormals()
    def encode_split(
        self, split: str, layer: str | None = None, data_dir: Path | str | None = None
    ) -> Codes:
        """Return the codes of the rows of train, dev or test, beside the data's own targets.

        Raises:
            ConfigError: no such layer
            DataError: the data are missing or changed, or have no rows in this split
        """
        folder, name = data_directory(data_dir), self.layer(layer)
        splits = self.labelled_splits(folder)
        inputs, context = of_split(splits, split, self.config.data, folder)
        values = encode(self.cohort, inputs, name)[0].numpy()
        return self._table(values, name, splits.task, context)

    def decode_file(self, path: Path | str, layer: str | None = None) -> np.ndarray:
        """Return what the network makes of the codes in a file, as `decode`.

        Raises:
            ConfigError: no such layer
            DataError: the file is missing, damaged, or holds codes of another width
        """
        name = self.layer(layer)
        return self.decode(read_codes(Path(path), self._width(name), name), name)

    @flushed_denormals()
    def sample(self, number: int = 64, *, seed: int = 0, steps: int | None = None) -> np.ndarray:
        """Return rows that a network makes up, in the data's own units.

        A variational autoencoder decodes codes drawn from N(0, 1), the distribution that its cost
        keeps its codes near; an RBM is sampled by Gibbs sampling, and gives the means of its
        visible units (see `dlx.nn.layers.boltzmann`).

        Args:
            number: N, of rows
            seed: of the draws, which has nothing to do with the run's own
            steps: of Gibbs sampling; default 1,000

        Returns:
            (N, I) float32

        Raises:
            ConfigError: a network of another kind, less than one row or step, or steps of a
                network that takes none
        """
        first, layers = self.design.layers[0], self.design.layers
        code: Any = next((layer for layer in layers if layer.name == self.design.code), None)
        for option, received in (("-n", number), ("--steps", steps)):
            if received is not None and received < 1:
                raise ConfigError(f"{option}: received {received}; it is 1 or more")
            if received is not None and received > MOST_SAMPLES:
                raise ConfigError(f"{option}: received {received}; it is at most {MOST_SAMPLES:,}")
        if not 0 <= seed <= LAST_SEED:
            raise ConfigError(f"--seed: received {seed}; it is 0 to 2^63 - 1")
        if first.can_sample:
            rows = self.cohort.network.sample(number, steps or GIBBS_STEPS, [seed])
            return self.task.in_units(rows[0].numpy())
        if not (code is not None and code.is_code and code.is_drawn):
            raise ConfigError(
                f"{self.path} has no distribution to draw from; sample a variational autoencoder "
                "(model.variational={}) or an RBM (model.name=rbm)"
            )
        if steps is not None:
            raise ConfigError(
                f"--steps: received {steps}, but {self.path} draws its codes at once; Gibbs "
                "sampling is for an RBM, leave it out"
            )
        codes = torch.empty(number, code.outputs)
        return self.decode(stream(seed, "latent", "sample").normal_(codes))

    def table_of_rows(self, rows: np.ndarray) -> Predictions:
        """Return rows of inputs (N, I) as a table: under their names, without any x1, x2, …."""
        features = self.info.get("features")
        names = features or [f"x{number}" for number in range(1, rows.shape[1] + 1)]
        return Predictions(tuple(names), [list(row) for row in rows])

    def tabulate(self, outputs: np.ndarray) -> Predictions:
        """Return the table of what `decode` returned, as that of predictions."""
        features = self.info.get("features") if self.task.kind == "reconstruction" else None
        context = Context(target_names=tuple(features or ()))
        return tabulate(self.task, self.design.head, outputs, context)

    def archive(self, outputs: np.ndarray) -> bytes:
        """Return outputs (N, C) as the contents of a NumPy archive.

        Reconstructions are `inputs`, (N, *input_shape), other outputs `outputs`.
        """
        if self.task.kind != "reconstruction":
            return archive({"outputs": outputs})
        return archive({"inputs": outputs.reshape(-1, *self.task.input_shape)})

    def draw(self, outputs: np.ndarray) -> bytes:
        """Return the first 100 reconstructions (N, I) side by side, as the contents of a PNG file.

        Raises:
            ConfigError: the network's outputs are no images
        """
        task = self.task
        if task.kind != "reconstruction" or not pictures.is_image(task.input_shape):
            said = f"rows of shape {task.input_shape}" if task.classes is None else "classes"
            raise ConfigError(
                f"--picture: the outputs of {self.path} are {said}, not images; write the numbers "
                "with --output"
            )
        return png(pictures.images(outputs, task.input_shape))

    def _width(self, layer: str) -> int:
        return next(part.outputs for part in self.design.layers if part.name == layer)

    def _table(self, values: np.ndarray, layer: str | None, task: Task, context: Context) -> Codes:
        columns = columns_beside_codes(task, context, self.config.data.arguments().get("id"))
        return Codes(values, self.layer(layer), columns, context.warnings, context.notes)
