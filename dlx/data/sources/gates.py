"""Logic gates: four rows, the smallest data from which a network can learn something.

The four rows serve as train, dev and test at once. `Dataset.shared_splits` marks them as the one
exception from the rule that nothing is fitted on dev or test rows.
"""

from pathlib import Path

import numpy as np

from dlx.data.dataset import Dataset
from dlx.registry import register

INPUTS = ((0, 0), (0, 1), (1, 0), (1, 1))


def _register(name: str, outputs: tuple[int, ...], remark: str) -> None:
    def gate(data_dir: Path) -> Dataset:
        return Dataset(
            name=name,
            inputs=np.array(INPUTS, dtype=np.float32),
            targets=np.array(outputs, dtype=np.int64),
            classes=("0", "1"),
            features=("x1", "x2"),
            shared_splits=True,
        )

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
    return Dataset(
        name="half_adder",
        inputs=np.array(INPUTS, dtype=np.float32),
        targets=np.array([(0, 0), (1, 0), (1, 0), (0, 1)], dtype=np.int64),
        classes=("sum", "carry"),
        features=("x1", "x2"),
        shared_splits=True,
    )
