"""The kernels under AddressSanitizer and UndefinedBehaviorSanitizer, over the tests of this folder.

The second ends the process at undefined behaviour; the first where anything is read or written
beyond an array of Python's, or beyond one of those that `engine.h` lays out in a piece of memory.
"""

import ctypes.util
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dlx.native import build, library

FOLDER = Path(__file__).parent
# A process whose libraries lie in the folder of its first argument.
_PYTEST = """
import sys, pathlib, pytest
from dlx.native import library
library.LIBRARIES = pathlib.Path(sys.argv[1])
sys.exit(pytest.main(sys.argv[2:]))
"""


@pytest.fixture
def _linux() -> None:
    if platform.system() != "Linux" or ctypes.util.find_library("asan") is None:
        pytest.skip("there is no libasan")


def sanitized(folder: Path, levels: list[str]) -> None:
    """Put libraries into a folder, those of some levels with sanitizers."""
    shutil.copytree(build.LIBRARIES, folder)
    before = json.loads((folder / build.DIGESTS).read_text())
    build.build(folder, flags=build.SANITIZED, levels=levels)
    digests = before | json.loads((folder / build.DIGESTS).read_text())
    (folder / build.DIGESTS).write_text(json.dumps(digests))


def tested(folder: Path, *arguments: str, level: str = "") -> subprocess.CompletedProcess[str]:
    """Run tests on the libraries of a folder."""
    own = {"ASAN_OPTIONS": "detect_leaks=0", library.LEVEL_VARIABLE: level}
    own["LD_PRELOAD"] = str(ctypes.util.find_library("asan"))
    flags = ["-o", "addopts=", "-p", "no:cacheprovider", "-q"]
    return subprocess.run(
        [sys.executable, "-c", _PYTEST, str(folder), *flags, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | own,
    )


@pytest.mark.slow("dlx/native/", "dlx/engine/")
@pytest.mark.usefixtures("_linux")
def test_training_is_clean_at_the_highest_level(tmp_path: Path) -> None:
    level = library.levels()[-1]
    sanitized(tmp_path / "libraries", [level])
    trainings = ["test_alone_or_together.py", "test_products.py", "test_evaluations.py"]
    chosen = "alone_and_together or numpys or every_loss or on_one_run or torchs_numbers or nan"
    files = [str(FOLDER / name) for name in trainings]
    done = tested(tmp_path / "libraries", *files, "-k", chosen)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]


def test_the_sanitizers_stop_what_they_should(tmp_path: Path) -> None:
    pass


@pytest.mark.battery
@pytest.mark.usefixtures("_linux")
@pytest.mark.parametrize("level", ["v1", "v2", "v3", "v4"])
def test_all_tests_are_clean_at_every_level(tmp_path: Path, level: str) -> None:
    if level not in library.levels():
        return  # this processor has it not
    sanitized(tmp_path / "libraries", [level])
    ignored = [f"--ignore={FOLDER / name}" for name in ("test_library.py", "test_sanitizers.py")]
    # Tests that choose levels find the other libraries as they were built.
    done = tested(tmp_path / "libraries", str(FOLDER), *ignored, level=level)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]
