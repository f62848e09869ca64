"""How often the name that was meant is the one that a message suggests."""

from itertools import islice

import pytest

from dlx.config.load import load
from dlx.errors import ConfigError, did_you_mean
from tests.battery.conftest import Record
from tests.battery.misspellings import edits, misspelt, vocabularies

LEAST = 0.99


def measured(every: int) -> tuple[int, int]:
    """Return how many misspellings were asked for, one in `every`, and how many were understood."""
    asked = right = 0
    distinct = {tuple(names) for names in vocabularies().values()}
    for names in sorted(distinct):
        for name, text in islice(misspelt(list(names)), None, None, every):
            asked += 1
            right += did_you_mean(text, names) == f"; did you mean {name!r}?"
    return asked, right


def test_edits() -> None:
    around = set(edits("ab"))
    assert {"a", "b", "ba", "xb", "ax", "xab", "axb", "abx"} <= around
    assert not around & {"", "abxx", "xy"}


def test_a_name_misspelt_by_a_letter_is_understood() -> None:
    asked, right = measured(every=23)
    assert asked > 10_000
    assert right >= LEAST * asked


@pytest.mark.parametrize("text", ["size_batch", "batch-size", "Batch Size", "BATCH_SIZE"])
def test_the_same_words_written_otherwise_are_understood(text: str) -> None:
    names = ["batch", "size", "patch_size", "batch_size", "batch_sizes"]
    assert did_you_mean(text, names) == "; did you mean 'batch_size'?"


PLACES = {
    "model.itit": ({"model": {"itit": "zeros"}}, "init"),
    "optimizer": ({"optimizer": "adma"}, "adam"),
    "model.activation": ({"model": {"activation": "geluu"}}, "gelu"),
    "log.metrics": ({"log": {"metrics": ["acuracy"]}}, "accuracy"),
    "data": ({"data": "mons"}, "moons"),
    "trian": ({"trian": {}}, "train"),
}


@pytest.mark.parametrize("place", PLACES)
def test_messages_of_a_config_suggest_it(place: str) -> None:
    changes, meant = PLACES[place]
    with pytest.raises(ConfigError, match=f"did you mean '{meant}'"):
        load({"data": "moons", **changes})


@pytest.mark.battery
def test_every_misspelling_by_a_letter(record_property: Record) -> None:
    asked, right = measured(every=1)
    record_property("counts", {"asked": asked, "understood": right})
    assert asked > 200_000
    assert right >= LEAST * asked
