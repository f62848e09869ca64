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
# The libraries of a process lie in the folder of its first argument.
_START = """
import sys, pathlib
from dlx.native import library
library.LIBRARIES = pathlib.Path(sys.argv[1])
"""
_PYTEST = """
import pytest
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


# A product whose result has no room: 200 numbers of 300.
_OVERFLOW = """
import ctypes, numpy as np
address, number = ctypes.c_void_p, ctypes.c_int64
product = library.load().dlx_product_double
product.argtypes = [address, address, address, number, number, number, address]
a, result, scratch = np.ones(300), np.ones(200), np.ones(100_000)
product(a.ctypes.data, a.ctypes.data, result.ctypes.data, 300, 1, 1, scratch.ctypes.data)
"""


def pytest_under_sanitizers(
    folder: Path, *arguments: str, level: str = "", code: str = _PYTEST
) -> subprocess.CompletedProcess[str]:
    """Run tests, or other code, on the libraries of a folder."""
    # malloc leaves gaps, too; what is too large to allocate is an error of Python's, as without it.
    own = {"ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1", "PYTHONMALLOC": "malloc"}
    own[library.LEVEL_VARIABLE] = level
    own["LD_PRELOAD"] = str(ctypes.util.find_library("asan"))
    flags = ["-o", "addopts=", "-p", "no:cacheprovider", "-q", "-s"]
    return subprocess.run(
        [sys.executable, "-c", _START + code, str(folder), *flags, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | own,
    )


@pytest.mark.slow("dlx/native/", "dlx/engine/")
@pytest.mark.usefixtures("_linux")
def test_training_is_clean_at_the_highest_level(tmp_path: Path) -> None:
    level = library.levels()[-1]
    sanitized(tmp_path / "libraries", [level])
    overflow = pytest_under_sanitizers(tmp_path / "libraries", code=_OVERFLOW)
    assert overflow.returncode != 0
    assert "AddressSanitizer: heap-buffer-overflow" in overflow.stderr
    names = ("alone_or_together", "one_meaning", "products", "evaluations")
    files = [str(FOLDER / f"test_{name}.py") for name in names]
    chosen = "widths or (on and one and run) or numpys or not_finite or inputs"
    done = pytest_under_sanitizers(tmp_path / "libraries", *files, "-k", chosen)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]


# They load libraries of their own, or use none.
_LEFT_OUT = {"test_library.py", "test_sanitizers.py", "test_threads.py", "test_aarch64.py"}
FILES = sorted(path.name for path in FOLDER.glob("test_*.py") if path.name not in _LEFT_OUT)


@pytest.mark.battery
@pytest.mark.usefixtures("_linux")
@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("level", library.levels())
def test_all_tests_are_clean_at_every_level(tmp_path: Path, level: str, file: str) -> None:
    sanitized(tmp_path / "libraries", [level])
    # Tests that choose levels find the other libraries as they were built. One fills all memory,
    # the gaps between arrays, too; one measures time; the functions of all numbers would take days.
    chosen = "not held and not in_time and not every_number"
    done = pytest_under_sanitizers(
        tmp_path / "libraries", str(FOLDER / file), "-k", chosen, level=level
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]
