"""Variants whose runs train alike, though their configs differ."""

import pytest

from dlx.ablation.sameness import same_variants
from tests.ablation.test_planning import plan_of

NO_HIDDEN = {"model": {"hidden": []}}


@pytest.mark.parametrize(
    ("vary", "config", "groups"),
    [
        ({"model.dropout": [0, 0.3]}, NO_HIDDEN, [["dropout=0", "dropout=0.3"]]),
        (
            {"model.activation": ["relu", "tanh"]},
            NO_HIDDEN,
            [["activation=relu", "activation=tanh"]],
        ),
        ({"train.max_norm": [None, 1.0]}, NO_HIDDEN, [["max_norm=null", "max_norm=1"]]),
        ({"train.max_norm": [None, 1.0]}, {}, []),
        ({"model.dropout": [0, 0.3]}, {}, []),
        ({"model.init": ["xavier_uniform", "he_normal"]}, NO_HIDDEN, []),
        (
            {"model.batch_norm": [False, True], "optimizer": ["sgd", "adam"]},
            NO_HIDDEN,
            [[f"batch_norm={b} optimizer={o}" for b in ("false", "true")] for o in ("sgd", "adam")],
        ),
        ({"log.every": [2, 5]}, {}, [["every=2", "every=5"]]),
        ({"log.every": [2, 5]}, {"ablation": {"steps_to": {"dev.accuracy": 0.9}}}, []),
        ({"optimizer": ["sgd", "adam"]}, {"ablation": {"tune": {"optimizer.lr": [0.1, 0.2]}}}, []),
    ],
)
def test_what_runs_do_not_use_makes_no_other_variant(vary, config, groups, tmp_path):
    assert same_variants(plan_of(vary, tmp_path, **config)) == groups


def test_data_are_compared_row_by_row(tmp_path):
    small = {"data": {"name": "digits", "split": {"dev": 100}}, "train": {"steps": 1}}
    plan = plan_of({"data.limit": [300, 5000, 6000]}, tmp_path, **small)
    assert same_variants(plan) == [["limit=5000", "limit=6000"]]
    assert same_variants(plan_of({"data.label_noise": [0, 0.1]}, tmp_path, **small)) == []
