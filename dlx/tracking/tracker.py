"""TensorBoard's event files of a run.

<directory>/<split>/events.out.tfevents.*    scalars, histograms, images of train, dev, test

What concerns the run as a whole (texts, hyperparameters, the graph) is in the files of train.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dlx.runs import make_directory
from dlx.tracking import summaries
from dlx.tracking.evaluations import Record
from dlx.tracking.events import EventFile, event_folders
from dlx.tracking.histogram import Histogram
from dlx.tracking.images import png
from dlx.tracking.protos import Event, Summary

WHOLE = "train"  # the split whose files have what concerns the run as a whole


class Tracker:
    """Writes what TensorBoard shows of a run; every call has reached the operating system.

    A tag is of one kind (scalar, histogram, image) in its split: TensorBoard shows no more.
    A context manager: `with Tracker(run.path) as tracker: ...` closes its files.

    Args:
        directory: the run's directory; made if it is not there.
        resume_step: the last step logged when the checkpoint was saved from which the run goes
            on: TensorBoard drops what was logged after it. -1: the run starts all over.
            None: it starts for the first time.
        steps_before: steps of pre-training; in TensorBoard those of the run come after them.
        began: Unix seconds when the run began; default: now.
    """

    def __init__(
        self,
        directory: Path,
        *,
        resume_step: int | None = None,
        steps_before: int = 0,
        began: float | None = None,
    ) -> None:
        make_directory(directory)
        self._directory = directory
        self._before = steps_before
        self._began = began
        self._restart_step: int | None = None
        self._events: dict[Path, EventFile] = {}
        if resume_step is not None:
            self._restart_step = 0 if resume_step < 0 else steps_before + resume_step + 1
            # Now, and in all of them: a split may never again log a tag that is to be dropped.
            for folder in event_folders(directory):
                self._file(folder)

    def log(self, record: Record, now: float | None = None) -> None:
        """Write an evaluation as scalars of its splits; epoch and examples are scalars of train."""
        progress = {"epoch": record.epoch, "examples": record.examples}
        for split, metrics in record.metrics.items():
            scalars = {**metrics, **(progress if split == "train" else {})}
            self._scalars(split, self._before + record.step, scalars, now)

    def stage(self, step: int, record: Mapping[str, Any]) -> None:
        """Write an evaluation at a step of all of pre-training as scalars `pretraining/<tag>`."""
        for split, metrics in record.items():
            if isinstance(metrics, Mapping):
                scalars = {f"pretraining/{k}": v for k, v in metrics.items() if v is not None}
                self._scalars(split, step, scalars)

    def final(
        self, step: int, metrics: Mapping[str, Mapping[str, float]], now: float | None = None
    ) -> None:
        """Write what is measured at a run's end alone as scalars, by split and tag."""
        for split, scalars in metrics.items():
            self._scalars(split, self._before + step, scalars, now)

    def histogram(self, split: str, tag: str, values: Any, step: int) -> None:
        """Write the histogram of an array or tensor, of its finite values."""
        if histogram := Histogram.of(values):
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
        assert pixels.dtype == np.uint8, pixels.dtype
        height, width, channels = pixels.shape
        value = Summary.Value(tag=tag)
        value.image.height, value.image.width, value.image.colorspace = height, width, channels
        value.image.encoded_image_string = png(pixels)
        self._file(self._directory / split).summary(self._before + step, [value])

    def config(self, yaml: str) -> None:
        """Write the text of the run's config."""
        self._write(summaries.config(yaml), self._began)

    def text(self, tag: str, markdown: str) -> None:
        """Write a text for the Text page."""
        self._write(summaries.text(tag, markdown))

    def graph(self, network: Any) -> None:
        """Write a `GraphDef` for the Graph page."""
        self._file(self._directory / WHOLE).write(
            Event(wall_time=time.time(), graph_def=network.SerializeToString())
        )

    def charts(self, title: str, charts: Mapping[str, str]) -> None:
        """Write charts for the Custom Scalars page: by title, the pattern of its tags."""
        self._write(summaries.line_charts(title, charts))

    def hparams(self, settings: Mapping[str, Any], group_name: str) -> None:
        """Write the run's settings for TensorBoard's HParams page; its metrics are the scalars."""
        self._write(summaries.hparams(settings, group_name, time.time()))

    def end_hparams(self, success: bool) -> None:
        """Write that the run has ended, well or not; TensorBoard keeps the first such word."""
        self._write(summaries.end_hparams(success, time.time()))

    def close(self) -> None:
        """Close the files; a second call does nothing."""
        for file in self._events.values():
            file.close()

    def __enter__(self) -> "Tracker":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _file(self, folder: Path) -> EventFile:
        if folder not in self._events:
            self._events[folder] = EventFile(folder, self._restart_step, self._began)
        return self._events[folder]

    def _scalars(
        self, split: str, step: int, values: Mapping[str, float], now: float | None = None
    ) -> None:
        self._file(self._directory / split).scalars(step, values, now)

    def _write(self, value: Any, now: float | None = None) -> None:
        self._file(self._directory / WHOLE).summary(0, [value], now)
