import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dlx.errors import RunInUseError, StorageError
from dlx.runs.locks import hold, is_held

HOLDER = """
import sys, time
from pathlib import Path
from dlx.runs.locks import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds `path`, killed with SIGKILL at the end."""
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"held\n"
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


def test_another_process_holds_the_lock_until_it_is_killed(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    assert not is_held(path)
    with holder(path) as process:
        assert is_held(path)
        in_use = f"{tmp_path} is in use by process {process.pid}: wait"
        with pytest.raises(RunInUseError, match=in_use) as got, hold(path):
            pass
        assert got.value.exit_code == 7
    assert not is_held(path)
    with hold(path):
        assert is_held(path)
    assert not is_held(path)


def test_a_second_lock_in_one_process_is_refused(tmp_path: Path) -> None:
    with hold(tmp_path / ".lock"), pytest.raises(RunInUseError), hold(tmp_path / ".lock"):
        pass


def test_waiting_takes_the_lock_when_it_is_free(tmp_path: Path) -> None:
    order = []

    def wait() -> None:
        with hold(tmp_path / ".lock", wait=True):
            order.append("second")

    with hold(tmp_path / ".lock"):
        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_looking_does_not_keep_a_holder_out(tmp_path: Path) -> None:
    path, stop = tmp_path / ".lock", threading.Event()

    def look() -> None:
        while not stop.is_set():
            is_held(path)

    with hold(path):
        pass
    watchers = [threading.Thread(target=look) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    try:
        for _ in range(50):
            with hold(path):
                pass
    finally:
        stop.set()
        for watcher in watchers:
            watcher.join()


def test_a_lock_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with (
        pytest.raises(StorageError, match=r"cannot lock .*a part of the path is a file"),
        hold(tmp_path / "file" / ".lock"),
    ):
        pass


def test_an_error_of_the_block_is_not_called_a_lock_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), hold(tmp_path / ".lock"):
        (tmp_path / "missing").read_bytes()
