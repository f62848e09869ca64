"""What the shell completes: configs, keys and their values, runs."""

import contextlib
from pathlib import Path

import typer

from dlx.cli.without_torch import leave_out_torch
from dlx.errors import DlxError

_KINDS = {"init": "initializer", "recurrent_init": "initializer"}  # keys of another name


def configs(incomplete: str) -> list[str]:
    """Return the configs that come with dlx, and the YAML files of a folder."""
    from dlx.config.shipped import shipped

    folder = Path(incomplete).parent if "/" in incomplete else Path()
    files = [str(path) for path in sorted(folder.glob("*.yaml"))]
    return [name for name in [*shipped(), *files] if name.startswith(incomplete)]


def runs(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of runs and ablations, their folders, tags, and `latest`."""
    from dlx.runs import list_runs
    from dlx.runs.tags import read_tags

    runs_dir = Path(context.params.get("runs_dir") or "runs")
    with contextlib.suppress(DlxError, OSError):
        folders = [run.path for run in list_runs(runs_dir)[0]]
        names = dict.fromkeys(str(path.parent.relative_to(runs_dir)) for path in folders)
        known = ["latest", *names, *read_tags(runs_dir), *map(str, folders)]
        return [name for name in known if name.startswith(incomplete)]
    return []


def changes(context: typer.Context, incomplete: str) -> list[str]:
    """Return `KEY=` for the keys of the config, or `KEY=NAME` where a key takes names of a kind."""
    leave_out_torch()
    from dlx.api.inputs import read_config
    from dlx.config.dump import flat, to_plain
    from dlx.config.shipped import locate
    from dlx.registry import MODULES, names

    with contextlib.suppress(DlxError, OSError):
        key, equals, _ = incomplete.partition("=")
        keys = flat(to_plain(read_config(locate(context.params.get("config") or ""))))
        if equals:
            *sections, last = key.split(".")
            last = sections[-1] if last == "name" and sections else last
            kind = _KINDS.get(last, last)
            known = [f"{key}={name}" for name in names(kind)] if kind in MODULES else []
        else:
            known = [f"{name}=" for name in keys]
        return [text for text in known if text.startswith(incomplete)]
    return []
