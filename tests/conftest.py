import gc
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from dlx.native import build, library

# How long an example takes says more about the machine than about dlx.
settings.register_profile("dlx", deadline=None)
settings.load_profile("dlx")

# Tests run in processes side by side, which would take each other's cores; a thread that waits for
# another would even spin on them.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Files with slow tests that take a minute or more.
LONGEST = (
    "test_cli_cluster.py",
    "test_documented_commands.py",
    "test_export_reads_alike.py",
    "test_library.py",
    "test_sanitizers.py",
)

# Processes that the tests start run this checkout, as the tests do, whatever is installed and
# wherever they start.
CHECKOUT = str(Path(__file__).parents[1])
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [CHECKOUT, os.environ.get("PYTHONPATH")]))

# Bytecode is kept even where the environment says that none is written. Without it every process
# compiles dlx, a tenth of a short command's time, and rewrites the assertions of all tests, half of
# the time of collecting them.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A shell starts what it runs in the background with SIGINT ignored, and so would every process that
# the tests start: those that wait for Ctrl-C would wait for ever.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--changed-since",
        metavar="COMMIT",
        help="of the slow tests, those whose guarded files have changed since a commit; 'last' is "
        "the last release, which raised the version in pyproject.toml, and without one all have",
    )
    parser.addoption(
        "--share",
        type=float,
        default=1.0,
        help="of the faults that the battery counts, how many are tried; 1, all, unless given",
    )


def pytest_configure(config: pytest.Config) -> None:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        build_library()
    # What a test writes has to outlive no power cut: to wait for the disk is most of the time of
    # tests that save. The battery, which counts what survives, waits, and so do processes that
    # tests start.
    if "battery" not in config.option.markexpr.replace("not battery", ""):
        os.fsync = unsynced
    # The laws promise the same bits on the CPU. `pytest -m cuda` is for what runs on a GPU.
    if "cuda" not in config.option.markexpr.replace("not cuda", ""):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def unsynced(file: Any) -> None:
    """Refuse what `os.fsync` refuses, a descriptor that is not open, and wait for no disk."""
    os.fstat(file if isinstance(file, int) else file.fileno())


def build_library() -> None:
    """Build the native library of this checkout, where it is not that of its sources."""
    if library.absence() is not None:
        build.build()
        library.forget()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # One that begins last keeps one process waiting for the other.
    items.sort(key=lambda item: item.path.name not in LONGEST)
    changed = changed_since(config.getoption("--changed-since"))
    if changed is None:
        return
    left_out = []
    for item in items:
        mark = item.get_closest_marker("slow")
        guarded = [str(item.path.relative_to(CHECKOUT)), *(mark.args if mark else ())]
        if mark and not any(path.startswith(tuple(guarded)) for path in changed):
            left_out.append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def pytest_collectstart() -> None:
    # Nothing that modules and tests are made of is ever garbage; to look for it there takes a
    # fifth of the time of collecting them.
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def changed_since(commit: str | None) -> list[str] | None:
    """Return the paths that differ from those of a commit; None for all."""
    git = partial(subprocess.run, cwd=CHECKOUT, capture_output=True, text=True)
    if commit == "last":
        raises = git(["git", "log", "--format=%H", "-G^version = ", "--", "pyproject.toml"])
        commit = next(iter(raises.stdout.split()), "")
        # The first commit of a history, or of all that a shallow clone has, raises nothing.
        if not git(["git", "rev-parse", "--verify", "--quiet", f"{commit}^"]).stdout:
            return None
    if not commit:
        return None
    result = git(["git", "diff", "--name-only", commit, "--"])
    if result.returncode:
        raise pytest.UsageError(f"--changed-since {commit}: {result.stderr.strip()}")
    return result.stdout.splitlines()


@pytest.fixture
def one_thread() -> Iterator[None]:
    """One thread, and denormals flushed as dlx does: what bitwise equality is promised for."""
    yield from _threads(1)


@pytest.fixture
def two_threads() -> Iterator[None]:
    yield from _threads(2)


def _threads(number: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_flush_denormal(True)
    torch.set_num_threads(number)
    yield
    torch.set_num_threads(before)
    torch.set_flush_denormal(False)


@pytest.fixture
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs and ablations end without pictures, which take longer to draw than short runs to train.

    Those of runs are looked at in tests/api/test_figures.py, those of ablations in tests/report.
    """
    monkeypatch.setattr("dlx.api.training.Training.draw", lambda training: [])
    monkeypatch.setattr("dlx.report.ablation.page.draw_all", lambda summary, results: [])


@pytest.fixture
def forgotten() -> Iterator[None]:
    """Names that a test registers are gone after it: others run over the whole registry."""
    from dlx import plugins, registry
    from dlx.config.types import entry_model

    before = {kind: set(registry.names(kind)) for kind in registry.MODULES}
    yield
    for kind, names in before.items():
        for name in set(registry.names(kind)) - names:
            registry.forget(registry.get(kind, name))
    plugins._loaded.clear()
    entry_model.cache_clear()
