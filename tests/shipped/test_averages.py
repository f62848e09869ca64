"""What the shipped configs of weight averages show."""

from pathlib import Path

import pytest

import dlx
from dlx.config.shipped import shipped
from tests.guarded import LEARNING

pytestmark = [pytest.mark.slow(*LEARNING), pytest.mark.usefixtures("one_thread")]


@pytest.mark.parametrize("name", ["ema", "swa"])
def test_averaged_weights_are_better_than_the_last_at_a_high_rate(
    name: str, tmp_path: Path
) -> None:
    costs: dict[str, list[float]] = {"train": [], "dev": []}
    raw: dict[str, list[float]] = {"train": [], "dev": []}
    for seed in (0, 1, 2):
        options = [f"seed={seed}", "log.level=minimal", "log.points=2"]
        averaged = dlx.train(shipped()[name], options, runs_dir=tmp_path).metrics
        options.append("train.average=null")
        last = dlx.train(shipped()[name], options, runs_dir=tmp_path).metrics
        for split in costs:
            costs[split].append(averaged[split]["cost"])
            raw[split].append(last[split]["cost"])
        assert averaged["dev"]["accuracy"] > last["dev"]["accuracy"]
    assert sum(costs["train"]) < 0.2 * sum(raw["train"])
    assert sum(costs["dev"]) < 0.7 * sum(raw["dev"])
