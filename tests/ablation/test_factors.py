import pytest

from dlx.ablation.factors import factors_of, setting_names
from dlx.ablation.results import Variant


@pytest.mark.parametrize(
    ("values", "axis", "label"),
    [
        ([0.1, 1, 10], (0.1, 1, 10), "key"),
        (["relu", "tanh"], None, "key"),
        ([True, False], None, "key"),
        ([[10], [10, 10], []], (1, 2, 0), "depth"),
        ([[10, 10], [20, 20]], (10, 20), "width"),
        ([[10, 20], [20, 10]], None, "key"),
        ([[10], [20], [10, 10]], None, "key"),
        ([["dense"], [10]], None, "key"),
        ([0.1], None, "key"),
    ],
)
def test_numbers_depths_and_widths_are_an_axis(values, axis, label):
    [factor] = factors_of({"some.key": values})
    assert (factor.axis, factor.axis_label) == (axis, label)
    assert factor.is_numeric == (axis is not None and label == "key")


def test_a_label_is_as_long_as_it_must_be():
    varied = {"model.dropout.hidden": [0], "model.hidden": [[1]], "optimizer.lr": [1]}
    assert [factor.label for factor in factors_of(varied)] == [
        "dropout.hidden",
        "model.hidden",
        "lr",
    ]


def test_the_level_of_a_variant_is_its_value_and_true_is_not_1():
    [factor] = factors_of({"key": [1, True, {"name": "relu"}]})
    assert factor.level(Variant("", {"key": True})) == 1
    assert factor.level(Variant("", {"key": {"name": "relu"}})) == 2
    assert factor.level(Variant("", {"key": "relu"})) == 2
    assert factor.level(Variant("", {"key": "other"})) is None


def test_settings_in_words_are_as_in_the_names_of_variants():
    factors = factors_of({"model.activation": ["relu"], "model.hidden": [[1]]})
    settings = {"model.hidden": [10, 10], "model.activation": {"name": "relu"}, "else": 1}
    assert setting_names(settings, factors) == "activation=relu hidden=[10,10]"
