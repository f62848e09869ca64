"""The tracker of a run: metrics.jsonl and, derived from it, TensorBoard's event files.

<directory>/metrics.jsonl
<directory>/events.out.tfevents.*            text, hyperparameters
<directory>/<split>/events.out.tfevents.*    scalars, histograms, images of train, dev, test
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dlx.runs import make_directory
from dlx.tracking import summaries
from dlx.tracking.events import EventFile, event_folders
from dlx.tracking.histogram import Histogram
from dlx.tracking.images import png
from dlx.tracking.metrics import MetricsFile, number
from dlx.tracking.protos import Summary

PROGRESS = ("epoch", "examples")  # of a record: scalars of train


class Tracker:
    """Writes what a run measures; every call has reached the operating system when it returns.

    A tag is of one kind (scalar, histogram, image) in its split: TensorBoard shows no more.

    A context manager: `with Tracker(run.path) as tracker: ...` closes its files.
    """

    def __init__(
        self,
        directory: Path,
        *,
        resume_position: int | None = None,
        resume_step: int | None = None,
        tensorboard: bool = True,
        steps_before: int = 0,
    ) -> None:
        """Open a run's files, to start it (both `resume_*` None) or to go on from a checkpoint.

        Args:
            directory: the run's directory; made if it is not there.
            resume_position: `position()` when the checkpoint was saved: metrics.jsonl is cut there.
            resume_step: the last one logged when the checkpoint was saved: TensorBoard drops what
                was logged after it.
                Position 0 and step -1 start a run without checkpoints all over.
            tensorboard: whether to write event files.
            steps_before: steps of pre-training; in TensorBoard those of the run come after them.

        Raises:
            RunError: metrics.jsonl does not fit `resume_position`.
            StorageError: a file cannot be written.
        """
        make_directory(directory)
        self._directory = directory
        self._before = steps_before
        self._restart_step = None
        if resume_step is not None:
            self._restart_step = 0 if resume_step < 0 else steps_before + resume_step + 1
        self._tensorboard = tensorboard
        self._metrics = MetricsFile(directory / "metrics.jsonl", resume_position)
        self._events: dict[Path, EventFile] = {}
        if tensorboard and resume_step is not None:
            # Now, and in all of them: a split may never again log a tag that is to be dropped.
            for folder in event_folders(directory):
                self._file(folder)

    def log(self, record: Mapping[str, Any]) -> None:
        """Write a record as a line of metrics.jsonl and its metrics as scalars of their splits.

        Args:
            record: 'step' and other fields (epoch, examples, seconds, 'time' in Unix seconds), and
                for each split a dict of metrics by tag. In metrics.jsonl a number that is not
                finite becomes null; TensorBoard marks it. A metric that is None is no scalar.
                Epoch and examples are also scalars of train.

        Raises:
            StorageError: disk full, read-only, no permission; no half line is left.
        """
        self._metrics.append(record)
        if not self._tensorboard:
            return
        step, now = int(record["step"]), float(record.get("time", time.time()))
        for split, metrics in record.items():
            if isinstance(metrics, Mapping):
                scalars = {tag: number(value) for tag, value in metrics.items()}
                if split == "train":
                    scalars |= {tag: record[tag] for tag in PROGRESS if tag in record}
                scalars = {tag: value for tag, value in scalars.items() if value is not None}
                self._file(self._directory / split).scalars(self._before + step, scalars, now)

    def stage(self, step: int, record: Mapping[str, Any]) -> None:
        """Write an evaluation in pre-training as scalars `pretraining/<tag>` of its splits.

        Args:
            step: of all of pre-training
            record: for each split a dict of metrics by tag
        """
        if not self._tensorboard:
            return
        for split, metrics in record.items():
            if isinstance(metrics, Mapping):
                known = {tag: number(value) for tag, value in metrics.items()}
                scalars = {f"pretraining/{k}": v for k, v in known.items() if v is not None}
                self._file(self._directory / split).scalars(step, scalars, time.time())

    def final(self, step: int, metrics: Mapping[str, Mapping[str, float]]) -> None:
        """Write what is measured at a run's end alone as scalars, by split and tag."""
        if self._tensorboard:
            for split, scalars in metrics.items():
                self._file(self._directory / split).scalars(
                    self._before + step, scalars, time.time()
                )

    def histogram(self, split: str, tag: str, values: Any, step: int) -> None:
        """Write the histogram of an array or tensor (its finite values), or a `Histogram`."""
        histogram = values if isinstance(values, Histogram) else Histogram.of(values)
        if self._tensorboard and histogram is not None:
            value = Summary.Value(tag=tag)
            value.histo.min = histogram.edges[0]
            value.histo.max = histogram.edges[-1]
            value.histo.num = histogram.counts.sum()
            value.histo.sum = histogram.total
            value.histo.sum_squares = histogram.squares
            value.histo.bucket_limit.extend(histogram.edges[1:])
            value.histo.bucket.extend(histogram.counts)
            self._file(self._directory / split).summary(self._before + step, [value])

    def image(self, split: str, tag: str, pixels: np.ndarray, step: int) -> None:
        """Write an image: uint8 (height, width, channels), channels 1 (grey), 3 (RGB) or 4."""
        if not self._tensorboard:
            return
        assert pixels.dtype == np.uint8, pixels.dtype
        height, width, channels = pixels.shape
        value = Summary.Value(tag=tag)
        value.image.height, value.image.width, value.image.colorspace = height, width, channels
        value.image.encoded_image_string = png(pixels)
        self._file(self._directory / split).summary(self._before + step, [value])

    def text(self, tag: str, markdown: str, step: int = 0) -> None:
        """Write a text, shown as Markdown, for the run as a whole."""
        self._write(summaries.text(tag, markdown), step)

    def config(self, yaml: str) -> None:
        """Write the text of the run's config."""
        self._write(summaries.config(yaml))

    def hparams(self, settings: Mapping[str, Any], group_name: str) -> None:
        """Write the run's settings for TensorBoard's HParams page; its metrics are the scalars.

        Args:
            settings: value by dotted name; what is no bool, number or string is shown as JSON.
            group_name: runs of one group (the seeds of a variant) are shown as one row.
        """
        self._write(summaries.hparams(settings, group_name, time.time()))

    def end_hparams(self, success: bool) -> None:
        """Write that the run has ended, well or not; TensorBoard keeps the first such word."""
        self._write(summaries.end_hparams(success, time.time()))

    def position(self) -> int:
        """Return the length of metrics.jsonl, synced: a checkpoint may rely on it."""
        self._metrics.sync()
        return self._metrics.size

    def flush(self) -> None:
        """Make all that was written survive a power cut."""
        self._metrics.sync()
        for file in self._events.values():
            file.sync()

    def close(self) -> None:
        """Close the files; a second call does nothing."""
        self._metrics.close()
        for file in self._events.values():
            file.close()

    def __enter__(self) -> "Tracker":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _file(self, folder: Path) -> EventFile:
        if folder not in self._events:
            self._events[folder] = EventFile(folder, self._restart_step)
        return self._events[folder]

    def _write(self, value: Any, step: int = 0) -> None:
        if self._tensorboard:
            self._file(self._directory).summary(step, [value])
