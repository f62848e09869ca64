"""A small ablation that was really trained: what its files say, found again from each other."""

import csv
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from dlx import api
from dlx.ablation.statistics.intervals import spread_of
from dlx.ablation.statistics.moderation import moderated
from dlx.report.ablation import reading
from dlx.runs.ablations import infos, read_index
from tests.tracking.event_files import accumulate

CONFIG = {
    "name": "small",
    "data": {"name": "digits", "limit": 200},
    "model": {"hidden": [6]},
    "train": {"steps": 20, "batch_size": 32},
    "log": {"every": 10},
    "ablation": {
        "vary": {"model.activation": ["relu", "tanh", "sigmoid", "elu"]},
        "metric": "dev.cost",
        "seeds": [5, 6, 7, 8, 9],  # no part of whose variance is that of the rows
    },
}


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> api.Ablation:
    return api.ablate(CONFIG, runs_dir=tmp_path_factory.mktemp("runs"))


def rows_of(path: Path) -> dict[str, dict[int, dict[str, str]]]:
    """Return the rows of results.csv by variant and seed."""
    rows: dict[str, dict[int, dict[str, str]]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            rows.setdefault(row["variant"], {})[int(row["seed"])] = row
    return rows


def test_the_statistics_are_those_of_the_table(ended: api.Ablation) -> None:
    """Means, intervals, paired differences and Holm's p by SciPy, from results.csv alone.

    Only what variants lend each other of their variances is dlx's own; test_moderation.py tests it.
    """
    summary: dict[str, Any] = ended.summary
    rows = rows_of(ended.path / "results.csv")
    seeds = sorted(rows[summary["baseline"]])
    values = {
        name: np.array([float(by_seed[seed]["dev.cost"]) for seed in seeds])
        for name, by_seed in rows.items()
    }
    assert (len(values), len(seeds)) == (4, 5)
    for variant in summary["variants"]:
        shown, expected = variant["metrics"]["dev"]["cost"], values[variant["name"]]
        interval = stats.ttest_1samp(expected, 0).confidence_interval(0.95)
        assert shown["values"] == list(expected)
        assert (shown["mean"], shown["low"], shown["high"]) == pytest.approx(
            (expected.mean(), interval.low, interval.high), rel=1e-9
        )

    compared = [
        variant for variant in summary["variants"] if variant["name"] != summary["baseline"]
    ]
    tests = [
        stats.ttest_rel(values[variant["name"]], values[summary["baseline"]])
        for variant in compared
    ]
    differences = [values[v["name"]] - values[summary["baseline"]] for v in compared]
    shared = moderated([spread_of(paired) for paired in differences])
    p = [
        2 * stats.t.sf(abs(paired.mean()) / (one.variance / len(seeds)) ** 0.5, one.freedom)
        for paired, one in zip(differences, shared, strict=True)
    ]
    adjusted, before = {}, 0.0
    for place, index in enumerate(np.argsort(p)):
        before = max(before, min(1.0, float(p[index]) * (len(tests) - place)))
        adjusted[index] = before
    for index, (variant, test) in enumerate(zip(compared, tests, strict=True)):
        shown, one, paired = variant["vs_baseline"], shared[index], differences[index]
        width = stats.t.ppf(0.975, one.freedom) * (one.variance / len(seeds)) ** 0.5
        mean = paired.mean()
        assert (shown["difference"], shown["low"], shown["high"]) == pytest.approx(
            (mean, mean - width, mean + width), rel=1e-7
        )
        assert (shown["p_raw"], shown["p"]) == pytest.approx(
            (test.pvalue, adjusted[index]), rel=1e-7
        )
        assert shown["wins"] == (paired < 0).sum()
        assert shown["n"] == len(seeds)


def test_test_rows_of_what_was_not_chosen_are_nowhere_to_be_seen(ended: api.Ablation) -> None:
    """Neither as a number in words nor as one of an event file, in any file beside the runs'."""
    chosen = ended.summary["chosen"]["name"]
    index = read_index(ended.path)
    costs: dict[str, list[float]] = {}
    for name, info in infos(ended.path, index.values()).items():
        costs.setdefault(index[name].variant, []).append(info["metrics"]["test"]["cost"])
    assert [len(of_variant) for of_variant in costs.values()] == [5] * 4
    files = {
        path: path.read_bytes()
        for path in ended.path.rglob("*")
        if path.is_file()
        and path.name != "index.json"
        and path.relative_to(ended.path).parts[0] != "cohorts"
    }
    assert len([path for path in files if path.name.startswith("events")]) == 1 + 4
    assert {"report.html", "summary.json", "results.csv"} <= {path.name for path in files}

    def seen(cost: float) -> list[Path]:
        forms = (repr(cost).encode(), struct.pack("<f", cost), struct.pack("<d", cost))
        return [path for path, content in files.items() if any(form in content for form in forms)]

    for variant, of_runs in costs.items():
        for cost in [*of_runs, float(np.mean(of_runs))]:
            where = [path.name for path in seen(cost)]
            assert ("summary.json" in where) if variant == chosen else where == [], variant


def test_tensorboard_has_the_conclusions_in_the_words_of_the_table(ended: api.Ablation) -> None:
    accumulator = accumulate(ended.path)
    assert "conclusions" in accumulator.PluginTagToContent("text")
    (event,) = accumulator.Tensors("conclusions")
    text = event.tensor_proto.string_val[0].decode()
    assert text.startswith("# Does model.activation change dev.cost?\n\n")
    rows = {
        cells[0]: cells
        for line in text.splitlines()
        if line.startswith("| ") and (cells := line.strip("| ").split(" | "))
    }
    assert "conclusion" in rows["variant"]
    place = rows["variant"].index("conclusion")
    for variant in ended.summary["variants"]:
        versus = variant["vs_baseline"]
        words = reading.conclusion(versus) if versus else "baseline"
        assert rows[variant["name"]][place].strip() == words
