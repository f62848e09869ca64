"""What an ablation and a search have in common: a directory, and how their training goes."""

import abc
import functools
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from dlx import plugins
from dlx.ablation.session import NotShown
from dlx.config.schema import RunConfig
from dlx.data import functions
from dlx.errors import ClusterError, DlxError, Interrupted, RunError
from dlx.report import notebook
from dlx.runs import RunDirectory, timestamp
from dlx.runs.ablations import SUMMARY, read_summary
from dlx.runs.files import exists
from dlx.runs.info import describe
from dlx.training.job import resolve_device
from dlx.training.process import device_name, signals

if TYPE_CHECKING:
    from dlx.report.ablation.verdict_table import Table


class Experiment(abc.ABC):
    """An ablation or a search in its directory.

    Attributes:
        path: of the directory
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r}, {self.status})"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the answer in words, and a table."""
        if not self.has_ended:
            return f"<b>{escape(str(self.path))}</b>: {self.status}"
        words, table = self._shown(self.summary)
        answer = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in words[:1])
        return f"{answer}{notebook.table(table.headings, table.rows)}"

    @abc.abstractmethod
    def _shown(self, summary: dict[str, Any]) -> "tuple[list[str], Table]":
        """Return what a summary says, the most important paragraph first, and a table."""

    @property
    def info(self) -> dict[str, Any]:
        """What run.json says."""
        return RunDirectory(self.path).read_info()

    @property
    def status(self) -> str:
        """Its status; interrupted if it says running and no process trains it."""
        return RunDirectory(self.path).status()

    @property
    def has_ended(self) -> bool:
        """Whether it has a summary."""
        return exists(self.path / SUMMARY)

    @property
    def summary(self) -> dict[str, Any]:
        """What summary.json says.

        Raises:
            RunError: it has not ended
        """
        try:
            return read_summary(self.path)
        except FileNotFoundError:
            cure = RunDirectory(self.path).how_it_goes_on()
            raise RunError(f"{self.path} has no results yet; {cure}") from None


class CrashedError(DlxError):
    """Some runs of an ablation or trials of a search could not be trained; the others were."""

    exit_code = 8


def begin(run: RunDirectory, config: RunConfig, **further: Any) -> None:
    """Note in run.json that it trains, and further facts."""
    run.write_info(
        status="running",
        started=run.read_info()["started"] or timestamp(),
        ended=None,
        device=device_name(resolve_device(config.train.device)),
        threads=torch.get_num_threads(),
        **further,
    )


@contextmanager
def resumable(run: RunDirectory) -> Iterator[list[int]]:
    """Give the list of signals to stop received; training that breaks off says how it goes on.

    Raises:
        ClusterError: the block raised it
        Interrupted: a second signal interrupted the block
        BaseException: what shows progress raised it
    """
    with signals() as received:
        try:
            yield received
        except NotShown as error:
            raise error.error from error.error.__cause__
        except ClusterError as error:
            run.write_info(status="interrupted", ended=timestamp())
            raise ClusterError(f"{error}; `dlx resume {run.path}` goes on") from error
        except KeyboardInterrupt:
            if not received:  # it is not ours
                raise
            run.write_info(status="interrupted", ended=timestamp())
            raise Interrupted(
                f"stopped by {signal.Signals(received[0]).name} at once, without saving; "
                f"`dlx resume {run.path}` goes on from the newest checkpoints",
                received[0],
            ) from None


def stopped(run: RunDirectory, number: int) -> Interrupted:
    """Return what is raised once training has saved after a signal."""
    name = signal.Signals(number).name
    return Interrupted(f"stopped by {name}, saved; `dlx resume {run.path}` goes on", number)


def reasons(crashed: Mapping[int, str]) -> str:
    """Return why cohorts could not be trained, in words."""
    return "; ".join(f"cohort {number}: {reason}" for number, reason in crashed.items())


def circumstances() -> dict[str, Any]:
    """Return what is noted of all that this process trains: command, versions, commit, plug-ins."""
    return describe() | {"plugins": plugins.loaded()}


def worker_preparation() -> "functools.partial[list[dict[str, str]]]":
    """Return what a fresh process calls to know the plug-ins of this one, and what is allowed."""
    return functools.partial(prepare_worker, plugins.loaded(), functions.is_allowed())


def prepare_worker(loaded: Sequence[Mapping[str, str]], allow_code: bool) -> list[dict[str, str]]:
    """Make a fresh process know the plug-ins, and what is allowed."""
    for plugin in loaded:
        plugins.load(plugin["path"])
    functions.allow_code(allow_code)
    return plugins.loaded()
