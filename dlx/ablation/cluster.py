"""Training cohorts on the machines of a Ray cluster.

This machine hands them out, hears of them and alone writes; a worker trains one in a folder of its
own (`dlx.ablation.cluster_worker`) and sends back what comes, through a streaming generator
(`dlx.ablation.relay`). What is asked of a worker is a task of Ray with one CPU and one thread, put
on a node that was looked at before: dlx's own files have to be the same there.
"""

import contextlib
import functools
import logging
import os
import re
import signal
import socket
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dlx import stopping
from dlx.ablation import cluster_worker
from dlx.ablation.cluster_worker import Asked, Order, SentArm, difference, facts
from dlx.ablation.dispatch import Crew, News, dispatch
from dlx.ablation.execution import Report, Work
from dlx.ablation.flag import Flag
from dlx.ablation.ledger import Ledger
from dlx.ablation.plan import Arm, Plan, PlannedCohort, PlannedRun, source_of
from dlx.ablation.relay import NO_ROOM, Relay, line_of, load_ray
from dlx.config.dump import to_plain
from dlx.config.schema import RunConfig
from dlx.data.dataset import Dataset
from dlx.errors import ClusterError, ConfigError, DlxError, RunError
from dlx.runs import RunDirectory
from dlx.runs.ablations import cohort_folder, read_cohort
from dlx.runs.checkpoints import load_newest, newest_step
from dlx.training.finding import differences
from dlx.training.job import resolve_device
from dlx.training.pretraining import FOLDER, keys_of

SECONDS_TO_SAVE = 10.0  # after workers were asked to stop, before they are ended
_SECONDS_TO_CONNECT = 4.0
_SECONDS_TO_START = 60.0  # of a node's first worker, which imports torch
_SECONDS_BETWEEN_LOOKS = 2.0  # at the head and at the nodes
_MISSED_LOOKS = 3  # at the head, after which it is gone
_SECONDS_WITHOUT_NODES = 30.0

Prepare = Callable[[], object]
"""Is called first in a worker, and loads plug-ins."""


Kind = tuple[str, str]
"""Processor and torch of a host, on which the bits of torch's engine rest."""


@dataclass
class _Node:
    name: str  # Ray's id
    host: str
    slots: int  # workers that fit on it
    busy: int = 0
    kind: Kind | None = None  # None until it has answered


@dataclass
class Cluster:
    """A connection to a cluster.

    Args:
        address: host and port of its head, or of its server of Ray's client
        most: workers at a time; None: as many as fit
        gpus: of each worker
        prepare: is called first in a worker
    """

    address: tuple[str, int]
    most: int | None
    gpus: float
    prepare: Prepare
    by_client: bool = False  # whether this process is no member, and speaks through Ray's client
    own_node: tuple[str, int] | None = None  # host and port of the node of a member's machine
    flag: Any = None  # an actor that workers are told to stop by
    relay: Any = field(default_factory=Relay)  # of this process; an actor's, by Ray's client
    kind: Kind | None = None  # of the hosts that train; None: any
    is_lost: bool = False  # whether its head is gone
    _lifted: list[Any] = field(default_factory=list)  # flags
    _trouble: str = ""  # why a node did not answer, the last time
    _nodes: dict[str, _Node] = field(default_factory=dict)
    _alive: set[str] = field(default_factory=set)  # names of all nodes, at the last look
    _probes: dict[Any, _Node] = field(default_factory=dict)  # nodes that are being looked at
    _data: dict[str, tuple[Dataset, Any]] = field(default_factory=dict)  # what was sent, by source
    _looked: float = 0.0
    _missed: int = 0
    _had_nodes: float = 0.0

    @functools.cached_property
    def _facts(self) -> dict[str, str]:
        return facts("cpu")

    @property
    def workers(self) -> int:
        """How many cohorts train at a time."""
        slots = sum(node.slots for node in self._nodes.values())
        return min(slots, self.most or slots)

    @property
    def device(self) -> str:
        """The kind of device that workers train on."""
        return "cuda" if self.gpus else "cpu"

    def check(self, config: RunConfig) -> None:
        """Refuse a config whose device is not that of the workers.

        Raises:
            ConfigError: it is not
        """
        device = resolve_device(config.train.device).type
        if device == "cuda" and not self.gpus:
            raise ConfigError(
                "--gpus-per-worker: received 0, but the runs train on a GPU; give 1, or set "
                "train.device=cpu"
            )
        if device == "cpu" and self.gpus:
            raise ConfigError(
                f"--gpus-per-worker: received {self.gpus:g}, but the runs train on the CPU, since "
                f"train.device is {config.train.device} and this machine leads; set "
                "train.device=cuda on a machine that has a GPU, or leave it out"
            )

    def _actor(self, kind: type, **options: Any) -> Any:
        """Start an actor where the command runs, or where the server of its client does."""
        ray = load_ray()
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = ray.get_runtime_context().get_node_id()
        options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(here, soft=False)
        return ray.remote(kind).options(num_cpus=0, **options).remote()

    def hoist_flag(self) -> None:
        """Start what workers are told to stop by."""
        self.flag = self._actor(Flag, max_concurrency=100_000)

    def send_relay(self) -> None:
        """Put the relay into the cluster, on a machine that has the same dlx as this one."""
        try:
            self.relay = self._actor(Relay)
            answer = self.ask("facts", "cpu")
        except ClusterError:
            raise
        except Exception as error:
            raise ConfigError(
                f"--address: dlx cannot be used where the client's server runs ({line_of(error)}); "
                f"install dlx {version('dlx')} there, for the Python that runs Ray"
            ) from error
        if (problem := difference(self._facts, answer)) is not None:
            raise ConfigError(f"{answer['host']}: {problem}; install the same dlx on all nodes")

    def ask(self, method: str, *given: Any) -> Any:
        """Call a method of the relay, wherever that is."""
        if not self.by_client:
            return getattr(self.relay, method)(*given)
        with self.calls():
            return load_ray().get(getattr(self.relay, method).remote(*given))

    def lift_flag(self) -> None:
        """Tell all workers to stop; those of later cohorts have another flag."""
        self.flag.lift.remote()
        self._lifted.append(self.flag)  # an actor that nothing refers to is ended
        self.hoist_flag()

    def options(self, node: _Node) -> dict[str, Any]:
        """Return how Ray starts a task on a node."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        # Ray clears CUDA_VISIBLE_DEVICES no longer where a task has no GPU.
        variables = {"OMP_NUM_THREADS": "1", **({} if self.gpus else {"CUDA_VISIBLE_DEVICES": ""})}
        return {
            "num_cpus": 1,
            "num_gpus": self.gpus,
            "max_retries": 0,
            "runtime_env": {"env_vars": variables},
            "scheduling_strategy": NodeAffinitySchedulingStrategy(node.name, soft=False),
        }

    def put(self, plan: Plan, configs: Iterable[Any]) -> dict[str, Any]:
        """Send the data sets of configs, once; return what stands for them, by source."""
        ray = load_ray()
        sent = {}
        for config in configs:
            source, dataset = source_of(config), plan.dataset(config)
            if source not in self._data or not _is_same(self._data[source][0], dataset):
                try:
                    self._data[source] = dataset, ray.put(dataset)
                except (
                    ray.exceptions.ObjectStoreFullError,
                    ray.exceptions.OutOfDiskError,
                ) as error:
                    raise ConfigError(f"{dataset.name}: {NO_ROOM}") from error
            sent[source] = self._data[source][1]
        return sent

    def look(self) -> None:
        """Look for the head, and for nodes that have come or gone, now and then.

        Raises:
            ClusterError: the head, or every node that can train, is gone
            ConfigError: a node that has come cannot take part
        """
        if time.monotonic() - self._looked < _SECONDS_BETWEEN_LOOKS:
            return
        self._looked = time.monotonic()
        # Without the node that it stands on Ray ends this process, and says nothing.
        if self.own_node is not None and _problem_of(*self.own_node) is not None:
            self.is_lost = True
            raise ClusterError(
                "the cluster's node on this machine is gone; what workers had sent is saved"
            )
        answers = self.by_client or self._answers()  # by Ray's client `watch` looks
        if self.is_lost:
            raise self.loss()
        if not answers:
            return
        self._look_at_nodes()
        self._take_probes(0.0)
        if any(map(self._is_of_kind, self._nodes.values())):
            self._had_nodes = self._looked
        elif self._looked - self._had_nodes > _SECONDS_WITHOUT_NODES:
            raise ClusterError(
                "no node of the cluster is left that can train; what they had sent is saved"
            )

    def _answers(self) -> bool:
        """Say whether the head answers; it is lost where it did not some times in a row."""
        self._missed = 0 if _problem_of(*self.address) is None else self._missed + 1
        self.is_lost = self.is_lost or self._missed >= _MISSED_LOOKS
        return not self._missed

    def watch(self, worker: Any, closed: threading.Event) -> None:
        """Look at the server of Ray's client until `closed`, and end all calls once it is gone.

        They would wait for minutes for a server that was cut off. `worker` is the client's.
        """
        while not closed.wait(_SECONDS_BETWEEN_LOOKS):
            self._answers()
            if self.is_lost:
                worker._in_shutdown = True  # or calls are tried again
                worker.channel.close()
                return

    def loss(self) -> ClusterError:
        """Return the error of a cluster that is lost."""
        self.is_lost = True
        host, port = self.address
        what, end = "head of the cluster", "gone"
        if self.by_client:
            what, end = "connection through Ray's client", "lost"
        return ClusterError(f"the {what}, {host}:{port}, is {end}; what it had sent is saved")

    @contextlib.contextmanager
    def calls(self) -> Iterator[None]:
        """Turn what calls through a client say that has lost its server into a ClusterError."""
        ray = load_ray()
        import grpc
        from ray.util import client

        try:
            yield
        except Exception as error:
            if not self.by_client or isinstance(error, DlxError):
                raise
            losses = (ConnectionError, grpc.RpcError, ray.exceptions.RayActorError)
            if self.is_lost or isinstance(error, losses) or not client.ray.is_connected():
                raise self.loss() from error
            raise

    def _look_at_nodes(self) -> None:
        """Forget the nodes that have gone, and begin to look at those that have come."""
        ray = load_ray()
        alive = {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}
        self._alive = {*alive}
        for name in self._nodes.keys() - alive.keys():
            del self._nodes[name]
        probed = {node.name for node in self._probes.values()}
        for name in alive.keys() - self._nodes.keys() - probed:
            self._probe(alive[name])

    def _probe(self, node: Mapping[str, Any]) -> None:
        """Begin to look at a node, if a worker fits on it."""
        ray = load_ray()
        slots = int(node["Resources"].get("CPU", 0))
        if self.gpus:
            slots = min(slots, int(node["Resources"].get("GPU", 0) / self.gpus))
        if slots:
            own = _Node(node["NodeID"], node["NodeManagerHostname"], slots)
            options = self.options(own) | ({} if self.gpus else {"num_cpus": 0})  # others use it
            task = ray.remote(facts).options(**options)
            self._probes[task.remote(self.device)] = own

    def _take_probes(self, seconds: float) -> None:
        """Take in the nodes that have answered; ConfigError where one cannot take part."""
        ray = load_ray()
        if not self._probes:
            return
        ready, _ = ray.wait(list(self._probes), num_returns=len(self._probes), timeout=seconds)
        for ref in ready:
            node = self._probes.pop(ref)
            try:
                answer = ray.get(ref)
            except ray.exceptions.RayTaskError as error:
                if isinstance(error.cause, ConfigError):
                    raise ConfigError(
                        f"{node.host}: Ray gives its workers a GPU, but torch has none there; "
                        "install a torch with CUDA, or start this node with --num-gpus=0"
                    ) from error
                raise ConfigError(
                    f"{node.host}: dlx cannot be used on this node of the cluster "
                    f"({line_of(error)}); install dlx {version('dlx')} there, for the Python that "
                    "runs Ray"
                ) from error
            except ray.exceptions.RayError as error:
                self._trouble = f" ({node.host}: {line_of(error)})"
                continue  # it is looked at again
            if (problem := difference(self._facts, answer)) is not None:
                raise ConfigError(f"{node.host}: {problem}; install the same dlx on all nodes")
            node.kind = answer["processor"], answer["torch"]
            self._nodes[node.name] = node

    def look_at_all(self) -> None:
        """Look at all nodes, and wait for their answers; ConfigError where nothing can train."""
        self._look_at_nodes()
        end = time.monotonic() + _SECONDS_TO_START
        while self._probes and time.monotonic() < end:
            self._take_probes(1.0)
        self._had_nodes = time.monotonic()
        if not self._nodes:
            needed = f"a CPU and {self.gpus:g} GPUs" if self.gpus else "a CPU"
            late = f", or answered in {_SECONDS_TO_START:g} s" if self._probes else ""
            raise ConfigError(
                f"--cluster ray: no node of the cluster has {needed} for a worker{late}"
                f"{self._trouble}; start some: ray start --address=HOST:PORT"
            )

    def has(self, node: _Node) -> bool:
        """Say whether a node is there, as far as the head knows."""
        return node.name in self._alive

    def free(self) -> _Node | None:
        """Return a node for a worker; None: all are busy."""
        if self.most and sum(node.busy for node in self._nodes.values()) >= self.most:
            return None
        nodes = [n for n in self._nodes.values() if n.busy < n.slots and self._is_of_kind(n)]
        return min(nodes, key=lambda node: node.busy / node.slots, default=None)

    def _is_of_kind(self, node: _Node) -> bool:
        return self.kind in (None, node.kind)

    def lose(self, node: _Node) -> None:
        """Give a node nothing more to train, until it has answered again."""
        self._nodes.pop(node.name, None)

    def choose_kind(self, directory: Path, plan: Plan) -> None:
        """Choose the kind of the hosts that train a plan: any, where no bits rest on it.

        With torch's engine all train on one kind of processor, so that runs are paired bit for bit:
        that of what has been trained, or else that of which most workers are.
        """
        self.kind = None
        if all(cohort.engine == "native" for cohort in plan.cohorts):
            return
        count: Counter[Kind] = Counter()
        for node in self._nodes.values():
            assert node.kind is not None
            count[node.kind] += node.slots
        known = _processors(directory, plan.cohorts)
        self.kind = max(count, key=lambda kind: (kind[0] in known, count[kind]), default=None)


def _is_same(dataset: Dataset, other: Dataset) -> bool:
    return dataset.inputs is other.inputs and dataset.targets is other.targets


def _processors(directory: Path, cohorts: Sequence[PlannedCohort]) -> set[str]:
    """Return on which processors cohorts began, or ended."""
    known = set()
    for cohort in cohorts:
        folder = cohort_folder(directory, cohort.number)
        with contextlib.suppress(RunError):
            if newest_step(folder / "checkpoints") is not None:
                saved = load_newest(folder / "checkpoints")
                known.add(saved.metadata.get("processor") if saved else None)
            elif (document := read_cohort(folder)) is not None:
                known.add(document.get("host", {}).get("processor"))
    return known


def train_cohorts(
    work: Work, cohorts: Sequence[PlannedCohort], ledger: Ledger, cluster: Cluster
) -> Report:
    """Train cohorts on a cluster; see `dlx.ablation.execution.train_cohorts`.

    Raises:
        ClusterError: the cluster is gone
        ConfigError: a node cannot take part
    """
    with stopping.patient(SECONDS_TO_SAVE + 2), cluster.calls():
        return dispatch(work, cohorts, ledger, _Tasks(work, cluster))


class _Tasks(Crew):
    def __init__(self, work: Work, cluster: Cluster) -> None:
        ray = load_ray()
        self._work = work
        self._cluster = cluster
        self._config = to_plain(work.plan.config)
        cluster.choose_kind(work.directory, work.plan)
        self._running: dict[int, tuple[PlannedCohort, _Node]] = {}  # by number
        self._ends: float | None = None  # when workers are ended that have not stopped
        # One machine hears them all: of a hundred workers five times a second.
        pause = max(0.2, cluster.workers / 500)
        self._order = ray.put(order_of(work, self._config, cluster.prepare, pause))

    def has_room(self) -> bool:
        """Say whether a node has room for a worker."""
        return self._cluster.free() is not None

    def begin(self, cohort: PlannedCohort, runs: Sequence[PlannedRun]) -> None:
        """Send a cohort to a node."""
        node = self._cluster.free()
        assert node is not None
        data = self._cluster.put(self._work.plan, [run.arm.config for run in runs])
        asked = asked_of(self._work, self._config, cohort, runs)
        given = self._order, asked, data, self._cluster.flag
        self._cluster.ask("begin", cohort.number, self._cluster.options(node), given)
        node.busy += 1
        self._running[cohort.number] = cohort, node

    def hear(self, seconds: float) -> Iterator[News]:
        """Give one piece of news of each worker that has some; write what is saved or has ended."""
        self._cluster.look()
        if self._ends is not None and time.monotonic() > self._ends:
            self._ends = float("inf")
            self.kill()
        if not self._running:
            time.sleep(seconds)
            return
        gone = [n for n, (_, node) in self._running.items() if not self._cluster.has(node)]
        for number, kind, content in self._cluster.ask("hear", seconds, gone):
            cohort, node = self._running[number]
            folder = cohort_folder(self._work.directory, number)
            if kind == "ended":
                cluster_worker.write_ended(folder, content)
                continue
            if kind == "saved":
                cluster_worker.write_saved(folder, content)
            elif kind != "progress":
                del self._running[number]
                node.busy -= 1
            if kind in ("lost", "returned"):
                self._cluster.lose(node)
            yield cohort, "died" if kind == "lost" else kind, content

    def stop(self) -> None:
        """Lift the flag that tells all workers to save and to stop; they have ten seconds."""
        if self._ends is None:
            self._cluster.lift_flag()
            self._ends = time.monotonic() + SECONDS_TO_SAVE

    def kill(self) -> None:
        """End all workers at once."""
        self._cluster.ask("kill")

    def close(self) -> None:
        """End what still runs."""
        if self._cluster.is_lost:
            return
        self._cluster.ask("close")
        for _, node in self._running.values():
            node.busy -= 1


def order_of(work: Work, base: Mapping[str, Any], prepare: Prepare, pause: float) -> Order:
    """Return what a worker has to know of all cohorts.

    `base` is the ablation's config, plain; `pause` the seconds between two reports of progress.
    """
    metric, inexact = work.plan.metric, tuple(work.inexact)
    return Order(base, metric, work.circumstances, inexact, work.leaving, prepare, pause)


def asked_of(
    work: Work, base: Mapping[str, Any], cohort: PlannedCohort, runs: Sequence[PlannedRun]
) -> Asked:
    """Return what a worker has to know of a cohort whose runs have not ended.

    `base` is the ablation's config, plain.
    """
    folder = cohort_folder(work.directory, cohort.number)
    files = cluster_worker.packed(folder)
    jobs = [work.plan.job(run) for run in runs]
    cache: dict[str, bytes] = {}
    if newest_step(folder / "checkpoints") is None:
        stages = RunDirectory(work.directory).cache / FOLDER
        for key in dict.fromkeys(key for job in jobs for key in keys_of(job)):
            packed = cluster_worker.packed(stages / key)
            cache |= {f"{FOLDER}/{key}/{name}": content for name, content in packed.items()}
    arms: dict[int, Arm] = {id(run.arm): run.arm for run in runs}
    places = {own: place for place, own in enumerate(arms)}
    return Asked(
        cohort,
        tuple(
            SentArm(
                *(arm.variant, arm.settings, arm.folder, arm.choice),
                differences(base, to_plain(arm.config)),
            )
            for arm in arms.values()
        ),
        tuple((places[id(run.arm)], run.seed, run.fold) for run in runs),
        cluster_worker.digest_of(job.splits.fingerprint for job in jobs),
        files,
        cache,
    )


@contextlib.contextmanager
def connect(
    address: str = "auto",
    workers: int | None = None,
    gpus: float = 0.0,
    prepare: Prepare = lambda: None,
) -> Iterator[Cluster]:
    """Give a connection to a cluster for the block, every node of which was looked at.

    Args:
        address: HOST:PORT of its head; auto: the cluster that this machine belongs to; local: one
            that is started on this machine, and ends with the block; ray://HOST:PORT of the server
            of its client, from a machine outside
        workers: cohorts that train at a time; None: as many as fit, one for each CPU (or GPU)
        gpus: of each worker
        prepare: is called first in a worker

    Raises:
        ConfigError: Ray is not installed, there is no such cluster, or a node cannot take part
    """
    ray = load_ray()
    from ray.util import client

    own = not ray.is_initialized()
    with _silence() if own else contextlib.nullcontext():
        if own:
            _start(ray, _checked(address), workers)
        by_client = client.ray.is_connected()
        worker: Any = client.ray.get_context().client_worker
        where = worker._conn_str if by_client else ray.get_runtime_context().gcs_address
        host, _, port = where.rpartition(":")
        head = host.strip("[]"), int(port)
        own_node = None if by_client else _own_node()
        cluster = Cluster(head, workers, gpus, prepare, by_client, own_node)
        closed = threading.Event()
        try:
            with cluster.calls():
                if by_client:
                    threading.Thread(
                        target=cluster.watch, args=[worker, closed], daemon=True
                    ).start()
                    cluster.send_relay()
                cluster.hoist_flag()
                cluster.look_at_all()
            yield cluster
        finally:
            closed.set()
            if own and cluster.is_lost:  # which takes long, and the process may end before
                threading.Thread(target=ray.shutdown, daemon=True).start()
            elif own:
                ray.shutdown()


def _own_node() -> tuple[str, int] | None:
    """Return host and port of the node that this process is connected to."""
    ray = load_ray()
    here = ray.get_runtime_context().get_node_id()
    ports = [
        (node["NodeManagerAddress"], node["NodeManagerPort"])
        for node in ray.nodes()
        if node["NodeID"] == here
    ]
    return ports[0] if ports else None


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Let Ray not print what its nodes say of deaths: it would print that to stdout."""
    from ray._private import worker

    before = worker.print_to_stdstream
    worker.print_to_stdstream = lambda *data, **options: None
    try:
        yield
    finally:
        worker.print_to_stdstream = before


def _start(ray: Any, address: str, workers: int | None) -> None:
    """Connect to a cluster, or start one; signals are handled as before."""
    options: dict[str, Any] = {"address": address}
    if address == "local":
        options |= {"num_cpus": workers, "include_dashboard": False}
    # Ray's client is not to wait for a server that is gone, and the server not for a client.
    os.environ.setdefault("RAY_CLIENT_RECONNECT_GRACE_PERIOD", "0")
    for name in ("ray.util.client", "ray.util.client.logsclient"):
        told = logging.getLogger(name)  # of losses, which `Cluster.calls` words
        told.addHandler(logging.NullHandler())
        told.propagate = False
    before = {number: signal.getsignal(number) for number in stopping.numbers()}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            options |= {"log_to_driver": False, "logging_level": logging.ERROR}
            try:
                ray.init(**options)
            except ConnectionAbortedError:  # the first client of a new head at times meets this
                ray.init(**options)
    except (Exception, SystemExit) as error:
        where = "" if address.startswith("ray://") else "on a node of it, "
        raise ConfigError(
            f"--address: the Ray cluster at {address} cannot be used: {line_of(error)}; this "
            f"command runs {where}with the same Ray and Python, and with RAY_AUTH_MODE=token where "
            "the cluster asks for a token"
        ) from error
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)


def _checked(address: str) -> str:
    """Return the address of a cluster that answers, or `local`; ConfigError if there is none."""
    if address == "local":
        return address
    given = _of_this_machine() if address == "auto" else address
    match = re.fullmatch(r"(?:ray://)?(?:(\[[0-9a-fA-F:]+\])|([^:/\s]+)):(\d{1,5})", given)
    if match is None:
        raise ConfigError(
            f"--address: received {given!r}; write HOST:PORT of the cluster's head, auto for the "
            "cluster of this machine, ray://HOST:PORT for one that it does not belong to, or local "
            "to start one here"
        )
    host, port = match[1] or match[2], int(match[3])
    if (problem := _problem_of(host.strip("[]"), port)) is not None:
        cure = "`ray start --head` starts one and prints its address"
        if given.startswith("ray://"):
            cure = "`ray start --head --ray-client-server-port=10001` starts one with that port"
        raise ConfigError(f"--address: no Ray cluster answers at {given} ({problem}); {cure}")
    return given


def _of_this_machine() -> str:
    """Return the address of the cluster that this machine belongs to; ConfigError if none."""
    from ray._private.services import canonicalize_bootstrap_address

    try:
        address = canonicalize_bootstrap_address("auto")
    except (ConnectionError, ValueError):
        address = None
    if address is None:
        raise ConfigError(
            "--address: this machine belongs to no Ray cluster; `ray start --head` starts one, "
            "--address HOST:PORT names one, and --address local starts one for this command alone"
        )
    return address


def _problem_of(host: str, port: int) -> str | None:
    """Return why nothing that speaks HTTP/2, as a head does, answers at a port; None: it does."""
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
    try:
        with socket.create_connection((host, port), timeout=_SECONDS_TO_CONNECT / 2) as connection:
            connection.sendall(preface)
            answer = connection.recv(9)
    except (OSError, OverflowError, UnicodeError) as error:
        return str(getattr(error, "strerror", None) or error)
    return None if answer[3:4] == b"\4" else "what answers is no Ray"
