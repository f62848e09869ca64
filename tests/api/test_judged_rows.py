"""Variants that were judged on other rows are not compared."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlx import api
from dlx.report.run_comparison import compare

pytestmark = pytest.mark.usefixtures("without_pictures")

BASE = """\
name: half
data: {name: csv, path: half.csv, target: y, standardize: true, missing: impute}
model: {hidden: [4]}
train: {epochs: 2, batch_size: 16}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A table of 200 rows, of which every fifth lacks a value."""
    generator = np.random.default_rng(0)
    rows = ["x,z,y"]
    for number in range(200):
        x, z = generator.normal(size=2)
        cell = "" if number % 5 == 0 else f"{z:.3f}"
        rows.append(f"{x:.3f},{cell},{'ab'[int(x + z > 0)]}")
    (tmp_path / "half.csv").write_text("\n".join(rows))
    (tmp_path / "half.yaml").write_text(BASE)
    return tmp_path / "half.yaml"


def ablated(config: Path, vary: dict[str, Any], **section: Any) -> dict[str, Any]:
    overrides = [f"ablation={ {'vary': vary, 'seeds': 3} | section }".replace("'", "")]
    return api.ablate(config, overrides, runs_dir=config.parent / "runs").summary


@pytest.mark.parametrize(
    ("vary", "counts"),
    [
        ({"data.missing": ["impute", "drop"]}, [40, 32]),
        ({"data.split_seed": [0, 1]}, [40, 40]),
        ({"data.split": ["auto", "{dev: 30}"]}, [40, 30]),
        ({"data.fold": ["{number: 1, of: 3}", "{number: 2, of: 3}"]}, [54, 53]),
    ],
)
def test_other_dev_rows_have_no_verdict(
    vary: dict[str, Any], counts: list[int], config: Path
) -> None:
    summary = ablated(config, vary, steps_to="{dev.accuracy: 0.5}", also="[train.cost]")
    base, other = summary["variants"]
    assert [base["rows"], other["rows"]] == counts
    versus = other["vs_baseline"]
    assert (versus["verdict"], versus["conclusion"]) == ("undecided", "other dev rows")
    assert (versus["difference"], versus["p"], versus["n"]) == (None, None, 0)
    assert versus["why"].startswith("They were judged on other rows")
    assert versus["steps_to"]["dev.accuracy"]["verdict"] == "undecided"
    assert versus["steps_to"]["dev.accuracy"]["p"] is None
    assert (summary["chosen"], summary["effects"]) == (None, None)
    assert any(f"{counts[1]} ({other['name']})" in text for text in summary["warnings"])
    cost = summary["also"]["train.cost"]["variants"][other["name"]]["vs_baseline"]
    assert cost["n"] == 3, "what is learned from may differ"


def test_success_on_other_dev_rows_has_no_verdict(config: Path) -> None:
    options = {"success": "{dev.accuracy: 0.5}", "metric": "success"}
    summary = ablated(config, {"data.split_seed": [0, 1]}, **options)
    versus = summary["variants"][1]["vs_baseline"]
    assert (versus["conclusion"], versus["n"]) == ("other dev rows", 0)
    summary = ablated(config, {"data.limit": [50, 100]}, **options)
    assert next(v for variant in summary["variants"] if (v := variant["vs_baseline"]))["n"] == 3


@pytest.mark.parametrize(
    "vary", [{"data.limit": [50, 100]}, {"data.label_noise": [0, 0.2]}, {"data.labels": [40, 80]}]
)
def test_other_training_rows_are_compared(vary: dict[str, Any], config: Path) -> None:
    summary = ablated(config, vary)
    versus = next(v for variant in summary["variants"] if (v := variant["vs_baseline"]))
    assert (versus["n"], summary["variants"][0]["rows"]) == (3, 40)
    assert summary["chosen"] is not None


def test_compared_runs_say_so_too(config: Path) -> None:
    runs = config.parent / "runs"
    for missing in ("impute", "drop"):
        for seed in range(2):
            api.train(config, [f"data.missing={missing}", f"seed={seed}"], runs_dir=runs)
    summary = compare(["half"], runs)
    words = {v["conclusion"] for variant in summary["variants"] if (v := variant["vs_baseline"])}
    assert words == {"other dev rows"}
