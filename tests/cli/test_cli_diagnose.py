"""`dlx diagnose`: findings of runs and ablations, exit codes, folders that cannot be diagnosed."""

import shlex
from html import escape
from pathlib import Path
from typing import Any

from dlx import api
from tests.cli.conftest import Command

SICK = ["digits", "optimizer={name: sgd, lr: 50}", "train.epochs=3", "--quiet", "--no-figures"]


def test_a_run_ends_with_findings_and_they_are_told_again(dlx: Command) -> None:
    trained = dlx("train", *SICK)
    assert trained.code == 0
    assert "high: rate_too_high: " in trained.out
    assert "  try: dlx train runs/digits/" in trained.out
    again = dlx("diagnose", "latest", "--json")
    first = again.json["findings"][0]
    assert (first["name"], first["severity"]) == ("rate_too_high", "high")
    assert set(first) == {"name", "severity", "layer", "step", "evidence", "reason", "try"}
    failing = dlx("diagnose", "latest", "--fail-on", "high")
    assert failing.code == 10 and failing.err.startswith("error: found in runs/digits/")
    assert dlx("diagnose", "latest", "--fail-on", "severe").code == 2


def test_of_an_ablation_each_variant_has_findings(dlx: Command) -> None:
    changes = ["optimizer=sgd", "train.epochs=3", "--vary", "optimizer.lr=0.1,50"]
    assert dlx("ablate", "digits", *changes, "--seeds", "3", "--quiet").code == 0
    variants = dlx("diagnose", "digits", "--json").json["variants"]
    found = {v["variant"]: [f["name"] for f in v["findings"]] for v in variants}
    assert [v["runs"] for v in variants] == [3, 3]
    assert "rate_too_high" in found["lr=50"] and "rate_too_high" not in found["lr=0.1"]
    assert not list(Path("runs/digits").glob("*/runs"))  # nothing is made for a diagnosis
    first = variants[1]["findings"][0]
    assert first["runs"] >= 2 and "--from runs/digits/" in first["try"]
    command, *words = shlex.split(first["try"])
    assert (command, dlx(*words, "--dry-run").code) == ("dlx", 0)
    page = Path(dlx("report", "digits").out.strip()).read_text()
    section = page.partition(">Findings</h2>")[2].partition("<h2")[0]
    assert "<td>lr=50</td><td>rate_too_high (high, " in section
    assert "<td>lr=0.1</td><td>" in section and escape(first["reason"]) in section


def test_what_cannot_be_diagnosed_is_said(dlx: Command) -> None:
    assert dlx("diagnose", "nothing").code == 4
    Path("runs/empty").mkdir(parents=True)
    assert dlx("diagnose", "runs/empty").code == 4
    assert dlx("train", "xor", "train.steps=20", "--quiet", "--no-figures").code == 0
    [metrics] = Path("runs/xor").glob("*/metrics.jsonl")
    lines = metrics.read_text().splitlines(keepends=True)
    metrics.write_text("".join(lines[: len(lines) // 2]))
    cut = dlx("diagnose", "xor")
    assert cut.code == 4 and "metrics.jsonl is damaged, or was changed after dlx" in cut.err
    metrics.unlink()
    assert "has logged nothing yet" in dlx("diagnose", "xor").err
    assert dlx("train", "xor", "data.human_error=1.5").code == 2


def test_more_rows_help_where_the_last_ones_did() -> None:
    def variant(limit: int, values: list[float], activation: str = "relu") -> dict[str, Any]:
        settings = {"data.limit": limit, "model.activation": activation}
        metrics = {"dev": {"accuracy": {"values": values}}}
        return {"name": f"{limit} {activation}", "settings": settings, "metrics": metrics}

    variants = [
        variant(100, [0.5, 0.6, 0.7]),
        variant(400, [0.8, 0.88, 0.97]),
        variant(200, [0.6, 0.7, 0.8]),
        variant(800, [0.9, 0.9, 0.9], "tanh"),  # in a place of its own
    ]
    summary = {"metric": "dev.accuracy", "rising": True, "baseline": "100 relu"}
    assert api.more_data({**summary, "variants": variants}) == [
        "from 200 to 400 training rows dev.accuracy gets better by 0.183 [0.145, 0.221]: more rows "
        "would help"
    ]
    variants[1] = variant(400, [0.7, 0.6, 0.85])
    [sentence] = api.more_data({**summary, "variants": variants})
    assert sentence.endswith("which may be chance: more rows would hardly help")
    assert api.more_data({**summary, "variants": variants[:1]}) == []
