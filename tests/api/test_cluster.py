"""Ablations and searches on a real cluster of two nodes on this machine."""

import importlib.util
import os
import re
import shutil
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dlx import api, plugins
from dlx.ablation.cluster import Cluster
from dlx.api.ablation import CrashedError
from dlx.errors import ConfigError, Interrupted
from tests.guarded import CLUSTER
from tests.same_folders import assert_same
from tests.search.searches import planned, told

pytestmark = [
    pytest.mark.slow(*CLUSTER),
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs dlx[ray]"),
]

CONFIG: dict[str, Any] = {
    "name": "spread",
    "data": {"name": "digits", "limit": 200},
    "train": {"epochs": 8, "batch_size": 50, "checkpoint_seconds": 0},
}
SHAPES = ["model.hidden=[6],[5]"]
LONG = ["train.epochs=8000", "train.checkpoint_seconds=0.3"]
WAVE = '''
import dlx, sys

@dlx.register("activation")
def NAME(z):
    """Breaks on wide layers."""
    if z.shape[-1] == 5:
        BREAK
    return z.sin()
'''


class Nodes:
    """The head of a cluster, which trains too, and one more node."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from ray.cluster_utils import Cluster as Local
        self.options: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
        head = self.options | {"include_dashboard": False}
        self.local: Any = Local(initialize_head=True, head_node_args=head)
        self.address: str = self.local.address
        self.add()

    def add(self, **options: Any) -> None:
        self.other = self.local.add_node(**self.options | options)

    def kill(self) -> None:
        """Kill all of the node that is not the head, as a power cut does."""
        self.local.remove_node(self.other, allow_graceful=False)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with pytest.MonkeyPatch.context() as patch:
        # Or Ray ends workers when other processes of this machine take its memory.
        patch.setenv("RAY_memory_monitor_refresh_ms", "0")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        made = Nodes()
        yield made
        made.local.shutdown()


@pytest.fixture(scope="module")
def cluster(nodes: Nodes) -> Iterator[Cluster]:
    with api.cluster(nodes.address) as connected:
        yield connected


def trained(folder: Path, *overrides: str, seeds: int | None = 3, **options: Any) -> Path:
    """Return an ablation that has ended, as it is planned for two workers."""
    plan = api.plan_ablation(
        api.read_ablation(CONFIG, overrides, varied=SHAPES, seeds=seeds), jobs=2
    )
    return api.train_plan(plan, runs_dir=folder, **options).path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ablation that this machine trained, long enough to be stopped."""
    return trained(tmp_path_factory.mktemp("whole"), *LONG, jobs=2)


def look(cluster: Cluster) -> None:
    """Look at the nodes until both are there, for a minute at most."""
    end = time.monotonic() + 60
    while cluster.workers < 2 and time.monotonic() < end:
        cluster.look()
        time.sleep(0.2)


def stopping_when(is_so: Callable[[Any], object]) -> Callable[[Any], None]:
    """Return what is told of progress, and lets Ctrl-C come, once."""
    sent: list[int] = []

    def show(progress: Any) -> None:
        if not sent and is_so(progress):
            sent.append(signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    return show


@pytest.mark.parametrize(
    "overrides",
    [
        ["train.engine=torch"],
        ["pretrain={epochs: 1}", "ablation.tune={optimizer.lr: [0.01, 0.1]}"],
        ["ablation.seeds={until: decided, max: 6}", "train.epochs=2"],
    ],
    ids=["torch", "stages and tuning", "seeds until decided"],
)
def test_a_cluster_gives_the_bytes_of_this_machine(
    overrides: list[str], tmp_path: Path, one_thread: None, cluster: Cluster
) -> None:
    seeds = None if "ablation.seeds" in overrides[0] else 3
    assert cluster.workers == 2
    ours = trained(tmp_path / "cluster", *overrides, seeds=seeds, cluster=cluster)
    assert_same(ours, trained(tmp_path / "local", *overrides, seeds=seeds, jobs=2))


def test_a_node_that_dies_loses_nothing_and_one_that_comes_takes_part(
    tmp_path: Path, whole: Path, nodes: Nodes, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = []

    def kill(progress: Any) -> None:
        number = progress.cohort.cohort
        saved = [*(progress.directory / "cohorts").glob("*/checkpoints/step=*")]
        if not killed and len({path.parent for path in saved}) == 2:
            killed.append(number)
            nodes.kill()

    ours = trained(tmp_path / "cluster", *LONG, cluster=cluster, show=kill)
    assert killed
    remarks = api.Ablation(ours).info["remarks"]
    assert len(remarks) == 1 and "a process that trained it died, and another one went on" in str(
        remarks
    )
    assert_same(ours, whole)
    with monkeypatch.context() as patch:  # as if this machine had another dlx than the nodes
        patch.setitem(vars(cluster), "_facts", cluster._facts | {"code": "0" * 64})
        nodes.add()
        words = rf"^{os.uname().nodename}: its dlx .* is made of other files .*install the same dlx"
        with pytest.raises(ConfigError, match=words):
            look(cluster)
    look(cluster)
    assert cluster.workers == 2


def test_a_stop_is_saved_and_goes_on_anywhere(
    tmp_path: Path, whole: Path, cluster: Cluster
) -> None:
    stop = stopping_when(lambda progress: progress.cohort.step)
    with pytest.raises(Interrupted, match="stopped by SIGINT, saved"):
        trained(tmp_path / "cluster", *LONG, cluster=cluster, show=stop)
    [ours] = (tmp_path / "cluster" / "spread").iterdir()
    assert {*ours.glob("cohorts/*/checkpoints/step=*")}
    shutil.copytree(tmp_path / "cluster", tmp_path / "copy")
    [copied] = (tmp_path / "copy" / "spread").iterdir()
    api.resume_ablation(ours, cluster=cluster)
    assert_same(ours, whole)
    api.resume_ablation(copied)
    assert_same(copied, whole)


def test_a_search_has_the_trials_of_this_machine_wherever_it_goes_on(
    tmp_path: Path, one_thread: None, cluster: Cluster
) -> None:
    stop = stopping_when(lambda progress: progress.phase == "batch 2" and progress.cohort.step)
    many: Any = {"trials": 4, "batch": 2}
    local = api.search(planned(**many), runs_dir=tmp_path / "local")
    ours = api.search(planned(**many), runs_dir=tmp_path / "cluster", cluster=cluster)
    assert told(ours.path) == told(local.path)
    with pytest.raises(Interrupted):
        api.search(planned(**many), runs_dir=tmp_path / "some", cluster=cluster, show=stop)
    [path] = (tmp_path / "some" / "iris").iterdir()
    api.resume_search(path)
    assert told(path) == told(local.path)


@pytest.mark.parametrize(
    ("break_off", "words"),
    [
        ('raise RuntimeError("too wide")', r"plug-in PATH:8: RuntimeError: too wide"),
        ("sys.exit()", r"plug-in PATH:8: SystemExit: "),
        (
            "sys.modules['os']._exit(0)",
            r"its worker is gone: .*; perhaps a plug-in .* \(wave\.py\)",
        ),
    ],
    ids=["error", "exit", "end of the process"],
)
def test_a_plug_in_travels_and_what_it_does_takes_no_other_cohort_along(
    break_off: str,
    words: str,
    tmp_path: Path,
    one_thread: None,
    nodes: Nodes,
    cluster: Cluster,
    forgotten: None,
) -> None:
    name = f"wave_{len(break_off)}"  # a worker's process may be that of the test before
    source = WAVE.replace("NAME", name).replace("BREAK", break_off)
    (tmp_path / "wave.py").write_text(source)
    plugins.load(tmp_path / "wave.py")
    words = words.replace("PATH", re.escape(str(tmp_path / "wave.py")))
    with (
        api.cluster(nodes.address) as own,
        pytest.raises(CrashedError, match=rf"cohort \d: {words}"),
    ):
        trained(tmp_path, f"model.activation={name}", cluster=own)
    [path] = (tmp_path / "spread").iterdir()
    by_status = [result.status for result in api.Ablation(path).results]
    assert by_status == ["completed"] * 3 + ["failed"] * 3


def test_workers_have_what_they_ask_for(
    nodes: Nodes, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    def environment() -> dict[str, str]:
        return dict(os.environ)

    with api.cluster(nodes.address, workers=64) as many:  # more than there are CPUs
        assert many.workers == cluster.workers
    began = time.monotonic()
    words = "no node of the cluster has a CPU and 2 GPUs for a worker; start some: ray start"
    with pytest.raises(ConfigError, match=words), api.cluster(nodes.address, gpus_per_worker=2):
        pass
    assert time.monotonic() - began < 5

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")  # which is not there
    pretended = nodes.local.add_node(**nodes.options, num_gpus=1)
    try:
        words = "Ray gives its workers a GPU, but torch has none there; install a torch with CUDA"
        with pytest.raises(ConfigError, match=words), api.cluster(nodes.address, gpus_per_worker=1):
            pass
        monkeypatch.setattr(Cluster, "device", "cpu")  # as if it had one
        for gpus, visible in ((0.0, ""), (1.0, "7")):
            with api.cluster(nodes.address, gpus_per_worker=gpus) as own:
                [node] = [n for n in own._nodes.values() if n.name == pretended.node_id]
                assert node.slots == 1
                told = ray.get(ray.remote(environment).options(**own.options(node)).remote())
            assert (told["CUDA_VISIBLE_DEVICES"], told["OMP_NUM_THREADS"]) == (visible, "1")
    finally:
        nodes.local.remove_node(pretended)
