"""The same bits on AArch64: calls of the kernels, made again by a program under qemu."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dlx.native import build
from tests.engine.calls import recorded
from tests.engine.test_digests import PRECISIONS, digests, trainings

QEMU = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, for a Linux without any library."""
    if QEMU is None:
        pytest.skip("there is no qemu-aarch64")
    program = tmp_path_factory.mktemp("aarch64") / "driver"
    sources = [str(build.SOURCES / name) for name in ("single.c", "double.c")]
    command = [sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-musl", "-static"]
    flags = [flag for flag in (*build.FLAGS, *build.FAST) if flag not in ("-shared", "-fPIC")]
    own = str(Path(__file__).with_name("driver.c"))
    subprocess.run([*command, *flags, "-o", str(program), own, *sources, "-lm"], check=True)
    return program


@pytest.mark.slow("dlx/native/", "dlx/engine/structures.py")
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("precision", PRECISIONS)
def test_trainings_have_the_same_bits(
    driver: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    calls = recorded(monkeypatch)
    for name in trainings():
        digests(name, precision)
    assert len(calls.given) > 100
    given = b"".join(calls.given)
    done = subprocess.run([str(QEMU), str(driver)], input=given, capture_output=True, check=True)
    start = 0
    for number, expected in enumerate(calls.after):
        own = done.stdout[start : start + len(expected)]
        start += len(expected)
        differ = np.frombuffer(own, np.int32) != np.frombuffer(expected, np.int32)
        assert not differ.any(), (number, np.flatnonzero(differ)[:10])
    assert start == len(done.stdout)
