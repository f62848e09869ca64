"""The data sets that are made up, and those that come with scikit-learn, for the tests."""

from pathlib import Path

GATES = ("and", "or", "nand", "xor")
BUNDLED = ("digits", "iris", "wine", "breast_cancer", "diabetes")
MADE = ("parity", "moons", "circles", "blobs", "spirals", "classification", "regression")
NOWHERE = Path()
