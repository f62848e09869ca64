"""Figures as the contents of files."""

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def encoded(figure: "Figure", form: str = "png", **options: Any) -> bytes:
    """Return a figure as the contents of a file; the options are those of `savefig`.

    A PDF has no date in it, so that the same figure gives the same bytes.
    """
    file = io.BytesIO()
    if form == "pdf":
        options["metadata"] = {"CreationDate": None}
    figure.savefig(file, format=form, **options)
    return file.getvalue()
