"""What the bits of a run depend on beside its config and data: engine, threads, torch, processor.

A checkpoint holds them. A session goes on by the same engine, or not at all. The native engine
depends on its own arithmetic alone, which few versions of dlx change. With torch's, a session takes
over the number of threads; torch and the processor matter too. Where one of these is another, a
session would not come to the bits of a run that was never stopped, and is refused unless the user
allows it. run.json then says so under `inexact`:

    step       how many steps the run had taken
    threads, torch, processor, arithmetic    of those that differ, what it was before and is from
                                             there on
"""

import contextlib
import functools
import platform
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from dlx.errors import RunError
from dlx.native import library
from dlx.runs.checkpoints import Checkpoint
from dlx.streams import GENERATOR

ALL = ("threads", "torch", "processor", "arithmetic")
_WORDS = {
    "threads": "{} threads",
    "torch": "torch {}",
    "processor": "{}",
    "arithmetic": "the native engine's arithmetic {}",
}


class InexactError(RunError):
    """A checkpoint from which this process does not go on with the same bits."""


def circumstances(device: torch.device, engine: str) -> dict[str, Any]:
    """Return what a checkpoint holds of the process that saves it."""
    where = {"engine": engine, "generator": GENERATOR}
    return where | (_of_torch(device) if engine == "torch" else {"arithmetic": library.ARITHMETIC})


def _of_torch(device: torch.device) -> dict[str, Any]:
    return {
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "processor": processor_of(device),
    }


def processor_of(device: torch.device) -> str:
    """Return the name of a model of processor, whose kernels others may not have."""
    return _processor(device.type, device.index or 0)


@functools.cache
def _processor(kind: str, index: int) -> str:
    if kind == "cuda":
        return torch.cuda.get_device_name(index)
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def changed(
    saved: Checkpoint, device: torch.device, names: Collection[str] = ALL
) -> dict[str, list[Any]]:
    """Return what is other than when a checkpoint was saved: by name, what it was and what it is.

    Those of the native engine know its arithmetic alone, those of old versions no processor.
    """
    now = _of_torch(device) | {"arithmetic": library.ARITHMETIC}
    before = {**_first_arithmetic(saved.metadata), **saved.metadata}
    return {
        name: [before[name], now[name]]
        for name in names
        if name in before and before[name] != now[name]
    }


def _first_arithmetic(told: Mapping[str, Any]) -> dict[str, int]:
    """Return the arithmetic of what the native engine trained before its number was kept."""
    return {"arithmetic": 1} if told.get("engine") == "native" else {}


def has_other_arithmetic(info: Mapping[str, Any]) -> bool:
    """Return whether a run was trained by a native engine that computed other bits."""
    own = {**_first_arithmetic(info), **info}.get("arithmetic")
    return own not in (None, library.ARITHMETIC)


def check(
    saved: Checkpoint, device: torch.device, engine: str, allowed: Collection[str]
) -> dict[str, Any]:
    """Return the entry of `inexact`, empty if nothing that matters differs.

    Raises:
        RunError: another engine saved the checkpoint, or it draws other random numbers
        InexactError: something else differs that is not allowed to
    """
    if saved.metadata.get("generator") != GENERATOR:
        raise RunError(
            f"{saved.path} was saved by an earlier version of dlx, which drew other random "
            "numbers: what follows would belong to another run; train it again, or resume it with "
            "that version"
        )
    if saved.metadata["engine"] != engine:
        here = library.absence()
        cure = f"but {here}" if here else "resume it with that one"
        raise RunError(
            f"{saved.path} was saved by the {saved.metadata['engine']} engine, and {engine} cannot "
            f"go on from it bit for bit; {cure}, or train it again"
        )
    differing = changed(saved, device)
    if refused := differing.keys() - set(allowed):
        before, now = (
            " on ".join(
                _WORDS[name].format(differing[name][place]) for name in ALL if name in refused
            )
            for place in (0, 1)
        )
        raise InexactError(
            f"{saved.path} was saved with {before}, this process has {now}: the run would go on "
            "with other bits than one that was never stopped; resume it where it began, or go on "
            "all the same with --allow-inexact, of which run.json keeps a note"
        )
    return {"step": saved.step, **differing} if differing else {}


@contextlib.contextmanager
def threads_of(saved: Checkpoint | None) -> Iterator[None]:
    """Compute with as many threads as a checkpoint was saved with, for the block."""
    before = torch.get_num_threads()
    number = before if saved is None else saved.metadata.get("threads", before)
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
