"""What is said, and refused, before an ablation is trained."""

import json
from pathlib import Path

import numpy as np
import pytest

from dlx import api
from dlx.ablation.plan import Plan
from dlx.ablation.prospects import prospects
from dlx.ablation.variances import Variances, earlier, variances_of
from dlx.report.ablation import prospects as words
from dlx.runs import documents
from tests.ablation.test_planning import plan_of

ACTIVATIONS = {"model.activation": ["relu", "tanh"]}
SMALL = {"data": {"name": "iris"}, "train": {"steps": 10}}


def refusal(plan: Plan) -> str:
    return prospects(plan, None)["refusal"] or ""


@pytest.mark.parametrize(
    ("vary", "config", "message"),
    [
        (ACTIVATIONS, {"ablation": {"seeds": 1}}, "1 seed can decide nothing, since 1 comparison "),
        (ACTIVATIONS, {"ablation": {"seeds": 2}}, "takes at least 3; use --seeds 3 or more"),
        (
            {"model.activation": ["relu", "tanh", "sigmoid"]},
            {"ablation": {"also": ["dev.cost"]}},
            "3 seeds can decide nothing, since 4 comparisons take at least 4; use --seeds 4",
        ),
        (
            ACTIVATIONS,
            {"ablation": {"success": {"dev.accuracy": 1.0}, "metric": "success"}},
            "takes at least 5; use --seeds 5",
        ),
        (
            ACTIVATIONS,
            {"ablation": {"seeds": 5, "folds": 2, "splits": "fixed"}, **SMALL},
            "use ablation.folds=3",
        ),
        (ACTIVATIONS, {"model": {"hidden": []}}, "all variants train alike"),
        (
            ACTIVATIONS,
            {"data": {"name": "iris", "split": {"dev": 3}}, "train": {"steps": 1}},
            "data.split: dev has 3 rows, and fewer than 6 show nothing of other rows",
        ),
    ],
)
def test_what_can_decide_nothing_is_refused_with_the_cure(vary, config, message, tmp_path):
    assert message in refusal(plan_of(vary, tmp_path, **config))


@pytest.mark.parametrize(
    ("vary", "config"),
    [
        (ACTIVATIONS, {}),
        ({"model.activation": ["relu"]}, {"ablation": {"seeds": 1}}),
        (
            {"model.activation": ["relu", "tanh"], "optimizer": ["sgd", "adam"]},
            {"model": {"hidden": []}, "ablation": {"seeds": 4}},
        ),
        (ACTIVATIONS, {"ablation": {"seeds": 1, "folds": 3}, **SMALL}),
        (ACTIVATIONS, {"ablation": {"seeds": 2, "folds": 2}, **SMALL}),
        # As many seeds decide by the metric, though steps take more.
        (ACTIVATIONS, {"ablation": {"seeds": 4, "steps_to": {"dev.accuracy": 1.0}}}),
    ],
)
def test_what_can_decide_something_is_not(vary, config, tmp_path):
    assert not refusal(plan_of(vary, tmp_path, **config))


def test_all_pairs_count_as_comparisons(tmp_path):
    vary = {"model.activation": ["relu", "tanh", "sigmoid", "elu"]}
    section = {"comparisons": "all", "also": ["dev.cost"]}
    document = prospects(plan_of(vary, tmp_path, ablation=section), None)
    assert document["comparisons"] == 6 + 3
    assert "9 comparisons take at least 5" in document["refusal"]


def shown_by(values: dict[str, list[float]], folder: Path, **fields: object) -> Path:
    """Write the summary of an ablation of these dev accuracies; the first is the baseline."""
    names = list(values)
    variants = [
        {
            "name": name,
            "metrics": {"dev": {"accuracy": {"values": own}}},
            "vs_baseline": {"baseline": names[0]} if name != names[0] else None,
        }
        for name, own in values.items()
    ]
    summary = {"metric": "dev.accuracy", "seeds": [0, 1, 2], "folds": None, "margin": 0.004}
    folder.mkdir(parents=True, exist_ok=True)
    documents.write(folder / "run.json", {"kind": "ablation", "status": "completed"})
    (folder / "summary.json").write_text(json.dumps(summary | {"variants": variants} | fields))
    return folder


def variances(folder: Path) -> Variances:
    found = variances_of(folder, "dev.accuracy")
    assert found is not None
    return found


def test_variances_are_those_of_the_pairs(tmp_path):
    differences = np.array([0.01, 0.03, 0.02])
    values = {"relu": [0.9, 0.8, 0.7], "tanh": (np.array([0.9, 0.8, 0.7]) + differences).tolist()}
    found = variances(shown_by(values, tmp_path))
    assert found.of("tanh").spread.variance == pytest.approx(differences.var(ddof=1))
    assert found.of("sigmoid").spread.variance == pytest.approx(differences.var(ddof=1))
    assert (found.seeds, found.of("tanh").n, found.of("tanh").spread.freedom) == (3, 3, 2)


@pytest.mark.parametrize(
    ("values", "fields"),
    [
        ({"relu": [0.9, 0.8, 0.7]}, {}),
        ({"relu": [0.9, 0.8, 0.7], "tanh": [0.9, 0.8, 0.7]}, {}),
        ({"relu": [0.9, None, 0.7], "tanh": [0.8, 0.8, None]}, {}),
        ({"relu": [0.9, 0.8, 0.7], "tanh": [0.8, 0.9, 0.7]}, {"metric": "dev.cost"}),
        ({"relu": [0.9, 0.8, 0.7], "tanh": [0.8, 0.9, 0.7]}, {"variants": []}),
    ],
)
def test_what_shows_no_variance(values, fields, tmp_path):
    assert variances_of(shown_by(values, tmp_path, **fields), "dev.accuracy") is None


def test_earlier_ablations_of_the_same_data_are_found(tmp_path):
    train = {"train": {"steps": 20, "batch_size": 16}, "data": "iris"}
    base = {"name": "test", "model": {"hidden": [4]}, **train}
    vary, metric = ["model.activation=relu,tanh"], ["ablation.metric=dev.cost"]
    first, other = (
        api.ablate(base | changes, metric, varied=vary, seeds=3, runs_dir=tmp_path).path
        for changes in ({}, {"name": "other", "data": {"name": "iris", "split_seed": 1}})
    )
    cost = {"ablation": {"metric": "dev.cost", "seeds": 10}, **train}
    plan = plan_of({"model.activation": ["relu", "tanh", "sigmoid"]}, tmp_path, **cost)
    found = earlier(plan, tmp_path)
    assert found is not None and found.path == first != other
    document = prospects(plan, found)
    assert document["variances"]["ablation"] == str(first)
    rows = document["variances"]["variants"]
    assert list(rows) == ["activation=tanh", "activation=sigmoid"]
    costs = [
        np.array(variant["metrics"]["dev"]["cost"]["values"])
        for variant in api.Ablation(first).summary["variants"]
    ]
    deviation = (costs[1] - costs[0]).std(ddof=1)
    assert rows["activation=tanh"]["deviation"] == pytest.approx(deviation)
    assert rows["activation=tanh"]["enough_seeds"].keys() == {"margin"}
    assert words.found(document).startswith(f"as differences vary in {first} (3 seeds); 10 seeds")
    by_accuracy = plan_of(ACTIVATIONS, tmp_path, ablation={"seeds": 10}, **train)
    assert earlier(by_accuracy, tmp_path) is None
    folded = plan_of(ACTIVATIONS, tmp_path, **train, ablation={"metric": "dev.cost", "folds": 3})
    assert earlier(folded, tmp_path) is None


def test_the_seeds_for_half_a_point_and_for_the_margin(tmp_path):
    values = {"relu": [0.9, 0.8, 0.7], "tanh": [0.91, 0.8, 0.69]}
    plan = plan_of({"model.activation": ["relu", "tanh"]}, tmp_path, ablation={"seeds": 10})
    document = prospects(plan, variances(shown_by(values, tmp_path / "runs")))
    enough = document["variances"]["variants"]["activation=tanh"]["enough_seeds"]
    assert enough["margin"] > enough["half_a_point"] > 10
    table = words.table(document)
    assert table.headings == [
        *("variant", "deviation (points)", "10 seeds find (points)"),
        *("seeds for half a point", "seeds for the margin of 0.40 points"),
    ]
    assert table.rows == [
        *[["activation=tanh", "1.00", "1.60", f"{enough['half_a_point']}", f"{enough['margin']}"]]
    ]
    text = words.found(document)
    assert f"half a point takes {enough['half_a_point']} seeds" in text
    assert "10 seeds find one of 1.60 points in four of five ablations" in text


def test_variants_that_train_alike_are_named(tmp_path):
    vary = {"model.dropout": [0, 0.2, 0.3], "optimizer": ["sgd"]}
    document = prospects(plan_of(vary, tmp_path, model={"hidden": []}), None)
    names = [f"'dropout={rate} optimizer=sgd'" for rate in ("0", "0.2", "0.3")]
    assert words.same(document) == [
        f"{names[0]}, {names[1]} and {names[2]} train alike: their runs do not use what differs; "
        "leave all but one of them out"
    ]
