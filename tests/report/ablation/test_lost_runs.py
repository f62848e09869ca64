from matplotlib.patches import Rectangle

from dlx.report.ablation import ended
from tests.report.ablation.conftest import Synthetic


def test_bars_count_how_the_runs_of_lossy_variants_ended(lossy: Synthetic) -> None:
    (drawing,) = ended.lost(*lossy)
    (axes,) = drawing.figure.axes
    bars = {
        container.get_label(): [bar.get_width() for bar in container if isinstance(bar, Rectangle)]
        for container in axes.containers
    }
    # of tanh three of six diverged, of relu all six
    assert bars == {"completed": [3, 0], "diverged": [3, 6]}
    texts = [text.get_text() for text in axes.texts]
    assert "lr=1.0 activation=tanh" in texts and "lr=0.1 activation=tanh" not in texts
    assert "The other 2 variants lost none." in drawing.caption


def test_there_is_none_where_all_ended_well(two: Synthetic) -> None:
    assert ended.lost(*two) == []
