from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlx.data.dataset import Dataset
from dlx.data.pipeline import load_dataset

Write = Callable[..., Path]
Read = Callable[..., Dataset]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a text as a file."""

    def to_file(text: str, name: str = "table.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return to_file


@pytest.fixture
def read(write: Write) -> Read:
    """Read a text as a CSV file, with options of the source."""

    def from_text(text: str, *, encoding_of_file: str = "utf-8", **options: Any) -> Dataset:
        path = write(text, encoding=encoding_of_file)
        return load_dataset("csv", Path(), path=path, **({"target": "y"} | options))

    return from_text
