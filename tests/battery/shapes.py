"""Files of runs in which one value is another one, with digests that are right; and who reads them.

shared/table.csv           the data: two numbers and a category, two classes
shared/runs/one/<id>       a run that has ended
shared/runs/begun/<id>     a run that was stopped halfway, with checkpoints
shared/runs/many/<id>      an ablation of two variants at three seeds, its run 1 with its own folder
shared/runs/grown/<id>     one whose settings are tuned, and that adds seeds until verdicts
shared/runs/sought/<id>    a search that has ended
shared/runs/open/<id>      one that was stopped before its end
"""

import contextlib
import copy
import hashlib
import io
import json
import os
import re
import shutil
import signal
import traceback
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml

from dlx import api
from dlx.cli import main, run_folders
from dlx.config import load as config_files
from dlx.errors import Interrupted
from dlx.runs.documents import sha256
from tests.battery.scenes import stop_at, write_table

CONFIG = """\
name: one
data: {name: csv, path: table.csv, target: class}
model: {hidden: [3]}
train: {steps: 8, batch_size: 16, checkpoint_seconds: 0}
log: {every: 4}
search: {space: {optimizer.lr: [0.01, 0.1]}, trials: 4, batch: 2, seeds: 1, judge_seeds: 2}
"""
MANY = {"vary": {"model.activation": ["tanh", "relu"]}, "seeds": 3}
GROWN = {
    "vary": {"optimizer.lr": [0.05, 0.0001]},
    "tune": {"optimizer.weight_decay": [0.0, 0.1]},
    "seeds": {"until": "decided", "max": 6},
}
_HUGE = "@1e400@"  # stands for the number, which JSON writes as no other does
VALUES: dict[str, Any] = {
    **{
        repr(value): value for value in (None, True, -1, 0, 2, 0.5, 10**30, "", "x", "../../../out")
    },
    "NaN": float("nan"),
    "Infinity": float("inf"),
    "1e400": _HUGE,
    "escapes": "\x1b[31mx",
    "long": "y" * 100_000,
    **{repr(value): value for value in ([], [None], ["x"], {}, {"a": 1}, {"dev": {}})},
}
_WAYS = (*VALUES, "removed", "repeated")
CODES = (0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
PATIENCE = 60

_RUN = (
    *("evaluate {}", "predict {} --split test", "diagnose {}", "report {}", "figures {}"),
    *("inspect {}", "encode {} --split test", "export {} -o export", "verify {}", "resume {}"),
    *("resume {} train.steps=12", "compare {} runs/one", "ensemble {} runs/one", "board {}"),
    *("runs", "runs {}", "probe {} --seeds 2", "runs tag {} a@b", "evaluate {} table.csv"),
    *("why {} runs/one --seeds 2", "config check {}/config.yaml"),
)
_ABLATION = (
    *("report {}", "table {}", "table {} --format latex", "compare {}", "compare {} runs/one"),
    *("evaluate {}#2", "diagnose {}#1", "predict {}#3 --split test", "diagnose {}", "verify {}"),
    *("resume {}", "resume {} --seeds 4", "board {}", "board {} --top 1", "figures {}"),
    *("ensemble {}", "runs", "runs {}", "ablate {}/ablation.yaml --dry-run"),
    "runs variance {}",
)
_SEARCH = (
    *("report {}", "resume {}", "runs", "runs {}", "compare {}", "table {}", "diagnose {}"),
    *("figures {}", "evaluate {}#1", "resume {} --test", "verify {}", "board {}"),
)
_ASKED = {"one": _RUN, "begun": _RUN, "many": _ABLATION, "grown": _ABLATION} | dict.fromkeys(
    ("sought", "open"), _SEARCH
)
NAMES = tuple(_ASKED)
# Of a file that only some of the commands read, these.
_READERS = {
    r"cohorts/.*": ("evaluate {}#2", "diagnose {}", "resume {}", "report {}", "compare {}"),
    r"runs/1/.*": ("evaluate {}#1", "diagnose {}#1", "report {}#1", "predict {}#1 --split test"),
    r".*metrics\.jsonl": ("diagnose {}", "report {}", "resume {}", "figures {}", "board {}"),
    r"checkpoints/.*": ("resume {}", "evaluate {}", "report {}", "runs"),
    r"journal\.log": ("resume {}", "report {}", "resume {} --test"),
    r"summary\.json": (
        *("report {}", "table {}", "table {} --format latex", "compare {}", "runs", "runs {}"),
        *("figures {}", "board {} --top 1", "resume {}", "resume {} --test"),
    ),
}
UNREAD = re.compile(
    r"(events\.out\.|figures/|report\.html$|\.lock$|\.csv$|\.count$|test/|dev/|train/)|best\.yaml"
)


def make(folder: Path, *names: str) -> None:
    """Make the runs of some names in a folder; the process stands in it."""
    folder.mkdir(parents=True)
    os.chdir(folder)
    write_table(Path("table.csv"), 60)
    for name in names:
        config = yaml.safe_load(CONFIG) | {"name": name}
        if name in ("many", "grown"):
            del config["search"]
            config["ablation"] = MANY if name == "many" else GROWN
        Path(f"{name}.yaml").write_text(yaml.safe_dump(config))
        with contextlib.suppress(Interrupted):
            _train(name)


def _train(name: str) -> None:
    show = stop_at(4) if name in ("begun", "open") else lambda progress: None
    if name in ("one", "begun"):
        api.new_training(api.prepare(f"{name}.yaml")).train(show)
    elif name in ("many", "grown"):
        ablation = api.ablate(f"{name}.yaml", jobs=1)
        if name == "many":
            api.load(f"{ablation.path}#1")
    else:
        config = config_files.load(f"{name}.yaml")
        api.search(api.plan_search(config, jobs=1), show=show)


@dataclass(frozen=True)
class Change:
    """One value of a file that is another one."""

    file: str  # below the folder of the run
    place: tuple[str | int, ...]  # in the document
    way: str


def places(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Give the places of a document; of long lists those of the first and the last entry."""
    if at:
        yield at
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*at, key))
    if isinstance(value, list):
        for number in sorted({0, len(value) - 1} if value else ()):
            yield from places(value[number], (*at, number))


def changed(document: Any, place: tuple[str | int, ...], way: str) -> Any:
    """Return a document with another value at a place."""
    document = copy.deepcopy(document)
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    if way == "removed":
        del inner[place[-1]]
    elif way == "repeated":
        if isinstance(inner, list):
            inner.append(copy.deepcopy(inner[int(place[-1])]))
    else:
        inner[place[-1]] = VALUES[way]
    return document


def _dumped(value: Any, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=False, **options).replace(f'"{_HUGE}"', "1e400")


def _sealed(fields: Any) -> bytes:
    """Return a document of dlx's whose digest is right, whatever it holds."""
    if not isinstance(fields, dict):
        return _dumped(fields).encode()
    fields = {key: value for key, value in fields.items() if key != "digest"}
    text = _dumped(fields, sort_keys=True, separators=(",", ":"))
    return _dumped(fields | {"digest": sha256(text.encode())}, indent=1).encode() + b"\n"


def _lines(content: bytes) -> Any:
    rows = [json.loads(line) for line in content.splitlines()]
    return {"rows": [{k: v for k, v in row.items() if k != "crc"} for row in rows]}


def _as_lines(document: Any) -> bytes:
    rows = document.get("rows", [])
    text = ""
    for row in rows if isinstance(rows, list) else []:
        line = _dumped(row)
        if isinstance(row, dict):
            line = line[:-1] + (", " if row else " ") + f'"crc": {zlib.crc32(line[:-1].encode())}}}'
            line = line.replace(', "crc": ', ', "crc": ')
        text += line + "\n"
    return text.encode()


def _tensors(content: bytes) -> Any:
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    return {
        "metadata": json.loads(header.pop("__metadata__", {}).get("dlx", "{}")),
        "tensors": header,
        "data": content[end:].hex(),
    }


def _as_tensors(document: Any) -> bytes:
    header = document.get("tensors", {})
    if isinstance(header, dict):
        header = header | {"__metadata__": {"dlx": _dumped(document.get("metadata"))}}
    text = _dumped(header).encode()
    data = document.get("data", "")
    is_hex = isinstance(data, str) and re.fullmatch("([0-9a-f]{2})*", data)
    return len(text).to_bytes(8, "little") + text + (bytes.fromhex(data) if is_hex else b"")


def _as_yaml(document: Any) -> bytes:
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=10**6)
    return text.replace(f"'{_HUGE}'", "1e400").replace(_HUGE, "1e400").encode()


def _journal(content: bytes) -> Any:
    return {"rows": [json.loads(line) for line in content.splitlines()]}


def _as_journal(document: Any) -> bytes:
    rows = document.get("rows", [])
    return "".join(_dumped(row) + "\n" for row in (rows if isinstance(rows, list) else [])).encode()


Form = tuple[Callable[[bytes], Any], Callable[[Any], bytes]]
_FORMS: dict[str, Form] = {
    r"(run|index|cohort|plan)\.json|\.(tags|index)\.json": (json.loads, _sealed),
    r".*\.json": (json.loads, lambda document: _dumped(document, indent=1).encode() + b"\n"),
    r".*\.yaml": (yaml.safe_load, _as_yaml),
    r".*\.jsonl": (_lines, _as_lines),
    r"journal\.log": (_journal, _as_journal),
    r".*\.safetensors": (_tensors, _as_tensors),
}


def form(name: str) -> Form:
    """Return how a file is read and written."""
    return next(form for pattern, form in _FORMS.items() if re.fullmatch(pattern, name))


def write(run: Path, file: str, content: bytes) -> None:
    """Write a file of a run, and the digests that speak of it."""
    path = run / file
    path.write_bytes(content)
    if path.parent.name == "checkpoints":
        digest = hashlib.sha256(content).hexdigest()
        path.rename(path.with_name(re.sub(r"[0-9a-f]{64}", digest, path.name)))
    if file == "journal.log" and (run / "plan.json").exists():
        plan = json.loads((run / "plan.json").read_bytes())
        plan["journal"] = {"bytes": len(content), "sha256": sha256(content)}
        write(run, "plan.json", _sealed(plan))
    cohort = path.parent / "cohort.json"
    if cohort.exists() and path != cohort:
        document = json.loads(cohort.read_bytes())
        if path.name == "metrics.jsonl":
            document |= {"metrics_bytes": len(content), "metrics_digest": sha256(content)}
        else:
            document["digests"][path.name] = sha256(content)
        cohort.write_bytes(_sealed(document))
    for above in (path.parent, run):
        info = above / "run.json"
        name = path.relative_to(above).as_posix()
        if info.exists() and path != info:
            document = json.loads(info.read_bytes())
            if name in (document.get("digests") or {}):
                document["digests"][name] = sha256(content)
                info.write_bytes(_sealed(document))


def files(run: Path) -> list[str]:
    """Return the files of a run that dlx may read back."""
    found = (path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file())
    return sorted(name for name in found if not UNREAD.search(name))


Case = tuple[str, Change, str]
"""The name of a run, a change of one of its files, and a command line."""


def cases(folder: Path) -> list[Case]:
    """Return all cases of a folder that `make` made."""
    every = []
    for name in sorted(path.name for path in (folder / "runs").iterdir() if path.is_dir()):
        asked = _ASKED[name]
        [run] = (folder / "runs" / name).iterdir()
        for file in files(run):
            document = form(Path(file).name)[0]((run / file).read_bytes())
            lines = next((ls for p, ls in _READERS.items() if re.fullmatch(p, file)), asked)
            lines = [line for line in lines if "#" not in line or asked is not _RUN]
            for place in places(document):
                if place[0] == "data":
                    continue
                for way in _WAYS:
                    for line in lines:
                        every.append((name, Change(file, place, way), line))
    return every


class Hang(BaseException):
    """The patience is over."""


def _give_up(*_: Any) -> NoReturn:
    raise Hang


def _stopped(*_: Any) -> NoReturn:
    raise KeyboardInterrupt


def ask(line: list[str]) -> tuple[int, str, str]:
    """Run a command line in this process; return its exit code and what it said."""
    out, err = io.StringIO(), io.StringIO()
    before = signal.signal(signal.SIGALRM, _give_up)
    served, run_folders.serve = run_folders.serve, _stopped
    signal.alarm(PATIENCE)
    try:
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("default")
            code = main(line)
    except Hang:
        return 1, out.getvalue(), f"it hangs: {traceback.format_exc()[-1500:]}"
    except BaseException:
        return 1, out.getvalue(), traceback.format_exc()
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        run_folders.serve = served
    return code, out.getvalue(), err.getvalue()


def change(folder: Path, work: Path, name: str, change: Change) -> Path:
    """Stand in a copy of a folder, a file of which is changed; return the folder of the run."""
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(folder, work / "shared")
    os.chdir(work / "shared")
    [run] = Path("runs", name).iterdir()
    read, written = form(Path(change.file).name)
    document = changed(read((run / change.file).read_bytes()), change.place, change.way)
    write(run, change.file, written(document))
    return run


def tried(folder: Path, work: Path, name: str, changed: Change, line: str) -> str:
    """Return what is wrong with what a command makes of a changed file; empty: nothing."""
    run = change(folder, work, name, changed)
    code, out, err = ask(line.replace("{}", str(run)).split())
    said = problem(line, code, out, err)
    outside = [path.name for path in work.iterdir() if path.name != "shared"]
    return said or (f"it wrote {outside}" if outside else "")


def problem(line: str, code: int, out: str, err: str) -> str:
    """Return what is wrong with how a command ended; empty: nothing."""
    if "Traceback" in err or code == 1:
        return f"exit {code}: {err[-2500:]}"
    if line.startswith("board") and code == 130:
        code = 0
    if code not in CODES:
        return f"exit code {code}: {err[-600:]}"
    if "\x1b" in out + err:
        return f"escapes: {(out + err)[:600]!r}"
    errors = [told for told in err.splitlines() if told.startswith("error: ")]
    if len(errors) != (code != 0):
        return f"exit {code} with {len(errors)} errors: {err[-600:]}"
    if code == 0 and re.search(r"(?<![\w.'\"\-/])(nan|NaN|inf|Infinity)(?![\w'\"\-/])", out):
        return f"nonsense: {out[:3000]}"
    return ""
