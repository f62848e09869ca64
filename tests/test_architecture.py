"""The files are there that the documents about the code name, and that slow tests guard."""

import re
from pathlib import Path

import pytest

import tests.guarded

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("document", ["architecture.md", "internals.md"])
def test_named_files_are_there(document: str) -> None:
    named = set(re.findall(r"`([\w/]+\.py)`", (ROOT / "docs" / document).read_text()))
    assert len(named) > 5
    files = [f"/{path.relative_to(ROOT)}" for path in ROOT.glob("*/**/*.py")]
    assert {name for name in named if not any(f.endswith(f"/{name}") for f in files)} == set()


def test_what_slow_tests_guard_is_there() -> None:
    tuples = [value for name, value in vars(tests.guarded).items() if name[0] != "_"]
    guarded = {path for paths in tuples for path in paths}
    assert {"dlx/runs/", "dlx/ablation/plan"} <= guarded
    assert [path for path in guarded if not any(ROOT.glob(f"{path}*"))] == []
