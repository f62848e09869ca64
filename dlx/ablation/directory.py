"""An ablation's own files, ablation.yaml and plan.json; run.json has their digests."""

import json
from pathlib import Path
from typing import Any

from dlx.ablation.plan import Plan
from dlx.ablation.planning import read as plan_of
from dlx.config import load as config_files
from dlx.config.schema import RunConfig
from dlx.errors import ConfigError, RunError
from dlx.runs import RunDirectory, documents
from dlx.runs.ablations import PHASES
from dlx.runs.documents import count

CONFIG = "ablation.yaml"
PLAN = "plan.json"
_SHAPE = {
    "name": str,
    "metric": str,
    "baseline": str,
    "seeds": [count],
    "folds": (None, count),
    "looks?": [count],
    "left?": {str: {"seeds": count, "why": str}},
    "variants": [{"name": str, "folder": str, "settings": dict}],
    "tuning?": {"seeds": [count], "tried": [dict], "chosen?": {str: dict}},
    "jobs": count,
    "rules?": count,
    "cohorts": [
        {
            "number": count,
            "phase": PHASES,
            "shape": str,
            "data": str,
            "engine?": str,
            "runs": [str],
            "numbers?": [count],
        }
    ],
}


def write_plan(run: RunDirectory, plan: Plan) -> None:
    """Write config and plan, and their digests into run.json; the caller holds the lock."""
    config = config_files.dump(plan.config).encode()
    run.write_files({CONFIG: config, PLAN: documents.encode(plain(plan.document()))})


def read_config(directory: Path) -> RunConfig:
    """Return the resolved config of an ablation."""
    RunDirectory(directory).read_file(CONFIG)
    try:
        return config_files.load_resolved(directory / CONFIG)
    except ConfigError as error:
        raise RunError(f"the config of {directory} cannot be used: {error}") from error


def read_document(directory: Path) -> dict[str, Any]:
    """Return the contents of plan.json."""
    if RunDirectory(directory).read_info()["kind"] != "ablation":
        raise RunError(f"{directory} is a run, not an ablation")
    document = documents.decode(RunDirectory(directory).read_file(PLAN), directory / PLAN)
    documents.check(document, _SHAPE, directory / PLAN)
    return document


def read_plan(directory: Path, data_dir: Path) -> Plan:
    """Return the plan of an ablation, with its data loaded."""
    return plan_of(read_document(directory), read_config(directory), data_dir)


def plain(value: Any) -> Any:
    """Return a document in the form in which JSON reads it back: tuples as lists, paths as text."""
    return json.loads(json.dumps(value, default=str))
