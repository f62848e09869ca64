"""The data sets by family, for the tests."""

from pathlib import Path

GATES = ("and", "or", "nand", "xor", "half_adder")
BUNDLED = ("digits", "iris", "wine", "breast_cancer", "diabetes")
MADE = ("parity", "moons", "circles", "blobs", "spirals", "classification", "regression")
NOWHERE = Path()
