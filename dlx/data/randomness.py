"""Named streams of NumPy's random numbers, for making, splitting and changing data."""

import numpy as np


def generator(stream: str, seed: int) -> np.random.Generator:
    """Return a generator at the start of a stream, a pure function of its name and the seed."""
    return np.random.Generator(_bits(stream, seed))


def random_state(stream: str, seed: int) -> np.random.RandomState:
    """Return the same stream in the form that scikit-learn takes."""
    return np.random.RandomState(_bits(stream, seed))


def _bits(stream: str, seed: int) -> np.random.PCG64:
    entropy = (int.from_bytes(stream.encode()), seed)
    return np.random.PCG64(np.random.SeedSequence(entropy))
