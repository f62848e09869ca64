"""report.html: an ablation on one page that needs no other file."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from dlx.ablation.results import RunResult
from dlx.report.ablation import page_sections as sections
from dlx.report.ablation.drawings import draw_all, write_all
from dlx.report.ablation.page_style import SCRIPT, STYLE
from dlx.report.ablation.reading import Summary
from dlx.report.ablation.style import Drawing
from dlx.runs import write_atomic


def write(
    folder: Path,
    summary: Summary,
    results: Sequence[RunResult],
    config: str,
    more: Sequence[Drawing] = (),
) -> Path:
    """Draw an ablation's pictures, and write figures/ and the page into its folder.

    The config is in YAML; further pictures, `more`, come last.
    """
    drawings = [*draw_all(summary, results), *more]
    encoded = write_all(folder / "figures", drawings)
    path = folder / "report.html"
    write_atomic(path, page(summary, drawings, encoded, config).encode())
    return path


def page(
    summary: Summary, drawings: Sequence[Drawing], encoded: Mapping[str, bytes], config: str
) -> str:
    """Return the page as HTML; `encoded` has the pictures' PNG files by name."""
    parts = (
        sections.head(summary),
        sections.warnings(summary),
        sections.verdicts(summary),
        sections.per_data(summary),
        sections.pictures(drawings, encoded),
        sections.effects(summary),
        sections.tuning(summary),
        sections.failures(summary),
        sections.statistics(summary),
        sections.again(summary, config),
    )
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(summary['name'])}: {escape(summary['question'])}</title>"
        f"<style>{STYLE}</style></head><body><main>{''.join(parts)}</main>"
        f"<script>{SCRIPT}</script></body></html>\n"
    )
