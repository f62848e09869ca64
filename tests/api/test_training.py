"""Training from Python: what it leaves alone in the process that uses it."""

import sys
from pathlib import Path

import torch

import dlx


def test_denormal_numbers_are_as_before_after_training(tmp_path: Path) -> None:
    smallest = sys.float_info.min / 2
    assert smallest > 0
    run = dlx.train("configs/xor.yaml", ["train.steps=3"], runs_dir=tmp_path)
    run.predict(torch.zeros(1, 2))
    run.evaluate()
    assert sys.float_info.min / 2 == smallest
