"""Training from Python: what it leaves alone in the process that uses it."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import dlx
from tests.guarded import IMPORTS


def test_denormal_numbers_are_as_before_after_training(tmp_path: Path) -> None:
    smallest = sys.float_info.min / 2
    assert smallest > 0
    run = dlx.train("configs/xor.yaml", ["train.steps=3"], runs_dir=tmp_path)
    run.predict(torch.zeros(1, 2))
    run.evaluate()
    assert sys.float_info.min / 2 == smallest


@pytest.mark.slow(*IMPORTS)
def test_training_imports_nothing_dear_that_it_does_not_use(tmp_path: Path) -> None:
    program = (
        "import sys, dlx; "
        "dlx.train('configs/gates/and.yaml', ['train.steps=3', 'log.level=minimal'], "
        f"runs_dir={str(tmp_path)!r}); "
        "print(*{'scipy', 'sklearn', 'pandas', 'matplotlib', 'torchvision'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.split() == []
