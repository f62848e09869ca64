"""The parts of the page: each a function of the summary, to HTML. Every text is escaped."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from dlx.ablation.variants import show
from dlx.report.ablation import reading
from dlx.report.ablation.answer import answer
from dlx.report.ablation.methods import listed
from dlx.report.ablation.reading import Summary
from dlx.report.ablation.style import Drawing
from dlx.report.ablation.verdict_table import columns

_MOST_FAILURES = 100  # rows of the table


def head(summary: Summary) -> str:
    """The question, and the answer in words."""
    metrics = [summary["metric"], *(summary.get("also") or {})]
    listed_metrics = " and ".join(map(reading.in_words, metrics))
    facts = [
        f"{len(summary['variants'])} variants",
        f"{len(summary['seeds'])} {'seed' if len(summary['seeds']) == 1 else 'seeds'}",
        *([f"{summary['folds']} folds"] if summary["folds"] else []),
        f"{sum(each['runs'] for each in summary['variants']):,} runs",
        f"data: {', '.join(summary['data'])}",
        f"judged by {listed_metrics}",
    ]
    paragraphs = "".join(f"<p>{escape(text)}</p>" for text in answer(summary) + _chosen(summary))
    return (
        f"<p class='soft'>{escape(summary['name'])} · {escape(' · '.join(facts))}</p>"
        f"<h1>{escape(summary['question'])}</h1><div class='answer'>{paragraphs}</div>"
    )


def warnings(summary: Summary) -> str:
    """What to keep in mind; nothing if there is nothing."""
    if not summary["warnings"]:
        return ""
    items = "".join(f"<li>{escape(each)}</li>" for each in summary["warnings"])
    return f"<div class='warnings'><p><b>Keep in mind</b></p><ul>{items}</ul></div>"


def verdicts(summary: Summary) -> str:
    """The verdicts by the judged metric, and the answer and verdicts by each of the others."""
    parts = [_verdicts(summary, "Verdicts")]
    for view in reading.by_others(summary):
        words = reading.in_words(view["metric"])
        text = "".join(f"<p>{escape(each)}</p>" for each in answer(view))
        parts.append(_verdicts(view, f"Judged by {words}", text))
    return "".join(parts)


def _verdicts(summary: Summary, heading: str, text: str = "") -> str:
    """The table of verdicts, which sorts by a click on a heading."""
    found = columns(summary)
    headings = "".join(
        f"<th{_number(column.is_number)} title='{escape(column.meaning)}'>"
        f"<button>{escape(column.heading)}</button></th>"
        for column in found
    )
    order = reading.best_first(summary)
    order.sort(key=lambda each: each["vs_baseline"] is not None)  # stable
    rows = "".join(f"<tr>{''.join(_cell(column, each) for column in found)}</tr>" for each in order)
    reasons = "".join(
        f"<li><b>{escape(each['name'])}</b>: {escape(each['vs_baseline']['why'])}</li>"
        for each in order
        if each["vs_baseline"]
    )
    why = f"<details><summary>Why each verdict</summary><ul>{reasons}</ul></details>"
    return (
        f"<h2>{escape(heading)}</h2>{text}<p class='soft'>A click on a heading sorts the table.</p>"
        f"<div class='wide'><table class='sortable'><thead><tr>{headings}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>{why if reasons else ''}"
    )


def pictures(drawings: Sequence[Drawing], encoded: Mapping[str, bytes]) -> str:
    """The pictures, each with how to read it."""
    parts = []
    for drawing in drawings:
        content = base64.b64encode(encoded[drawing.name]).decode()
        width, height = drawing.pixels
        parts.append(
            f"<h2 id='{escape(drawing.name)}'>{escape(drawing.title)}</h2><figure>"
            f"<img src='data:image/png;base64,{content}' alt='{escape(drawing.title)}' "
            f"width='{width}' height='{height}'>"
            f"<figcaption>{escape(drawing.caption)}</figcaption></figure>"
        )
    return "".join(parts)


def per_data(summary: Summary) -> str:
    """The verdicts on each data set, where there are several, and over all of them."""
    metric = summary["metric"]
    parts = []
    for name, found in (summary["per_data"] or {}).items():
        rows = [[variant, *_difference(metric, each)] for variant, each in found.items() if each]
        headings = ["variant", "difference", "interval", "p", "verdict"]
        parts.append(f"<h3>{escape(name)}</h3>{_table(headings, rows, ' rrr ')}")
    if together := summary["overall"]:
        rows = []
        for variant, each in together.items():
            # Costs have another scale on each data set: a share of the baseline's has none.
            shown = "accuracy" if each["is_relative"] else metric
            rows.append([variant, *_difference(shown, each), each["why"]])
        relative = any(each["is_relative"] for each in together.values())
        name = "difference, % of the baseline" if relative else "difference"
        headings = ["variant", name, "interval", "p", "verdict", "why"]
        parts.append(f"<h3>Over all data sets</h3>{_table(headings, rows, ' rrr  ')}")
    return f"<h2>On each data set</h2>{''.join(parts)}" if parts else ""


def _difference(metric: str, found: Mapping[str, Any]) -> list[str]:
    return [
        reading.difference(metric, found["difference"]),
        reading.difference_interval(metric, found["low"], found["high"]),
        reading.p_value(found["p"]),
        found["verdict"],
    ]


def effects(summary: Summary) -> str:
    """Main effects and interactions of a grid."""
    found, metric = summary["effects"], summary["metric"]
    # Of one factor they are the verdicts' differences once more.
    if not found or sum(len(each["values"]) > 1 for each in summary["factors"]) < 2:
        return ""

    def numbers(each: Mapping[str, Any]) -> list[str]:
        ends = reading.difference_interval(metric, each["low"], each["high"])
        return [reading.difference(metric, each["effect"]), ends]

    main = [
        [str(each["factor"]), show(each["level"]), *numbers(each)] for each in found["main"] or []
    ]
    both = [
        [
            " × ".join(map(str, each["factors"])),
            " × ".join(map(show, each["levels"])),
            *numbers(each),
            reading.p_value(each.get("p")),
        ]
        for each in found["interactions"] or []
    ]
    unit = reading.difference_unit(metric)
    name = f"effect{f' ({unit.strip()})' if unit else ''}"
    text = "<h2>Effects of the factors</h2>"
    text += (
        "<p class='soft'>A main effect is how far a value lies from the factor's reference, "
        "averaged over all other factors. An interaction is how far a pair of values lies from "
        "what the two main effects add up to.</p>"
    )
    if main:
        text += _table(["factor", "value", name, "interval"], main, "  rr")
    if both:
        text += "<h3>Interactions</h3>"
        text += _table(["factors", "values", name, "interval", "p"], both, "  rrr")
    return text


def tuning(summary: Summary) -> str:
    """What was tuned for each variant, and what it cost."""
    rows = []
    for variant, found in (summary["tuning"] or {}).items():
        keys = [key for key in found if key not in ("tried", "runs", "steps")]
        chosen = " ".join(f"{key}={show(found[key])}" for key in keys)
        tried = ", ".join(
            f"{choice}: {reading.value(summary['metric'], mean)}"
            for choice, mean in found["tried"].items()
        )
        rows.append([variant, chosen, tried, f"{found['runs']:,}", f"{found['steps']:,}"])
    if not rows:
        return ""
    headings = ["variant", "chosen", f"tried ({reading.in_words(summary['metric'])})"]
    return (
        "<h2>Tuning</h2><p class='soft'>Each variant got its own best value on dev rows, at seeds "
        "of its own, before the comparison; all from the same budget.</p>"
        + _table([*headings, "runs", "steps"], rows, "   rr")
    )


def failures(summary: Summary) -> str:
    """Which runs diverged or failed, and why."""
    found = summary["failures"]
    if not found:
        return ""
    rows = [
        [
            each["variant"],
            f"{each['seed']}" + (f" (fold {each['fold']})" if each["fold"] else ""),
            each["status"],
            "" if each["step"] is None else f"{each['step']:,}",
            each["reason"],
        ]
        for each in found[:_MOST_FAILURES]
    ]
    more = len(found) - len(rows)
    rest = f"<p class='soft'>… and {more:,} more, in results.csv.</p>" if more else ""
    table = _table(["variant", "seed", "how it ended", "step", "why"], rows, " r r ")
    return f"<h2>Runs that were lost</h2>{table}{rest}"


def statistics(summary: Summary) -> str:
    """The tests that were used, and where to read what they mean."""
    items = []
    for use, name, known in listed(summary["tests"]):
        text = escape(name)
        if known is not None:
            text = f"<a href='{escape(known.page)}'>{text}</a>: {escape(known.meaning)}"
        items.append(f"<li><b>{escape(use)}</b>: {text}.</li>")
    more = (
        " Each metric has verdicts of its own, and the chance of a false one is kept below 5 % for "
        "each of them, not for all together."
        if summary.get("also")
        else ""
    )
    return (
        "<h2>Statistics</h2><p>At equal seed all variants share the split, the order of the rows "
        "and, where the shapes agree, the initial draws. So they are compared in pairs: what a "
        "seed does to both of a pair cancels out. Verdicts use dev rows; the test rows are kept "
        f"for the chosen variant.{more}</p><ul>{''.join(items)}</ul>"
    )


def again(summary: Summary, config: str) -> str:
    """How to run it again, and the config."""
    commands = [
        (summary["command"], "the whole ablation"),
        ("dlx resume ABLATION --seeds N", "more seeds; those that are there are kept"),
        ("dlx train --from ABLATION --variant NAME --seed N", "one of its runs alone"),
        ("dlx compare ABLATION …", "this table beside other runs"),
    ]
    lines = "\n".join(f"{command}    # {meaning}" for command, meaning in commands)
    return (
        f"<h2>Run it again</h2><pre>{escape(lines)}</pre>"
        "<p class='soft'>ABLATION is the folder that this page lies in; results.csv there has a "
        "row for every run, summary.json all numbers of this page.</p>"
        f"<details><summary>The config</summary><pre>{escape(config)}</pre></details>"
    )


def _chosen(summary: Summary) -> list[str]:
    chosen = summary["chosen"]
    if not chosen or not chosen.get("test"):
        return []
    parts = [
        f"{tag} {reading.value(tag, each['mean'])} "
        f"{reading.value_interval(tag, each['low'], each['high'])}".strip()
        for tag, each in chosen["test"].items()
    ]
    return [f"On the test rows the best variant, {chosen['name']}, has {', '.join(parts)}."]


def _cell(column: Any, variant: Mapping[str, Any]) -> str:
    key = column.key(variant)
    key = "" if key is None else key
    kind = "number" if column.is_number else "name"
    text = escape(column.cell(variant))
    if column.heading == "verdict":
        kind = f"verdict {escape(str(key))}"
    return f"<td class='{kind}' data-key='{escape(str(key))}'>{text}</td>"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]], right: str) -> str:
    kinds = [_number(side == "r") for side in right]
    top = "".join(f"<th{k}>{escape(h)}</th>" for k, h in zip(kinds, headings, strict=True))
    body = "".join(
        f"<tr>{''.join(f'<td{k}>{escape(c)}</td>' for k, c in zip(kinds, row, strict=True))}</tr>"
        for row in rows
    )
    return (
        f"<div class='wide'><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _number(is_number: bool) -> str:
    return " class='number'" if is_number else ""
