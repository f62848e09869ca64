"""Damage to files that dlx reads back, and a judge of what a command makes of it."""

import contextlib
import hashlib
import io
import json
import os
import random
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlx.cli import main

DOCUMENTED_CODES = (2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
# What a clock or a process decides; it differs between two runs of the same.
_CIRCUMSTANCES = {
    *("seconds", "time", "crc", "created", "started", "ended", "resumed", "command", "versions"),
    *("git_commit", "age", "sequence", "digest", "digests", "warnings", "seconds_per_step"),
}
# Files that dlx writes for people and other programs, and never reads.
UNREAD = re.compile(
    r"(events\.out\.|figures/|report\.html$|\.lock$|export/|^run\.yaml$|^ablation\.yaml$)"
)


@dataclass(frozen=True)
class Answer:
    """What a command said, and what it left in the folders of runs, clocks aside."""

    code: int
    said: Any  # of its JSON
    left: Mapping[str, str]  # digests of results by path
    err: str


def ask(line: str, during: contextlib.AbstractContextManager[Any] | None = None) -> Answer:
    """Run a command line in the folder in which the process stands, during a context."""
    out, err = io.StringIO(), io.StringIO()
    with (
        during or contextlib.nullcontext(),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = main(line.split())
    text = out.getvalue()
    with contextlib.suppress(ValueError):
        text = _without_circumstances(json.loads(text))
    return Answer(code, text, _results() if line.startswith(MAKERS) else {}, err.getvalue())


MAKERS = ("resume", "export")


def _results() -> dict[str, str]:
    """Return what the files of results hold, by path."""
    results = {}
    for path in sorted(Path("runs").rglob("*")):
        place = path.as_posix()
        if re.search(r"/runs/\d+/", place):  # made of the ablation's files, and never changed
            continue
        if path.name in ("weights.safetensors", "preprocessing.safetensors"):
            results[place] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif path.name == "metrics.jsonl":
            results[place] = path.read_text(errors="replace")
            with contextlib.suppress(ValueError):
                lines = [json.loads(line) for line in path.read_bytes().splitlines()]
                results[place] = json.dumps(_without_circumstances(lines))
    return results


def _without_circumstances(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_circumstances(v) for k, v in value.items() if k not in _CIRCUMSTANCES}
    return [*map(_without_circumstances, value)] if isinstance(value, list) else value


def cut(content: bytes, draw: random.Random) -> bytes:
    """Return the beginning of a content, most often with a line's or a byte's end in view."""
    ends = [place + 1 for place, byte in enumerate(content) if byte == 10]
    if ends and draw.random() < 0.5:
        place = draw.choice(ends)
        return content[: place if place < len(content) else 0]
    # Without its last line break alone a document says what it said.
    return content[: draw.randrange(max(len(content.rstrip(b"\n")), 1))]


def flipped(content: bytes, draw: random.Random) -> bytes:
    """Return a content with one bit changed."""
    place = draw.randrange(len(content))
    bit = 1 << draw.randrange(8)
    return content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :]


KINDS = {"cut": cut, "flip": flipped}


def readable(folder: Path) -> list[Path]:
    """Return the files of a scene that dlx may read back."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [path for path in files if not UNREAD.search(path.relative_to(folder).as_posix())]


@contextlib.contextmanager
def copied(scene: Path, folder: Path) -> Iterator[Path]:
    """Stand in a copy of a scene."""
    before = Path.cwd()
    shutil.copytree(scene, folder, symlinks=True, copy_function=shutil.copy)
    os.chdir(folder)
    try:
        yield folder
    finally:
        os.chdir(before)
        shutil.rmtree(folder)


def is_named(damaged: Path, err: str) -> bool:
    """Say whether messages name a file, or the folder that it lies in."""
    return damaged.name in err or any(part in err for part in damaged.parts[-3:-1])


def verdict(whole: Answer, answer: Answer, damaged: Path) -> str:
    """Return what is wrong with an answer of a command that met a damaged file; empty: nothing."""
    err = answer.err
    if "Traceback" in err or answer.code == 1:
        return f"a traceback: {err[-300:]}"
    if (answer.code, answer.said, answer.left) == (whole.code, whole.said, whole.left):
        return ""
    names = is_named(damaged, err)
    if answer.code:
        if answer.code not in DOCUMENTED_CODES:
            return f"exit code {answer.code}"
        if sum(line.startswith("error: ") for line in err.splitlines()) != 1:
            return f"not one error: {err[-300:]}"
        return "" if names else f"the error does not name {damaged}: {err[-300:]}"
    return "" if names else "another answer without a word"
