"""What an ablation has come to in Markdown, for TensorBoard's Text page."""

from collections.abc import Sequence

from dlx.report.ablation import reading, verdict_table
from dlx.report.ablation.answer import answer
from dlx.report.ablation.reading import Summary
from dlx.report.ablation.verdict_table import Table
from dlx.texts import in_markdown


def conclusions(summary: Summary) -> str:
    """Return question, answer, tables of verdicts and warnings, in the words of page and terminal.

    The tables are those of the terminal: of the judged metric, of each further one, and of pairs.
    """
    parts = [f"# {in_markdown(summary['question'])}", *map(in_markdown, answer(summary))]
    parts.append(_table(verdict_table.verdicts(summary)))
    for view in reading.by_others(summary):
        parts += [f"## Judged by {in_markdown(reading.in_words(view['metric']))}"]
        parts += [*map(in_markdown, answer(view)), _table(verdict_table.verdicts(view))]
    if summary["pairs"]:
        parts += ["## All pairs", _table(verdict_table.pairs(summary))]
    if summary["warnings"]:
        parts += ["## Keep in mind", "\n".join(f"- {in_markdown(w)}" for w in summary["warnings"])]
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    head, *body = [[*map(in_markdown, cells)] for cells in [table.headings, *table.rows]]
    return rows(head, body, table.right)


def rows(head: Sequence[str], body: Sequence[Sequence[str]], right: str) -> str:
    """Return a table of cells that are Markdown; `right` has an r for each column of numbers."""
    sides = ["--:" if side == "r" else ":--" for side in right]
    return "\n".join(map(_row, [head, sides, *body]))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
