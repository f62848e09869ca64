"""The files that the documents about the code name are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("document", ["architecture.md", "internals.md"])
def test_named_files_are_there(document: str) -> None:
    named = set(re.findall(r"`([\w/]+\.py)`", (ROOT / "docs" / document).read_text()))
    assert len(named) > 5
    files = [f"/{path.relative_to(ROOT)}" for path in ROOT.glob("*/**/*.py")]
    assert {name for name in named if not any(f.endswith(f"/{name}") for f in files)} == set()
