"""Named random streams: every random draw is a pure function of (seed, stream, place).

The streams are `init`, `order`, `bagging`, `dropout`, `noise`, `corruption`, `latent`, `gibbs`,
`augment` and `importance`; a stream inside a layer is keyed by the layer too, and one drawn during
training by its epoch or block of steps. No draw depends on how many runs train together, on a run's
place among them or on any other draw, and torch's global generator is never used.
"""

import hashlib

import torch


def key(seed: int, stream: str, *place: str | int) -> int:
    """Return the 63-bit generator seed of one place in a stream (BLAKE2b of the parts)."""
    parts = "/".join(str(part) for part in (seed, stream, *place))
    return int.from_bytes(hashlib.blake2b(parts.encode(), digest_size=8).digest(), "big") >> 1


def generator(
    seed: int, stream: str, *place: str | int, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Return a fresh generator at the start of one place in a stream."""
    return torch.Generator(device).manual_seed(key(seed, stream, *place))
