"""Batch sizes that rows and network allow, and those that they do not."""

import pytest

from dlx.errors import ConfigError
from dlx.training.batch_sizes import check_batch_norm, remarks, resolved
from tests.cohorts import built, task


def test_all_is_every_row() -> None:
    assert resolved("all", 7, "train.batch_size") == 7
    assert resolved(7, 7, "train.batch_size") == 7


@pytest.mark.parametrize(("num_rows", "size"), [(7, 7), (128, 128), (129, 128)])
def test_the_default_is_as_many_rows_as_there_are(num_rows: int, size: int) -> None:
    assert resolved("auto", num_rows, "my.key") == size
    told = ("my.key is 7, all training rows (default 128)",) if size == 7 else ()
    assert remarks("auto", size, "my.key") == told
    assert remarks(size, size, "my.key") == ()


def test_more_rows_than_there_are_are_refused() -> None:
    message = "^my.key: received 8, but there are 7 labelled rows; lower it or use all$"
    with pytest.raises(ConfigError, match=message):
        resolved(8, 7, "my.key", "labelled rows")


@pytest.mark.parametrize(("size", "num_rows"), [(1, 6), (5, 6), (2, 7)])
def test_a_row_alone_has_no_variance(size: int, num_rows: int) -> None:
    normalized, plain = (built("mlp", task(4), hidden=[3], batch_norm=on) for on in (True, False))
    message = f"^my.key: with {num_rows} training rows, batches of {size} leave one row alone"
    with pytest.raises(ConfigError, match=message):
        check_batch_norm(normalized, size, num_rows, "my.key")
    check_batch_norm(plain, size, num_rows, "my.key")


@pytest.mark.parametrize(("size", "num_rows"), [(3, 6), (4, 6), (6, 6)])
def test_batches_of_two_rows_or_more_are_allowed(size: int, num_rows: int) -> None:
    check_batch_norm(built("mlp", task(4), hidden=[3], batch_norm=True), size, num_rows, "my.key")
