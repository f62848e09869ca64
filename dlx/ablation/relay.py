"""What sends cohorts to the nodes of a Ray cluster, and hears of them.

A command that is a member of the cluster does it in its own process. Ray's client (`ray://…`) is
none, and gets no streams of tasks: there the `Relay` is an actor in the cluster, which the command
asks again and again for what it has heard.
"""

import functools
import socket
import warnings
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from dlx.ablation import cluster_worker
from dlx.ablation.cluster_worker import Asked, Order
from dlx.data.pipeline import Pool
from dlx.errors import ConfigError
from dlx.training.job import resolve_device

NO_ROOM = (
    "the data fit neither into Ray's object store nor on the disk that it falls back to "
    "(/tmp/ray); start Ray there with more: ray start --object-store-memory BYTES, or --temp-dir "
    "FOLDER"
)
_GOES_ON = ("progress", "saved", "ended")  # news after which more comes


def load_ray() -> Any:
    """Return Ray; ConfigError if it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import ray
            import ray.exceptions
    except ImportError:
        raise ConfigError(
            "--cluster ray needs Ray, which is not installed: pip install 'dlx[ray]'"
        ) from None
    return ray


class Relay:
    """Tasks that train a cohort each, by its number."""

    def __init__(self) -> None:
        self._tasks: dict[int, Any] = {}

    def facts(self, kind: str) -> dict[str, str]:
        """Return what the machine of this process is, see `dlx.ablation.cluster_worker`."""
        return cluster_worker.facts(kind)

    def begin(self, number: int, options: Mapping[str, Any], given: tuple[Any, ...]) -> None:
        """Send a cohort to a node, with what `_task` takes and the options of Ray's task."""
        ray = load_ray()
        task = ray.remote(_task).options(**options, num_returns="streaming")
        self._tasks[number] = task.remote(*given)

    def hear(self, seconds: float, gone: Collection[int]) -> list[tuple[int, str, Any]]:
        """Return a piece of news of each cohort that has some, after waiting so long for one.

        A cohort whose node is `gone` is lost once nothing more is there of it. Ray says so by
        itself where the node closed its connections, but not where it was cut off.
        """
        ray = load_ray()
        if not self._tasks:
            return []
        tasks = list(self._tasks.values())
        ready, _ = ray.wait(tasks, timeout=seconds)
        if ready:  # one of them; others may be too
            ready, _ = ray.wait(tasks, num_returns=len(tasks), timeout=0)
        news = []
        for number, task in list(self._tasks.items()):
            if task in ready:
                kind, content = _next(task)
            elif number in gone:
                kind, content = "lost", "its node is gone"
            else:
                continue
            if kind not in _GOES_ON:
                del self._tasks[number]
            news.append((number, kind, content))
        return news

    def kill(self) -> None:
        """End all tasks at once."""
        ray = load_ray()
        for task in self._tasks.values():
            ray.cancel(task, force=True)

    def close(self) -> None:
        """End all tasks, and hear nothing more of them."""
        self.kill()
        self._tasks.clear()


@functools.lru_cache(maxsize=1)  # of the crew that asks, not of the ones before
def _lifted(flag: Any) -> Any:
    """Return what is there when a flag is lifted, the same for all cohorts of this process."""
    return flag.wait.remote()


@functools.lru_cache(maxsize=4)
def _pool(source: str, data: Any) -> Pool:
    """Return a data set that was sent to this process."""
    ray = load_ray()
    return Pool(ray.get(data), resolve_device(source.partition(" ")[0]))


def _task(
    order: Order, asked: Asked, data: Mapping[str, Any], flag: Any
) -> Iterator[tuple[str, Any]]:
    """Train a cohort on a worker, and give the news of it."""
    ray = load_ray()
    lifted = _lifted(flag)

    def stop() -> bool:
        if not ray.wait([lifted], timeout=0)[0]:
            return False
        try:
            ray.get(lifted)
        except ray.exceptions.RayError:
            return False  # it is gone, and so is who could have lifted it
        return True

    try:
        pools = {source: _pool(source, ref) for source, ref in data.items()}
    except (ray.exceptions.ObjectStoreFullError, ray.exceptions.OutOfDiskError):
        yield "broken", ConfigError(f"{socket.gethostname()}: {NO_ROOM}")
        return
    yield from cluster_worker.news(order, asked, pools, stop)


def _next(task: Any) -> tuple[str, Any]:
    """Return the next piece of news of a task that has one; `lost` if its node has died."""
    ray = load_ray()
    try:
        kind, content = ray.get(next(task))
        return kind, content
    except StopIteration:
        return "died", "its worker ended without a word"
    except ray.exceptions.RuntimeEnvSetupError as error:
        return "broken", ConfigError(f"a node cannot start a worker: {line_of(error)}")
    except ray.exceptions.RayTaskError as error:
        return "crashed", line_of(error)
    except ray.exceptions.TaskUnschedulableError:
        return "returned", None
    except ray.exceptions.NodeDiedError as error:
        return "lost", f"its node is gone: {line_of(error)}"
    except ray.exceptions.RayError as error:
        return "died", f"its worker is gone: {line_of(error)}"


def line_of(error: BaseException) -> str:
    """Return what an error of Ray's says, on one line; of a task's, what was raised in it."""
    cause = getattr(error, "cause", None)
    text = str(error) if cause is None else f"{type(cause).__name__}: {cause}"
    line = " ".join(text.split())
    return line if len(line) <= 300 else f"{line[:299]}…"
