"""Opens files that try to run code, in a process that watches itself; prints counts as JSON.

    python -m tests.battery.hostile_files FOLDER FIRST LAST

An audit hook, which no code can take away again, notes what a file could have made the process do:
start another one, connect, compile or run text, import or write outside of the folder.
"""

import contextlib
import io
import itertools
import json
import os
import pickle
import shutil
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_CAUSED = ("os.system", "os.exec", "os.posix_spawn", "socket.connect", "pickle.find_class")
SIGN = "it-ran"  # a file that appears in the folder where something was executed


class _Calls:
    """Unpickled, it makes a file."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._what = function, arguments

    def __reduce__(self) -> Any:
        return self._what


def _payloads(sign: str) -> dict[str, bytes]:
    """Return contents that execute something where they are taken for code, by name."""
    touch = f"open({sign!r}, 'w').close()"
    pickles = {
        f"pickle {protocol} {name}": pickle.dumps(what, protocol)
        for protocol in range(6)
        for name, what in {
            "system": _Calls(os.system, f"touch {sign}"),
            "eval": _Calls(eval, touch),
            "exec": _Calls(exec, touch),
            "import": _Calls(__import__, "antigravity"),
        }.items()
    }
    yaml = {
        f"yaml {tag}": f"!!python/{tag} [{touch!r}]\n".encode()
        for tag in ("object/apply:os.system", "object/new:eval", "object/apply:eval", "name:eval")
    }
    nested = {
        f"yaml in data, {tag}": f"data: !!python/{tag} [{touch!r}]\n".encode()
        for tag in ("object/apply:os.system", "object:eval", "module:antigravity")
    }
    python = {
        "python": f"import os\n{touch}\n".encode(),
        "a call": f"__import__('os').system('touch {sign}')".encode(),
        "a template": b"{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "a format": b"{0.__class__.__init__.__globals__}",
        "a formula": f"=cmd|' /C touch {sign}'!A0\n1,2\n".encode(),
        "a shell": f"$(touch {sign})`touch {sign}`;touch {sign}|touch {sign}\n".encode(),
        "an entity": b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
    }
    return pickles | yaml | nested | python


def _as_npy(content: bytes) -> bytes:
    """Return an array of objects in NumPy's format, whose pickle is the content."""
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content


def _as_header(content: bytes) -> bytes:
    return b"\x93NUMPY\x01\x00" + min(len(content), 65535).to_bytes(2, "little") + content[:65535]


def _as_zip(member: str) -> Callable[[bytes], bytes]:
    def zipped(content: bytes) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(member, content)
            archive.writestr("targets.npy", content)
        return file.getvalue()

    return zipped


def _as_safetensors(content: bytes) -> bytes:
    return len(content).to_bytes(8, "little") + content


_PLAIN: Callable[[bytes], bytes] = lambda content: content
_NPZ = "data={name: npz, path: x.npz}"
# How a command comes to a file of the user's: the file's name, how it is written, the command.
_DATA: dict[str, tuple[str, Callable[[bytes], bytes], list[str]]] = {
    "npy": ("x.npy", _as_npy, ["data={name: npy, inputs: x.npy, targets: x.npy}"]),
    "npy header": ("x.npy", _as_header, ["data={name: npy, inputs: x.npy, targets: x.npy}"]),
    "npy as it is": ("x.npy", _PLAIN, ["data={name: npy, inputs: x.npy, targets: x.npy}"]),
    "npz": (
        "x.npz",
        lambda c: _as_zip("inputs.npy")(_as_npy(c)),
        ["data={name: npz, path: x.npz}"],
    ),
    "npz of a torch file": (
        "x.npz",
        _as_zip("archive/data.pkl"),
        ["data={name: npz, path: x.npz}"],
    ),
    "idx": ("x.idx", _PLAIN, ["data={name: idx, inputs: x.idx, targets: x.idx}"]),
    "csv": ("x.csv", _PLAIN, ["data={name: csv, path: x.csv, target: y}"]),
    "parquet": ("x.parquet", _PLAIN, ["data={name: parquet, path: x.parquet, target: y}"]),
    "image": ("pictures/a/x.png", _PLAIN, ["data={name: image_folder, path: pictures}"]),
}
_RUN_FILES = {
    "run.json": _PLAIN,
    "config.yaml": _PLAIN,
    "metrics.jsonl": _PLAIN,
    "weights.safetensors": _as_safetensors,
    "preprocessing.safetensors": _as_safetensors,
    "table.json": _PLAIN,
}
_RUN_COMMANDS = (
    ["evaluate", "runs/moons/good"],
    ["resume", "runs/moons/good"],
    ["predict", "runs/moons/good", "--split", "test"],
    ["runs"],
)


def cases(sign: str) -> Iterator[tuple[str, str, bytes, list[list[str]]]]:
    """Give name, file, content and commands of every case."""
    payloads = _payloads(sign)
    for (place, (file, written, changes)), (name, content) in itertools.product(
        _DATA.items(), payloads.items()
    ):
        command = ["train", "moons", *changes, "train.steps=1", "--quiet", "--no-figures"]
        yield f"{place}: {name}", file, written(content), [command]
    for name, content in payloads.items():
        yield f"config: {name}", "x.yaml", content, [["train", "x.yaml", "--dry-run"]]
        extends = [["config", "validate", "child.yaml"]]
        yield f"extends: {name}", "x.yaml", content, extends
        yield f"new rows: {name}", "x.csv", content, [["predict", "runs/moons/good", "x.csv"]]
        yield f"new images: {name}", "x.png", content, [["predict", "runs/moons/good", "x.png"]]
        yield f"init: {name}", "x.csv", content, [["init", "x.csv", "--target", "y"]]
    for (file, written), (name, content) in itertools.product(_RUN_FILES.items(), payloads.items()):
        commands = [list(command) for command in _RUN_COMMANDS]
        yield f"{file}: {name}", f"runs/moons/good/{file}", written(content), commands


class _Watch:
    """What the process does while a case runs, by an audit hook."""

    def __init__(self, folder: Path) -> None:
        self.noted: list[str] = []
        self.active = False
        self._folder = folder
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.active and self._executes(event, arguments):
            self.noted.append(f"{event} {arguments[:2]}")

    def _executes(self, event: str, arguments: tuple[Any, ...]) -> bool:
        """Say whether an event is one that a file could have caused; dlx itself asks git."""
        match event:
            case "subprocess.Popen":
                return "git" not in str(arguments[0])
            case "import":
                return arguments[0] == "antigravity"
            case "exec":
                constants = getattr(arguments[0], "co_consts", ())
                return any(SIGN in str(constant) for constant in constants)
            case "open":
                path, mode = arguments[0], arguments[1]
                writes = isinstance(mode, str) and any(letter in mode for letter in "wax+")
                if not writes or not isinstance(path, str):
                    return False
                place = Path.cwd() / path
                return not (place.is_relative_to(self._folder) or path == os.devnull)
        return event in _CAUSED


def run(folder: Path, first: int, last: int) -> dict[str, Any]:
    """Run the cases of these numbers in a folder; return counts, and what was executed."""
    os.chdir(folder)
    sign = str(folder / SIGN)
    from dlx.cli import main

    quiet = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    with quiet[0], quiet[1]:
        code = main(["train", "moons", "train.steps=1", "--quiet", "--no-figures"])
    assert code == 0
    (made,) = Path("runs/moons").iterdir()
    made.rename("runs/moons/good")
    Path("child.yaml").write_text("extends: x.yaml\ndata: moons\n")
    shutil.copytree("runs", "kept")
    # What is imported or asked on the way, as fc-list for fonts, is imported or asked now.
    for command in (["figures", "runs/moons/good"], *_RUN_COMMANDS):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            main(list(command))
    counts: Counter[str] = Counter()
    executed: dict[str, list[str]] = {}
    failed: dict[str, str] = {}
    watch = _Watch(folder)
    for name, file, content, commands in itertools.islice(cases(sign), first, last):
        counts["tried"] += 1
        path = Path(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        for command in commands:
            err = io.StringIO()
            watch.active = True
            try:
                with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
                    code = main(command)
            except Exception as error:
                failed[name] = f"{command[0]}: {type(error).__name__}: {error}"[:200]
                code = 1
            finally:
                watch.active = False
            counts[f"exit {code}"] += 1
        if watch.noted or Path(sign).exists():
            executed[name] = watch.noted or ["the file appeared"]
            watch.noted = []
            Path(sign).unlink(missing_ok=True)
        if path.parts[0] == "runs":
            shutil.rmtree("runs")
            shutil.copytree("kept", "runs")
        else:
            path.unlink()
    return {"counts": dict(counts), "executed": executed, "failed": failed}


if __name__ == "__main__":
    result = run(Path(sys.argv[1]).resolve(), int(sys.argv[2]), int(sys.argv[3]))
    sys.__stdout__.write(json.dumps(result))  # type: ignore[union-attr]
