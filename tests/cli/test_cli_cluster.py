"""`--cluster ray`: what is refused, and what is left when its processes are killed."""

import contextlib
import functools
import importlib.util
import os
import secrets
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from dlx import api
from dlx.ablation.cluster import _problem_of
from dlx.cli import main
from dlx.errors import ConfigError
from tests.cli.conftest import Command, only_run, start
from tests.guarded import CLUSTER
from tests.same_folders import assert_same
from tests.search.searches import told

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
            f"ray://{addresses['closed']}": r"no Ray cluster answers at ray://127\.0\.0\.1:\d+ "
            r"\(Connection refused\); `ray start --head --ray-client-server-port=10001` starts one",
            "ray://": "received 'ray://'; write HOST:PORT",
            "http://127.0.0.1:6379": "received 'http://127.0.0.1:6379'; write HOST:PORT",
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
SEARCHED = [
    *("--space", "optimizer.lr=1e-3..1e-1 log", "--space", "model.hidden=[4],[3]"),
    *("--trials", "4", "--batch", "2", "--seeds", "2", "search.judge_seeds=2"),
]
SEARCH = [
    *("search", "digits", *SEARCHED, "data.limit=200", "train.epochs=2500"),
    *("model.hidden=[6]", "train.checkpoint_seconds=0.3", "--quiet"),
]


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
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[str]], Path]:
    """What this machine makes of a command."""

    @functools.cache
    def made(*command: str) -> Path:
        folder = tmp_path_factory.mktemp("whole")
        assert main([*command, "--jobs", "2", "--runs-dir", str(folder)]) == 0
        return only_run(folder)

    return lambda command: made(*command)


@needs_ray
@pytest.mark.slow(*CLUSTER)
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("work", "what", "then"),
    [
        *((LONG, what, []) for what in ("the command", "the head", "the node", "Ctrl-C")),
        (SEARCH, "the command", []),
        (SEARCH, "the head", LOCAL),
    ],
)
def test_nothing_is_left_running_and_nothing_is_lost(
    work: list[str],
    what: str,
    then: list[str],
    whole: Callable[[list[str]], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mark = secrets.token_hex(8)
    monkeypatch.setenv("DLX_MARK", mark)
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "0")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    started = start(*work, *LOCAL, cwd=tmp_path, start_new_session=True)
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
    assert main(["resume", "digits", "--quiet", *then]) == 0
    same_as(run, whole(work))


def same_as(ours: Path, others: Path) -> None:
    """Check that two ablations or searches came to the same, bit for bit."""
    assert_same(ours, others)
    if (ours / "search.yaml").exists():
        assert told(ours) == told(others)
        assert (ours / "best.yaml").read_bytes() == (others / "best.yaml").read_bytes()


def name_of(pid: int) -> str:
    """Return the file that a process executes."""
    with contextlib.suppress(OSError):
        return str(Path(f"/proc/{pid}/exe").readlink())
    return ""


class Nodes:
    """The head of a cluster, which serves Ray's client, and one more node; one CPU each."""

    def __init__(self, mark: str) -> None:
        self.mark = mark  # in the environment of its processes
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from ray.cluster_utils import Cluster

            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            self.options: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
            head = self.options | {"include_dashboard": False, "ray_client_server_port": port}
            self.local: Any = Cluster(initialize_head=True, head_node_args=head)
        self.addresses = {"member": self.local.address, "client": f"ray://127.0.0.1:{port}"}
        wait_until(lambda: _problem_of("127.0.0.1", port) is None)
        self.add()

    def add(self) -> None:
        self.other = self.local.add_node(**self.options)

    def freeze(self) -> list[int]:
        """Stop what trains on the other node, in the middle; return its processes."""
        [raylet] = self.other.all_processes["raylet"]
        paths = Path(f"/proc/{raylet.process.pid}/task").glob("*/children")
        children = [int(word) for path in paths for word in path.read_text().split()]
        training = [pid for pid in children if command_of(pid).startswith("ray::_task")]
        for pid in training:
            os.kill(pid, signal.SIGSTOP)
        return training

    def kill(self) -> None:
        """Kill all of the node that is not the head, as a power cut does."""
        self.local.remove_node(self.other, allow_graceful=False)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_memory_monitor_refresh_ms", "0")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        mark = secrets.token_hex(8)
        patch.setenv("DLX_NODES", mark)
        made = Nodes(mark)
        yield made
        made.local.shutdown()


def command_of(pid: int) -> str:
    """Return the command of a process; empty if it has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


SHORTER = ["train.epochs=8000" if word == "train.epochs=60000" else word for word in LONG]


@pytest.fixture(scope="module")
def shorter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shorter ablation as this machine trains it."""
    folder = tmp_path_factory.mktemp("shorter")
    assert main([*SHORTER, "--jobs", "2", "--runs-dir", str(folder)]) == 0
    return only_run(folder)


DEPTH = ["ablate", "course/depth", "--quiet"]


@needs_ray
@pytest.mark.slow(*CLUSTER, "configs/course/depth.yaml")
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("work", "who"), [(DEPTH, "member"), (DEPTH, "client"), (SEARCH, "member")]
)
def test_it_has_the_bytes_of_this_machine_though_a_node_dies(
    work: list[str], who: str, whole: Callable[[list[str]], Path], nodes: Nodes, tmp_path: Path
) -> None:
    where = ["--cluster", "ray", "--address", nodes.addresses[who]]
    started = start(*work, *where, cwd=tmp_path)
    frozen: list[int] = []
    wait_until(lambda: frozen.extend(nodes.freeze()) or frozen or started.poll() is not None, 120)
    assert frozen, started.communicate()
    nodes.kill()
    for pid in frozen:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _, err = started.communicate(timeout=60)
    assert started.returncode == 0, err
    run = only_run(tmp_path / "runs")
    [remark] = api.Ablation(run).info["remarks"]
    assert "a process that trained it died, and another one went on" in remark
    same_as(run, whole(work))
    nodes.add()


@needs_ray
@pytest.mark.slow(*CLUSTER)
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("what", ["the server", "the relay", "Ctrl-C", "the command"])
def test_rays_client_leaves_nothing_running_and_loses_nothing(
    what: str, shorter: Path, nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_cluster(word: str) -> list[int]:
        """Return the processes of the cluster that have a word in their command."""
        return [pid for pid in running(nodes.mark) if word in command_of(pid)]

    where = ["--cluster", "ray", "--address", nodes.addresses["client"]]
    started = start(*SHORTER, *where, cwd=tmp_path)
    wait_until(lambda: [*tmp_path.glob("runs/*/*/cohorts/*/checkpoints/step=*")])
    if what == "the command":
        started.kill()
    elif what == "Ctrl-C":
        started.send_signal(signal.SIGINT)
    else:
        word = {"the server": "specific-server", "the relay": "ray::Relay"}[what]
        pids = of_cluster(word)  # two where the first client of a new head was refused
        assert pids
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
    out, err = started.communicate(timeout=60)
    code = {"the command": -9, "Ctrl-C": 130}.get(what, 12)
    assert (started.returncode, out) == (code, ""), err
    run = only_run(tmp_path / "runs")
    if code == 12:
        words = f"is lost; what it had sent is saved; `dlx resume {run.relative_to(tmp_path)}` goes"
        assert err.startswith("error: the connection through Ray's client, 127.") and words in err
        assert err.count("\n") == 1
    wait_until(lambda: not [*of_cluster("ray::_task"), *of_cluster("ray::Relay")])
    monkeypatch.chdir(tmp_path)
    assert main(["resume", "digits", "--quiet"]) == 0
    assert_same(run, shorter)
