"""An ablation's own files: ablation.yaml, plan.json, and what guards them."""

import json
from pathlib import Path
from typing import Any

from dlx.ablation.plan import Plan
from dlx.ablation.planning import digest
from dlx.ablation.planning import read as plan_of
from dlx.config import load as config_files
from dlx.config.schema import RunConfig
from dlx.errors import ConfigError, RunError
from dlx.runs import RunDirectory, write_atomic

CONFIG = "ablation.yaml"
PLAN = "plan.json"


def write_plan(run: RunDirectory, plan: Plan) -> None:
    """Write the plan, and its digest into run.json; the caller holds the lock.

    Raises:
        StorageError: it cannot be written
    """
    document = plain(plan.document())
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomic(run.path / PLAN, text.encode() + b"\n")
    run.write_info(plan_sha256=digest(document))


def read_config(directory: Path) -> RunConfig:
    """Return the resolved config of an ablation.

    Raises:
        RunError: it is missing or damaged
    """
    path = directory / CONFIG
    if not path.exists():
        raise RunError(f"{path} is missing: {directory} is no whole ablation")
    try:
        return config_files.load(path)
    except ConfigError as error:
        raise RunError(f"the config of {directory} cannot be used: {error}") from error


def read_document(directory: Path) -> dict[str, Any]:
    """Return plan.json, as it was written.

    Raises:
        RunError: it is missing, damaged, or was changed since it was written
    """
    path = directory / PLAN
    if RunDirectory(directory).read_info()["kind"] != "ablation":
        raise RunError(f"{directory} is a run, not an ablation")
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise RunError(f"{path} is damaged: {error}") from error
    if digest(document) != RunDirectory(directory).read_info().get("plan_sha256"):
        raise RunError(
            f"{path} was changed after the ablation began: what was trained would not be what it "
            "says; put it back, or start a new ablation"
        )
    return document


def read_plan(directory: Path, data_dir: Path) -> Plan:
    """Return the plan of an ablation, its data loaded.

    Raises:
        RunError: it is missing, damaged, or was changed since it was written
    """
    return plan_of(read_document(directory), read_config(directory), data_dir)


def plain(value: Any) -> Any:
    """Return a document as JSON reads it back: tuples as lists, paths as text."""
    return json.loads(json.dumps(value, default=str))
