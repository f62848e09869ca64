import itertools

import pytest

from dlx.report.ablation import style


@pytest.mark.parametrize("lines", [1, 2, 3])
def test_a_wrapped_name_fits_and_keeps_its_ends(lines: int) -> None:
    name = " ".join(f"key{number}=value{number}" for number in range(30))
    wrapped = style.wrapped(name, 40, lines).split("\n")
    assert len(wrapped) <= lines and max(map(len, wrapped)) <= 40
    assert wrapped[0].startswith("key0=")
    if lines > 1:
        assert wrapped[-1].endswith("value29")


def test_a_short_name_stays() -> None:
    assert style.wrapped("activation=relu") == "activation=relu"


def test_labels_at_the_ends_of_lines_do_not_overlap() -> None:
    figure = style.sheet(3)
    axes = style.panel(figure, 1, 0.3, 4, 2)
    axes.set_ylim(0, 1)
    style.label_ends(axes, [(0.5, "one", "red"), (0.5, "two", "red"), (0.51, "three", "red")])
    places = sorted(text.get_position()[1] for text in axes.texts)
    assert min(b - a for a, b in itertools.pairwise(places)) * 2 > 0.11  # inches
    assert places[0] > 0.3 and places[-1] < 0.8


@pytest.mark.parametrize("count", [1, 7, 8, 20])
def test_colours_differ(count: int) -> None:
    assert len(set(style.shades(count))) == count
    assert len(set(style.shades(count, ordered=True))) == count
