"""Threads that go through C together."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait

import torch


class Threads:
    """As many threads as torch has; they are made when the first work for several comes."""

    def __init__(self) -> None:
        self.number = torch.get_num_threads()
        self._pool: ThreadPoolExecutor | None = None

    def run(
        self, number: int, work: Callable[[int], None], meanwhile: Callable[[], None] | None = None
    ) -> None:
        """Call `work` with 0 to `number` - 1, each in a thread, and wait for all of them.

        `meanwhile` is called in this thread.
        """
        if number == 1 and meanwhile is None:
            work(0)
            return
        if self._pool is None:
            self._pool = _started(self.number)
        futures = [self._pool.submit(work, place) for place in range(number)]
        try:
            if meanwhile is not None:
                meanwhile()
        finally:
            wait(futures)
        for future in futures:
            future.result()


def _started(number: int) -> ThreadPoolExecutor:
    """Return a pool whose threads are all there: those of a team would wait for one that is not."""
    pool, all_there = ThreadPoolExecutor(number), threading.Event()
    try:
        for _ in range(number):
            pool.submit(all_there.wait)
    finally:
        all_there.set()
    return pool


@contextlib.contextmanager
def torch_alone() -> Iterator[None]:
    """Let torch compute in the calling thread alone.

    Its other threads wait for more work without sleeping, for milliseconds after each piece, on
    cores that the engine's threads need.
    """
    number = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(number)
