"""Named random streams."""

import hashlib
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats
from torch import Tensor

from dlx import streams
from dlx.native import transforms
from dlx.streams import Stream, generator, key, stream

PARTS = st.tuples(st.integers(0, 2**40), st.sampled_from(["init", "order", "dropout"]))
PLACES = st.lists(st.integers(0, 1000) | st.sampled_from(["1", "2", "weight", "bias"]), max_size=3)


@given(PARTS, PLACES)
def test_a_key_is_a_seed_that_torch_takes(parts: tuple[int, str], place: list[int | str]) -> None:
    value = key(*parts, *place)
    assert 0 <= value < 2**63
    assert value == key(*parts, *place)
    assert generator(*parts, *place).initial_seed() == value


def test_keys_stay_what_they_are() -> None:
    # Saved runs resume with them: changing the hash would change what they draw.
    assert key(0, "init", "1", "weight") == 3_053_515_148_908_787_728


def test_other_places_have_other_keys() -> None:
    places = [
        *((seed, stream) for seed in range(50) for stream in ("init", "order", "dropout")),
        *((0, "dropout", str(layer), step) for layer in range(20) for step in range(20)),
        *((0, "dropout", f"{layer}.input", 0) for layer in range(20)),
        (12, "order", 3),
        (1, "order", 23),
        (1, "order", 2, 3),
    ]
    assert len({key(*place) for place in places}) == len(places)  # type: ignore[arg-type]


def test_a_generator_is_fresh_and_no_other_is_touched() -> None:
    before = torch.get_rng_state()
    first = torch.rand(5, generator=generator(1, "order", 0))
    again = torch.rand(5, generator=generator(1, "order", 0))
    other = torch.rand(5, generator=generator(1, "order", 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


DRAWS: dict[str, Callable[[Stream], Tensor]] = {
    "uniform": lambda s: s.uniform_(torch.empty(3, 1001), -0.3, 0.7),
    "normal": lambda s: s.normal_(torch.empty(3, 100_001), 1.0, 0.1),
    "normal in double precision": lambda s: s.normal_(torch.empty(77, dtype=torch.float64)),
    "normal, across memory": lambda s: s.normal_(torch.empty(7, 5).T),
    "truncated": lambda s: s.truncated_normal_(torch.empty(40, 50), 0.2),
    "orthonormal columns": lambda s: s.orthonormal_(torch.empty(40, 17), 2.0),
    "orthonormal rows": lambda s: s.orthonormal_(torch.empty(3, 17)),
    "permutations": lambda s: s.permutations(5, 1003),
    "whole numbers": lambda s: s.whole_numbers(1001, 997),
}
DIGESTS = {
    "uniform": "0e25869f9da0494c",
    "normal": "2ee749ce31b16739",
    "normal in double precision": "fa9be44183899ada",
    "normal, across memory": "ea705c98012142e3",
    "truncated": "edd1783062ac7763",
    "orthonormal columns": "9637e5dcddd60a88",
    "orthonormal rows": "6c9ccf01397a42b5",
    "permutations": "cf92a8f378c46850",
    "whole numbers": "90957dd295d01479",
}


@pytest.mark.parametrize("with_library", [True, False])
@pytest.mark.parametrize("name", DRAWS)
def test_draws_have_the_stored_bits_with_and_without_the_library(
    monkeypatch: pytest.MonkeyPatch, name: str, with_library: bool
) -> None:
    if not with_library:
        monkeypatch.setattr(transforms, "_loaded", lambda: None)
    assert digest(DRAWS[name](stream(3, "init", "1"))) == DIGESTS[name]


def digest(numbers: Tensor) -> str:
    return hashlib.sha256(numbers.contiguous().numpy().tobytes()).hexdigest()[:16]


def test_bits_are_those_of_the_published_philox() -> None:
    # The known answer of Philox 4x64, 10 rounds, of key 0 and counter 0, in the paper's library.
    first = np.random.Philox(key=0, counter=2**256 - 1).random_raw(4)
    known = "16554d9eca36314c db20fe9d672d0fdc d7e772cee186176b 7e68b68aec7ba23b"
    assert " ".join(f"{word:016x}" for word in first) == known


def test_normal_draws_are_the_quantiles_of_their_words() -> None:
    words = np.concatenate(
        [stream(0, "noise").bits(50_000).view(np.uint32), [0, 1, 2**31, 2**32 - 1]]
    )
    drawn = np.empty(len(words))
    transforms.fill_normal(drawn, words.astype(np.uint32), 0.0, 1.0)
    np.testing.assert_allclose(drawn, special.ndtri((words + 0.5) / 2**32), rtol=1.5e-7)
    assert abs(drawn).max() < 6.4


def test_draws_have_their_distributions() -> None:
    numbers = stream(1, "noise").normal_(torch.empty(100_000, dtype=torch.float64), 3.0, 2.0)
    assert stats.kstest(numbers, stats.norm(3, 2).cdf).pvalue > 0.01
    uniform = stream(1, "gibbs").uniform_(torch.empty(100_000), 2.0, 5.0)
    assert stats.kstest(uniform, stats.uniform(2, 3).cdf).pvalue > 0.01
    truncated = stream(1, "init").truncated_normal_(torch.empty(100_000, dtype=torch.float64), 0.5)
    assert stats.kstest(truncated, stats.truncnorm(-2, 2, scale=0.5).cdf).pvalue > 0.01
    counts = np.bincount(stream(1, "bagging").whole_numbers(70_000, 7), minlength=7)
    assert stats.chisquare(counts).pvalue > 0.01


def test_all_permutations_are_equally_likely() -> None:
    drawn = stream(2, "order").permutations(24_000, 4)
    assert torch.equal(drawn.sort(1).values, torch.arange(4).expand(24_000, 4))
    counts = np.unique(drawn.numpy() @ [64, 16, 4, 1], return_counts=True)[1]
    assert len(counts) == 24 and stats.chisquare(counts).pvalue > 0.01
    for length in (1, 2, 3, 1000):
        assert sorted(stream(0, "order").permutations(1, length)[0].tolist()) == list(range(length))


@pytest.mark.parametrize("shape", [(1, 1), (6, 1), (1, 6), (5, 5), (4, 9), (30, 20)])
def test_orthonormal_rows_or_columns(shape: tuple[int, int]) -> None:
    matrix = stream(0, "init").orthonormal_(torch.empty(shape, dtype=torch.float64), 3.0)
    short = matrix if shape[0] <= shape[1] else matrix.T
    torch.testing.assert_close(short @ short.T, 9 * torch.eye(min(shape), dtype=torch.float64))


def test_orthonormal_matrices_are_uniformly_distributed() -> None:
    empty = torch.empty(3, 2, dtype=torch.float64)
    drawn = torch.stack([stream(s, "init").orthonormal_(empty.clone()) for s in range(3000)])
    # A coordinate of a uniformly distributed point on the sphere is uniform on [-1, 1].
    for entry in drawn.reshape(3000, 6).T:
        assert stats.kstest(entry, stats.uniform(-1, 2).cdf).pvalue > 0.001


FILLS = {"bits": streams.random_bits, "normal": streams.standard_normal, "uniform": streams.uniform}


@pytest.mark.parametrize("has_library", [True, False])
@pytest.mark.parametrize("length", [1, 2, 7, 16, 17, 1001])
@pytest.mark.parametrize("name", FILLS)
def test_rows_drawn_together_are_those_of_each_generator(
    name: str, length: int, has_library: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_library:
        monkeypatch.setattr(transforms, "_loaded", lambda: None)
    keys = [0, 1, 2**63 - 1, 12_345]
    for dtype in [torch.int64] if name == "bits" else [torch.float32, torch.float64]:
        drawn = streams.drawn(FILLS[name], keys, length, dtype, torch.device("cpu"))
        for row, own in zip(drawn, keys, strict=True):
            alone = torch.empty(length, dtype=dtype)
            FILLS[name](alone, Stream(own))
            assert torch.equal(row, alone)
