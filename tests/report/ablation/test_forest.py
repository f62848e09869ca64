import numpy as np
import pytest
from matplotlib.axes import Axes

from dlx.report.ablation import forest, style
from tests.report.ablation import synthetic
from tests.report.ablation.conftest import Synthetic


def points(axes: Axes) -> dict[int, tuple[float, object]]:
    """Row: where its marker lies and its shape."""
    markers = {}
    for line in axes.lines:
        if line.get_marker() not in ("None", "", None):
            for x, y in zip(
                np.asarray(line.get_xdata()), np.asarray(line.get_ydata()), strict=True
            ):
                markers[round(float(y))] = float(x), line.get_marker()
    return markers


def intervals(axes: Axes) -> list[list[float]]:
    (lines,) = axes.collections
    return [sorted(segment[:, 0]) for segment in lines.get_segments()]  # type: ignore[attr-defined]


def test_a_row_shows_difference_interval_and_verdict_in_percentage_points(two: Synthetic) -> None:
    (drawing,) = forest.draw(*two)
    (axes,) = drawing.figure.axes
    assert points(axes) == {0: (pytest.approx(3.5), style.VERDICTS["better"][1])}
    versus = two[0]["variants"][1]["vs_baseline"]
    (ends,) = intervals(axes)
    assert ends == pytest.approx([100 * versus["low"], 100 * versus["high"]])
    texts = [text.get_text() for text in axes.texts]
    assert "activation=relu" in texts
    assert any(text.startswith("+3.50 [") and text.endswith("better") for text in texts)
    zone = axes.patches[0].get_extents().transformed(axes.transData.inverted())
    assert (zone.x0, zone.x1) == (pytest.approx(-0.5), pytest.approx(0.5))
    assert "activation=sigmoid" in drawing.caption


def test_rows_go_from_best_to_worst_and_far_ones_get_a_panel_apart() -> None:
    variants = synthetic.grid(model__activation=["tanh", "a", "b", "c", "far"])
    level = {"tanh": 0.9, "a": 0.901, "b": 0.899, "c": 0.902, "far": 0.2}
    rng = np.random.default_rng(0)
    runs = synthetic.results(
        variants, 20, lambda s, seed: level[s["model.activation"]] + rng.normal(0, 0.001)
    )
    (drawing,) = forest.draw(synthetic.summary(variants, runs), runs)
    whole, near = drawing.figure.axes
    assert [place for place, _ in sorted(points(whole).items())] == [0, 1, 2, 3]
    xs = [points(whole)[row][0] for row in range(4)]
    assert xs == sorted(xs, reverse=True) and xs[3] == pytest.approx(-70, abs=0.1)
    assert near.get_xlim() == (-2.0, 2.0)
    assert points(near)[3] == (-2.0, "<")
    assert points(near)[0][0] == pytest.approx(xs[0])


def test_a_variant_without_runs_has_no_point_and_says_so(lossy: Synthetic) -> None:
    (drawing,) = forest.draw(*lossy)
    axes = drawing.figure.axes[0]
    assert sorted(points(axes)) == [0, 1]  # of three compared
    texts = [text.get_text() for text in axes.texts]
    assert "no values  worse\n6 of 6 lost" in texts


def test_there_is_none_without_a_comparison(two: Synthetic) -> None:
    summary, runs = two
    alone = summary | {"variants": summary["variants"][:1]}
    assert forest.draw(alone, runs) == []


def test_one_seed_gives_a_point_without_an_interval() -> None:
    variants = synthetic.grid(model__activation=["sigmoid", "relu"])
    runs = synthetic.results(variants, 1, lambda s, seed: 0.9 + 0.05 * (len(s) > 0))
    (drawing,) = forest.draw(synthetic.summary(variants, runs), runs)
    assert intervals(drawing.figure.axes[0]) == []
    assert points(drawing.figure.axes[0])[0][1] == "o"


def test_a_cost_is_better_to_the_left(two: Synthetic) -> None:
    _, runs = two
    variants = synthetic.grid(model__activation=["sigmoid", "relu"])
    (drawing,) = forest.draw(synthetic.summary(variants, runs, metric="dev.cost"), runs)
    assert "better is left" in drawing.figure.texts[0].get_text()
    assert "points" not in drawing.figure.texts[0].get_text()
