"""The options of commands that a cluster can train for."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from dlx.errors import ConfigError

if TYPE_CHECKING:
    from dlx.ablation.cluster import Cluster

OnCluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="ray",
        help="Train on the machines of a Ray cluster (docs/scale.md); needs dlx[ray].",
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="Of the cluster's head; auto: the cluster of this machine; ray://HOST:PORT: one "
        "to which it does not belong; local: one that is started here, for this command.  "
        "[default: auto]",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="The number of cohorts that a cluster trains at a time; default: one for each CPU.",
    ),
]
Gpus = Annotated[
    float | None,
    typer.Option(metavar="G", min=0, help="The GPUs of each worker of a cluster; default: none."),
]


@contextlib.contextmanager
def connected(
    cluster: str | None,
    address: str | None,
    workers: int | None,
    gpus_per_worker: float | None,
    jobs: int | None,
) -> Iterator["Cluster | None"]:
    """Give the cluster that the options name for the block; None if they name none."""
    if cluster is None:
        given = {"address": address, "workers": workers, "gpus-per-worker": gpus_per_worker}
        for name, value in given.items():
            if value is not None:
                raise ConfigError(f"--{name} {value}: this is of a cluster; add --cluster ray")
        yield None
        return
    if cluster != "ray":
        raise ConfigError(f"--cluster: received {cluster!r}; allowed: ray")
    if jobs is not None:
        raise ConfigError(
            f"--jobs {jobs}: processes of this machine do not train when a cluster does; use "
            f"--workers {jobs}"
        )
    from dlx import api

    where = "auto" if address is None else address
    with api.cluster(where, workers, gpus_per_worker or 0.0) as own:
        yield own
