import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dlx.cli import main

SHORT = {"digits": ["train.epochs=4"], "iris": ["train.epochs=4"], "xor": ["train.steps=300"]}


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object on stdout."""
        return json.loads(self.out)


Command = Callable[..., Ended]


@pytest.fixture
def dlx(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Command:
    """Run a command line in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Ended:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    return run


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def start(*arguments: object, cwd: Path, **options: Any) -> subprocess.Popen[str]:
    """Start `dlx` as a process of its own, with one thread."""
    command = [sys.executable, "-m", "dlx", *map(str, arguments)]
    pipes: dict[str, Any] = {
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "stdin": subprocess.DEVNULL,
    }
    return subprocess.Popen(command, cwd=cwd, env=environment(), text=True, **(pipes | options))


@pytest.fixture
def process(tmp_path: Path) -> Command:
    """Run a command line as a process of its own, in an empty folder."""

    def run(*arguments: object) -> Ended:
        started = start(*arguments, cwd=tmp_path)
        out, err = started.communicate(timeout=60)
        return Ended(started.returncode, out, err)

    return run


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of short runs of digits, iris and xor; tests that change it work on a copy."""
    folder = tmp_path_factory.mktemp("trained") / "runs"
    for name, overrides in SHORT.items():
        assert main(["train", name, *overrides, "--quiet", "--runs-dir", str(folder)]) == 0
    return folder


@pytest.fixture
def mnist() -> Iterator[Path]:
    """The data directory, where it holds the real MNIST."""
    data_dir = Path(os.environ.get("DLX_DATA", "."))
    if not list(data_dir.glob("MNIST/raw/train-images-idx3-ubyte*")):
        pytest.skip("needs MNIST in the folder that DLX_DATA names")
    yield data_dir


def only_run(runs_dir: Path) -> Path:
    (path,) = (file.parent for file in runs_dir.glob("*/*/run.json"))
    return path
