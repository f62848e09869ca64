"""`dlx report`: the page of a run, and what `dlx diagnose` lists of rows that are told wrong."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlx import api
from dlx.training.process import in_training
from tests.cli.conftest import Command
from tests.guarded import PICTURES

QUICK = ["--quiet", "--no-figures"]


def page_of(dlx: Command, run: str) -> str:
    shown = dlx("report", run)
    assert shown.code == 0, shown.err
    return Path(shown.out.strip()).read_text()


def test_wrong_training_labels_are_found_and_listed(dlx: Command) -> None:
    changes = ["data.label_noise=0.3", "train.epochs=8"]
    assert dlx("train", "digits", *changes, *QUICK).code == 0
    document = dlx("diagnose", "digits", "--json").json
    found = {finding["name"]: finding for finding in document["findings"]}
    told = found["wrong_labels"]["evidence"]
    assert told["dev_error"] < 0.15 < 0.25 < told["train_error"]
    run, clean = api.load("digits"), api.prepare("digits", ["data.label_noise=0"]).labelled
    right = dict(zip(clean.train.rows.tolist(), clean.train.targets.tolist(), strict=True))
    listed = document["wrong_labels"]
    likely = [int(row["likely"]) == right[row["row"]] != int(row["target"]) for row in listed]
    assert len(listed) == 20 and np.mean(likely) > 0.9 and run.status == "completed"
    page = page_of(dlx, "digits")
    headings = ["Findings", "Signals by depth", "Confusion matrix", "Worst classes"]
    headings += ["Confident mistakes", "Wrong labels", "Calibration", "The config"]
    places = [page.index(f">{heading}</h2>") for heading in headings]
    assert places == sorted(places)
    assert page.index("<div class='answer'>") < page.index("<img") < page.index("<table")
    assert "medium: the error of nearest neighbours" in page or "of a linear model" in page


@pytest.mark.slow(*PICTURES)
def test_mistakes_of_a_table_are_rows_of_its_file(dlx: Command, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(200, 2))
    rows = [f"{a:.3f},{b:.3f},{'<yes>' if a + b > 0 else 'no'}" for a, b in inputs]
    rows[100:140] = [row.rpartition(",")[0] + ",no" for row in rows[100:140]]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,won", *rows]))
    (tmp_path / "c.yaml").write_text("name: t\ndata: {name: csv, path: t.csv, target: won}\n")
    assert dlx("train", str(tmp_path / "c.yaml"), "train.epochs=40", *QUICK).code == 0
    wrong = dlx("diagnose", "t", "--json").json["confident_mistakes"]
    assert list(wrong[0]) == ["part", "row", "a", "b", "target", "predicted", "p"]
    assert [row["p"] for row in wrong] == sorted((row["p"] for row in wrong), reverse=True)
    lines = (tmp_path / "t.csv").read_text().splitlines()
    for row in wrong:
        assert lines[row["row"] - 1] == f"{row['a']:.3f},{row['b']:.3f},{row['target']}"
    assert "confident mistakes:" in dlx("diagnose", "t").out
    assert "&lt;yes&gt;" in page_of(dlx, "t")
    (tmp_path / "t.csv").unlink()
    assert "only what was recorded is looked at" in page_of(dlx, "t")


@pytest.mark.slow(*PICTURES)
def test_a_healthy_run_says_its_result_and_a_diverged_one_has_a_page(dlx: Command) -> None:
    assert dlx("train", "xor", "train.steps=2000", "optimizer.lr=0.05", *QUICK).code == 0
    assert "Nothing found: accuracy 100.00 % on test rows." in page_of(dlx, "xor")
    assert dlx("train", "digits", "optimizer={name: sgd, lr: 1e30}", *QUICK).code == 5
    page = page_of(dlx, "digits")
    assert "high: " in page and "diverged" in page and "Confusion" not in page


def test_a_run_that_trains_has_no_report_yet(dlx: Command) -> None:
    assert dlx("train", "xor", "train.steps=20", *QUICK).code == 0
    run = api.load("xor").directory
    with in_training(run):
        run.write_info(status="running")
        run.weights_path.unlink()
        for command in ("report", "diagnose", "evaluate", "figures", "verify", "export"):
            shown = dlx(command, "xor")
            assert shown.code == 4 and "is being trained" in shown.err
            assert "resume" not in shown.err
    assert not (run.path / "report.html").exists()


@pytest.mark.parametrize("kind", ["empty", "ablation"])
def test_what_has_no_report_is_said(dlx: Command, kind: str) -> None:
    folder = Path("runs/a/1")
    folder.mkdir(parents=True)
    info: dict[str, Any] = {"empty": "", "ablation": '{"kind": "ablation"}'}
    if info[kind]:
        (folder / "run.json").write_text(info[kind])
    shown = dlx("report", "runs/a/1")
    assert shown.code == 4 and shown.err.count("error: ") == 1
    assert not (folder / "report.html").exists()


def test_one_dev_row_leaves_a_number_out(dlx: Command, tmp_path: Path) -> None:
    lines = [f"{n % 7},{n % 5},{'ab'[n % 2]}" for n in range(40)]
    (tmp_path / "rows.csv").write_text("\n".join(["x,y,kind", *lines]))
    data = "data={name: csv, path: rows.csv, target: kind, split: {dev: 1, test: 8}}"
    assert dlx("train", "xor", data, "train.batch_size=8", "train.epochs=2", *QUICK).code == 0
    page = page_of(dlx, "xor")
    assert "one dev row does not tell the error" in page
    assert "rows 1<" in page
