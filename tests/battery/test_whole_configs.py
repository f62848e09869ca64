"""Whole configs, drawn and spoilt: each is refused in a line that names its key, or trains.

What a dry run accepts begins to train: both go through the session.
"""

from collections import Counter
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from dlx import api
from dlx.config.load import assign, load
from dlx.config.schema import RunConfig
from dlx.errors import DivergedError, DlxError
from dlx.training.rehearsal import rehearse
from tests.battery.conftest import Record
from tests.battery.whole_configs import configs, crossed, spoilt

KNOWN_CODES = (2, 3, 4, 5, 6)
pytestmark = pytest.mark.filterwarnings("ignore")  # of NumPy and scikit-learn, at absurd values


def checked(config: dict[str, Any], counts: Counter[str]) -> RunConfig | None:
    """Return a config that is valid; what is not is refused by a key."""
    counts["tried"] += 1
    try:
        valid = load(config)
    except DlxError as error:
        assert error.exit_code == 2, error
        assert all(": " in line or "the config holds" in line for line in str(error).split("\n"))
        counts["refused by the schema"] += 1
        return None
    counts["valid"] += 1
    return valid


def started(config: RunConfig, counts: Counter[str], *, train: bool) -> None:
    """Begin to train a config in memory or, for two steps, in a folder of its own."""
    try:
        job = api.prepare(config)
        rehearse([job])
    except DlxError as error:
        assert error.exit_code in KNOWN_CODES, error
        counts["refused by a dry run"] += 1
        return
    counts["began in memory"] += 1
    if not train:
        return
    short = assign(config, {"train.steps": min(job.member.num_steps, 2)})
    with TemporaryDirectory() as folder:
        try:
            api.new_training(api.prepare(short), runs_dir=Path(folder)).train()
        except DivergedError:  # at absurd rates
            counts["diverged"] += 1
        else:
            counts["trained"] += 1


def of_number(number: int) -> settings:
    """Return the settings that draw so many examples."""
    return settings(
        max_examples=number,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def run(strategy: st.SearchStrategy, number: int, every: int | None, draw: int) -> Counter[str]:
    """Check so many configs, let one in `every` begin, and one in ten of those train."""
    counts: Counter[str] = Counter()

    @seed(draw)
    @of_number(number)
    @given(strategy)
    def go(config: dict[str, Any]) -> None:
        valid = checked(config, counts)
        if valid is not None and every and counts["valid"] % every == 0:
            started(valid, counts, train=counts["valid"] % (10 * every) == 0)

    go()
    return counts


def test_whole_configs_are_refused_or_begin_to_train() -> None:
    counts = run(configs(), 30, 3, draw=1)
    assert counts["valid"] > 20
    assert counts["began in memory"] > 3


def drawn(number: int, draw: int) -> list[dict[str, Any]]:
    """Return so many whole configs."""
    pool: list[dict[str, Any]] = []

    @seed(draw)
    @of_number(number)
    @given(configs(ablation=True))
    def take(config: dict[str, Any]) -> None:
        pool.append(config)

    take()
    return pool


def run_of_a_pool(number: int, pool: int, every: int, draw: int) -> Counter[str]:
    """Check so many configs made of a few whole ones, half of them spoilt; let some begin.

    To draw a config takes ten times as long as to check one.
    """
    counts: Counter[str] = Counter()
    whole, random = drawn(pool, draw), Random(draw)
    for place in range(number):
        config = crossed(whole, random)
        valid = checked(spoilt(config, random) if place % 2 else config, counts)
        if valid is not None and counts["valid"] % every == 0:
            started(valid, counts, train=counts["valid"] % (4 * every) == 0)
    return counts


def test_spoilt_configs_are_refused_in_words() -> None:
    counts = run_of_a_pool(400, 20, 50, draw=3)
    assert counts["refused by the schema"] > 100
    assert counts["valid"] > 50
    assert counts["began in memory"] + counts["refused by a dry run"] > 0


@pytest.mark.battery
@pytest.mark.parametrize("draw", range(10))
def test_ten_times_10_000_configs(draw: int, record_property: Record) -> None:
    counts = run_of_a_pool(10_000, 400, 150, draw=100 + draw)
    record_property("counts", dict(counts))
    assert counts["valid"] > 1_000 and counts["refused by the schema"] > 1_000
