"""Lets reads fail in commands that look at runs or go on with them; prints counts as JSON.

    python -m tests.battery.reading FOLDER NUMBER

So many reads of each command meet an error, one in turn. The command then answers as without it, or
ends with a documented code and one error that names a file, or tells of it; asked again it answers
as if nothing had been.
"""

import json
import os
import random
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from dlx.errors import DlxWarning
from tests.battery import scenes
from tests.battery.damage import DOCUMENTED_CODES, MAKERS, Answer, ask, copied
from tests.battery.faults import FAULTS, calls, faults, state
from tests.battery.test_damage import COMMANDS

_FAULT = FAULTS["error of a read"]


def asked(line: str, at: int = -1) -> Answer:
    """Run a command line in the folder in which the process stands; a read of it may fail."""
    with warnings.catch_warnings():
        warnings.simplefilter("default", DlxWarning)
        try:
            return ask(line, faults(Path.cwd() / "runs", _FAULT, at))
        except Exception as error:
            return Answer(1, "", {}, f"Traceback: {error!r}")


def problem(line: str, whole: Answer, answer: Answer) -> str:
    """Return what is wrong with the answer of a command that met the fault, and then did not."""
    if "Traceback" in answer.err or answer.code == 1:
        return f"a traceback: {answer.err[-600:]}"
    if (answer.code, answer.said, answer.left) == (whole.code, whole.said, whole.left):
        return ""
    if answer.code == 0:
        return "" if "Input/output error" in answer.err else "another answer without a word"
    errors = [said for said in answer.err.splitlines() if said.startswith("error: ")]
    if answer.code not in DOCUMENTED_CODES or len(errors) != 1 or "runs" not in errors[0]:
        return f"exit {answer.code} without one error that names a file: {answer.err[-600:]}"
    again = asked(line)
    is_same = again.left == whole.left if line.startswith(MAKERS) else again.said == whole.said
    if again.code != whole.code or not is_same:
        return f"after {errors[0]!r}, asked again: exit {again.code}, {again.err[-600:]}"
    return ""


def run(folder: Path, number: int) -> dict[str, Any]:
    """Return counts of what was tried, and what was wrong."""
    folder.mkdir(parents=True, exist_ok=True)
    scene, copy = folder / "scene", folder / "copy"
    scenes.make(scene)
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for line in COMMANDS:
        draw = random.Random(line)
        with copied(scene, copy):
            whole = asked(line)
            count = calls(state(), _FAULT)
        few = min(number, count)
        for at in (int((place + draw.random()) * count / few) for place in range(few)):
            with copied(scene, copy):
                answer = asked(line, at)
                is_met = state().met > 0
                counts["tried" if is_met else "not met"] += 1
                counts[f"exit {answer.code}"] += 1
                if is_met and (said := problem(line, whole, answer)):
                    wrong.append(f"{line}, read {at} of {count}: {said}")
    return {"reads of commands": {"counts": counts, "wrong": wrong}}


if __name__ == "__main__":
    os.environ.pop("LD_PRELOAD", None)
    torch.set_num_threads(1)
    print(json.dumps(run(Path(sys.argv[1]).absolute(), int(sys.argv[2]))))  # noqa: T201
