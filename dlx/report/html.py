"""Pieces of pages as HTML. Every text is escaped."""

import base64
import re
from collections.abc import Iterable, Sequence
from html import escape

from dlx.report.page_style import SCRIPT, STYLE

_CONTENTS_FROM = 5  # headings


def document(title: str, parts: Iterable[str]) -> str:
    """Return a page of these parts, which needs no other file."""
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(parts)}</main><script>{SCRIPT}</script></body></html>\n"
    )


def contents(parts: Sequence[str]) -> str:
    """Return links to the headings of the parts; an empty text if there are few."""
    headings = re.findall(r"<h2 id='([^']*)'>(.*?)</h2>", "".join(parts))
    if len(headings) < _CONTENTS_FROM:
        return ""
    links = " · ".join(f"<a href='#{place}'>{heading}</a>" for place, heading in headings)
    return f"<nav class='soft'>On this page: {links}</nav>"


def heading(text: str, place: str) -> str:
    """Return a heading that the contents list links to."""
    return f"<h2 id='{escape(place)}'>{escape(text)}</h2>"


def paragraphs(texts: Iterable[str]) -> str:
    """Return a paragraph for each text."""
    return "".join(f"<p>{escape(text)}</p>" for text in texts)


def picture(
    content: bytes, title: str, pixels: tuple[int, int], caption: str, narrow: bytes | None = None
) -> str:
    """Return a PNG file's picture with its caption; a narrow screen shows `narrow`, if given.

    `pixels` are width and height.
    """
    source = ""
    if narrow is not None:
        source = f"<source media='(max-width: 640px)' srcset='{_data(narrow)}'>"
    width, height = pixels
    return (
        f"<figure><picture>{source}<img src='{_data(content)}' "
        f"alt='{escape(title)}' width='{width}' height='{height}'></picture>"
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _data(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], right: str) -> str:
    """Return a table; `right` has an r for each column that is aligned right: ` rr`."""
    kinds = [number_class(side == "r") for side in right]
    top = "".join(f"<th{k}>{escape(h)}</th>" for k, h in zip(kinds, headings, strict=True))
    body = "".join(
        f"<tr>{''.join(f'<td{k}>{escape(c)}</td>' for k, c in zip(kinds, row, strict=True))}</tr>"
        for row in rows
    )
    made = f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
    return f"<div class='wide'>{made}</div>"


def number_class(is_number: bool) -> str:
    """Return the attribute of a cell, with a blank before it."""
    return " class='number'" if is_number else ""
