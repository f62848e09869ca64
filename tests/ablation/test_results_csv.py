import io
from dataclasses import replace

import numpy as np
import pandas as pd

from dlx.ablation.results import Variant
from dlx.ablation.results_csv import results_csv
from tests.ablation.simulated import grid, run

VARIANTS = grid({"model.activation": ["tanh"], "model.hidden": [[10], [10, 10]]})


def table(results, **options) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(results_csv(VARIANTS, results, data="digits", **options)))


def test_a_row_for_every_run_in_the_order_of_the_plan():
    results = [
        run(VARIANTS[1], 2, 0.8),
        run(VARIANTS[0], 10, 0.9, steps_to={"dev.accuracy": 40}, success=True),
        run(VARIANTS[0], 2, 0, status="diverged", reason="cost is inf, at 17", steps=17),
    ]
    numbered = [replace(result, number=n) for n, result in zip((3, 2, 1), results, strict=True)]
    rows = table(numbered)
    assert rows.columns[0] == "run"
    assert rows["run"].tolist() == [1, 2, 3]
    assert rows["variant"].tolist() == [VARIANTS[0].name] * 2 + [VARIANTS[1].name]
    assert rows["seed"].tolist() == [2, 10, 2]
    assert rows["model.hidden"].tolist() == ["[10]", "[10]", "[10, 10]"]
    assert rows["status"].tolist() == ["diverged", "completed", "completed"]
    assert rows["reason"][0] == "cost is inf, at 17"
    assert rows["steps"].tolist() == [17, 100, 100]
    assert rows["data"].tolist() == ["digits"] * 3
    assert rows["dev.accuracy"].tolist()[1:] == [0.9, 0.8]
    assert rows["best.dev.accuracy"].tolist()[1:] == [0.91, 0.81]
    assert rows["success"].tolist()[1] in (True, "true")
    assert rows["steps_to.dev.accuracy"].tolist()[1] == 40
    assert all(np.isnan(rows[column][0]) for column in ("dev.accuracy", "train.cost"))
    assert rows["path"][2] == f"{VARIANTS[1].name}/seed=2"


def test_what_a_variant_does_not_set_is_as_in_the_base():
    variants = [Variant("base", {}), Variant("lr=1", {"optimizer.lr": 1})]
    results = [run(variant, 0, 0.9) for variant in variants]
    text = results_csv(variants, results, base={"optimizer.lr": 0.1, "data.name": "iris"})
    rows = pd.read_csv(io.StringIO(text))
    assert rows["optimizer.lr"].tolist() == [0.1, 1]
    assert rows["data"].tolist() == ["iris", "iris"]


def test_test_columns_are_there_only_where_they_are_shown():
    results = [run(VARIANTS[0], 0, 0.9)]
    assert not any("test" in str(column) for column in table(results))
    assert table(results, show_test=True)["test.accuracy"].tolist() == [0.89]


def test_an_ablation_without_runs_is_an_empty_table():
    assert results_csv(VARIANTS, []) == "\n"
