"""What an ablation has come to in Markdown, for TensorBoard's Text page."""

from collections.abc import Sequence

from dlx.report.ablation import reading, verdict_table
from dlx.report.ablation.answer import answer
from dlx.report.ablation.reading import Summary
from dlx.report.ablation.verdict_table import Table


def conclusions(summary: Summary) -> str:
    """Return question, answer, tables of verdicts and warnings, in the words of page and terminal.

    The tables are those of the terminal: of the judged metric, of each further one, and of pairs.
    """
    parts = [f"# {_escaped(summary['question'])}", *map(_escaped, answer(summary))]
    parts.append(_table(verdict_table.verdicts(summary)))
    for view in reading.by_others(summary):
        parts += [f"## Judged by {_escaped(reading.in_words(view['metric']))}"]
        parts += [*map(_escaped, answer(view)), _table(verdict_table.verdicts(view))]
    if summary["pairs"]:
        parts += ["## All pairs", _table(verdict_table.pairs(summary))]
    if summary["warnings"]:
        parts += ["## Keep in mind", "\n".join(f"- {_escaped(w)}" for w in summary["warnings"])]
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    sides = ["--:" if side == "r" else ":--" for side in table.right]
    head, *rows = [[*map(_escaped, cells)] for cells in [table.headings, *table.rows]]
    return "\n".join(map(_row, [head, sides, *rows]))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    """Return a text of which Markdown and HTML take nothing for their own signs."""
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{sign}" if sign in r"\`*_|[]#" else sign for sign in text)
