"""The codes of a run: inputs to what a layer says of them, and back."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlx.api.inputs import data_directory
from dlx.cohort import Cohort
from dlx.config.schema import RunConfig
from dlx.data.dataset import Task
from dlx.data.parts import Splits
from dlx.data.preprocessing import Preprocessing
from dlx.data.tables.encoder import Encoder
from dlx.denormals import flushed_denormals
from dlx.errors import ConfigError, DataError, did_you_mean
from dlx.models.design import Design
from dlx.nn import rbm
from dlx.nn.code import CodeSpec
from dlx.nn.rbm import HiddenSpec
from dlx.report.codes import Codes, archive, known_of, read_codes, wrong_width
from dlx.report.predictions import Context, Predictions, tabulate
from dlx.report.rows import of_file, of_split
from dlx.report.run import pictures
from dlx.streams import generator
from dlx.tracking.images import png
from dlx.training.evaluation import decode, encode

GIBBS_STEPS = 1000


class Coding:
    """What encodes and decodes in a `Run`, whose attributes these are."""

    path: Path
    config: RunConfig
    info: Any
    task: Task
    design: Design
    cohort: Cohort
    preprocessing: Preprocessing
    encoder: Encoder | None
    labelled_splits: Callable[..., Splits]

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

    def preprocessed(self, x: np.ndarray | Tensor | Sequence[Any], verb: str) -> Tensor:
        """Return raw inputs, (N, I) or (N, *input_shape), as the network sees them: (N, I).

        Args:
            x: the inputs; pixels as numbers in [0, 1]
            verb: what they are wanted for, for the error

        Raises:
            DataError: the rows do not have the width that the network takes
        """
        inputs = torch.as_tensor(x, dtype=torch.float32)
        rows = inputs.reshape(len(inputs), -1) if inputs.ndim > 1 else inputs.unsqueeze(0)
        if rows.shape[1] != self.task.num_inputs:
            raise DataError(
                f"{verb}: received rows of {rows.shape[1]} numbers; the network of {self.path} "
                f"takes {self.task.num_inputs}, of shape {self.task.input_shape}"
            )
        return self.preprocessing(rows)

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
        return encode(self.cohort.network, self.preprocessed(x, "encode"), name)[0].numpy()

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
        """Return the codes of the inputs in a CSV, parquet, NumPy or image file.

        Raises:
            ConfigError: no such layer
            DataError: the file is missing, damaged, or does not fit the network
        """
        inputs, context = of_file(
            Path(path), self.task, self.info.get("features"), self.encoder, self.config.data
        )
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
        values = encode(self.cohort.network, inputs, name)[0].numpy()
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
        visible units (see `dlx.nn.rbm.sample`).

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
        first, code = self.design.layers[0], self._code()
        for option, received in (("-n", number), ("--steps", steps)):
            if received is not None and received < 1:
                raise ConfigError(f"{option}: received {received}; it is 1 or more")
        if isinstance(first, HiddenSpec):
            rows = rbm.sample(self.cohort.network, number, steps or GIBBS_STEPS, [seed])
            return self.task.in_units(rows[0].numpy())
        if not (isinstance(code, CodeSpec) and code.is_drawn):
            raise ConfigError(
                f"{self.path} has no distribution to draw from; sample a variational autoencoder "
                "(model.variational={}) or an RBM (model.name=rbm)"
            )
        if steps is not None:
            raise ConfigError(
                f"--steps: received {steps}, but {self.path} draws its codes at once; Gibbs "
                "sampling is for an RBM, leave it out"
            )
        random = generator(seed, "latent", "sample")
        return self.decode(torch.randn(number, code.outputs, generator=random))

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

    def _code(self) -> Any:
        return next((each for each in self.design.layers if each.name == self.design.code), None)

    def _width(self, layer: str) -> int:
        return next(each.outputs for each in self.design.layers if each.name == layer)

    def _table(self, values: np.ndarray, layer: str | None, task: Task, context: Context) -> Codes:
        known = known_of(task, context, self.config.data.arguments().get("id"))
        return Codes(values, self.layer(layer), known, context.warnings)
