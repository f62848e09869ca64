"""What probes read from codes, as a table."""

from collections.abc import Mapping
from typing import Any

from dlx.report.ablation import reading

HEADINGS = ("probe", "features", "width")
_NAMES = {"codes": "codes", "inputs": "inputs", "pca": "PCA", "first": "codes of the first run"}


def table(document: Mapping[str, Any]) -> tuple[tuple[str, ...], list[list[str]]]:
    """Return headings and rows of what `Probe.document` says: a row per probe, run and features."""
    metric = f"{document['split']}.{document['metric']}"
    unit = reading.difference_unit(metric)
    several = len(document["runs"]) > 1
    headings = (
        *(("run",) if several else ()),
        *HEADINGS,
        *(reading.in_words(metric), "95 % interval"),
        f"codes minus these{f' ({unit.strip()})' if unit else ''}",
    )
    rows = []
    for run in document["runs"]:
        for probe in (key for key in run["features"]["codes"] if key != "width"):
            for name, features in run["features"].items():
                found = features[probe]
                cells = [
                    *(probe.replace("_", " "), _NAMES[name], str(features["width"])),
                    reading.value(metric, found["mean"]),
                    reading.value_interval(metric, *_ends(found)),
                    _difference(metric, run["differences"].get(name, {}).get(probe)),
                ]
                rows.append([run["run"], *cells] if several else cells)
            if "first" in run["differences"]:
                difference = _difference(metric, run["differences"]["first"][probe])
                rows.append(
                    [run["run"], probe.replace("_", " "), _NAMES["first"], "", "", "", difference]
                )
    return headings, rows


def _difference(metric: str, found: Mapping[str, float] | None) -> str:
    if found is None:
        return ""
    ends = reading.difference_interval(metric, *_ends(found))
    return f"{reading.difference(metric, found['mean'])} {ends}".strip()


def _ends(found: Mapping[str, float]) -> tuple[float | None, float | None]:
    """Return the ends of an interval, None where there is none: they are NaN of a single value."""
    low, high = found["low"], found["high"]
    return (low, high) if low == low else (None, None)
