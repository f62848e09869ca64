import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dlx.errors import RunError, StorageError, UnreadableError
from dlx.runs import AppendFile, write_atomic
from dlx.runs.files import close_descriptor, read_plain

WRITER = """
import sys
from pathlib import Path
from dlx.runs import write_atomic
for letter in "ab" * 100_000:
    write_atomic(Path(sys.argv[1]), letter.encode() * 1_000_000)
    print(letter, flush=True)
"""


def test_write_atomic_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


def test_write_atomic_obeys_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomic(tmp_path / "file", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, small_limit: int
) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")
    with pytest.raises(StorageError, match=r"cannot write .*file: File too large; .*ulimit") as got:
        write_atomic(path, bytes(small_limit + 1))
    assert got.value.exit_code == 9
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file(full_disk: Path) -> None:
    path = full_disk / "file"
    write_atomic(path, b"old")
    with pytest.raises(StorageError, match="No space left on device; free some space"):
        write_atomic(path, bytes(1_000_000))
    assert path.read_bytes() == b"old"
    assert list(full_disk.iterdir()) == [path]


def test_a_path_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="a part of the path is a file"):
        write_atomic(tmp_path / "file" / "below", b"x")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="the directory does not exist: make it"):
        write_atomic(tmp_path / "nowhere" / "file", b"x")


@pytest.mark.parametrize("delay", [0.0, 0.013, 0.037])
def test_a_killed_writer_leaves_a_whole_file(tmp_path: Path, delay: float) -> None:
    path = tmp_path / "file"
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
    content = path.read_bytes()
    assert content in (b"a" * 1_000_000, b"b" * 1_000_000)


def test_append_takes_a_failed_record_back(tmp_path: Path, small_limit: int) -> None:
    file = AppendFile(tmp_path / "log")
    file.append(b"first\n")
    with pytest.raises(StorageError, match="File too large"):
        file.append(bytes(small_limit))
    file.append(b"second\n")
    file.close()
    file.close()
    assert (tmp_path / "log").read_bytes() == b"first\nsecond\n"
    assert file.size == 13


def test_append_to_a_full_device() -> None:
    file = AppendFile(Path("/dev/full"))
    with pytest.raises(StorageError, match="No space left"):
        file.append(b"x")
    file.close()


def test_append_goes_on_after_truncate(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"12345")
    file = AppendFile(tmp_path / "log")
    assert file.size == 5
    file.truncate(2)
    file.append(b"x")
    file.sync()
    file.close()
    assert (tmp_path / "log").read_bytes() == b"12x"


@pytest.mark.skipif(sys.platform != "linux", reason="has no file that opens and cannot be read")
def test_what_the_system_does_not_give_is_named() -> None:
    path = Path("/proc/self/mem")  # it holds nothing where it begins
    with pytest.raises(UnreadableError, match=f"cannot read {path}: Input/output error") as caught:
        read_plain(path)
    assert isinstance(caught.value, RunError) and isinstance(caught.value, StorageError)
    assert caught.value.exit_code == 4


def test_an_error_of_a_close_is_told_where_something_was_written(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    close_descriptor(descriptor)
    close_descriptor(descriptor)  # an error of the system
    file = AppendFile(tmp_path / "log")
    os.close(file._descriptor)
    with pytest.raises(StorageError, match=r"cannot write .*log: Bad file descriptor"):
        file.close()
    file.close()


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this system has no such device")
def test_a_device_without_end_is_not_read() -> None:
    """In a folder of runs it may stand in place of any file."""
    with pytest.raises(RunError, match=r"/dev/zero is a special file, which dlx does not follow"):
        read_plain(Path("/dev/zero"))
