"""`--cluster ray`: what is refused, and what is left when its processes are killed."""

import contextlib
import importlib.util
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from dlx import api
from dlx.cli import main
from dlx.errors import ConfigError
from tests.cli.conftest import Command, only_run, start
from tests.same_folders import assert_same

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs dlx[ray]")
ABLATE = ["ablate", "xor", "--vary", "model.hidden=[2],[3]", "--seeds", "3", "train.steps=20"]


class _Silent(BaseHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Print nothing."""


@contextlib.contextmanager
def ports() -> Iterator[dict[str, str]]:
    """Give addresses at which no cluster answers."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        free = closed.getsockname()[1]
    with (
        HTTPServer(("127.0.0.1", 0), _Silent) as server,
        socket.create_server(("127.0.0.1", 0)) as mute,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield {
            "closed": f"127.0.0.1:{free}",
            "web": f"localhost:{server.server_port}",
            "mute": f"127.0.0.1:{mute.getsockname()[1]}",
        }
        server.shutdown()


@needs_ray
def test_a_wrong_address_is_refused_soon(
    dlx: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlx.ablation.cluster._SECONDS_TO_CONNECT", 0.2)
    with ports() as addresses:
        cases = {
            addresses[
                "closed"
            ]: r"no Ray cluster answers at 127\.0\.0\.1:\d+ \(Connection refused\)",
            addresses["web"]: r"no Ray cluster answers at localhost:\d+ \(what answers is no Ray\)",
            addresses["mute"]: r"no Ray cluster answers at 127\.0\.0\.1:\d+ \(timed out\)",
            "no.such.host.invalid:6379": r"answers at no\.such\.host\.invalid:6379 \(",
            "ray://127.0.0.1:10001": "run this command on a node of the cluster, with --address",
            "127.0.0.1": "received '127.0.0.1'; write HOST:PORT of the cluster's head, auto",
            "": "received ''; write HOST:PORT",
        }
        for address, words in cases.items():
            with pytest.raises(ConfigError, match=words), api.cluster(address):
                pass
        monkeypatch.setenv("RAY_ADDRESS", addresses["closed"])  # what auto takes
        ended = dlx(*ABLATE, "--cluster", "ray")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.count("\n") == 1 and ended.err.startswith("error: --address: no Ray cluster")
    assert not (tmp_path / "runs").exists()


@needs_ray
@pytest.mark.slow("dlx/ablation/cluster.py")
def test_a_wrong_address_ends_in_five_seconds() -> None:
    with pytest.raises(ConfigError), api.cluster("?"):  # imports what the others need
        pass
    with ports() as addresses:
        for address in addresses.values():
            began = time.monotonic()
            with pytest.raises(ConfigError, match="no Ray cluster answers"), api.cluster(address):
                pass
            assert time.monotonic() - began < 5


def test_ray_is_missing(dlx: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    for words in (ABLATE, ["search", "iris", "--space", "optimizer.lr=0.1,0.2"]):
        ended = dlx(*words, "--cluster", "ray")
        cure = "--cluster ray needs Ray, which is not installed: pip install 'dlx[ray]'"
        assert (ended.code, ended.err.splitlines()[-1]) == (2, f"error: {cure}")


def test_options_that_do_not_go_together(dlx: Command) -> None:
    cases = [
        (["--cluster", "slurm"], "--cluster: received 'slurm'; allowed: ray"),
        (["--workers", "4"], "--workers 4: this is of a cluster; add --cluster ray"),
        (["--address", "auto"], "--address auto: this is of a cluster; add --cluster ray"),
        (["--gpus-per-worker", "1"], "--gpus-per-worker 1.0: this is of a cluster"),
        (["--cluster", "ray", "--jobs", "2"], "--jobs 2: processes of this machine do not train"),
    ]
    for words, message in cases:
        ended = dlx(*ABLATE, *words)
        assert ended.code == 2 and message in ended.err
    assert dlx("train", "xor", "train.steps=2", "--no-figures", "--quiet").code == 0
    ended = dlx("resume", "xor", "--cluster", "ray")
    assert ended.code == 2 and "is a run, which this machine trains; --cluster is for" in ended.err


# A head counts as gone after six seconds; training takes about three times as long.
LONG = [
    *("ablate", "digits", "--vary", "model.hidden=[6],[5]", "--seeds", "3"),
    *("train.epochs=60000", "train.checkpoint_seconds=0.3", "data.limit=200", "--quiet"),
]
LOCAL = ["--cluster", "ray", "--address", "local", "--workers", "2"]


def running(mark: str) -> list[int]:
    """Return the processes that have a mark in their environment."""
    processes = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark.encode() in path.read_bytes():
                processes.append(int(path.parent.name))
    return processes


def wait_until(is_so: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ablation as this machine trains it."""
    folder = tmp_path_factory.mktemp("whole")
    assert main([*LONG, "--jobs", "2", "--runs-dir", str(folder)]) == 0
    return only_run(folder)


@needs_ray
@pytest.mark.slow("dlx/ablation/", "dlx/stopping.py")
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("what", ["the command", "the head", "the node", "Ctrl-C"])
def test_nothing_is_left_running_and_nothing_is_lost(
    what: str, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = secrets.token_hex(8)
    monkeypatch.setenv("DLX_MARK", mark)
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "0")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    started = start(*LONG, *LOCAL, cwd=tmp_path, start_new_session=True)
    wait_until(lambda: [*tmp_path.glob("runs/*/*/cohorts/*/checkpoints/step=*")])
    if what == "the command":
        started.kill()
    elif what == "Ctrl-C":
        os.killpg(started.pid, signal.SIGINT)
    else:
        file = "gcs_server" if what == "the head" else "raylet"
        [victim] = [pid for pid in running(mark) if Path(name_of(pid)).name == file]
        os.kill(victim, signal.SIGKILL)
    out, err = started.communicate(timeout=60)
    code = {"the command": -9, "the head": 12, "the node": 12, "Ctrl-C": 130}[what]
    assert (started.returncode, out) == (code, ""), err
    run = only_run(tmp_path / "runs")
    if what == "the head":
        words = f"is gone; what it had sent is saved; `dlx resume {run.relative_to(tmp_path)}` goes"
        assert err.startswith("error: the head of the cluster, ") and words in err
    elif what == "the node":
        words = "error: the cluster's node on this machine is gone; what workers had sent is saved"
        assert err.splitlines()[-1].startswith(words)
    elif what == "Ctrl-C":
        assert err.startswith("stopped by SIGINT, saved; `dlx resume ")
    end = time.monotonic() + 90  # of a dead head's nodes, which wait for it
    while (left := running(mark)) and time.monotonic() < end:
        time.sleep(0.2)
    assert not left, [*map(name_of, left)]
    monkeypatch.chdir(tmp_path)
    assert main(["resume", "digits", "--quiet"]) == 0
    assert_same(run, whole)


def name_of(pid: int) -> str:
    """Return the file that a process executes."""
    with contextlib.suppress(OSError):
        return str(Path(f"/proc/{pid}/exe").readlink())
    return ""
