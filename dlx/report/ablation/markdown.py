"""What an ablation has come to in Markdown, for TensorBoard's Text page."""

import re
from collections.abc import Sequence

from dlx.report.ablation import reading, verdict_table
from dlx.report.ablation.answer import answer
from dlx.report.ablation.reading import Summary
from dlx.report.ablation.verdict_table import Table
from dlx.texts import in_a_line

# Not all readers of Markdown take a \\ before these for an escape.
_SIGNS = {
    **{sign: f"\\{sign}" for sign in r"\`*_|[]#"},
    **{sign: f"&#{ord(sign)};" for sign in "$~"},
    "&": "&amp;",
    "<": "&lt;",
}


def conclusions(summary: Summary) -> str:
    """Return question, answer, tables of verdicts and warnings, in the words of page and terminal.

    The tables are those of the terminal: of the judged metric, of each further one, and of pairs.
    """
    parts = [f"# {escaped(summary['question'])}", *map(escaped, answer(summary))]
    parts.append(_table(verdict_table.verdicts(summary)))
    for view in reading.by_others(summary):
        parts += [f"## Judged by {escaped(reading.in_words(view['metric']))}"]
        parts += [*map(escaped, answer(view)), _table(verdict_table.verdicts(view))]
    if summary["pairs"]:
        parts += ["## All pairs", _table(verdict_table.pairs(summary))]
    if summary["warnings"]:
        parts += ["## Keep in mind", "\n".join(f"- {escaped(w)}" for w in summary["warnings"])]
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    head, *body = [[*map(escaped, cells)] for cells in [table.headings, *table.rows]]
    return rows(head, body, table.right)


def rows(head: Sequence[str], body: Sequence[Sequence[str]], right: str) -> str:
    """Return a table of cells that are Markdown; `right` has an r for each column of numbers."""
    sides = ["--:" if side == "r" else ":--" for side in right]
    return "\n".join(map(_row, [head, sides, *body]))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def escaped(text: str) -> str:
    """Return a text, in a line, of which Markdown and HTML take nothing for their own signs."""
    signs = "".join(_SIGNS.get(sign, sign) for sign in in_a_line(text))
    return re.sub(r"^ *(>|[-+](?= |$)|[-=]+$|\d+(?=[.)]( |$)))", _begun, signs)


def _begun(match: re.Match[str]) -> str:
    """Return the beginning of a text that would be a list, a quotation or a line."""
    return "".join(f"&#{ord(sign)};" for sign in match[0])
