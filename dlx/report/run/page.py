"""report.html of a single run: what stands out, its curves and metrics, and what it tells wrong."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from dlx.report import html
from dlx.report.ablation.style import Drawing
from dlx.report.mistakes_table import mistakes_table
from dlx.report.numbers import format_metric, metrics_rows

_LISTED = {
    "worst_classes": "",
    "confident_mistakes": "Told wrong, the surest answers first; of numbers the largest errors.",
    "wrong_labels": "Rows that are likely of another class than their labels say.",
}


class Contents(NamedTuple):
    """What a page is made of; pictures that there are not are None."""

    name: str
    info: Mapping[str, Any]  # what run.json says
    metrics: Mapping[str, Mapping[str, float]]  # by the row of the table and their names
    findings: Sequence[Mapping[str, Any]]  # as JSON has them, the most severe first
    notes: Sequence[str]  # sentences for the user
    mistakes: Mapping[str, Any]  # see `dlx.api.mistakes`; empty: there are no data or weights
    curves: Drawing | None
    signals: Drawing | None
    confusion: Drawing | None
    images: Drawing | None  # of the most confident mistakes
    config: str  # in YAML


def page(run: Contents) -> str:
    """Return the page as HTML."""
    rest = [
        _findings(run.findings, run.notes),
        _drawn(run.signals),
        _drawn(run.confusion),
        *(_listed(key, run.mistakes.get(key), run.images) for key in _LISTED),
        _calibration(run.mistakes.get("calibration")),
        f"{html.heading('The config', 'config')}<pre>{escape(run.config)}</pre>",
    ]
    first = [_head(run), _picture(run.curves), _metrics(run.metrics), html.contents(rest)]
    return html.document(run.name, [*first, *rest])


def _head(run: Contents) -> str:
    info = run.info
    facts = [str(info["status"]), f"{info.get('steps') or 0:,} steps", f"seed {info['seed']}"]
    return (
        f"<h1>{escape(run.name)}</h1><p class='soft'>{escape(' · '.join(facts))}</p>"
        f"<div class='answer'><p>{escape(sentence(run.findings, run.metrics))}</p></div>"
    )


def sentence(
    findings: Sequence[Mapping[str, Any]], metrics: Mapping[str, Mapping[str, float]]
) -> str:
    """Return the most severe finding or, where nothing is found, the result on test or dev rows."""
    if findings:
        return f"{findings[0]['severity']}: {findings[0]['reason'].partition(';')[0]}"
    part = next((part for part in ("test", "dev", "train") if metrics.get(part)), None)
    if part is None:
        return "Nothing found."
    name = next((name for name in metrics[part] if name != "cost"), "cost")
    return f"Nothing found: {name} {format_metric(name, metrics[part][name])} on {part} rows."


def _metrics(metrics: Mapping[str, Mapping[str, float]]) -> str:
    headings, rows = metrics_rows(metrics)
    return html.table(headings, rows, " " + "r" * len(headings[1:])) if rows else ""


def _findings(findings: Sequence[Mapping[str, Any]], notes: Sequence[str]) -> str:
    parts = [html.heading("Findings", "findings"), html.paragraphs(notes)]
    for finding in findings:
        place = "" if finding["layer"] is None else f", layer {finding['layer']}"
        place += "" if finding["step"] is None else f", step {finding['step']:,}"
        known = ((k, value) for k, value in finding["evidence"].items() if value is not None)
        numbers = (f"{name} {value:.4g}" for name, value in known)
        parts.append(
            f"<h3>{escape(finding['name'])} ({finding['severity']}{escape(place)})</h3>"
            f"<p>{escape(finding['reason'])}</p><p class='soft'>{escape(', '.join(numbers))}</p>"
            f"<pre>{escape(finding['try'])}</pre>"
        )
    return "".join(parts if findings else [*parts, "<p>nothing found</p>"])


def _picture(drawing: Drawing | None) -> str:
    if drawing is None:
        return ""
    narrow = None if drawing.narrow is None else drawing.narrow.png()
    return html.picture(drawing.png(), drawing.title, drawing.pixels, drawing.caption, narrow)


def _drawn(drawing: Drawing | None) -> str:
    if drawing is None:
        return ""
    return html.heading(drawing.title, drawing.name) + _picture(drawing)


def _listed(key: str, rows: Sequence[Mapping[str, Any]] | None, images: Drawing | None) -> str:
    """Return the section of a list of mistakes; images take the place of a table."""
    if not rows:
        return ""
    heading = html.heading(key.replace("_", " ").capitalize(), key)
    if key == "confident_mistakes" and images is not None:
        return heading + _picture(images)
    return f"{heading}{html.paragraphs([_LISTED[key]])}{html.table(*mistakes_table(rows))}"


def _calibration(calibration: Mapping[str, Any] | None) -> str:
    if calibration is None:
        return ""
    text = (
        f"The expected calibration error is {100 * calibration['error']:.1f} %: how far the "
        "probabilities of the answers are from the share that is right, on the average over rows."
    )
    rows = [
        [
            f"{100 * b['low']:.0f} % to {100 * b['low'] + 10:.0f} %",
            f"{b['rows']:,}",
            f"{100 * b['sure']:.1f} %",
            f"{100 * b['right']:.1f} %",
        ]
        for b in calibration["bins"]
    ]
    table = html.table(["probability", "rows", "mean", "right"], rows, " rrr")
    return html.heading("Calibration", "calibration") + html.paragraphs([text]) + table
