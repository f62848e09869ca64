"""Named random streams."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from dlx.streams import generator, key

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
