"""A table of the metrics of probes."""

import math
from collections.abc import Mapping
from typing import Any

from dlx.report.ablation import reading

_NAMES = {"codes": "codes", "inputs": "inputs", "pca": "PCA", "first": "codes of the first run"}


def table(document: Mapping[str, Any]) -> tuple[tuple[str, ...], list[list[str]]]:
    """Return headings and rows of `Probe.document`: a row for each run, probe and features."""
    metric = f"{document['split']}.{document['metric']}"
    unit = reading.difference_unit(metric)
    several = len(document["runs"]) > 1
    headings = (
        *(("run",) if several else ()),
        *("probe", "features", "width"),
        *(reading.in_words(metric), "95 % interval"),
        f"codes minus these{f' ({unit.strip()})' if unit else ''}",
    )
    rows = []
    for run in document["runs"]:
        differences = run["differences"]
        start = [run["run"]] if several else []
        for probe in (key for key in run["features"]["codes"] if key != "width"):
            words = probe.replace("_", " ")
            for name, features in run["features"].items():
                score = features[probe]
                rows.append(
                    [
                        *(*start, words, _NAMES[name], str(features["width"])),
                        reading.value(metric, score["mean"]),
                        reading.value_interval(metric, *_ends(score)),
                        _difference(metric, differences.get(name, {}).get(probe)),
                    ]
                )
            if "first" in differences:
                difference = _difference(metric, differences["first"][probe])
                rows.append([*start, words, _NAMES["first"], "", "", "", difference])
    return headings, rows


def _difference(metric: str, score: Mapping[str, float] | None) -> str:
    if score is None:
        return ""
    return reading.difference_with_interval(metric, score["mean"], *_ends(score))


def _ends(score: Mapping[str, float]) -> tuple[float | None, float | None]:
    """Return the ends of an interval; None for NaN, where there is none."""
    low, high = score["low"], score["high"]
    return (None, None) if math.isnan(low) else (low, high)
