"""The data sets by family, for the tests."""

from pathlib import Path

from dlx import registry

GATES = ("and", "or", "nand", "xor", "half_adder")
BUNDLED = ("digits", "iris", "wine", "breast_cancer", "diabetes")
MADE = tuple(
    name
    for name in registry.names("data")
    if registry.get("data", name).function.__module__.endswith((".makers", ".parity"))
)
NOWHERE = Path()
