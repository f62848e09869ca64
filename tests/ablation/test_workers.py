"""What processes side by side need of the system, and what is said where it is not given."""

import errno
import os
import subprocess
import sys
import threading
import types
from importlib.machinery import ModuleSpec
from multiprocessing.synchronize import SemLock
from pathlib import Path
from typing import NoReturn

import pytest

from dlx.ablation.workers import repeats_script
from dlx.cli import main
from dlx.errors import FEW_FILES, FEW_PROCESSES
from tests.guarded import RUNS

pytestmark = pytest.mark.usefixtures("one_thread")

COMMAND = ["ablate", "xor", "train.steps=2", "--vary", "model.hidden=[3],[4]", "--seeds", "1"]
OPTIONS = ["--anyway", "--quiet", "--jobs", "2", "--runs-dir"]


def _refused(*arguments: object, **options: object) -> NoReturn:
    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def _no_file(*arguments: object, **options: object) -> NoReturn:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def _no_semaphore(*arguments: object, **options: object) -> NoReturn:
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def _no_thread(*arguments: object) -> NoReturn:
    raise RuntimeError("can't start new thread")


@pytest.mark.skipif(sys.platform != "linux", reason="workers are copies on Linux alone")
@pytest.mark.parametrize(
    ("owner", "name", "call", "told", "cure"),
    [
        (SemLock, "__init__", _no_semaphore, "no semaphores (No such file or directory)", "let "),
        (
            os,
            "fork",
            _refused,
            "no further process (Resource temporarily unavailable)",
            FEW_PROCESSES,
        ),
        (os, "fork", _no_file, "no further process (Too many open files)", FEW_FILES),
        (
            threading.Thread,
            "start",
            _no_thread,
            "no further thread (can't start new thread)",
            FEW_PROCESSES,
        ),
    ],
)
def test_what_the_system_does_not_give(
    owner: object,
    name: str,
    call: object,
    told: str,
    cure: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(owner, name, call)
    assert main([*COMMAND, *OPTIONS, str(tmp_path)]) == 9
    [error] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert error.startswith(f"error: --jobs: the system gives {told}; leave --jobs out, or {cure}")


def test_no_thread_for_a_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for call, told in ((_refused, "no more processes"), (_no_thread, "can't start new thread")):
        monkeypatch.setattr("dlx.cli.lists.emit_table", lambda *a, call=call, **k: call(None))
        assert main(["list"]) == 9
        error = capsys.readouterr().err
        assert error.startswith(f"error: {told}") and "(ulimit -u)" in error


_SCRIPT = """\
import torch

import dlx

torch.set_num_threads(4)
ablation = dlx.ablate("xor", ["train.steps=2"], varied=["model.hidden=[3],[4]"], seeds=1, jobs=2)
print(ablation.status, ablation.info["remarks"])
"""


@pytest.mark.slow(*RUNS)
def test_a_script_is_not_run_again_by_fresh_processes(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(_SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    words = [sys.executable, "script.py"]
    ended = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0 and ended.stderr == ""
    assert ended.stdout.startswith('completed ["one process trained all: ')
    assert len([*tmp_path.glob("runs/xor/*")]) == 1


_GUARD = "if __name__ == '__main__':"


@pytest.mark.parametrize(
    ("text", "repeats"),
    [
        ("SAID", True),
        ("# below __main__\nx = '__main__'\nSAID", True),
        (f"SAID\n{_GUARD}\n    pass", True),
        (f"{_GUARD}\n    SAID", False),
        ("if '__main__' == __name__ and True:\n    SAID", False),
        ("if __name__ in ['__main__']:\n    SAID", False),
        (f"def main():\n    SAID\n{_GUARD}\n    main()", False),
        (f"def main():\n    {_GUARD}\n        SAID\nmain()", False),
        ("def main():\n    SAID\n__name__ == '__main__' and main()", False),
        (f"def main():\n    SAID\n{_GUARD}\n    pass\nmain()", True),
        (f"{_GUARD}\n    exec('\\n\\n\\nSAID')", False),
        ("exec('SAID')", True),
    ],
)
def test_a_script_is_run_again_unless_it_has_asked_for_its_name(
    text: str, repeats: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is what stands around the call that counts, not what else the script says."""
    script = tmp_path / "script.py"
    script.write_text(text.replace("SAID", "said.append(asks())"))
    module = types.ModuleType("__main__")
    vars(module).update(__file__=str(script), asks=repeats_script, said=[])
    monkeypatch.setitem(sys.modules, "__main__", module)
    exec(compile(script.read_text(), str(script), "exec"), vars(module))
    assert vars(module)["said"] == [repeats]
    assert repeats_script() is ("__name__" not in text)  # as from a thread
    module.__file__ = "<stdin>"
    assert repeats_script()
    del module.__file__
    assert not repeats_script()


def test_the_main_of_a_package_is_not_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("__main__")
    module.__file__, module.__spec__ = __file__, ModuleSpec("package.__main__", None)
    monkeypatch.setitem(sys.modules, "__main__", module)
    assert not repeats_script()
    module.__spec__ = ModuleSpec("package.module", None)
    assert repeats_script()
