import numpy as np
import pytest

from dlx.report.ablation import interaction
from tests.report.ablation import synthetic


def level(settings: dict, seed: int) -> float:
    depth, activation = settings["model.depth"], settings["model.activation"]
    return 0.95 - 0.001 * (depth + 1) ** seed - (0.1 * depth if activation == "sigmoid" else 0.0)


def test_lines_over_the_number_for_each_value_of_the_other() -> None:
    variants = synthetic.grid(model__activation=["sigmoid", "relu"], model__depth=[1, 2, 3])
    runs = synthetic.results(variants, 3, level)  # type: ignore[arg-type]
    summary = synthetic.summary(variants, runs)
    (drawing,) = interaction.draw(summary, runs)
    (axes,) = drawing.figure.axes
    lines = [line for line in axes.lines if line.get_marker() == "o"]
    loss = np.mean([[2**seed, 3**seed, 4**seed] for seed in range(3)], 0) / 10
    np.testing.assert_allclose(np.asarray(lines[0].get_ydata()), [85, 75, 65] - loss)
    np.testing.assert_allclose(np.asarray(lines[1].get_ydata()), [95, 95, 95] - loss)
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1", "2", "3"]
    labels = [text.get_text() for text in axes.texts]
    assert {"activation=sigmoid", "activation=relu", "depth"} <= set(labels)
    bars = [line for line in axes.lines if line.get_marker() == "None"]
    mean = summary["variants"][0]["metrics"]["dev"]["accuracy"]
    assert list(np.asarray(bars[0].get_ydata())) == pytest.approx(
        [100 * mean["low"], 100 * mean["high"]]
    )


def test_two_factors_of_many_values_are_a_map() -> None:
    variants = synthetic.grid(
        model__depth=list(range(7)), optimizer__lr=[0.1 * n for n in range(8)]
    )
    runs = synthetic.results(
        variants, 1, lambda s, seed: 0.1 + 0.01 * s["model.depth"] + 0.1 * s["optimizer.lr"]
    )
    (drawing,) = interaction.draw(synthetic.summary(variants, runs), runs)
    (axes,) = drawing.figure.axes
    values = np.asarray(axes.images[0].get_array())
    assert values.shape == (7, 8)
    assert values[2, 5] == pytest.approx(100 * (0.1 + 0.02 + 0.05))
    assert f"{values[2, 5]:.1f}" in [text.get_text() for text in axes.texts]


def test_a_cell_is_the_mean_over_further_factors() -> None:
    variants = synthetic.grid(model__a=["x", "y"], model__b=["p", "q"], model__c=["m", "n"])
    value = {"m": 0.1, "n": 0.3}
    runs = synthetic.results(variants, 1, lambda s, seed: value[s["model.c"]])
    drawings = interaction.draw(synthetic.summary(variants, runs), runs)
    assert [drawing.name for drawing in drawings] == [
        "interaction",
        "interaction_2",
        "interaction_3",
    ]
    axes = drawings[0].figure.axes[0]
    np.testing.assert_allclose(np.asarray(axes.lines[0].get_ydata()), [20, 20])
    assert drawings[0].caption.endswith("Means over c.")


def test_the_pair_that_interacts_most_comes_first() -> None:
    variants = synthetic.grid(model__a=["x", "y"], model__b=["p", "q"], model__c=["m", "n"])
    runs = synthetic.results(variants, 2, lambda s, seed: 0.9 + 0.01 * seed)
    effect = {"factors": ["model.b", "model.c"], "levels": ["q", "n"], "effect": 0.1, "p": 0.001}
    effects = {"main": [], "interactions": [effect | {"low": 0.0, "high": 0.2}]}
    drawings = interaction.draw(synthetic.summary(variants, runs, effects=effects), runs)
    assert drawings[0].title == "b and c together"


@pytest.mark.parametrize("design", ["one_at_a_time", "grid"])
def test_there_is_none_where_no_two_factors_meet(design: str) -> None:
    variants = synthetic.one_at_a_time(model__a=["x", "y"], model__b=["p", "q"])
    if design == "grid":
        variants = synthetic.grid(model__a=["x", "y"])
    runs = synthetic.results(variants, 2, lambda s, seed: 0.9 + 0.01 * seed)
    assert interaction.draw(synthetic.summary(variants, runs, design=design), runs) == []
