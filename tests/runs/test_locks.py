import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import lock_descriptor

from dlx.errors import DlxWarning, RunInUseError, StorageError
from dlx.runs.locks import hold, is_held

HOST = socket.gethostname()
HOLDER = """
import sys, time
from pathlib import Path
from dlx.runs.locks import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""

LOOKER = """
import sys
from pathlib import Path
from dlx.runs.locks import is_held
print(sum(is_held(Path(sys.argv[1])) for _ in range(3000)))
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
        in_use = f"{tmp_path} is in use by process {process.pid} on {HOST}: wait"
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


def test_a_held_lock_is_known_within_the_patience(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with hold(path):
        began = time.monotonic()
        with pytest.raises(RunInUseError), hold(path):
            pass
        refused = time.monotonic() - began
        assert is_held(path)
        looked = time.monotonic() - began - refused
    assert 0.3 <= refused < 1 and looked < 0.3


def test_waiting_ends_when_it_is_told_to_stop(tmp_path: Path) -> None:
    path, stop = tmp_path / ".lock", threading.Event()
    with hold(path):
        threading.Timer(0.1, stop.set).start()
        began = time.monotonic()
        with pytest.raises(RunInUseError), hold(path, wait=True, stop=stop.is_set):
            pass
    assert 0.1 <= time.monotonic() - began < 1


def test_a_long_wait_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with holder(path) as process, pytest.warns(DlxWarning) as remarks:
        began = time.monotonic()
        told_after: list[float] = []  # at each look at the lock since the wait was told

        def stop() -> bool:
            """Wait for a second and 20 looks more, in which it could be told again."""
            if list(remarks):
                told_after.append(time.monotonic() - began)
            return len(told_after) > 20 and told_after[-1] - told_after[0] > 1.2

        with pytest.raises(RunInUseError), hold(path, wait=True, stop=stop):
            pass
        assert told_after[0] > 1
    words = [str(remark.message) for remark in remarks]
    assert words == [f"waiting for process {process.pid} on {HOST}, which uses {tmp_path}"]
    assert remarks[0].filename == __file__


@pytest.mark.parametrize("content", [b"\xff\xfe\0" * 400, b"", b"17\n", b" 17 on \x1b[31m\n"])
def test_a_lock_file_that_names_nobody(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / ".lock"
    with hold(path):
        path.write_bytes(content)
        with pytest.raises(RunInUseError, match="in use by another process: wait"), hold(path):
            pass


def test_a_lock_file_that_may_only_be_read(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with hold(path):
        pass
    path.chmod(0o444)
    with path.open("rb") as file:
        assert not is_held(path)
        assert lock_descriptor(file.fileno(), blocking=False)
        assert is_held(path)
    if os.geteuid() != 0:
        with pytest.raises(StorageError, match="cannot lock"), hold(path):
            pass


def test_a_full_disk_still_lets_a_run_be_locked(full_disk: Path) -> None:
    (full_disk / ".lock").touch()
    with pytest.raises(OSError, match="No space"):
        (full_disk / "filler").write_bytes(bytes(1_000_000))
    with hold(full_disk / ".lock"):
        assert is_held(full_disk / ".lock")


def test_two_that_look_do_not_see_each_other(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    path.touch()
    command = [sys.executable, "-c", LOOKER, str(path)]
    with contextlib.ExitStack() as stack:
        lookers = [
            stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE)) for _ in range(2)
        ]
        assert [looker.communicate()[0] for looker in lookers] == [b"0\n", b"0\n"]


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
