"""Every shipped ablation plans, trains and gets its report."""

import os
from pathlib import Path

import pytest

from dlx import api
from dlx.config.shipped import is_ablation, shipped

pytestmark = pytest.mark.usefixtures("one_thread")

ABLATIONS = [name for name, path in shipped().items() if is_ablation(path)]


@pytest.mark.parametrize("name", ABLATIONS)
def test_it_trains_a_few_steps_of_every_variant(name: str, tmp_path: Path) -> None:
    path = shipped()[name]
    changes = ["train.steps=2", "log.points=2"]
    if "mnist" in path.read_text():
        if not (Path(os.environ.get("DLX_DATA", "")) / "MNIST").is_dir():
            pytest.skip("needs MNIST in DLX_DATA")
        changes.append("data.limit=300")
    config = api.read_ablation(path, changes, seeds="1")
    plan = api.plan_ablation(config)
    ended = api.train_plan(plan, runs_dir=tmp_path)
    found = ended.summary["variants"]
    assert len(found) == len(plan.variants) > 1
    assert all(each["steps"] == 2 and each["n"] == 1 for each in found)
    assert (ended.path / "report.html").is_file()
