"""Checkpoints: one safetensors file each, its SHA-256 in its name, the newest two kept."""

import hashlib
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlx.errors import RunError, UnreadableError
from dlx.runs.files import (
    exists,
    make_directory,
    read_plain,
    remove_temporaries,
    storage_errors,
    sync_directory,
    write_atomic,
)
from dlx.runs.weights import decode, encode

if TYPE_CHECKING:
    from torch import Tensor

_NAME = re.compile(r"step=(\d{8,})\.([0-9a-f]{64})\.safetensors")


@dataclass(frozen=True)
class Checkpoint:
    """A state to go on from: the step it was taken after, its tensors (CPU) and metadata."""

    step: int
    tensors: "dict[str, Tensor]"
    metadata: dict[str, Any]
    path: Path
    warnings: list[str] = field(default_factory=list)  # newer checkpoints that were damaged


def save(folder: Path, step: int, tensors: "dict[str, Tensor]", metadata: dict[str, Any]) -> Path:
    """Write a checkpoint, durably, and return its path; see `keep`."""
    return keep(folder, step, encode(tensors, metadata))


def keep(folder: Path, step: int, content: bytes) -> Path:
    """Write the bytes of a checkpoint, durably; return its path. The caller holds the run's lock.

    Kept are this one and the newest of an earlier step. Files of the same or a later step go:
    training that stands at `step` has not written them, or found them damaged and went on from
    an earlier one. StorageError: it cannot be written; the earlier checkpoints stay.
    """
    make_directory(folder)
    path = folder / f"step={step:08d}.{hashlib.sha256(content).hexdigest()}.safetensors"
    write_atomic(path, content)
    earlier = [file for number, file in _files(folder) if number < step]
    with storage_errors(folder, "tidy"):
        for _, file in _files(folder):
            if file != path and file not in earlier[:1]:
                file.unlink()
        remove_temporaries(folder)
        sync_directory(folder)
    return path


def load_newest(folder: Path) -> Checkpoint | None:
    """Return the newest checkpoint whose digest is right; None if there are no checkpoints.

    A damaged newer one is passed over and named in `warnings`. RunError: all are damaged, or the
    newest was written by a newer dlx.
    """
    warnings: list[str] = []
    for step, path in _files(folder):
        try:
            content = read_plain(path)
            if hashlib.sha256(content).hexdigest() != path.name.split(".")[1]:
                raise ValueError(f"{len(content)} bytes that do not match the digest in its name")
            tensors, metadata = decode(content, path)
        except (OSError, UnreadableError, ValueError) as error:
            warnings.append(f"passed over the damaged checkpoint {path}: {error}")
            continue
        return Checkpoint(step, tensors, metadata, path, warnings)
    if warnings:
        raise RunError(
            f"no checkpoint in {folder} can be used; train the run again ({'; '.join(warnings)})"
        )
    return None


def newest_step(folder: Path) -> int | None:
    """Return the step of the newest checkpoint, by its name; None if there are no checkpoints."""
    return next((step for step, _ in _files(folder)), None)


def clear(folder: Path) -> None:
    """Delete the checkpoints in a folder, and the folder, or what is in its place, if anything."""
    if exists(folder):
        with storage_errors(folder, "remove"):
            if folder.is_dir():
                shutil.rmtree(folder)
            else:
                folder.unlink()


def _files(folder: Path) -> list[tuple[int, Path]]:
    """Return (step, path) of the checkpoints in a folder, newest first."""
    numbered = []
    try:
        for path in folder.iterdir():
            if match := _NAME.fullmatch(path.name):
                numbered.append((int(match.group(1)), path))
    except FileNotFoundError:
        return []
    except NotADirectoryError:
        raise RunError(
            f"{folder} is no folder, since there is a file in its place; put the folder back, or "
            "delete the file"
        ) from None
    return sorted(numbered, reverse=True)
