"""The pictures of an ablation, and report.html: all of it on one page that needs no other file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dlx import texts
from dlx.ablation.plan import folders_of
from dlx.ablation.results import RunResult
from dlx.report import html
from dlx.report.ablation import (
    curves,
    ended,
    forest,
    growth,
    interaction,
    numeric,
    reading,
    seeds,
    steps_to,
    style,
)
from dlx.report.ablation import page_sections as sections
from dlx.report.ablation.reading import Summary
from dlx.report.ablation.style import Drawing
from dlx.report.figures import plain_texts
from dlx.runs import make_directory, write_atomic


def _by_others(summary: Summary, results: Sequence[RunResult]) -> list[Drawing]:
    """Draw the differences in each further metric by which variants are judged."""
    return [
        replace(
            drawing,
            name=f"{drawing.name}_{view['metric'].replace('.', '_')}",
            title=f"{drawing.title}: {reading.in_words(view['metric'])}",
        )
        for view in reading.by_others(summary)
        for drawing in forest.draw(view, results)
    ]


# In the order of a reader's questions: which is better, how fast, what does it depend on, how sure.
_KINDS: tuple[Callable[[Summary, Sequence[RunResult]], list[Drawing]], ...] = (
    forest.draw,
    _by_others,
    growth.draw,
    ended.succeeded,
    curves.draw,
    steps_to.draw,
    numeric.draw,
    interaction.draw,
    seeds.draw,
    ended.lost,
)


def draw_all(summary: Summary, results: Sequence[RunResult]) -> list[Drawing]:
    """Return the pictures of an ablation, from its summary and the runs of the comparison."""
    return [drawing for kind in _KINDS for drawing in kind(summary, results)]


def write_all(folder: Path, drawings: Sequence[Drawing], number: str) -> dict[str, bytes]:
    """Write the pictures as `<name>.png`, and return the contents of their PNG files by name.

    A picture in the folder has its caption below it, and how many runs it is of, `number` in words.
    """
    make_directory(folder)
    encoded = {drawing.name: drawing.png() for drawing in drawings}
    files = folders_of([drawing.name for drawing in drawings])  # some hold a key of the user's
    for drawing, file in zip(drawings, files, strict=True):
        content = encoded[drawing.name]
        whole = (
            style.captioned(content, f"{drawing.caption} {number}") if drawing.caption else content
        )
        write_atomic(folder / f"{file}.png", whole)
    return encoded


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
    with plain_texts():
        drawings = [*draw_all(summary, results), *more]
        number = reading.seeds(summary) + " and folds" * bool(summary.get("folds"))
        encoded = write_all(folder / "figures", drawings, f"Each variant: {number}.")
    path = folder / "report.html"
    write_atomic(path, texts.encoded(texts.printable(page(summary, drawings, encoded, config))))
    return path


def page(
    summary: Summary, drawings: Sequence[Drawing], encoded: Mapping[str, bytes], config: str
) -> str:
    """Return the page as HTML; `encoded` has the pictures' PNG files by name."""
    first, others = drawings[:1], drawings[1:]
    start = (
        sections.head(summary),
        *(sections.picture(drawing, encoded) for drawing in first),
        sections.verdicts(summary),
    )
    rest = (
        sections.warnings(summary),
        sections.in_words(summary),
        sections.pairs(summary),
        sections.further_verdicts(summary),
        sections.per_data(summary),
        sections.sequential(summary),
        sections.pictures(others, encoded),
        sections.effects(summary),
        sections.tuning(summary),
        sections.findings(summary),
        sections.failures(summary),
        sections.statistics(summary),
        sections.registered(summary),
        sections.again(summary, config),
    )
    parts = (*start, html.contents(rest), *rest)
    return html.document(f"{summary['name']}: {summary['question']}", parts)
