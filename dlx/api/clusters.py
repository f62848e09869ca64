"""A connection to a Ray cluster, which trains ablations and searches in place of this machine."""

import contextlib
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

from dlx import plugins
from dlx.ablation.cluster import Cluster, connect
from dlx.data import functions
from dlx.errors import ConfigError


@contextlib.contextmanager
def cluster(
    address: str = "auto", workers: int | None = None, gpus_per_worker: float = 0.0
) -> Iterator[Cluster]:
    """Give a connection to a Ray cluster for the block.

    What `plan_ablation` and `plan_search` make is planned for its `workers`; what trains takes it
    as `cluster`.

    Args:
        address: HOST:PORT of its head; auto: the cluster that this machine belongs to; local: one
            that is started on this machine, and ends with the block; ray://HOST:PORT of the server
            of Ray's client, from a machine outside
        workers: cohorts that train at a time; None: one for each CPU of the cluster
        gpus_per_worker: GPUs that each of them has

    Raises:
        ConfigError: Ray is not installed, there is no such cluster, or a node cannot take part
        ClusterError: the connection is lost, through Ray's client
    """
    contents = {}
    for plugin in plugins.loaded():
        path = Path(plugin["path"])
        content = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(content).hexdigest() != plugin["sha256"]:
            raise ConfigError(f"--plugin {path}: it has changed since it was loaded; start anew")
        contents[plugin["path"], plugin["sha256"]] = content
    prepare = functools.partial(prepare_remote, contents, functions.is_allowed())
    with connect(address, workers, gpus_per_worker, prepare) as connected:
        yield connected


def prepare_remote(contents: dict[tuple[str, str], bytes], allow_code: bool) -> None:
    """Make a process on another machine know plug-ins by their content, and what is allowed.

    Args:
        contents: of plug-ins, by the path of their file there and their SHA-256
        allow_code: whether configs may name functions to execute

    Raises:
        ConfigError: a plug-in arrived otherwise than it was sent, or cannot be executed there
    """
    for (path, sha256), content in contents.items():
        if (received := plugins.load_content(Path(path), content).sha256) != sha256:
            raise ConfigError(
                f"the plug-in {path} arrived with the SHA-256 {received[:12]}…, not "
                f"{sha256[:12]}…; try again"
            )
    functions.allow_code(allow_code)
