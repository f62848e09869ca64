"""Runs on disk: directories, locks, checkpoints, weights, files that are whole or not there."""

from dlx.runs import checkpoints, weights
from dlx.runs.directory import RunDirectory, check_name, list_runs, remove, timestamp
from dlx.runs.files import AppendFile, make_directory, storage_errors, write_atomic

__all__ = [
    "AppendFile",
    "RunDirectory",
    "check_name",
    "checkpoints",
    "list_runs",
    "make_directory",
    "remove",
    "storage_errors",
    "timestamp",
    "weights",
    "write_atomic",
]
