from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection

from dlx.report.ablation import seeds
from tests.report.ablation import synthetic
from tests.report.ablation.conftest import Synthetic


def dots(axes: Axes) -> list[tuple[float, float]]:
    """Every run's place, the first collection of points."""
    points = next(
        collection for collection in axes.collections if isinstance(collection, PathCollection)
    )
    return [(float(x), float(y)) for x, y in np.asarray(points.get_offsets())]


def test_every_run_is_a_dot_in_the_row_of_its_variant(two: Synthetic) -> None:
    summary, runs = two
    (drawing,) = seeds.draw(summary, runs)
    (axes,) = drawing.figure.axes
    for row, name in enumerate(["activation=relu", "activation=sigmoid"]):  # the better one first
        values = sorted(100 * r.metrics["dev"]["accuracy"] for r in runs if r.variant == name)
        np.testing.assert_allclose(sorted(x for x, y in dots(axes) if round(y) == row), values)


def test_each_run_is_joined_with_the_baseline_at_its_seed(two: Synthetic) -> None:
    summary, runs = two
    (drawing,) = seeds.draw(summary, runs)
    (axes,) = drawing.figure.axes
    value = {(r.variant, r.seed): 100 * r.metrics["dev"]["accuracy"] for r in runs}
    lines = [
        collection for collection in axes.collections if isinstance(collection, LineCollection)
    ]
    joined = sorted(tuple(segment[:, 0]) for segment in lines[0].get_segments())
    np.testing.assert_allclose(
        joined,
        sorted((value["activation=relu", s], value["activation=sigmoid", s]) for s in range(4)),
    )


def test_equal_values_do_not_hide_each_other() -> None:
    variants = synthetic.grid(model__activation=["a", "b"])
    runs = synthetic.results(
        variants, 5, lambda s, seed: 1.0 if seed or s["model.activation"] > "a" else 0.5
    )
    (drawing,) = seeds.draw(synthetic.summary(variants, runs), runs)
    assert len(set(dots(drawing.figure.axes[0]))) == 10


def test_the_mean_bar_is_the_summary_s_interval(two: Synthetic) -> None:
    summary, runs = two
    (drawing,) = seeds.draw(summary, runs)
    bars = [e for e in drawing.figure.axes[0].collections if isinstance(e, LineCollection)][-1]
    mean = summary["variants"][1]["metrics"]["dev"]["accuracy"]
    ends = sorted(bars.get_segments()[0][:, 0])
    assert ends == pytest.approx([100 * mean["low"], 100 * mean["high"]])


def test_a_far_variant_leaves_a_panel_for_the_better_half() -> None:
    variants = synthetic.grid(model__activation=["a", "b", "c", "far"])
    rng = np.random.default_rng(0)
    runs = synthetic.results(
        variants,
        5,
        lambda s, seed: (0.1 if s["model.activation"] == "far" else 0.9) + rng.normal(0, 0.01),
    )
    whole, near = seeds.draw(synthetic.summary(variants, runs), runs)[0].figure.axes
    assert whole.get_xlim()[0] < 15 and near.get_xlim()[0] > 80


def test_lost_runs_are_counted_beside_the_row(lossy: Synthetic) -> None:
    (drawing,) = seeds.draw(*lossy)
    texts = [text.get_text() for text in drawing.figure.axes[-1].texts]
    assert "3 of 6 lost" in texts and "6 of 6 lost" in texts


def test_there_is_none_without_values(two: Synthetic) -> None:
    summary, runs = two
    assert seeds.draw(summary, [replace(run, metrics={}) for run in runs]) == []
