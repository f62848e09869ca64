"""Commands that compute nothing leave torch out, and print what they would print with it."""

import subprocess
import sys
from pathlib import Path

import pytest

from dlx.config.shipped import shipped
from dlx.registry import MODULES
from tests import guarded
from tests.cli.conftest import Command

HEAVY = ("matplotlib", "scipy", "sklearn", "pandas", "tensorboard")
# Runs the commands that it is given, parted by a semicolon, and tells what each has imported.
IMPORTED = f"""
import shlex, sys
from dlx.cli import main
for command in sys.argv[1].split(";"):
    sys.argv[1:] = shlex.split(command)
    code = main()
    torch = getattr(sys.modules.get("torch"), "__file__", None)
    print(code, torch, *[name for name in {HEAVY} if name in sys.modules], file=sys.stderr)
    print("end of", command)
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
    *(
        "data list",
        "course",
        "course 7",
        "init",
        "config show digits",
        "config validate mnist_dbn",
        "config validate ablations/mnist_knobs",
        "config schema",
    ),
    *("list", *(f"list {kind}" for kind in MODULES)),
]


def run(program: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


def test_what_is_looked_up_is_the_same_and_nothing_heavy_is_imported(
    dlx: Command, tmp_path: Path
) -> None:
    with_torch = "".join(f"{dlx(*command.split()).out}end of {command}\n" for command in COMMANDS)
    ended = run(IMPORTED, ";".join(COMMANDS), cwd=tmp_path)
    assert ended.stderr.splitlines() == ["0 None"] * len(COMMANDS)
    assert ended.stdout == with_torch


def test_runs_are_listed_and_deleted_without_torch(dlx: Command, tmp_path: Path) -> None:
    assert dlx("train", "xor", "train.steps=2", "--quiet").code == 0
    ended = run(IMPORTED, "runs;runs rm xor --yes", cwd=tmp_path)
    deleted = [line for line in ended.stderr.splitlines() if line != "0 None"]
    assert len(deleted) == 1 and deleted[0].startswith("deleted runs/xor/")
    assert not list((tmp_path / "runs" / "xor").glob("*"))


@pytest.mark.slow(*guarded.COMMANDS)
def test_shipped_configs_are_shown_as_with_torch(dlx: Command, tmp_path: Path) -> None:
    names = list(shipped())
    ended = run(SHOW, *names, cwd=tmp_path)
    assert ended.stderr == ""
    assert ended.stdout == "".join(dlx("config", "show", name).out for name in names)


@pytest.mark.slow(*guarded.COMMANDS)
@pytest.mark.parametrize("option", ["--plugin=extra.py", "--allow-code"])
def test_code_of_a_users_has_torch(option: str, tmp_path: Path) -> None:
    (tmp_path / "extra.py").write_text("import torch\n\nHALF = torch.ones(2) / 2\n")
    ended = run(IMPORTED, f"{option} list activation", cwd=tmp_path)
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
