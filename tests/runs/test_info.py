"""What run.json may hold."""

from typing import Any

import pytest

from dlx.runs import RunDirectory
from dlx.runs.info import damage

WHOLE = {"kind": "run", "status": "completed", "created": "2026-01-31T09:45:01Z"}


def test_what_is_written_is_whole(tmp_path):
    assert damage(WHOLE) is None
    run = RunDirectory.create(tmp_path, "xor", plugins=[{"path": "a.py", "sha256": "1f"}])
    run.write_info(seconds=1.5, metrics={"dev": {"cost": 0.25, "auc": None}}, table=False)
    run.write_files({"config.yaml": b"seed: 0\n"})
    assert damage(run.read_info()) is None
    assert damage(run.read_info() | {"digests": {"config.yaml": ["1f", "2e"]}}) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "walk"}, "its kind is 'walk', none of ablation, run"),
        ({"status": ["completed"]}, r"its status is ['completed']"),
        ({"status": "done"}, "its status is 'done', none of completed, diverged"),
        ({"created": "yesterday"}, "its created is 'yesterday'"),
        ({"created": "2026-01-31"}, "its created is '2026-01-31'"),
        ({"seconds": "1"}, "its seconds is '1'"),
        ({"steps": 1.5}, "its steps is 1.5"),
        ({"metrics": {"dev": 3}}, "its metrics.dev is 3"),
        ({"baseline": {"dev": {"cost": "low"}}}, "its baseline.dev.cost is 'low'"),
        ({"examples": [240]}, "its examples is [240]"),
        ({"rows": {"test": {"n": 16}}}, "its rows.test.digest is missing"),
        ({"rows": {"test": "/etc"}}, "its rows.test is '/etc'"),
        ({"registered": {"plan": [], "time": "", "sha256": ""}}, "its registered.plan is []"),
        ({"task": {"kind": "binary"}}, "its task.num_inputs is missing"),
        ({"seed": True}, "its seed is True"),
        ({"seconds": float("inf")}, "its seconds is inf"),
        ({"reason": ["y" * 1000]}, "yyy…"),
        ({"plugins": [{"path": "a.py"}]}, "its plugins[0].sha256 is missing"),
        ({"digests": ["1f"]}, "its digests is ['1f']"),
        ({"digests": {"config.yaml": 7}}, "its digests.config.yaml is 7"),
        ({"digests": {"config.yaml": ["1f", None]}}, "its digests.config.yaml[1] is None"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], message: str):
    assert message in str(damage(WHOLE | changes))


@pytest.mark.parametrize("document", [None, [], 3, {}, {"kind": "run"}])
def test_no_run_at_all(document):
    assert damage(document) == "it has no kind or status"
