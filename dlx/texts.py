"""Texts of a user's where they could be more than texts: on a terminal, in a table, on disk."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from unicodedata import normalize

# Control characters but for tabs and line ends, line ends of Unicode's own, marks that turn the
# direction of writing, and bytes that are no text.
_UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_BYTES = re.compile(r"[\0\ud800-\udfff]")
# A spreadsheet takes a text for a formula that begins with one of these, after what has no width.
_FORMULA = re.compile(r"[\x00-\x20\s\u200b-\u200f\u2060\ufeff]*[=+\-@\t\r\uff0b\uff0d\uff1d\uff20]")
# A number, in whatever country it is written: no formula.
_NUMBER = re.compile(r"\s*[+\-]?[\d.,' \u00a0\u202f]*\d[.,]?(?:[eE][+\-]?\d+)?\s*%?\s*")

_MARKDOWN = {
    **{sign: f"\\{sign}" for sign in r"\`*_|[]#"},
    **{sign: f"&#{ord(sign)};" for sign in "$~"},  # which not all readers take a \\ before
    "&": "&amp;",
    "<": "&lt;",
}

_raw_csv = False


def raw_csv(allowed: bool) -> None:
    """Say whether texts stand in CSV as they are, formulas too; a switch of the process."""
    global _raw_csv
    _raw_csv = allowed


def printable(text: str) -> str:
    r"""Return a text as a terminal may show it: what would command it is written as \x1b."""
    return _UNPRINTABLE.sub(_escaped, text)


def in_a_line(text: str) -> str:
    r"""Return a text as a cell of a table may show it: printable, tabs and line ends as \t, \n."""
    return re.sub(r"[\t\n]", _escaped, printable(text))


def in_json(text: str) -> str:
    r"""Return JSON that says the same as a terminal may show it: what commands it as \u202e."""
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def in_markdown(text: str) -> str:
    """Return a text, in a line, of which Markdown and HTML take nothing for their own signs."""
    signs = "".join(_MARKDOWN.get(sign, sign) for sign in in_a_line(text))
    return re.sub(r"^ *(>|[-+](?= |$)|[-=]+$|\d+(?=[.)]( |$)))", _begun, signs)


def _begun(match: re.Match[str]) -> str:
    """Return the beginning of a text that would be a list, a quotation or a line."""
    return "".join(f"&#{ord(sign)};" for sign in match[0])


def shortened(text: str, width: int) -> str:
    """Return a text of at most `width` characters; a longer one loses its middle."""
    if len(text) <= width:
        return text
    tail = (width - 3) // 2
    return f"{text[: width - 3 - tail]} … {text[len(text) - tail :]}"


def told_apart(names: Iterable[str], width: int) -> dict[str, str]:
    """Return names as `shortened` ones, of so many characters more that no two are alike."""
    different = list(dict.fromkeys(names))
    while True:
        short = {name: shortened(name, width) for name in different}
        if len(set(short.values())) == len(short):
            return short
        width += 10


def encoded(text: str) -> bytes:
    r"""Return a text in UTF-8; bytes of a file's name that are no text are written as \udcff."""
    return text.encode("utf-8", "backslashreplace")


def cell(value: Any) -> Any:
    """Return a cell of CSV: a text that a spreadsheet would take for a formula begins with '.

    Numbers stay as they are, those that are written as texts too. `raw_csv` turns it off.

    Reference:
        OWASP, CSV injection, https://owasp.org/www-community/attacks/CSV_Injection
    """
    if not isinstance(value, str):
        return value
    text = _BYTES.sub(_escaped, value)  # which no text in UTF-8 has
    # Python's writer quotes a text with \n, but not with \r, which would begin a row.
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if _raw_csv or not _FORMULA.match(text) or _NUMBER.fullmatch(text):
        return text
    return f"'{text}"


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def expanded(path: str) -> Path:
    """Return a path that may begin with a home folder: ~ or ~user, if there is such a user."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path's own raises if there is none


LATEST = "latest"
# Devices of Windows, whatever follows a point.
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])", re.IGNORECASE)


def name_problem(name: str) -> str | None:
    """Return why a name cannot be that of a folder of runs, on any system; None: it can."""
    if not name:
        return "is empty"
    if "/" in name or "\\" in name or ".." in name or name.startswith("."):
        return "may not hold '/', '\\' or '..', nor start with '.'"
    if name.startswith("-") and name != "-":
        return "starts with '-', as options of commands do"
    if name.endswith((".", " ")):
        return f"ends with {name[-1]!r}, which Windows leaves out"
    if not set(name).isdisjoint(':*?"<>|'):
        return "may not hold : * ? \" < > |, of which Windows makes no folder's name"
    if _DEVICES.fullmatch(name.partition(".")[0].rstrip()):
        return "is a device of Windows, and no folder there"
    if not name.isprintable():
        return "may not hold control characters"
    if len(name.encode(errors="backslashreplace")) > 200:
        return "is longer than 200 bytes"
    if folded(name) == LATEST:
        return "stands for the newest run"
    return None


def folded(name: str) -> str:
    """Return what two names have in common that are one on some file system."""
    return normalize("NFC", name).casefold()
