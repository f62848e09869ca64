"""By which rules the verdicts of an ablation were made; the rules change from version to version.

What changes a verdict of the same runs (a test, a margin, a correction for many comparisons) takes
a new number, and a line in `MEANING`.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlx.errors import DlxWarning, RunError
from dlx.runs import RunDirectory
from dlx.runs.ablations import SUMMARY, read_summary
from dlx.runs.files import exists, matching

RULES = 4
"""The number of the present rules, `rules` in summary.json and plan.json; without one it is 1."""
MEANING = {
    1: "each variant by its own variance, each metric with a correction of its own, and a margin "
    "of half a point",
    2: "variances that variants lend each other, one correction for all verdicts, and a margin of "
    "at most 10 % of the baseline's error",
    3: "every seed judged on dev rows of its own, and intervals that hold for other rows",
    4: "as rules 3, but success too holds for other rows, and intervals are a little wider",
}


def in_words(rules: int) -> str:
    """Return a number of rules with what they are."""
    return f"rules {rules} ({MEANING[rules]})" if rules in MEANING else f"rules {rules}"


def kept(directory: Path) -> Mapping[str, Any] | None:
    """Return the summary that was made by the newest earlier rules; None if there is none.

    A summary.json of rules 1 is kept as summary.rules1.json, so that judging anew loses nothing.
    """
    run = RunDirectory(directory)
    current = _read(directory, SUMMARY)
    if current and (rules := current.get("rules", 1)) != RULES:
        run.write_files({f"summary.rules{rules}.json": run.read_file(SUMMARY)})
    earlier = [_read(directory, path.name) for path in matching(directory, "summary.rules*.json")]
    return max(filter(None, earlier), key=lambda summary: summary.get("rules", 1), default=None)


def _read(directory: Path, name: str) -> dict[str, Any] | None:
    """Return a summary; None if there is none, or if it is damaged."""
    if not exists(directory / name):  # or it was deleted: it is about to be written anew
        return None
    try:
        return read_summary(directory, name)
    except RunError as error:
        warnings.warn(f"left out: {error}", DlxWarning, stacklevel=2)
        return None


def changed(before: Mapping[str, Any], variants: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Return the verdicts that differ between two summaries, by variant: the old and the new one.

    Variants are those of the new summary.
    """
    old = {variant["name"]: variant["vs_baseline"] for variant in before["variants"]}
    return {
        variant["name"]: [was["verdict"], now["verdict"]]
        for variant in variants
        if (now := variant["vs_baseline"])
        and (was := old.get(variant["name"]))
        and was["verdict"] != now["verdict"]
    }


def sentences(
    begun: int, before: Mapping[str, Any] | None, changes: Mapping[str, Any]
) -> list[str]:
    """Return what is said of an ablation whose rules have changed.

    Args:
        begun: the rules when it was planned
        before: the summary by earlier rules; None: there is none
        changes: as `changed` returns them
    """
    if before is None:
        if begun == RULES:
            return []
        return [f"This ablation began under {in_words(begun)}; it is judged by {in_words(RULES)}."]
    old = before.get("rules", 1)
    listed = ", ".join(f"{name}: {was}, now {now}" for name, (was, now) in changes.items())
    return [
        f"The rules have changed: an earlier summary, summary.rules{old}.json, was made by "
        f"{in_words(old)}; this one is by {in_words(RULES)}. "
        + (f"Other verdicts: {listed}." if changes else "All verdicts are the same.")
    ]
