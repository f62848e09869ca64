"""The files that the documents about the code name are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("document", ["architecture.md", "internals.md"])
def test_named_files_are_there(document: str) -> None:
    named = set(re.findall(r"`([\w/]+/\w+\.py)`", (ROOT / "docs" / document).read_text()))
    assert len(named) > 5
    missing = {
        name for name in named if not ((ROOT / name).exists() or (ROOT / "dlx" / name).exists())
    }
    assert missing == set()
