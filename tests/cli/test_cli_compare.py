"""`dlx compare`."""

from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.report.runs_on_disk import write_run


def write_two(runs_dir: Path) -> None:
    for seed in range(4):
        write_run(runs_dir, seed=seed, accuracy=0.5 + 0.01 * seed)
        write_run(runs_dir, "optimizer.lr=0.5", seed=seed, accuracy=0.8 + 0.02 * seed)


def test_a_table_of_variants_with_verdicts(dlx: Command, tmp_path: Path) -> None:
    write_two(tmp_path / "runs")
    ended = dlx("compare", "xor")
    assert ended.code == 0
    headings, base, other, note = ended.out.splitlines()
    assert headings.split("  ")[0] == "variant" and "dev accuracy" in headings
    assert base.startswith("lr=0.001") and base.split()[-2] == "baseline"
    assert other.startswith("lr=0.5") and "better" in other and "+31.50 [" in other
    assert note == "(compared with lr=0.001, in pairs of runs at the same seed)"


def test_json_is_the_summary(dlx: Command, tmp_path: Path) -> None:
    write_two(tmp_path / "runs")
    summary = dlx("compare", "xor", "--metric", "dev.cost", "--json").json
    assert summary["metric"] == "dev.cost"
    assert [variant["name"] for variant in summary["variants"]] == ["lr=0.001", "lr=0.5"]
    assert summary["variants"][1]["vs_baseline"]["verdict"] == "better"


def test_settings_that_go_with_the_metric_are_named(dlx: Command, tmp_path: Path) -> None:
    for place, rate in enumerate((0.001, 0.01, 0.1, 0.5)):
        for seed in range(3):
            changes = [f"optimizer.lr={rate}", f"model.activation={('relu', 'tanh')[place % 2]}"]
            write_run(tmp_path / "runs", *changes, seed=seed, accuracy=0.6 + 0.1 * place)
    found = dlx("compare", "xor", "--json").json["associations"]
    assert [each["key"] for each in found] == ["optimizer.lr", "model.activation"]
    assert found[0]["rank_correlation"] == 1 and found[0]["p"] < 0.001 and found[0]["values"] == 4
    assert found[1]["share"] == pytest.approx(0.2, abs=0.1) and found[1]["p"] > 0.05
    lines = dlx("compare", "xor").out.splitlines()
    assert lines[-4].startswith("goes with dev.accuracy") and "+1.00" in lines[-3]


def test_rows_are_sorted_as_asked(dlx: Command, tmp_path: Path) -> None:
    write_two(tmp_path / "runs")
    for order, first in (("difference", "lr=0.5"), ("variant", "lr=0.001"), ("best", "lr=0.001")):
        assert dlx("compare", "xor", "--sort", order).out.splitlines()[1].startswith(first)


def test_what_cannot_be_compared_is_said(dlx: Command, tmp_path: Path) -> None:
    write_two(tmp_path / "runs")
    assert dlx("compare", "nothing").code == 4
    unknown = dlx("compare", "xor", "--metric", "dev.f1")
    assert unknown.code == 2 and "no run has 'dev.f1'" in unknown.err
    assert dlx("compare", "xor", "--sort", "size").code == 2
    assert dlx("compare").code == 2
    write_run(tmp_path / "runs", seed=9, status="interrupted")
    assert "is left out: it is interrupted" in dlx("compare", "xor").err
