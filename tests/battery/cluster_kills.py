"""Kills processes of clusters that commands start for themselves; prints counts as JSON.

    python -m tests.battery.cluster_kills FOLDER SEED KILLS [ablate|search]

A victim is the command, the cluster's head, its node or one of its workers, at any moment once the
run's folder is there. What is left is gone on with, in turn on a cluster and without one, and what
comes out is compared bit for bit with what this machine alone makes.
"""

import contextlib
import json
import os
import random
import secrets
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.battery.faulty import Scene, wrong_end
from tests.cli.test_cli_cluster import name_of, running

_LONG = {
    "ablate": ["train.steps=60000", "log.every=6000", "train.checkpoint_seconds=0.2"],
    "search": ["train.steps=30000", "log.every=3000", "train.checkpoint_seconds=0.2"],
}
_SECONDS_TO_START = 90.0
_SECONDS_TO_END = 120.0  # of a dead head's node, which waits for it
VICTIMS = "command", "head", "node", "worker"
_FILES = {"head": "gcs_server", "node": "raylet"}


def victims_of(mark: str, command: int, kind: str) -> list[int]:
    """Return the processes of a kind that belong to a command."""
    if kind == "command":
        return [command]
    processes = running(mark)
    if kind == "worker":
        return [own for own in processes if _title(own).startswith("ray::_task")]
    return [own for own in processes if Path(name_of(own)).name == _FILES[kind]]


def _title(process: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace")
    return ""


def kill_at_random(folder: Path, seed: int, kills: int, work: str = "ablate") -> dict[str, Any]:
    """Kill one process after another, each in a chain of one to three; `work` is trained."""
    os.environ |= {"RAY_memory_monitor_refresh_ms": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    scene = Scene(folder, f"{work} on a cluster", _LONG[work])
    scene.clear()
    place = scene.begin.index("--cluster")
    code, err = scene.ended([*scene.begin[:place], "--jobs", "2", *_LONG[work], "--quiet"])
    assert (code, scene.compared()) == (0, ""), err  # this machine alone makes the same
    draw = random.Random(seed)
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    length = 3.0  # seconds from the run's folder to its end
    while counts["killed"] < kills:
        scene.clear()
        for place in range(draw.randint(1, 3)):
            where = f"chain {counts['chains']}, kill {place}"
            mark = os.environ["DLX_MARK"] = secrets.token_hex(8)
            kind = draw.choice(VICTIMS)
            child = scene.start(scene.next())
            moment = draw.uniform(0, length)
            is_there = _wait_for(scene, mark, child, kind, moment)
            victims = victims_of(mark, child, kind) if is_there else []
            if not victims:
                counts["ended before"] += 1
            for victim in victims[:1]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
                counts["killed"] += 1
                counts[kind] += 1
                counts["in a resume"] += place > 0
            code = scene.wait(child)
            counts[f"exit {code}"] += 1
            is_killed = kind == "command" and bool(victims) and code == -signal.SIGKILL
            if not is_killed and (problem := wrong_end(code, scene.err, scene.runs)):
                wrong.append(f"{where}, {kind}: {problem}")
            if left := _left(mark):
                wrong.append(f"{where}, {kind}: left running: {left}")
            print(f"{where}: {kind}, {len(victims)} there, exit {code}", file=sys.stderr)  # noqa: T201
            if code == 0:
                break
        counts["chains"] += 1
        command = scene.next()
        if draw.random() < 0.5 and command != scene.begin:
            counts["gone on with on a cluster"] += 1
            code, err = scene.ended(command)
            if code not in (0, 8):
                wrong.append(f"{where}: on a cluster it did not go on: exit {code}, {err[-800:]}")
        if problem := scene.goes_on():
            print(problem, file=sys.stderr)  # noqa: T201
            wrong.append(f"{where}, {kind}: {problem}")
    return {"counts": counts, "wrong": wrong}


def _wait_for(scene: Scene, mark: str, child: int, kind: str, seconds: float) -> bool:
    """Wait until a command trains on workers, and so long; say whether it still runs."""
    end = time.monotonic() + _SECONDS_TO_START
    while not victims_of(mark, child, "worker") and time.monotonic() < end:
        if _has_ended(child):
            return False
        time.sleep(0.05)
    time.sleep(seconds)
    return not _has_ended(child)


def _has_ended(child: int) -> bool:
    """Say whether a child has ended, and leave it to be waited for."""
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _left(mark: str) -> list[str]:
    """Return the processes of a command that do not end."""
    end = time.monotonic() + _SECONDS_TO_END
    while (left := running(mark)) and time.monotonic() < end:
        time.sleep(0.1)
    return [*map(name_of, left)]


if __name__ == "__main__":
    os.environ.pop("LD_PRELOAD", None)
    where, seed, kills, *work = sys.argv[1:]
    print(json.dumps(kill_at_random(Path(where), int(seed), int(kills), *work)))  # noqa: T201
