"""An ablation's own files: ablation.yaml, plan.json, and what guards them."""

import hashlib
import json
from pathlib import Path
from typing import Any

from dlx.ablation.plan import Plan
from dlx.ablation.planning import read as plan_of
from dlx.config import load as config_files
from dlx.config.schema import RunConfig
from dlx.errors import ConfigError, RunError
from dlx.runs import RunDirectory, write_atomic

CONFIG = "ablation.yaml"
PLAN = "plan.json"


def write_plan(run: RunDirectory, plan: Plan) -> None:
    """Write config and plan, and their digests into run.json; the caller holds the lock.

    Raises:
        StorageError: one cannot be written
    """
    document = plain(plan.document())
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    files = {CONFIG: config_files.dump(plan.config).encode(), PLAN: text.encode() + b"\n"}
    digests = {name: [hashlib.sha256(content).hexdigest()] for name, content in files.items()}
    before = run.read_info().get("digests") or {}
    # Old ones too until both are written: a process that is killed in between leaves one of each.
    run.write_info(digests={name: [*before.get(name, []), *digests[name]] for name in files})
    for name, content in files.items():
        write_atomic(run.path / name, content)
    run.write_info(digests=digests)


def _read(directory: Path, name: str) -> bytes:
    """Return one of the two files that `write_plan` wrote.

    Raises:
        RunError: it is missing, or was changed since it was written
    """
    path = directory / name
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise RunError(f"{path} is missing: {directory} is no whole ablation") from None
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from error
    digests = RunDirectory(directory).read_info().get("digests")  # None before it is planned
    if digests is not None and hashlib.sha256(content).hexdigest() not in digests.get(name, []):
        raise RunError(
            f"{path} was changed after the ablation began: what was trained would not be what it "
            "says; put it back, or start a new ablation"
        )
    return content


def read_config(directory: Path) -> RunConfig:
    """Return the resolved config of an ablation.

    Raises:
        RunError: it is missing, damaged, or was changed since it was written
    """
    _read(directory, CONFIG)
    try:
        return config_files.load(directory / CONFIG)
    except ConfigError as error:
        raise RunError(f"the config of {directory} cannot be used: {error}") from error


def read_document(directory: Path) -> dict[str, Any]:
    """Return plan.json, as it was written.

    Raises:
        RunError: it is missing, damaged, or was changed since it was written
    """
    if RunDirectory(directory).read_info()["kind"] != "ablation":
        raise RunError(f"{directory} is a run, not an ablation")
    return json.loads(_read(directory, PLAN))


def read_plan(directory: Path, data_dir: Path) -> Plan:
    """Return the plan of an ablation, its data loaded.

    Raises:
        RunError: it is missing, damaged, or was changed since it was written
        DataError: data are missing, or have changed since
    """
    return plan_of(read_document(directory), read_config(directory), data_dir)


def plain(value: Any) -> Any:
    """Return a document as JSON reads it back: tuples as lists, paths as text."""
    return json.loads(json.dumps(value, default=str))
