"""Named random streams: every random draw is a function of (seed, stream, place) alone.

The streams are `init`, `order`, `bagging`, `dropout`, `noise`, `corruption`, `latent`, `gibbs`,
`augment` and `importance`. The place is a layer, an epoch, a block of steps, or several of these.
No draw depends on how many runs train together, on a run's place among them or on other draws, and
torch's global generator is never used.
"""

import hashlib
from collections.abc import Sequence

import torch

Seeds = Sequence[int]
"""The seed of each run."""


def key(seed: int, stream: str, *place: str | int) -> int:
    """Return the generator's seed for a place in a stream: 63 bits of a BLAKE2b hash."""
    parts = "/".join(str(part) for part in (seed, stream, *place))
    return int.from_bytes(hashlib.blake2b(parts.encode(), digest_size=8).digest(), "big") >> 1


def generator(
    seed: int, stream: str, *place: str | int, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Return a new generator for a place in a stream."""
    return torch.Generator(device).manual_seed(key(seed, stream, *place))
