"""What a run measured: metrics.jsonl, and TensorBoard's event files derived from it."""

from dlx.tracking.finished import FinishedRun, write_finished
from dlx.tracking.histogram import Histogram
from dlx.tracking.metrics import read, series
from dlx.tracking.overview import write_overview
from dlx.tracking.projector import write_projector
from dlx.tracking.tracker import Tracker

__all__ = [
    "FinishedRun",
    "Histogram",
    "Tracker",
    "read",
    "series",
    "write_finished",
    "write_overview",
    "write_projector",
]
