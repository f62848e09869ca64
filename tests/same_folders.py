"""Whether two folders of ablations hold the same, clocks, commands and hosts aside."""

import json
from pathlib import Path
from typing import Any

from dlx.runs.info import CIRCUMSTANCES

_ASIDE = {*CIRCUMSTANCES, "time", "crc", "digest", "digests", "metrics_bytes", "metrics_digest"}


def assert_same(ours: Path, others: Path) -> None:
    """Check that all cohorts of two ablations have the same bits, in the same files."""
    names = _files(ours)
    assert names == _files(others)
    assert any(name.endswith("weights.safetensors") for name in names)
    for name in ("index.json", *names):
        content, other = ((folder / name).read_bytes() for folder in (ours, others))
        if name.endswith(".jsonl"):
            lines, others_lines = (map(json.loads, text.splitlines()) for text in (content, other))
            assert list(map(_timeless, lines)) == list(map(_timeless, others_lines)), name
        elif name.endswith("cohort.json"):
            assert _timeless(json.loads(content)) == _timeless(json.loads(other)), name
        else:
            assert content == other, name


def _files(folder: Path) -> list[str]:
    paths = [path for path in (folder / "cohorts").rglob("*") if path.is_file()]
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(own) for key, own in value.items() if key not in _ASIDE}
    return list(map(_timeless, value)) if isinstance(value, list) else value
