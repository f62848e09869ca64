"""Choices at the edge of their grid."""

import pytest

from dlx.ablation import wording
from dlx.ablation.tuning import edges

RATES = [{"optimizer.lr": rate} for rate in (0.01, 0.1, 1)]


@pytest.mark.parametrize(
    ("chosen", "tried", "expected"),
    [
        ({"optimizer.lr": 1}, RATES, {"optimizer.lr": "largest"}),
        ({"optimizer.lr": 0.01}, RATES, {"optimizer.lr": "smallest"}),
        ({"optimizer.lr": 0.1}, RATES, {}),
        ({"optimizer.lr": 1}, RATES[-1:], {}),
        ({"model.init": "he"}, [{"model.init": "he"}, {"model.init": "xavier"}], {}),
        ({"model.bias": True}, [{"model.bias": True}, {"model.bias": False}], {}),
    ],
)
def test_edges_are_those_of_numbers(chosen, tried, expected):
    assert edges(chosen, tried) == expected


def test_how_many_variants_chose_an_edge_is_said():
    tuning = {
        "a": {"optimizer.lr": 1, "edges": {"optimizer.lr": "largest"}},
        "b": {"optimizer.lr": 0.1, "edges": {}},
        "c": {"optimizer.lr": 1, "edges": {"optimizer.lr": "largest"}},
    }
    [sentence] = wording.at_the_edge(tuning)
    assert sentence.startswith(
        "optimizer.lr: 2 of 3 variants chose the largest value that was tried (1);"
    )
    assert wording.at_the_edge({}) == []
