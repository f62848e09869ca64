"""The sections of the page as HTML, made from the summary. Every text is escaped."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from dlx.ablation import registration, rules
from dlx.ablation.variants import show
from dlx.report import html
from dlx.report.ablation import reading, verdict_table
from dlx.report.ablation.answer import answer
from dlx.report.ablation.methods import method
from dlx.report.ablation.reading import Summary
from dlx.report.ablation.style import Drawing
from dlx.report.ablation.verdict_table import Column, columns

_MOST_FAILURES = 100  # rows of the table


def head(summary: Summary) -> str:
    """Return the question, and the answer in a sentence."""
    metrics = [summary["metric"], *(summary.get("also") or {})]
    facts = [
        f"{len(summary['variants'])} variants",
        reading.seeds(summary),
        *([f"{summary['folds']} folds"] if summary["folds"] else []),
        f"{sum(variant['runs'] for variant in summary['variants']):,} runs",
        f"data: {', '.join(summary['data'])}",
        f"judged by {' and '.join(map(reading.in_words, metrics))}",
    ]
    count = len(summary["warnings"])
    warned = f" · <a href='#warnings'>{count} warning{'s' * (count > 1)}</a>" if count else ""
    return (
        f"<p class='soft'>{escape(summary['name'])} · {escape(' · '.join(facts))}{warned}</p>"
        f"<h1>{escape(summary['question'])}</h1>"
        f"<div class='answer'><p>{escape(answer(summary)[0])}</p></div>"
    )


def in_words(summary: Summary) -> str:
    """Return the rest of the answer: the best, the worst, what is not decided."""
    return html.paragraphs([*answer(summary)[1:], *_chosen(summary)])


def warnings(summary: Summary) -> str:
    """Return the warnings; an empty text if there are none."""
    if not summary["warnings"]:
        return ""
    items = "".join(f"<li>{escape(warning)}</li>" for warning in summary["warnings"])
    return f"<div class='warnings' id='warnings'><p><b>Keep in mind</b></p><ul>{items}</ul></div>"


def further_verdicts(summary: Summary) -> str:
    """Return answer and verdicts by each further metric."""
    parts = []
    for view in reading.by_others(summary):
        words = reading.in_words(view["metric"])
        heading = html.heading(f"Judged by {words}", f"by_{view['metric'].replace('.', '_')}")
        parts.append(f"{heading}{html.paragraphs(answer(view))}{verdicts(view)}")
    return "".join(parts)


def verdicts(summary: Summary) -> str:
    """Return the table of verdicts by the judged metric."""
    # First what a narrow screen shows without scrolling.
    shown = sorted(columns(summary), key=lambda c: c.heading not in ("variant", "conclusion"))
    if any(variant.get("numbers") for variant in summary["variants"]):
        first = lambda variant: min(variant["numbers"], default=None)
        meaning = "numbers of its runs, as commands take them: ABLATION#NUMBER"
        shown.append(Column("runs", reading.run_numbers, first, meaning))
    headings = "".join(
        f"<th{html.number_class(column.is_number)} title='{escape(column.meaning)}'>"
        f"<button>{escape(column.heading)}</button></th>"
        for column in shown
    )
    variants = reading.best_first(summary)
    variants.sort(key=lambda variant: variant["vs_baseline"] is not None)  # the baseline first
    rows = "".join(
        f"<tr>{''.join(_cell(column, variant) for column in shown)}</tr>" for variant in variants
    )
    reasons = "".join(
        f"<li><b>{escape(variant['name'])}</b>: {escape(variant['vs_baseline']['why'])}</li>"
        for variant in variants
        if variant["vs_baseline"]
    )
    why = f"<details><summary>The reason of each verdict</summary><ul>{reasons}</ul></details>"
    return (
        f"<div class='wide'><table class='sortable'><thead><tr>{headings}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
        "<p class='soft'>A click on a heading sorts the table.</p>"
        f"{why if reasons else ''}"
    )


def pairs(summary: Summary) -> str:
    """Return the verdicts on pairs of variants that are no baseline, if all pairs are compared."""
    table = verdict_table.pairs(summary)
    if not table.rows:
        return ""
    return (
        f"<details><summary>All pairs of variants without the baseline ({len(table.rows):,})"
        f"</summary>{html.table(table.headings, table.rows, table.right)}</details>"
    )


def pictures(drawings: Sequence[Drawing], encoded: Mapping[str, bytes]) -> str:
    """Return the pictures with their headings and captions."""
    return "".join(
        html.heading(drawing.title, drawing.name) + picture(drawing, encoded)
        for drawing in drawings
    )


def picture(drawing: Drawing, encoded: Mapping[str, bytes]) -> str:
    """Return a picture with its caption; a narrow screen shows its narrow form, if it has one."""
    narrow = None if drawing.narrow is None else drawing.narrow.png()
    content = encoded[drawing.name]
    return html.picture(content, drawing.title, drawing.pixels, drawing.caption, narrow)


def per_data(summary: Summary) -> str:
    """Return the verdicts on each data set, if there are several, and over all of them."""
    metric = summary["metric"]
    parts = []
    for name, on_data in (summary["per_data"] or {}).items():
        rows = [[variant, *_versus(metric, v)] for variant, v in on_data.items() if v]
        headings = ["variant", "difference", "interval", "p", "conclusion"]
        parts.append(f"<h3>{escape(name)}</h3>{html.table(headings, rows, ' rrr ')}")
    if overall := summary["overall"]:
        rows = []
        for variant, versus in overall.items():
            # Costs have another scale on each data set; their differences are relative.
            shown = "accuracy" if versus["is_relative"] else metric
            rows.append([variant, *_versus(shown, versus), versus["why"]])
        is_relative = any(versus["is_relative"] for versus in overall.values())
        name = "difference, % of the baseline" if is_relative else "difference"
        headings = ["variant", name, "interval", "p", "conclusion", "why"]
        parts.append(f"<h3>Over all data sets</h3>{html.table(headings, rows, ' rrr  ')}")
    return html.heading("On each data set", "data_sets") + "".join(parts) if parts else ""


def _versus(metric: str, versus: Mapping[str, Any]) -> list[str]:
    return [
        reading.difference(metric, versus["difference"]),
        reading.difference_interval(metric, versus["low"], versus["high"]),
        reading.p_value(versus["p"]),
        reading.conclusion(versus),
    ]


def sequential(summary: Summary) -> str:
    """Return how many seeds each variant got and why no more, where seeds were added."""
    growing = summary.get("sequential")
    if not growing:
        return ""
    until, metric = growing["until"], summary["metric"]
    wanted = "it had a verdict"
    if until != "decided":
        size = reading.difference(metric, until).lstrip("+") + reading.difference_unit(metric)
        wanted = f"the half of its interval was at most {size}"
    rows = []
    for name, own in growing["variants"].items():
        looks = len(growing["growth"].get(name, []))
        rows.append([name, f"{own['seeds']:,}", f"{looks:,}", own["why"]])
    return (
        html.heading("How many seeds", "how_many_seeds")
        + "<p class='soft'>Seeds were added in batches, with a look after each, and a variant left "
        f"when {escape(wanted)}, when no number of seeds would do, or after all "
        f"{growing['max']:,}. How often one may look, and when, was fixed before the first run; "
        "p and intervals take it into account. A difference that ends the search early is on "
        "average a little larger than the true one.</p>"
        + html.table(["variant", "seeds", "looks", "why no more"], rows, " rr ")
    )


def registered(summary: Summary) -> str:
    """Return what was planned before the first run, and what has changed since."""
    entry = summary.get("registered")
    if not entry:
        return ""
    plan = entry["plan"]
    margin = "by the rules, of the baseline's error" if plan["margin"] is None else plan["margin"]
    rows = [
        ["question", plan["question"] or summary["question"]],
        ["judged by", ", ".join([plan["metric"], *plan["also"]])],
        ["margin", str(margin)],
        ["baseline", plan["baseline"]],
        ["compared", "all pairs" if plan["comparisons"] == "all" else "each with the baseline"],
        ["variants", f"{len(plan['variants']):,}"],
        ["seeds", show(plan["seeds"])],
        ["analysis", rules.in_words(plan["rules"])],
    ]
    kept = "" if entry["is_whole"] else " They do not match it: run.json was changed by hand."
    changed = "".join(f"<li>{escape(text)}</li>" for text in registration.changes(entry))
    return (
        html.heading("Planned before the first run", "registered")
        + f"<p class='soft'>run.json has these since {escape(entry['time'])}, with the SHA-256 "
        f"{escape(entry['sha256'])}.{kept}</p>"
        + html.table(["what", "planned"], rows, "  ")
        + (f"<p>Since then these have changed:</p><ul>{changed}</ul>" if changed else "")
    )


def effects(summary: Summary) -> str:
    """Return the main effects and the interactions of a grid."""
    grid, metric = summary["effects"], summary["metric"]
    # With one factor they would repeat the differences of the verdicts.
    if not grid or sum(len(factor["values"]) > 1 for factor in summary["factors"]) < 2:
        return ""

    def numbers(effect: Mapping[str, Any]) -> list[str]:
        ends = reading.difference_interval(metric, effect["low"], effect["high"])
        return [reading.difference(metric, effect["effect"]), ends]

    main = [
        [str(effect["factor"]), show(effect["level"]), *numbers(effect)]
        for effect in grid["main"] or []
    ]
    both = [
        [
            " × ".join(map(str, effect["factors"])),
            " × ".join(map(show, effect["levels"])),
            *numbers(effect),
            reading.p_value(effect.get("p")),
        ]
        for effect in grid["interactions"] or []
    ]
    unit = reading.difference_unit(metric)
    name = f"effect{f' ({unit.strip()})' if unit else ''}"
    text = (
        html.heading("Effects of the factors", "effects") + "<p class='soft'>A main effect is the "
        "difference between a value and the baseline's value of the factor, averaged over the "
        "other factors. An interaction is the difference between the effect of a pair of values "
        "and the sum of their main effects.</p>"
    )
    if main:
        text += html.table(["factor", "value", name, "interval"], main, "  rr")
    if both:
        text += "<h3>Interactions</h3>"
        text += html.table(["factors", "values", name, "interval", "p"], both, "  rrr")
    return text


def tuning(summary: Summary) -> str:
    """Return the tuned settings of each variant, and the runs and steps that it took."""
    rows = []
    for variant, tuned in (summary["tuning"] or {}).items():
        chosen = reading.tuned(tuned)
        tried = ", ".join(
            f"{choice}: {reading.value(summary['metric'], mean)}"
            for choice, mean in tuned["tried"].items()
        )
        rows.append([variant, chosen, tried, f"{tuned['runs']:,}", f"{tuned['steps']:,}"])
    if not rows:
        return ""
    headings = ["variant", "chosen", f"tried ({reading.in_words(summary['metric'])})"]
    return (
        html.heading("Tuning", "tuning")
        + "<p class='soft'>Before the comparison, the best value of "
        "each variant was chosen on stop rows, which judge nothing else, at seeds that are not "
        "compared. All variants had the same budget.</p>"
        + html.table([*headings, "runs", "steps"], rows, "   rr")
    )


def findings(summary: Summary) -> str:
    """Return what at least half of each variant's runs have, with reasons and commands."""
    variants = summary.get("findings") or []
    if not variants:
        return ""
    rows, reasons = [], ""
    for variant in variants:
        found = [
            f"{f['name']} ({f['severity']}, {f['runs']} of {variant['runs']})"
            for f in variant["findings"]
        ]
        rows.append([variant["variant"], ", ".join(found) or "nothing found"])
        reasons += "".join(
            f"<li><b>{escape(variant['variant'])}</b>: {escape(f['name'])}: {escape(f['reason'])}"
            f"<pre>{escape(f['try'])}</pre></li>"
            for f in variant["findings"]
        )
    why = f"<details><summary>Reasons, and what to try</summary><ul>{reasons}</ul></details>"
    return (
        html.heading("Findings", "findings") + "<p class='soft'>Of each variant, what at least "
        "half of its runs have (of many runs, of the first ones).</p>"
        f"{html.table(['variant', 'findings'], rows, '  ')}{why if reasons else ''}"
    )


def failures(summary: Summary) -> str:
    """Return the runs that diverged or failed, with the reasons."""
    if not (lost := summary["failures"]):
        return ""
    rows = [
        [
            run["variant"],
            f"{run['seed']}" + (f" (fold {run['fold']})" if run["fold"] else ""),
            run["status"],
            "" if run["step"] is None else f"{run['step']:,}",
            run["reason"],
        ]
        for run in lost[:_MOST_FAILURES]
    ]
    more = len(lost) - len(rows)
    rest = f"<p class='soft'>… and {more:,} more, in results.csv.</p>" if more else ""
    table = html.table(["variant", "seed", "status", "step", "reason"], rows, " r r ")
    return html.heading("Lost runs", "lost") + table + rest


def statistics(summary: Summary) -> str:
    """Return the tests that were used, with links to explanations."""
    items = []
    for use, name in summary["tests"].items():
        text = escape(name)
        if described := method(name):
            text = f"<a href='{escape(described.page)}'>{text}</a>: {escape(described.meaning)}"
        items.append(f"<li><b>{escape(use.replace('_', ' '))}</b>: {text}.</li>")
    return (
        html.heading("Statistics", "statistics")
        + "<p>At the same seed all variants share the split, "
        "the order of the rows and, if their shapes agree, the initial random numbers. So runs are "
        "compared in pairs: the effects of a seed on both runs of a pair cancel out. "
        f"{_of_rows(summary)} The probability of any false better or worse on this page, by any "
        "metric, is below 5 %. Judged by "
        f"{escape(rules.in_words(summary['rules']))}.</p><ul>{''.join(items)}</ul>"
    )


def _of_rows(summary: Summary) -> str:
    """Say by what rows was judged, and what the verdicts are about."""
    views = [summary, *reading.by_others(summary)]
    splits = list(dict.fromkeys(view["metric"].partition(".")[0] for view in views))
    words = f"Verdicts use {' and '.join(splits)} rows; test rows decide nothing. "
    if splits == ["train"]:
        return words + "They are about other seeds, and say nothing of other rows."
    words += (
        "They are about other seeds and other rows of the same kind, unless a warning says "
        "otherwise."
    )
    return words + " Those by train rows say nothing of other rows." * ("train" in splits)


def again(summary: Summary, config: str) -> str:
    """Return the commands to go on from here, and the config."""
    commands = [
        (summary["command"], "the whole ablation"),
        ("dlx resume ABLATION", "goes on, if a variant may get more seeds")
        if summary.get("sequential")
        else ("dlx resume ABLATION --seeds N", "more seeds; earlier runs are kept"),
        ("dlx train --from ABLATION --variant NAME --seed N", "one of its runs alone"),
        ("dlx compare ABLATION …", "this table together with other runs"),
    ]
    lines = "\n".join(f"{command}    # {meaning}" for command, meaning in commands)
    return (
        f"{html.heading('Run it again', 'again')}<pre>{escape(lines)}</pre>"
        "<p class='soft'>ABLATION is the folder of this page. In it, results.csv has a row for "
        "every run, and summary.json has all numbers of this page.</p>"
        f"<details><summary>The config</summary><pre>{escape(config)}</pre></details>"
    )


def _chosen(summary: Summary) -> list[str]:
    chosen = summary["chosen"]
    if not chosen or not chosen.get("test"):
        return []
    parts = [
        f"{tag} {reading.value(tag, mean['mean'])} "
        f"{reading.value_interval(tag, mean['low'], mean['high'])}".strip()
        for tag, mean in chosen["test"].items()
    ]
    return [f"On the test rows the best variant, {chosen['name']}, has {', '.join(parts)}."]


def _cell(column: Column, variant: Mapping[str, Any]) -> str:
    key = column.key(variant)
    key = "" if key is None else escape(str(key))
    kind = "number" if column.is_number else "name"
    if column.heading == "conclusion":
        kind = f"verdict {(variant['vs_baseline'] or {}).get('verdict', 'baseline')}"
    return f"<td class='{kind}' data-key='{key}'>{escape(column.cell(variant))}</td>"
