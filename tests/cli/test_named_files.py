"""Files that a command line names: special ones are neither read nor replaced, nor is the input."""

import json
import os
import shutil
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from dlx.cli import main
from tests.cli.conftest import Command, start

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
ROWS = [f"{n % 5},{n % 7},{'ab'[n % 2]}" for n in range(40)]
CONFIG = "{name: csv, path: table.csv, target: class}"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table, and a run that was trained on it."""
    folder, before = tmp_path_factory.mktemp("trained"), Path.cwd()
    os.chdir(folder)
    Path("table.csv").write_text("\n".join(["x,y,class", *ROWS]) + "\n")
    asked = ["train", "moons", f"data={CONFIG}", "name=run", "train.steps=2", "--quiet"]
    try:
        assert main([*asked, "train.batch_size=8", "--no-figures"]) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def run(trained: Path, dlx: Command, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)  # a path from here is short enough


def make_endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


READERS = [
    ["train", "any.yaml"],
    ["config", "validate", "any.yaml"],
    ["train", "extends.yaml"],
    ["--plugin", "any.py", "list"],
    ["train", "moons", "data={name: csv, path: any.csv, target: class}"],
    ["train", "moons", "data={name: parquet, path: any.parquet, target: class}"],
    ["train", "moons", "data={name: npz, path: any.npz}"],
    ["train", "moons", "data={name: npy, inputs: any.npy, targets: any.npy}"],
    ["train", "moons", "data={name: idx, inputs: any.idx, targets: any.idx}"],
    ["predict", "run", "any.csv"],
    ["predict", "run", "any.npy"],
    ["evaluate", "run", "any.csv"],
    ["init", "any.csv", "--target", "class"],
]


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize("make", [make_fifo, make_socket, make_endless])
def test_what_is_no_file_is_not_read(
    make: Callable[[Path], None], dlx: Command, tmp_path: Path
) -> None:
    (tmp_path / "extends.yaml").write_text("extends: any.yaml\n")
    for suffix in ("yaml", "py", "csv", "parquet", "npz", "npy", "idx"):
        make(Path(f"any.{suffix}"))
    for command in READERS:
        ended = dlx(*command)
        assert ended.code in (2, 3), (command, ended)
        [line] = [line for line in ended.err.splitlines() if not line.startswith("run: ")]
        assert line.startswith("error: ") and "any." in line, (command, line)
        assert "no such file" in line or "a pipe, a socket or a device, and no file" in line


@pytest.mark.usefixtures("run")
def test_a_config_may_come_through_a_pipe_of_the_shell(dlx: Command) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"data: xor\n")
    os.close(writer)
    try:
        assert dlx("config", "validate", f"/dev/fd/{reader}", "name=piped").code == 0
    finally:
        os.close(reader)


def test_a_config_comes_from_stdin(tmp_path: Path) -> None:
    """Also from a pipe with a name that nobody writes to any more, which cannot be waited for."""
    os.mkfifo(tmp_path / "named")
    named = os.open(tmp_path / "named", os.O_RDWR)
    os.write(named, b"data: xor\n")
    stdin = os.open(tmp_path / "named", os.O_RDONLY)
    os.close(named)
    started = start("config", "show", "-", "--json", cwd=tmp_path, stdin=stdin)
    os.close(stdin)
    out, err = started.communicate(timeout=30)
    assert started.returncode == 0, err
    assert json.loads(out)["data"]["name"] == "xor"
    empty = start("config", "validate", "-", cwd=tmp_path)
    assert empty.communicate(timeout=30)[1].startswith(
        "error: /dev/stdin: no config comes from there; pipe one in, or write < FILE"
    )
    assert empty.returncode == 2


@pytest.mark.usefixtures("run")
def test_a_file_of_the_name_that_stands_for_stdin(dlx: Command) -> None:
    Path("-").write_text("data: {name: moons}\n")
    assert dlx("config", "validate", "./-").out == "-: valid\n"
    assert "moons" in dlx("config", "show", "./-").out


WRITERS = [
    ["predict", "run", "table.csv", "--output"],
    ["encode", "run", "table.csv", "--output"],
    ["inspect", "moons", "--plot"],
]


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize("command", WRITERS)
def test_what_is_no_file_is_not_replaced(command: list[str], dlx: Command) -> None:
    out = Path("out.png" if "--plot" in command else "out.csv")
    for make, problem in ((make_fifo, "a pipe that nobody reads"), (make_socket, "a socket")):
        make(out)
        before = out.lstat()
        ended = dlx(*command, out)
        assert ended.code == 9 and f"cannot write {out}: " in ended.err and problem in ended.err
        assert (out.lstat().st_mode, out.lstat().st_ino) == (before.st_mode, before.st_ino)
        out.unlink()
    out.symlink_to("loop")
    Path("loop").symlink_to(out)
    ended = dlx(*command, out)
    assert ended.code == 9 and "links lead in a circle" in ended.err
    assert out.is_symlink()


DRAWERS = [
    ["lr", "xor", "--plot"],
    ["inspect", "xor", "--plot"],
    ["data", "show", "digits", "-o"],
    ["predict", "run", "--split", "dev", "--picture"],
    ["decode", "run", "codes.npz", "--picture"],
    ["sample", "run", "--picture"],
]


@pytest.mark.parametrize("command", DRAWERS)
def test_a_picture_is_a_png_file(command: list[str], dlx: Command, tmp_path: Path) -> None:
    ended = dlx(*command, "new/curves.svg")
    option = "--output" if "-o" in command else command[-1]
    said = f"error: {option}: received new/curves.svg; pictures are PNG files: name new/curves.png"
    assert (ended.code, ended.err.strip()) == (2, said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("run")
def test_a_device_is_written_to_and_stays(dlx: Command) -> None:
    """A folder may be writable in which devices stand, as /dev is for root."""
    out = Path("out.csv")
    try:
        os.mknod(out, 0o20666, os.makedev(1, 7))  # always full
    except PermissionError:
        pytest.skip("devices are made by root alone")
    ended = dlx("predict", "run", "table.csv", "--output", out)
    assert ended.code == 9 and f"cannot write {out}: No space left on device" in ended.err
    assert out.is_char_device()


@pytest.mark.usefixtures("run")
def test_links_are_followed_and_pipes_are_filled(dlx: Command) -> None:
    asked = ["predict", "run", "table.csv", "--output"]
    assert dlx(*asked, "plain.csv").code == 0
    content = Path("plain.csv").read_bytes()
    Path("there.csv").write_text("old\n")
    for target in ("there.csv", "new.csv"):
        Path("link.csv").symlink_to(target)
        assert dlx(*asked, "link.csv").code == 0
        assert Path("link.csv").is_symlink() and Path(target).read_bytes() == content
        Path("link.csv").unlink()
    os.mkfifo("pipe.csv")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(Path("pipe.csv").read_bytes()))
    reader.start()
    codes = [dlx(*asked, "pipe.csv").code]
    while codes[-1] == 9:  # the reader has not opened it yet
        codes.append(dlx(*asked, "pipe.csv").code)
    reader.join(10)
    assert codes[-1] == 0 and got == [content]


@pytest.mark.usefixtures("run")
def test_what_is_read_is_not_replaced(dlx: Command, trained: Path) -> None:
    """The input, under any of its names, and the table of the run."""
    table = Path("table.csv").read_bytes()
    Path("other.csv").write_bytes(table)
    Path("link.csv").symlink_to("other.csv")
    os.link("other.csv", "hard.csv")
    for inputs, out in (
        *((["other.csv"], name) for name in ("other.csv", "./other.csv", "link.csv", "hard.csv")),
        *((rows, trained / "table.csv") for rows in (["other.csv"], ["--split", "test"])),
    ):
        for command in ("predict", "encode"):
            ended = dlx(command, "run", *inputs, "--output", out)
            assert ended.code == 2, ended.err
            assert f"{Path(out)} is read by this command; name another file" in ended.err
    assert (trained / "table.csv").read_bytes() == Path("other.csv").read_bytes() == table


@pytest.mark.usefixtures("run")
def test_an_export_replaces_an_export_alone(dlx: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    out = Path("out")
    out.mkdir()
    for name in ("load.py", "table.json"):
        (out / name).write_text("the user's own\n")
        ended = dlx("export", "run", "--output", out)
        assert ended.code == 9 and f"cannot write {out / name}: there is a file" in ended.err
        assert [path.name for path in out.iterdir()] == [name]
        assert (out / name).read_text() == "the user's own\n"
        (out / name).unlink()
    for _ in range(2):
        assert dlx("export", "run", "--output", out).code == 0
    assert (out / "load.py").read_text().startswith('"""The network of ')

    written: list[str] = []
    monkeypatch.setattr("dlx.models.export.write_atomic", lambda path, _: written.append(path.name))
    assert dlx("export", "run", "--output", out).code == 0
    assert written[0] == "load.py", "one that is broken off would be none, and never be replaced"
    assert len(written) > 1
