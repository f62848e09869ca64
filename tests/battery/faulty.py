"""Tries faults at calls on files of a command, in a process with faults.c; prints counts as JSON.

    python -m tests.battery.faulty FOLDER WORK calls NUMBER FAULT…
    python -m tests.battery.faulty FOLDER WORK random SEED KILLS
    python -m tests.battery.faulty FOLDER WORK disks NUMBER

Each fault is tried at so many calls of the command, and of what goes on with one that was killed;
so many disks have too few bytes, and as many too few files.

After each fault the command has ended with a documented exit code and one line, or was killed; it
is then gone on with, and what comes out is compared bit for bit with what comes out undisturbed.
"""

import contextlib
import importlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

from dlx.cli import main
from dlx.config.load import load
from dlx.runs import list_runs
from tests.battery.faults import FAULTS, calls, faults
from tests.battery.results import of_ablation, of_run, of_search

CONFIG = """\
name: short
data: iris
model: {hidden: [4], dropout: 0.1}
train: {steps: 12, batch_size: 30, checkpoint_seconds: 0}
log: {every: 3, level: minimal}
"""
_VARIED = ["--vary", "model.hidden=[4],[3]", "--seeds", "2", "--anyway"]
_SPACE = ["--space", "optimizer.lr=1e-3..1e-1 log", "--space", "model.hidden=[4],[3]"]
_FEW = ["--trials", "4", "--batch", "2", "--seeds", "2", "search.judge_seeds=2"]
LOCAL = ["--address", "local", "--workers", "2"]
# Commands by name; those with processes train their cohorts in two copies of the process.
WORKS = {
    "train": ["train", "--no-figures"],
    "train natively": ["train", "--no-figures", "train.engine=native"],
    "ablate": ["ablate", *_VARIED, "--jobs", "1"],
    "ablate natively": ["ablate", *_VARIED, "--jobs", "1", "train.engine=native"],
    "ablate in processes": ["ablate", *_VARIED, "--jobs", "2"],
    "search": ["search", *_SPACE, *_FEW, "--jobs", "1"],
    "search in processes": ["search", *_SPACE, *_FEW, "--jobs", "2"],
}
# Its workers train on a cluster that the command starts; the command alone writes.
ON_CLUSTER = {
    "ablate on a cluster": ["ablate", *_VARIED, "--cluster", "ray", *LOCAL],
    "search on a cluster": ["search", *_SPACE, *_FEW, "--cluster", "ray", *LOCAL],
}
CODES = (0, 2, 3, 4, 5, 6, 7, 8, 9, 12)
_PATIENCE = 120.0  # seconds after which a command counts as one that hangs


class Scene:
    """A folder in which a command is run again and again.

    Args:
        folder: is made
        work: the command, of `WORKS` or `ON_CLUSTER`
        changes: of its config
    """

    def __init__(self, folder: Path, work: str, changes: Sequence[str] = ()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        os.chdir(folder)
        torch.set_num_threads(1)
        Path("short.yaml").write_text(CONFIG)
        self.runs = Path("runs").absolute()
        command, *rest = (WORKS | ON_CLUSTER)[work]
        self.begin = [command, "short.yaml", *rest, *changes, "--quiet"]
        self.cluster = rest[rest.index("--cluster") :] if "--cluster" in rest else []
        self.jobs = rest[rest.index("--jobs") :][:2] if "--jobs" in rest else []
        if self.cluster:  # as many as workers: a search's batch is parted into cohorts for them
            self.jobs = ["--jobs", "2"]
        self.calls = self.counted(self.begin)
        # Copies of this process have what they would else import again, each for seconds.
        for name in Path("modules").read_text().split():
            with contextlib.suppress(Exception):
                importlib.import_module(name)
        load(yaml.safe_load(CONFIG))  # and the schema's models
        self.whole = self.result()

    @property
    def err(self) -> str:
        """What the last command said on stderr."""
        return Path("err").read_text(errors="replace")

    def start(self, command: list[str]) -> int:
        """Run a command line in a copy of this process; return the copy's id."""
        child = os.fork()
        if child == 0:
            code = 70
            try:
                for name, descriptor in (("out", 1), ("err", 2)):
                    os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
                signal.signal(signal.SIGINT, signal.default_int_handler)
                code = main(command)
                if not Path("modules").exists():
                    Path("modules").write_text("\n".join(sys.modules))
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        return child

    def ended(self, command: list[str]) -> tuple[int, str]:
        """Return the exit code of a command, negative for a signal, and its errors."""
        return self.wait(self.start(command)), self.err

    def wait(self, child: int) -> int:
        """Return the exit code of a process, 124 if it hangs."""
        ends = time.monotonic() + _PATIENCE
        while (known := os.waitpid(child, os.WNOHANG))[0] == 0:
            if time.monotonic() > ends:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return 124
            time.sleep(0.002)
        return os.waitstatus_to_exitcode(known[1])

    def counted(self, command: list[str]) -> dict[str, int]:
        """Run a command to its end; return how many calls could have met each fault."""
        with faults(self.runs, FAULTS["kill"], -1) as own:
            assert self.ended(command)[0] == 0, self.err
            return {name: calls(own, fault) for name, fault in FAULTS.items()}

    def clear(self) -> None:
        """Delete all runs."""
        shutil.rmtree(self.runs, ignore_errors=True)

    def result(self) -> Any:
        """Return what came out, clocks aside."""
        [run], warnings = list_runs(self.runs)
        assert warnings == [] and run.status() == "completed", (warnings, run.status())
        of = {"run": of_run, "ablation": of_ablation, "search": of_search}
        return of[run.read_info()["kind"]](run.path), (run.path / "summary.json").exists()

    def next(self, *, on_cluster: bool = True) -> list[str]:
        """Return the command that goes on with what is there, or begins."""
        if not list_runs(self.runs)[0]:
            self.clear()
            return self.begin
        where = self.cluster if on_cluster and self.cluster else self.jobs
        return ["resume", str(list_runs(self.runs)[0][0].path), *where, "--quiet"]

    def goes_on(self) -> str:
        """Go on with what is there; return what was wrong with that, or with what came out.

        What a cluster began this machine goes on with, in as many processes.
        """
        code, err = self.ended(self.next(on_cluster=False))
        if code == 8:  # a worker was killed, and its runs are tried again when that is asked for
            before = err
            code, err = self.ended([*self.next(on_cluster=False), "--only", "failed"])
            err = f"{before[-600:]}, then {err}"
        if code != 0:
            return f"it did not go on: exit {code}, {err[-1500:]}"
        return self.compared()

    def compared(self) -> str:
        """Return what is wrong with what came out."""
        try:
            return "" if self.result() == self.whole else "other bits"
        except Exception as error:
            return f"no result: {error!r}"


def wrong_end(code: int, err: str, root: Path) -> str:
    """Return what is wrong with how a command ended that met an error."""
    if code not in CODES:
        return f"exit {code}: {err[-1500:]}"
    if "Traceback" in err or "Exception ignored" in err:
        return f"a traceback: {err[-1500:]}"
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    if code != 0 and (len(lines) != 1 or "runs" not in lines[0]):
        return f"exit {code} without one error that names a file: {err[-600:]}"
    return ""


class Trial:
    """A command that begins or goes on, again and again, and how many calls it makes.

    Args:
        scene: where it runs
        resume: whether it goes on with what was killed at 6 of 10 calls
    """

    def __init__(self, scene: Scene, resume: bool) -> None:
        self.scene = scene
        self._before = scene.runs.with_name("before") if resume else None
        self.command, self.calls = scene.begin, scene.calls
        if self._before:
            scene.clear()
            with faults(scene.runs, FAULTS["kill"], self.calls["kill"] * 6 // 10):
                scene.ended(self.command)
            self.command = scene.next()
            shutil.rmtree(self._before, ignore_errors=True)
            shutil.copytree(scene.runs, self._before)
            self.calls = scene.counted(self.command)
            assert scene.result() == scene.whole

    def prepare(self) -> None:
        """Lay out what the command finds."""
        self.scene.clear()
        if self._before:
            shutil.copytree(self._before, self.scene.runs)

    def at_calls(self, name: str, number: int) -> dict[str, Any]:
        """Let each of some calls meet a fault; return counts, and what was wrong."""
        scene, fault, count = self.scene, FAULTS[name], self.calls[name]
        counts: Counter[str] = Counter(calls=count)
        wrong: list[str] = []
        draw = random.Random(f"{name} {self._before}")
        number = min(number, count)
        for at in (int((place + draw.random()) * count / number) for place in range(number)):
            self.prepare()
            with faults(scene.runs, fault, at) as own:
                code, err = scene.ended(self.command)
                met = own.met
            counts["tried"] += 1
            if not met:  # processes beside each other make a call less now and then
                counts["not met"] += 1
                continue
            counts["killed" if code == -signal.SIGKILL else f"exit {code}"] += 1
            problem = "" if code == -signal.SIGKILL else wrong_end(code, err, scene.runs)
            if problem or (problem := scene.compared() if code == 0 else scene.goes_on()):
                wrong.append(f"call {at} of {count}: {problem}")
        return {"counts": counts, "wrong": wrong}


def at_random(scene: Scene, seed: int, kills: int) -> dict[str, Any]:
    """Kill a command, what goes on with it, and so on, one to six times, at random moments."""
    draw = random.Random(seed)
    scene.clear()
    began = time.monotonic()
    scene.ended(scene.begin)
    length = time.monotonic() - began
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    while counts["killed"] + counts["killed a worker"] < kills:
        scene.clear()
        chain = draw.randint(1, 6)
        for place in range(chain):
            child = scene.start(scene.next())
            time.sleep(draw.uniform(0, length))
            workers = _children(child)
            victim = draw.choice([child, *workers]) if workers else child
            is_running = os.waitpid(child, os.WNOHANG)[0] == 0
            if not is_running:
                counts["ended before"] += 1
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
            code = scene.wait(child)
            counts["killed" if victim == child else "killed a worker"] += 1
            counts["in a resume"] += place > 0
            if victim != child and (problem := wrong_end(code, scene.err, scene.runs)):
                wrong.append(f"chain {counts['chains']}, kill {place}: {problem}")
            if any(_is_alive(worker, 5.0) for worker in workers):
                wrong.append(f"chain {counts['chains']}, kill {place}: a worker lives on")
        counts["chains"] += 1
        if problem := scene.goes_on():
            wrong.append(f"chain {counts['chains']} of {chain}: {problem}")
    return {"counts": counts, "wrong": wrong}


def on_small_disks(scene: Scene, number: int) -> dict[str, Any]:
    """Run a command on disks that are too small, and go on with it once there is room.

    Sizes go from none to a fifth more than the results take.
    """
    files = list(scene.runs.rglob("*"))
    pages = sum(-(-path.stat().st_size // 4096) for path in files if path.is_file())
    needs = {"size": pages * 4096, "nr_inodes": len(files) + 1}
    counts: Counter[str] = Counter(needs)
    wrong: list[str] = []
    scene.clear()
    scene.runs.mkdir()
    for limit, most in needs.items():
        for place in range(number):
            at_most = max(int(most * 1.2 * (place + 0.5) / number), 1)
            room = {"size": 2**26, "nr_inodes": 10_000}
            _mount(scene.runs, room | {limit: at_most})
            try:
                code, err = scene.ended(scene.begin)
                counts["tried"] += 1
                counts[f"exit {code}"] += 1
                problem = wrong_end(code, err, scene.runs)
                _mount(scene.runs, room, again=True)
                if problem or (problem := scene.compared() if code == 0 else scene.goes_on()):
                    wrong.append(f"{limit}={at_most} of {most}: {problem}")
            finally:
                subprocess.run(["umount", scene.runs], check=True)
    return {"counts": counts, "wrong": wrong}


def _mount(folder: Path, limits: dict[str, int], again: bool = False) -> None:
    options = ",".join([*["remount"] * again, *(f"{name}={n}" for name, n in limits.items())])
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)


def _children(process: int) -> list[int]:
    try:
        text = Path(f"/proc/{process}/task/{process}/children").read_text()
    except OSError:
        return []
    return [*map(int, text.split())]


def _is_alive(process: int, seconds: float) -> bool:
    """Say whether a process is there, and no zombie, after some seconds."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        try:
            state = re.findall(r"^State:\s+(\w)", Path(f"/proc/{process}/status").read_text(), re.M)
        except OSError:
            return False
        if state == ["Z"]:
            return False
        time.sleep(0.01)
    return True


def run(folder: str, work: str, what: str, number: str, *more: str) -> dict[str, Any]:
    """Return what the arguments ask for, by what was tried."""
    scene = Scene(Path(folder), work)
    if what == "disks":
        return {"small disks": on_small_disks(scene, int(number))}
    if what == "random":
        return {"random kills": at_random(scene, int(number), int(more[0]))}
    result = {}
    for resume in (False, True):
        trial = Trial(scene, resume)
        for fault in more:
            key = f"resume, {fault}" if resume else fault
            result[key] = trial.at_calls(fault, int(number))
    return result


if __name__ == "__main__":
    os.environ.pop("LD_PRELOAD", None)
    print(json.dumps(run(*sys.argv[1:])))  # noqa: T201
