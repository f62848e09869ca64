"""Commands that compute nothing leave torch out, and print what they would print with it."""

import subprocess
import sys
from pathlib import Path

import pytest

from dlx.config.shipped import shipped
from dlx.registry import MODULES
from tests.cli.conftest import Command

HEAVY = ("matplotlib", "scipy", "sklearn", "pandas", "tensorboard")
IMPORTED = f"""
import sys
from dlx.cli import main
code = main()
torch = getattr(sys.modules.get("torch"), "__file__", None)
print(code, torch, *[name for name in {HEAVY} if name in sys.modules], file=sys.stderr)
"""
SHOW = """
import sys
from dlx.cli.without_torch import leave_out_torch
leave_out_torch()
from dlx.cli import main
for name in sys.argv[1:]:
    main(["config", "show", name])
"""
COMMANDS = [
    *("runs", "runs rm xor --yes", "data list", "init"),
    *("config show digits", "config validate mnist_dbn", "config schema"),
    *("list", *(f"list {kind}" for kind in MODULES)),
]


def run(program: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_heavy_is_imported(command: str, dlx: Command, tmp_path: Path) -> None:
    if command.startswith("runs"):
        assert dlx("train", "xor", "train.steps=2", "--quiet").code == 0
    with_torch = None if command.startswith("runs") else dlx(*command.split())
    ended = run(IMPORTED, *command.split(), cwd=tmp_path)
    assert ended.stderr.splitlines()[-1] == "0 None"
    assert with_torch is None or ended.stdout == with_torch.out


def test_shipped_configs_are_shown_as_with_torch(dlx: Command, tmp_path: Path) -> None:
    names = list(shipped())
    ended = run(SHOW, *names, cwd=tmp_path)
    assert ended.stderr == ""
    assert ended.stdout == "".join(dlx("config", "show", name).out for name in names)


@pytest.mark.parametrize("option", ["--plugin=extra.py", "--allow-code"])
def test_code_of_a_users_has_torch(option: str, tmp_path: Path) -> None:
    (tmp_path / "extra.py").write_text("import torch\n\nHALF = torch.ones(2) / 2\n")
    ended = run(IMPORTED, option, "list", "activation", cwd=tmp_path)
    code, path = ended.stderr.split()
    assert code == "0" and path.endswith("__init__.py")


def test_computing_without_torch_is_an_error(tmp_path: Path) -> None:
    program = (
        "from dlx.cli.without_torch import leave_out_torch; leave_out_torch(); import torch\n"
        "torch.no_grad()(print)('decorated')\n"
        "torch.nn.functional.relu(torch.float32)"
    )
    ended = run(program, cwd=tmp_path)
    assert ended.stdout == "decorated\n"
    assert ended.stderr.endswith("RuntimeError: torch.relu is called where torch was left out\n")
