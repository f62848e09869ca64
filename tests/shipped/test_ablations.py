"""Every shipped ablation plans, trains and gets its report."""

import os
from pathlib import Path

import pytest

from dlx import api
from dlx.config.shipped import command_of, shipped
from tests.guarded import LEARNING

pytestmark = [pytest.mark.slow(*LEARNING), pytest.mark.usefixtures("one_thread")]

ABLATIONS = [name for name, path in shipped().items() if command_of(path) == "ablate"]
SHORT = ["train.steps=2", "log.points=2"]
FEW_ROWS = ["data.limit=300", "data.split={dev: 200}"]


@pytest.mark.parametrize("name", ABLATIONS)
def test_it_trains_a_few_steps_of_every_variant(name: str, tmp_path: Path) -> None:
    path = shipped()[name]
    changes = list(SHORT)
    if "name: mnist" in path.read_text():
        if not (Path(os.environ.get("DLX_DATA", "")) / "MNIST").is_dir():
            pytest.skip("needs MNIST in the folder that DLX_DATA names")
        changes += FEW_ROWS
    if "train.epochs" in path.read_text():  # of one variant: it cannot have steps as well
        changes[0] = "train.epochs=1"
    if "\npretrain:" in path.read_text():  # without the 50,000 rows that it varies over
        methods = "pretrain.method: [none, autoencoder, denoising, rbm]"
        changes += ["pretrain.epochs=1", f"ablation.vary={{{methods}}}"]
    if "\nprobe:" in path.read_text():
        changes += ["probe.labels=100", "probe.fine_tune.steps=2"]
    if "  tune:" in path.read_text():
        changes += ["ablation.tune={optimizer.lr: [0.001, 0.01]}", "ablation.tune_seeds=1"]
    config = api.read_ablation(path, changes, seeds="1")
    plan = api.plan_ablation(config)
    ended = api.train_plan(plan, runs_dir=tmp_path)
    found = ended.summary["variants"]
    assert len(found) == len(plan.variants) > 1
    assert all(each["runs"] == 1 and not each["failed"] for each in found)
    assert (ended.path / "report.html").is_file()
