import math
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlx.tracking.events import EventFile
from dlx.tracking.scalars import encode_scalars

STEPS = st.one_of(
    st.integers(0, 300),
    st.integers(0, 2**63 - 1),
    st.sampled_from([0, 127, 128, 2**14 - 1, 2**14, 2**56 - 1, 2**56, 2**63 - 1]),
)
TIMES = st.one_of(st.floats(allow_nan=False), st.sampled_from([0.0, -0.0, 1.7e9]))
VALUES = st.one_of(st.just(math.nan), st.floats(), st.sampled_from([0.0, -0.0, 1e300, 1e-50]))
TAGS = st.lists(st.text(max_size=20), unique=True, max_size=6)
LONG = [f"gradient_norm/a layer of a long name/{layer}" for layer in range(60)]


def slowly(tags: list[str], events: list[tuple[int, float, list[float]]]) -> bytes:
    """Return the scalar events as `EventFile` writes them one by one."""
    with TemporaryDirectory() as folder:
        file = EventFile(Path(folder))
        (path,) = Path(folder).iterdir()
        start = path.stat().st_size
        for step, moment, values in events:
            known = {t: v for t, v in zip(tags, values, strict=True) if not math.isnan(v)}
            if known:
                file.scalars(step, known, moment)
        file.close()
        return path.read_bytes()[start:]


def fast(tags: list[str], files: list[list[tuple[int, float, list[float]]]]) -> list[bytes]:
    events = [event for file in files for event in file]
    return encode_scalars(
        tags,
        np.array([step for step, _, _ in events], dtype=np.int64),
        np.array([moment for _, moment, _ in events], dtype=np.float64),
        np.array([values for _, _, values in events], dtype=float).reshape(len(events), len(tags)),
        np.cumsum([len(file) for file in files]).tolist(),
    )


@given(st.data(), TAGS)
@settings(max_examples=200, deadline=None)
def test_the_bytes_are_those_of_the_events_written_one_by_one(
    data: st.DataObject, tags: list[str]
) -> None:
    row = st.lists(VALUES, min_size=len(tags), max_size=len(tags))
    event = st.tuples(STEPS, TIMES, row)
    files = data.draw(st.lists(st.lists(event, max_size=6), max_size=4))
    assert fast(tags, files) == [slowly(tags, file) for file in files]


def test_many_files_with_gaps_and_events_of_more_than_a_thousand_bytes() -> None:
    generator = np.random.default_rng(0)
    files = []
    for length in (200, 0, 1, 150):
        values = generator.lognormal(0, 20, (length, len(LONG)))
        values[generator.random(values.shape) < 0.001] = math.nan
        values[length // 2 :: 7] = math.nan
        files.append([(step, 1.7e9 + step, row) for step, row in enumerate(values.tolist())])
    written = fast(LONG, files)
    assert len(max(written, key=len)) > 170 * 1024
    assert written == [slowly(LONG, file) for file in files]


def test_a_negative_step_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="a step is negative"):
        fast(["cost"], [[(-1, 0.0, [1.0])]])
