"""What `import dlx` shows to Python users."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import dlx
from tests.guarded import IMPORTS


def test_the_package_shows_what_is_to_be_called() -> None:
    names = ["Ablation", "Run", "ablate", "allow_code", "load", "register", "resume", "train"]
    assert dir(dlx) == names
    assert all(callable(getattr(dlx, name)) for name in names)


def test_shipped_configs_are_known_by_their_names(tmp_path: Path) -> None:
    run = dlx.train("gates/and", ["train.steps=3"], runs_dir=tmp_path)
    assert repr(run) == f"Run({str(run.path)!r}, completed, dev " + repr(run).split(", dev ")[1]
    assert len(repr(run)) < 200 + len(str(run.path))
    ablation = dlx.ablate(
        "gates/and", ["train.steps=3"], varied=["optimizer.lr=1,2"], seeds=1, runs_dir=tmp_path
    )
    assert [run.config.optimizer.lr for run in ablation.runs] == [1, 2]


# What no single run needs until its metrics are printed.
DEAR = {"matplotlib", "scipy", "sklearn", "pandas", "torchvision", "dlx.ablation", "IPython"}
PRINTS = """
import sys
from dlx.cli import main
from dlx.cli import training
real = training.emit_result
def emit_result(result):
    print("IMPORTED", *(set(sys.modules) & {DEAR!r}))
    real(result)
training.emit_result = emit_result
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow(*IMPORTS)
def test_metrics_are_printed_before_anything_dear_is_imported(tmp_path: Path) -> None:
    program = PRINTS.replace("{DEAR!r}", repr(DEAR))
    config = Path("configs/digits.yaml").absolute()
    command = [sys.executable, "-c", program, "train", str(config), "train.epochs=1", "--quiet"]
    ended = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env=os.environ, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[0].split() == ["IMPORTED"]
