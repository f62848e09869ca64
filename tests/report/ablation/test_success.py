import numpy as np
import pytest

from dlx.report.ablation import ended
from tests.report.ablation import synthetic
from tests.report.ablation.conftest import Synthetic


def test_shares_with_intervals_from_most_to_least() -> None:
    variants = synthetic.grid(model__activation=["sigmoid", "relu"])
    runs = synthetic.results(
        variants, 8, lambda s, seed: 0.95 if s["model.activation"] == "relu" or seed < 2 else 0.5
    )
    summary = synthetic.summary(variants, runs)
    (drawing,) = ended.succeeded(summary, runs)
    (axes,) = drawing.figure.axes
    lines, points = axes.collections
    np.testing.assert_allclose(np.asarray(points.get_offsets()), [[100, 0], [25, 1]])
    low = summary["variants"][0]["success"]["low"]
    assert lines.get_segments()[1][0][0] == pytest.approx(100 * low)  # type: ignore[attr-defined]
    texts = [text.get_text() for text in axes.texts]
    assert texts[:2] == ["activation=relu", "activation=sigmoid"]
    assert "25 %  (2 of 8)" in texts
    assert drawing.caption.startswith("A run succeeds if it ends with a dev accuracy of 90.00 %. ")


def test_there_is_none_where_success_is_not_counted(two: Synthetic) -> None:
    summary, runs = two
    uncounted = summary | {"variants": [v | {"success": None} for v in summary["variants"]]}
    assert ended.succeeded(uncounted, runs) == []
