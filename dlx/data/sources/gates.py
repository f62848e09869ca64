"""Logic gates: four rows, the smallest data from which a network can learn something.

The four rows serve as train, dev and test at once. `Dataset.shared_splits` marks them as the one
exception from the rule that nothing is fitted on dev or test rows.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlx.data.dataset import Dataset
from dlx.registry import register

INPUTS = ((0, 0), (0, 1), (1, 0), (1, 1))


def _gate(name: str, outputs: Sequence[Any], classes: tuple[str, str] = ("0", "1")) -> Dataset:
    return Dataset(
        name=name,
        inputs=np.array(INPUTS, dtype=np.float32),
        targets=np.array(outputs, dtype=np.int64),
        classes=classes,
        features=("x1", "x2"),
        shared_splits=True,
    )


def _register(name: str, outputs: Sequence[int], remark: str) -> None:
    def gate(data_dir: Path) -> Dataset:
        return _gate(name, outputs)

    gate.__doc__ = (
        f"The {name.upper()} gate of two inputs, {remark}; its four rows are train, dev and test."
    )
    register("data", name=name)(gate)


_register("and", (0, 0, 0, 1), "which one line separates")
_register("or", (0, 1, 1, 1), "which one line separates")
_register("nand", (1, 1, 1, 0), "which one line separates")
_register("xor", (0, 1, 1, 0), "which no line separates")


@register("data")
def half_adder(data_dir: Path) -> Dataset:
    """The half adder: sum and carry of two bits, two labels; its rows are train, dev and test."""
    return _gate("half_adder", [(0, 0), (1, 0), (1, 0), (0, 1)], ("sum", "carry"))
