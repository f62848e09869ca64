"""Threads that go through C together."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import torch


class Threads:
    """As many threads as torch has; they are made when the first work for several comes."""

    def __init__(self) -> None:
        self.number = torch.get_num_threads()
        self._pool: ThreadPoolExecutor | None = None

    def run(self, number: int, work: Callable[[int], None]) -> None:
        """Call `work` with 0 to `number` - 1, each in a thread, and wait for all of them."""
        if number == 1:
            work(0)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.number)
        for future in [self._pool.submit(work, place) for place in range(number)]:
            future.result()


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
