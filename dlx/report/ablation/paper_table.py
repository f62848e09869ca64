"""An ablation's results as a table for a paper: LaTeX, Markdown, Typst, or CSV for programs."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from dlx.ablation.plan import Plan
from dlx.ablation.results import RunResult
from dlx.ablation.results_csv import csv_text
from dlx.ablation.summary import of_plan
from dlx.ablation.variants import short_labels, show
from dlx.report.ablation import markdown, reading
from dlx.report.ablation.reading import Summary
from dlx.texts import in_a_line, in_markdown

_LATEX = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\char34{}",
    "[": "{[}",
    "]": "{]}",
    "−": "$-$",
    "×": r"$\times$",
    "–": "--",
    "†": r"$^\dagger$",
}


class _Cell(NamedTuple):
    """The text of a cell; of a mean also its interval, and whether it is the best or a tie."""

    text: str
    interval: str = ""
    standing: str | None = None


class _Grid(NamedTuple):
    """A table before it is written in a language."""

    headings: list[str]
    rows: list[list[_Cell]]
    right: str  # r for a column of numbers, a space for words
    caption: str
    name: str  # of the ablation


def table(plan: Plan, results: Sequence[RunResult]) -> dict[str, Any]:
    """Return an ablation's means by every judged metric, a JSON object.

    `variants`, the best first, have number, name, n, rows, the `chosen` values of tuned keys, and
    by metric mean, low, high, n and `standing`: `best`, of the best mean; `tied`, not shown to be
    worse than any other variant, in tests of all pairs by this metric; `worse`; or
    null where the variants are not judged together. `caption` says how to read it.
    """
    section = plan.section
    summaries: list[Summary] = []
    metrics = (plan.metric, *section.also)
    for metric in metrics:
        changes: dict[str, Any] = {} if metric == plan.metric else {"margin": None}
        # Each with all others in its family of tests, as in an ablation of all pairs.
        also = [other for other in metrics if other != metric]
        changes |= {"metric": metric, "also": also, "comparisons": "all"}
        summaries.append(of_plan(plan, results, **changes))
    numbers = {variant.name: place for place, variant in enumerate(plan.variants, start=1)}
    standings = {summary["metric"]: _standings(summary) for summary in summaries}
    variants = [
        {
            **{key: variant[key] for key in ("name", "n", "rows")},
            "number": numbers[variant["name"]],
            "chosen": dict(plan.chosen.get(variant["name"], {})),
            "metrics": {
                metric: _mean(variant, metric, standings[metric].get(variant["name"]))
                for metric in standings
            },
        }
        for variant in reading.best_first(summaries[0])
    ]
    return {
        "name": plan.config.name,
        "metrics": list(standings),
        "caption": _caption(plan, summaries),
        "variants": variants,
    }


def _mean(variant: Mapping[str, Any], metric: str, standing: str | None) -> dict[str, Any]:
    mean = reading.interval_of(variant, metric)
    return {key: mean.get(key) for key in ("mean", "low", "high", "n")} | {"standing": standing}


def _standings(summary: Summary) -> dict[str, str]:
    if (group := summary["best_group"]) is None:
        return {}
    ranked = [
        variant["name"]
        for variant in reading.best_first(summary)
        if reading.judged(variant, summary).get("mean") is not None
    ]
    among = [name for name in ranked if name not in group["beaten_by"]]
    return {name: "tied" if name in among else "worse" for name in ranked} | dict.fromkeys(
        among[:1], "best"
    )


def _caption(plan: Plan, summaries: Sequence[Summary]) -> str:
    first = summaries[0]
    runs = [reading.seeds(first)]
    runs += [f"{first['folds']} folds"] if first["folds"] else []
    rows = {variant["rows"] for variant in first["variants"]} - {0}
    split = first["metric"].partition(".")[0]
    on = f" on {rows.pop():,} {split} rows" if len(rows) == 1 else ""
    listed = " and ".join(reading.in_words(summary["metric"]) for summary in summaries)
    interval = first["tests"]["success" if first["metric"] == "success" else "mean"]
    sentences = [
        f"{listed[:1].upper()}{listed[1:]}: mean and {reading.percent(first)} interval "
        f"({interval}) of {' x '.join(runs)}{on}."
    ]
    if first["sequential"]:
        sentences.append(
            f"Seeds were added in batches ({first['tests']['looks']}, at most "
            f"{first['sequential']['max']:,})."
        )
    if any(summary["best_group"] for summary in summaries):
        sentences.append(
            f"Bold: the best mean; †: not shown to be worse ({first['tests']['difference']}, all "
            "pairs, by Holm's method)."
        )
    if plan.chosen:
        keys = " and ".join(short_labels(plan.section.tune).values())
        sentences.append(
            f"The values of {keys} were chosen for each variant at {plan.section.tune_seeds} other "
            "seeds, on rows that judge nothing else."
        )
    return " ".join(sentences)


def written(document: Mapping[str, Any], form: str) -> str:
    """Return what `table` says as `latex`, `markdown`, `typst` or `csv`."""
    return _csv(document) if form == "csv" else _LANGUAGES[form](_grid(document))


def _grid(document: Mapping[str, Any]) -> _Grid:
    variants, metrics = document["variants"], document["metrics"]
    tuned = short_labels(dict.fromkeys(key for v in variants for key in v["chosen"]))
    by_rows = len({variant["rows"] for variant in variants}) > 1
    headings = ["variant", *tuned.values(), "n", *(["rows"] if by_rows else [])]
    right = " " + "r" * (len(headings) - 1 + len(metrics))
    rows = [
        [
            _Cell(variant["name"]),
            *(_Cell(show(variant["chosen"].get(key, ""))) for key in tuned),
            _Cell(f"{variant['n']:,}"),
            *([_Cell(f"{variant['rows']:,}")] if by_rows else []),
            *(_cell(metric, variant["metrics"][metric]) for metric in metrics),
        ]
        for variant in variants
    ]
    headings += [reading.axis_label(metric) for metric in metrics]
    return _Grid(headings, rows, right, document["caption"], document["name"])


def _cell(metric: str, mean: Mapping[str, Any]) -> _Cell:
    text = reading.value(metric, mean["mean"]).removesuffix(" %")
    return _Cell(text, reading.value_interval(metric, mean["low"], mean["high"]), mean["standing"])


def _csv(document: Mapping[str, Any]) -> str:
    rows = []
    for variant in document["variants"]:
        row = {"number": variant["number"], "variant": variant["name"]}
        row |= {"n": variant["n"], "rows": variant["rows"] or None, **variant["chosen"]}
        for metric, mean in variant["metrics"].items():
            row[metric] = mean["mean"]
            row |= {f"{metric}.{key}": mean[key] for key in ("low", "high", "standing")}
        rows.append(row)
    return csv_text(rows)


def _markdown(grid: _Grid) -> str:
    def cell(part: _Cell) -> str:
        text = in_markdown(part.text)
        text = f"**{text}**" if part.standing == "best" else text
        return " ".join(filter(None, [text, in_markdown(part.interval)])) + _mark(part)

    rows = [[*map(cell, row)] for row in grid.rows]
    table = markdown.rows([*map(in_markdown, grid.headings)], rows, grid.right)
    return f"{table}\n\n{in_markdown(grid.caption)}\n"


def _latex(grid: _Grid) -> str:
    def cell(part: _Cell) -> str:
        text = _in_latex(part.text)
        text = rf"\textbf{{{text}}}" if part.standing == "best" else text
        return " ".join(filter(None, [text, _in_latex(part.interval)])) + _in_latex(_mark(part))

    lines = [[*map(_in_latex, grid.headings)], *([*map(cell, row)] for row in grid.rows)]
    head, *body = (f"    {' & '.join(line)} \\\\" for line in lines)
    label = re.sub(r"[^a-zA-Z0-9]+", "-", grid.name).strip("-") or "ablation"
    needs = "booktabs"
    if any(_is_rare(sign) for line in lines for cell in line for sign in cell):
        needs += "; XeLaTeX or LuaLaTeX with a font of all letters below"
    return "\n".join(
        [
            f"% needs {needs}",
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{_in_latex(grid.caption)}}}",
            rf"  \label{{tab:{label}}}",
            rf"  \begin{{tabular}}{{{grid.right.replace(' ', 'l')}}}",
            r"    \toprule",
            head,
            r"    \midrule",
            *body,
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _is_rare(sign: str) -> bool:
    """Say whether pdfLaTeX has no letter for a sign: it has Latin ones and marks of texts."""
    return ord(sign) > 0x17F and not 0x2010 <= ord(sign) <= 0x203F


def _in_latex(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in in_a_line(text))


def _typst(grid: _Grid) -> str:
    def quoted(text: str) -> str:
        # Typst's strings have JSON's escapes for what is left.
        return json.dumps(in_a_line(text), ensure_ascii=False)

    def cell(part: _Cell) -> str:
        text = f"strong({quoted(part.text)})" if part.standing == "best" else quoted(part.text)
        more = f" {part.interval}" * bool(part.interval) + _mark(part)
        return f"{text} + {quoted(more)}" if more else text

    sides = ", ".join("right" if side == "r" else "left" for side in grid.right)
    return "\n".join(
        [
            "#figure(",
            f"  caption: {quoted(grid.caption)},",
            "  table(",
            f"    columns: {len(grid.headings)},",
            f"    align: ({sides}),",
            "    stroke: none,",
            "    table.hline(),",
            f"    table.header({', '.join(map(quoted, grid.headings))}),",
            "    table.hline(stroke: 0.5pt),",
            *(f"    {', '.join(map(cell, row))}," for row in grid.rows),
            "    table.hline(),",
            "  ),",
            ")",
            "",
        ]
    )


def _mark(cell: _Cell) -> str:
    return "†" if cell.standing == "tied" else ""


_LANGUAGES: dict[str, Callable[[_Grid], str]] = {
    "latex": _latex,
    "markdown": _markdown,
    "typst": _typst,
}
FORMATS = (*_LANGUAGES, "csv")
