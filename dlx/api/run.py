"""A run in its directory, and what can be asked of it."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from dlx import plugins
from dlx.api.inputs import RUNS_DIR, data_directory, read_config
from dlx.cohort import Cohort
from dlx.config.types import LAST_SEED, Choice, choice
from dlx.data.channels import fitting
from dlx.data.dataset import Task
from dlx.data.labelled import read_labelled
from dlx.data.parts import Part, Splits
from dlx.data.pipeline import Pool, load_chosen, source_of
from dlx.data.preprocessing import Preprocessing
from dlx.data.selection import Selection
from dlx.data.tables.encoder import Encoder
from dlx.denormals import flushed_denormals
from dlx.diagnose.importance import Importance, groups, permutation_importance
from dlx.errors import ConfigError, DataError, did_you_mean
from dlx.models import export
from dlx.models.plain import sequential
from dlx.nn.metrics import class_scores, evaluated_metrics, tag
from dlx.report import notebook, sheets
from dlx.report.code_table import Codes, archive, columns_beside_codes, read_codes, wrong_width
from dlx.report.prediction_rows import of_file, of_split
from dlx.report.predictions import Context, Predictions, classify, tabulate
from dlx.report.run import pictures
from dlx.report.run.pictures import is_image
from dlx.report.run.reconstruction import Sample
from dlx.runs import weights
from dlx.runs.ablations import PRETRAINING
from dlx.runs.files import exists
from dlx.streams import stream
from dlx.tracking.images import png
from dlx.tracking.metrics import records_of
from dlx.training import job as jobs
from dlx.training.baseline import baseline, training_targets
from dlx.training.evaluation import confusion, decode, encode, evaluate, predict
from dlx.training.finding import find_run
from dlx.training.saved import Saved, evaluating_engine, open_saved, stack

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GIBBS_STEPS = 1000
MOST_SAMPLES = 10_000_000  # rows, and Gibbs steps


@dataclass(frozen=True)
class NewEvaluation:
    """What was measured on the rows of a new file; mappings are by the part `new`."""

    path: str  # of the file
    rows: int  # their number
    metrics: Mapping[str, Mapping[str, float]]  # by part and name
    baseline: Mapping[str, Mapping[str, float]]  # those of the best constant answer likewise
    class_scores: Mapping[str, Mapping[str, Mapping[str, float]]]  # see `Run.class_scores`
    notes: tuple[str, ...]  # sentences for the user
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Run(Saved):
    """A run in its directory.

    Attributes:
        path: the directory
        config: resolved, every default filled in
        info: what run.json says
    """

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

    def evaluate(
        self,
        data_dir: Path | str | None = None,
        split: str | None = None,
        metrics: Sequence[str] = (),
    ) -> dict[str, dict[str, float]]:
        """Return the metrics of the saved weights on all rows of every split, or of one.

        Args:
            data_dir: where data sets are kept
            split: one of the splits
            metrics: names, or YAML such as '{name: top_k, k: 3}', in place of the config's

        Raises:
            ConfigError: a metric is unknown or not for this task
            DataError: the data are missing or changed, or have no rows in this split
        """
        return self.evaluate_beside_baseline(data_dir, split, metrics)[0]

    @flushed_denormals()
    def evaluate_beside_baseline(
        self,
        data_dir: Path | str | None = None,
        split: str | None = None,
        metrics: Sequence[str] = (),
        splits: Splits | None = None,
        usual: bool = False,
    ) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]]]:
        """Return what `evaluate` does, and the metrics of the best constant answer likewise.

        See `dlx.training.baseline.baseline`; arguments and errors are those of `evaluate`.
        `splits` is what `self.splits` has given, which then are not read again; `usual` says that
        `dlx.nn.metrics.evaluated_metrics` are computed too.
        """
        splits = splits or self.splits(data_dir)
        parts = splits.parts if split is None else {split: splits.part(split)}
        return self._measure(parts, splits.train.targets, metrics, usual)

    @flushed_denormals()
    def evaluate_file(
        self,
        path: Path | str,
        metrics: Sequence[str] = (),
        usual: bool = False,
        layout: Mapping[str, Any] | None = None,
    ) -> NewEvaluation:
        """Return the metrics on the rows of a new file, which holds their targets too.

        Args:
            path: a CSV or parquet file with the columns of the training, an npz file with inputs
                and targets, or a folder of classes with images; whichever the run was trained on
            metrics: as for `evaluate`
            usual: see `evaluate_beside_baseline`
            layout: as for `predict_file`

        Raises:
            ConfigError: a metric is unknown or not for this task
            DataError: the file is missing, damaged, or does not fit the network, or a target is
                missing or a class that the network does not know
        """
        if self.task.kind == "reconstruction":
            raise ConfigError(
                f"{self.path} reconstructs its inputs and is measured on its own data alone; leave "
                "the file out, or `dlx predict` it"
            )
        features, data = self.info.get("features"), self.config.data
        rows = read_labelled(Path(path), self.task, features, self.encoder, data, layout or {})
        targets = rows.targets
        if self.task.classes is None:
            targets = self.task.standardized(targets)
        inputs = Selection(self.preprocessed(rows.inputs, "evaluate"))
        part = Part(inputs, torch.from_numpy(targets), np.arange(len(targets)))
        train = training_targets(self.task)
        values, constant = self._measure({"new": part}, train, metrics, usual)
        scores = self.class_scores({"new": part})
        return NewEvaluation(
            str(path), len(targets), values, constant, scores, rows.notes, rows.warnings
        )

    def _measure(
        self, parts: Mapping[str, Part], train: Tensor | None, metrics: Sequence[str], usual: bool
    ) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]]]:
        """Return metrics of parts, and those of the constant answer to training targets."""
        cohort = self._measured_by(metrics, usual=usual)
        constant = {} if train is None else baseline(self.task, train, parts, cohort.metrics)
        measured = {}
        for name, part in parts.items():
            values = evaluate(cohort, part.inputs, cohort.head.encode(part.targets))
            measured[name] = {tag: value for tag, [value] in values.items()}
        return measured, constant

    @flushed_denormals()
    def class_scores(self, parts: Mapping[str, Part]) -> dict[str, dict[str, dict[str, float]]]:
        """Return rows, precision, recall and f1 of every class or label, by part and class.

        See `dlx.nn.metrics.class_scores`; nothing of a run that predicts numbers.
        """
        if self.task.classes is None:
            return {}
        head = self.cohort.head
        by_part = {}
        for name, part in parts.items():
            [counts] = confusion(self.cohort, part.inputs, head.encode(part.targets))
            scores = {"rows": counts.sum(-1), **class_scores(counts)}
            if self.task.kind == "multilabel":
                scores = {key: values[:, 1] for key, values in scores.items()}
            by_part[name] = {
                label: {key: values[place].item() for key, values in scores.items()}
                for place, label in enumerate(self.task.classes)
            }
        return by_part

    @flushed_denormals()
    def error_per_class(
        self,
        data_dir: Path | str | None = None,
        split: str | None = None,
        labelled: Splits | None = None,
    ) -> dict[str, dict[str, dict[str, float]]]:
        """Return how well the rows of each class are reconstructed, of every split or of one.

        Args:
            data_dir: where data sets are kept
            split: one of the splits
            labelled: what `labelled_splits` has given, which then are not read again

        Returns:
            by split and class: `rows`, their number, and `squared_error_per_row`, the mean over
            them of the squared error on clean inputs, summed over a row's inputs as the network
            sees them; classes without rows are left out; nothing of a run that does not
            reconstruct, or of data without a class for each row

        Raises:
            DataError: the data are missing or changed, or have no rows in this split
        """
        if self.task.kind != "reconstruction":
            return {}
        labelled = labelled or self.labelled_splits(data_dir)
        splits = self.splits(labelled=labelled)
        by_split = {}
        for name in [split] if split else splits.parts:
            sample = Sample(splits, labelled, self.design, name)
            if sample.classes:
                errors = zip(sample.classes, sample.error_per_class(self.cohort), strict=True)
                by_split[name] = {
                    class_: {"rows": len(rows), "squared_error_per_row": float(rows.mean())}
                    for class_, rows in errors
                    if len(rows)
                }
        return by_split

    @flushed_denormals()
    def importance(
        self,
        split: str = "test",
        repeats: int = 30,
        metric: str | None = None,
        data_dir: Path | str | None = None,
        splits: Splits | None = None,
    ) -> Importance:
        """Return how much worse the network does once a feature says nothing of its row.

        See `dlx.diagnose.importance.permutation_importance`.

        Args:
            split: the rows among which a feature's values are permuted
            repeats: permutations of each feature
            metric: its name, or YAML as for `evaluate`; default: the first that the run logs, or
                accuracy, or of numbers r2
            data_dir: where data sets are kept
            splits: what `self.splits` has given, which then are not read again

        Raises:
            ConfigError: the inputs are images or sequences, the metric is unknown or not for this
                task, or fewer than two repeats
            DataError: the data are missing or changed, have no rows in this split or too few
        """
        if metric is None and self.config.log.metrics == "auto" and self.task.kind == "regression":
            metric = "r2"
        splits = splits or self.splits(data_dir)
        places = groups(splits.task, splits.features, splits.encoder)
        cohort = self._measured_by([metric] if metric else [])
        seed = self.config.seed
        return permutation_importance(
            cohort, splits.part(split), places, repeats=repeats, seed=seed
        )

    def _measured_by(self, metrics: Sequence[str], *, usual: bool = False) -> Cohort:
        """Return the network, to be measured by the named metrics in place of the config's.

        With `usual`, `dlx.nn.metrics.evaluated_metrics` are added.
        """
        if not (metrics or usual):
            return self.cohort
        changes = [f"log.metrics=[{', '.join(metrics)}]"] if metrics else []
        config = read_config(self.config, changes)
        chosen = jobs.chosen_metrics(config, self.design)
        more = evaluated_metrics(self.design.head) if usual else ()
        known = {tag(metric) for metric in chosen}
        chosen += tuple(choice("metric", name) for name in more if name not in known)
        return self._stacked(chosen)

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

    def files_read(self, inputs: Path | None) -> list[Path]:
        """Return the files that the run's data come from, and inputs, if they are a file."""
        return [p for p in (inputs, *self.config.data.arguments().values()) if isinstance(p, Path)]

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
