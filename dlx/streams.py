"""Named random streams: every random draw is a function of (seed, stream, place) alone.

The streams are `init`, `order`, `bagging`, `dropout`, `noise`, `corruption`, `latent`, `gibbs`,
`augment` and `importance`. The place is a layer, an epoch, a block of steps, or several of these.
No draw depends on how many runs train together, on a run's place among them or on other draws, and
torch's global generator is never used.

On the CPU the numbers have the same bits on every machine: random bits come from Philox, which
computes with whole numbers, and what is made of them is exact too (`native/transforms.py`).

Reference:
    Salmon, Moraes, Dror and Shaw (2011), Parallel random numbers: as easy as 1, 2, 3
"""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlx.native import transforms

Seeds = Sequence[int]
"""The seed of each run."""

GENERATOR = "philox"
"""What checkpoints and run.json say that random numbers come from; earlier versions had torch's."""

# Of the 2^32 words that normal draws are made of, so many lie below -2 std.
_BELOW_TWO_STD = round(0.022750131948179195 * 2**32)


def key(seed: int, stream: str, *place: str | int) -> int:
    """Return the generator's seed for a place in a stream: 63 bits of a BLAKE2b hash."""
    parts = "/".join(str(part) for part in (seed, stream, *place))
    return int.from_bytes(hashlib.blake2b(parts.encode(), digest_size=8).digest(), "big") >> 1


class Stream(torch.Generator):
    """The random numbers of one place in a stream, with the same bits on every machine.

    For torch's functions it is a generator on the CPU whose seed is the key; what they draw from it
    may differ in the last digit on another kind of processor.
    """

    def __new__(cls, key: int) -> "Stream":
        """Return the stream of a key at its start."""
        stream = super().__new__(cls)
        stream.manual_seed(key)
        return stream

    def __init__(self, key: int) -> None:
        super().__init__()
        self._philox = np.random.Philox(key=key)

    def bits(self, number: int) -> NDArray[np.uint64]:
        """Return words of 64 random bits."""
        return self._philox.random_raw(number)

    def uniform_(self, numbers: Tensor, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Fill with draws from the uniform distribution on [low, high): low + n 2^-24 (high - low).

        n is a whole number of 24 bits.
        """
        shares = _shares(self._words(numbers.numel()))
        return numbers.copy_(torch.from_numpy(low + shares * (high - low)).view(numbers.shape))

    def normal_(self, numbers: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
        """Fill with draws from the normal distribution; none lies beyond 6.4 std."""
        drawn = (
            numbers if numbers.is_contiguous() else torch.empty(numbers.shape, dtype=numbers.dtype)
        )
        transforms.fill_normal(drawn.numpy(), self._words(numbers.numel()), mean, std)
        return numbers.copy_(drawn)  # itself, where it is contiguous

    def truncated_normal_(self, numbers: Tensor, std: float) -> Tensor:
        """Fill with draws from the normal distribution around 0, cut off at two std."""
        words = self.whole_numbers(numbers.numel(), (1 << 32) - 2 * _BELOW_TWO_STD) + _BELOW_TWO_STD
        drawn = np.empty(numbers.shape)
        transforms.fill_normal(drawn, words.numpy().astype(np.uint32), 0.0, 1.0)
        return numbers.copy_(torch.from_numpy(drawn.clip(-2, 2) * std))

    def orthonormal_(self, matrix: Tensor, gain: float = 1.0) -> Tensor:
        """Fill with rows or columns, those that are fewer, of length `gain`, orthogonal to others.

        The matrix is uniformly distributed among these.
        """
        long, short = max(matrix.shape), min(matrix.shape)
        normals = self.normal_(torch.empty(short, long, dtype=torch.float64)).numpy()
        columns = torch.from_numpy(transforms.orthonormal(normals) * gain)
        return matrix.copy_(columns if matrix.shape[0] == long else columns.T)

    def permutations(self, number: int, length: int) -> Tensor:
        """Return permutations of 0 … length - 1, a row each: (number, length) int64."""
        return in_order_of(self.bits(number * length).reshape(number, length))

    def whole_numbers(self, number: int, below: int) -> Tensor:
        """Return draws from 0 … below - 1, with repetitions: (number,) int64; below < 2^32."""
        words = self._words(number).astype(np.uint64)
        return torch.from_numpy((words * np.uint64(below) >> np.uint64(32)).view(np.int64))

    def _words(self, number: int) -> NDArray[np.uint32]:
        return self.bits(-(-number // 2)).view(np.uint32)[:number]


def _shares(words: NDArray[np.uint32]) -> NDArray[np.floating]:
    """Return n 2^-24 in [0, 1), n the upper 24 bits of each word."""
    return (words >> np.uint32(8)) * 2.0**-24


def stream(seed: int, name: str, *place: str | int) -> Stream:
    """Return the numbers of a place in a stream, from its start."""
    return Stream(key(seed, name, *place))


def orders(keys: Sequence[int], length: int) -> Tensor:
    """Return a permutation of 0 … length - 1 for each key: (keys, length) int64."""
    return in_order_of(transforms.random_words(keys, length))


def in_order_of(words: NDArray[np.uint64]) -> Tensor:
    """Return what sorts random words, which it changes: a permutation for each row, int64."""
    # Words that end with their place, so that no two are equal, are sorted.
    length = words.shape[1]
    places = np.uint64((1 << max(length - 1, 1).bit_length()) - 1)
    words &= ~places
    words |= np.arange(length, dtype=np.uint64)
    words.sort(axis=1)
    words &= places
    return torch.from_numpy(words.view(np.int64))


def generator(
    seed: int, name: str, *place: str | int, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Return a new generator for a place in a stream: a `Stream` on the CPU, elsewhere torch's."""
    if torch.device(device).type == "cpu":
        return stream(seed, name, *place)
    return torch.Generator(device).manual_seed(key(seed, name, *place))


def random_bits(row: Tensor, generator: torch.Generator) -> None:
    """Fill int64 words with 64 random bits each."""
    if isinstance(generator, Stream):
        row.copy_(torch.from_numpy(generator.bits(len(row)).view(np.int64)))
    else:
        # torch's default range leaves the top bit 0; this one fills all 64.
        row.random_(-(2**63), None, generator=generator)


def standard_normal(row: Tensor, generator: torch.Generator) -> None:
    """Fill with draws from the standard normal distribution."""
    if isinstance(generator, Stream):
        generator.normal_(row)
    else:
        row.normal_(generator=generator)


def uniform(row: Tensor, generator: torch.Generator) -> None:
    """Fill with draws from the uniform distribution on [0, 1)."""
    if isinstance(generator, Stream):
        generator.uniform_(row)
    else:
        row.uniform_(generator=generator)


Fill = Callable[[Tensor, torch.Generator], object]
"""Fills a row with draws: `random_bits`, `standard_normal` or `uniform`."""


def drawn(
    fill: Fill, keys: Sequence[int], length: int, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Return a row of draws for each key, which `fill` would draw of its generator: (keys, length).

    On the CPU the rows are drawn together, in C.
    """
    if device.type != "cpu":
        rows = torch.empty(len(keys), length, dtype=dtype, device=device)
        for row, key in zip(rows, keys, strict=True):
            fill(row, torch.Generator(device).manual_seed(key))
        return rows
    if fill is random_bits:
        return torch.from_numpy(transforms.random_words(keys, length).view(np.int64))
    words = transforms.random_words(keys, -(-length // 2)).view(np.uint32)[:, :length]
    if fill is uniform:
        return torch.from_numpy(_shares(words)).to(dtype)
    rows = torch.empty(words.shape, dtype=dtype)
    transforms.fill_normal(rows.numpy(), np.ascontiguousarray(words).ravel(), 0.0, 1.0)
    return rows
