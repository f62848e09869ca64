"""What only POSIX has, taken away: every module is still imported, and the command line works."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MODULES = ("fcntl", "grp", "pwd", "resource", "termios")
CALLS = (
    "O_DIRECTORY",
    "fork",
    "forkpty",
    "pread",
    "pwrite",
    "statvfs",
    "sysconf",
    "getuid",
    "kill",
)

WITHOUT = f"""
import asyncio, filelock  # which are others on Windows
import os, sys
for name in {MODULES!r}:
    sys.modules[name] = None
for name in {CALLS!r}:
    vars(os).pop(name, None)
"""

IMPORTS = """
import importlib, pkgutil
import dlx
names = [module.name for module in pkgutil.walk_packages(dlx.__path__, "dlx.")]
for name in names:
    if name != "dlx.__main__":  # which is a command
        importlib.import_module(name)
print(*names)
"""

COMMANDS = """
import dlx.cli
train = ["train", "xor", "train.steps=5", "train.epochs=null", "--runs-dir", "runs"]
for command in (train, ["runs", "--runs-dir", "runs"], ["list", "activations"]):
    assert dlx.cli.main(command) == 0, command
"""


def run(code: str, folder: Path) -> str:
    command = [sys.executable, "-W", "error", "-c", WITHOUT + code]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_every_module_is_imported(tmp_path: Path) -> None:
    names = run(IMPORTS, tmp_path).split()
    package = Path(__file__).parents[1] / "dlx"
    files = {path.relative_to(package.parent) for path in package.rglob("*.py")}
    modules = {".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in files}
    assert {"dlx", *names} == modules


def test_a_network_is_trained_and_listed(tmp_path: Path) -> None:
    output = run(COMMANDS, tmp_path)
    assert "completed, 5 steps" in output
    assert "relu" in output
    assert len(list(tmp_path.glob("runs/xor/*/weights.safetensors"))) == 1


@pytest.mark.parametrize("encoding", ["cp949", "ascii"])
def test_stdout_that_lacks_characters(tmp_path: Path, encoding: str) -> None:
    def output(*arguments: str) -> str:
        command = [sys.executable, "-m", "dlx", *arguments]
        environment = os.environ | {"PYTHONIOENCODING": encoding}
        return subprocess.check_output(command, cwd=tmp_path, env=environment).decode(encoding)

    assert "\nsigmoid: " in output("list", "activations")
    summaries = json.loads(output("data", "list", "--json"))["data"]
    by_name = {one["name"]: one["summary"] for one in summaries}
    assert "28 × 28" in by_name["mnist"]
