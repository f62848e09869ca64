"""What a notebook shows of a run or an ablation: small pieces of HTML."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from dlx.report.figures import encoded
from dlx.report.numbers import metrics_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of texts; the first column is aligned left, the others right."""

    def line(cells: Sequence[str], tag: str) -> str:
        sides = ["left", *["right"] * (len(cells) - 1)]
        made = (
            f"<{tag} style='text-align:{side}'>{escape(cell)}</{tag}>"
            for side, cell in zip(sides, cells, strict=True)
        )
        return f"<tr>{''.join(made)}</tr>"

    return f"<table>{line(headings, 'th')}{''.join(line(row, 'td') for row in rows)}</table>"


def metrics_table(metrics: Mapping[str, Mapping[str, float]]) -> str:
    """Return a table of metrics by part and name."""
    return table(*metrics_rows(metrics))


def picture(figure: "Figure") -> str:
    """Return a figure as an image inside the page."""
    content = base64.b64encode(encoded(figure)).decode()
    return f"<img src='data:image/png;base64,{content}'>"
