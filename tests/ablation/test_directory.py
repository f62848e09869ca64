"""ablation.yaml and plan.json, and what guards them."""

import json
from pathlib import Path

import pytest

from dlx.ablation import planning
from dlx.ablation.directory import CONFIG, PLAN, read_config, read_document, read_plan, write_plan
from dlx.ablation.plan import Plan
from dlx.config.load import load
from dlx.errors import RunError
from dlx.runs import RunDirectory
from dlx.runs.documents import sha256


def plan_of(rates: list[float], tmp_path: Path) -> Plan:
    section = {"vary": {"optimizer.lr": rates}, "seeds": 2}
    train = {"steps": 5, "batch_size": "all"}
    config = load({"name": "test", "data": "xor", "train": train, "ablation": section})
    return planning.make(config, tmp_path)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory.create(tmp_path / "runs", "test", kind="ablation")
    write_plan(run, plan_of([0.1, 0.2], tmp_path))
    return run


def test_what_is_written_is_read_back(run: RunDirectory, tmp_path: Path) -> None:
    plan = plan_of([0.1, 0.2], tmp_path)
    assert read_config(run.path) == plan.config
    again = read_plan(run.path, tmp_path)
    assert (again.config, again.document()) == (plan.config, plan.document())
    assert read_document(run.path)["cohorts"][0]["runs"] == list(plan.cohorts[0].runs)


def test_a_changed_file_is_refused(run: RunDirectory, tmp_path: Path) -> None:
    for name, read in ((CONFIG, read_config), (PLAN, read_document)):
        content = (run.path / name).read_bytes()
        for position in (0, len(content) // 2, len(content) - 1):
            changed = bytearray(content)
            changed[position] ^= 1
            (run.path / name).write_bytes(changed)
            with pytest.raises(RunError, match=rf"{name} is damaged, or was changed.*put it back"):
                read(run.path)
            with pytest.raises(RunError, match=name):
                read_plan(run.path, tmp_path)
        (run.path / name).write_bytes(content)
    assert read_plan(run.path, tmp_path).seeds == [0, 1]


def test_a_plan_of_a_newer_dlx_is_refused(run: RunDirectory) -> None:
    document = json.loads((run.path / PLAN).read_bytes()) | {"schema": 99}
    content = json.dumps(document).encode()
    (run.path / PLAN).write_bytes(content)
    run.write_info(digests=run.read_info()["digests"] | {PLAN: sha256(content)})
    with pytest.raises(RunError, match=r"plan\.json was written by a newer dlx .*: upgrade"):
        read_document(run.path)


def test_a_plan_of_an_older_dlx_is_read(run: RunDirectory, tmp_path: Path) -> None:
    """It has no digest of its own, and run.json has a list of them, or none."""
    document = json.loads((run.path / PLAN).read_bytes()) | {"schema": 1}
    del document["digest"]
    content = json.dumps(document).encode()
    (run.path / PLAN).write_bytes(content)
    for digests in ({PLAN: [sha256(b"before"), sha256(content)]}, None):
        run.write_info(digests=digests)
        assert read_plan(run.path, tmp_path).document() == plan_of([0.1, 0.2], tmp_path).document()


def test_a_run_is_no_ablation(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "runs", "test")
    with pytest.raises(RunError, match="is a run, not an ablation"):
        read_document(run.path)
