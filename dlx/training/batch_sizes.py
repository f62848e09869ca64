"""Batch sizes that a config asks for: those that rows and network allow."""

from typing import Literal

from dlx.config.schema import BATCH_SIZE
from dlx.errors import ConfigError
from dlx.models.design import Design


def resolved(
    given: int | Literal["all", "auto"],
    num_rows: int,
    key: str,
    rows: str = "training rows",
    default: int = BATCH_SIZE,
) -> int:
    """Return the rows of a full batch; auto is the default where there are as many rows."""
    if given == "auto":
        return min(default, num_rows)
    size = num_rows if given == "all" else given
    if size > num_rows:
        raise ConfigError(
            f"{key}: received {size}, but there are {num_rows} {rows}; lower it or use all"
        )
    return size


def remarks(
    given: int | Literal["all", "auto"],
    size: int,
    key: str,
    rows: str = "training rows",
    default: int = BATCH_SIZE,
) -> tuple[str, ...]:
    """Return a sentence for the user where there were too few rows for the default size."""
    if given != "auto" or size == default:
        return ()
    return (f"{key} is {size}, all {rows} (default {default})",)


def check_batch_norm(
    design: Design, size: int, num_rows: int, key: str, rows: str = "training rows"
) -> None:
    """Refuse a batch of a single row where a network takes the variance over the batch.

    The last batch of a pass has what is left of the rows.
    """
    lonely = num_rows % size == 1 or size == 1
    if lonely and any(part.batch_norm is not None for part in design.parts):
        raise ConfigError(
            f"{key}: with {num_rows} {rows}, batches of {size} leave one row alone, whose "
            "variance batch norm cannot take; choose another batch size"
        )
