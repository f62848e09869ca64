"""Threads of the engine, and torch's beside them."""

import threading

import pytest
import torch

from dlx.engine.threads import Threads, torch_alone


def test_torch_computes_alone_for_a_while() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with torch_alone():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 3
        with pytest.raises(ValueError, match="stop"), torch_alone():
            raise ValueError("stop")
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_no_work_begins_where_a_thread_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    # A team that lacks a thread would wait for it for ever.
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        threads = Threads()
    finally:
        torch.set_num_threads(before)
    start, begun = threading.Thread.start, []

    def start_two(thread: threading.Thread) -> None:
        if len(begun) == 2:
            raise RuntimeError("can't start new thread")
        begun.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_two)
    called: list[int] = []
    with pytest.raises(RuntimeError, match="can't start new thread"):
        threads.run(3, called.append)
    assert called == []
