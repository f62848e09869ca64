"""All pictures of an ablation for which it has data, and their files."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from dlx.ablation.results import RunResult
from dlx.report.ablation import (
    curves,
    ended,
    forest,
    interaction,
    numeric,
    reading,
    seeds,
    steps_to,
)
from dlx.report.ablation.reading import Summary
from dlx.report.ablation.style import Drawing
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


def write_all(folder: Path, drawings: Sequence[Drawing]) -> dict[str, bytes]:
    """Write the pictures as `<name>.png` and return the files' contents by name."""
    make_directory(folder)
    encoded = {drawing.name: drawing.png() for drawing in drawings}
    for name, content in encoded.items():
        write_atomic(folder / f"{name}.png", content)
    return encoded
