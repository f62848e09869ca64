"""Which settings go with a metric over any runs, by the ranks of their values."""

from collections.abc import Mapping, Sequence
from typing import Any

from dlx.ablation.statistics.multiple import holm

_FEWEST = 6  # runs, with fewer ranks prove nothing


def associations(runs: Sequence[tuple[Mapping[str, Any], float]]) -> list[dict[str, Any]]:
    """Return how settings go with a metric, the surest first, given both of each run.

    Of a setting whose values are numbers `rank_correlation` is Spearman's; of others `share` is
    that of the variance of the metric's ranks between its values (epsilon squared of Kruskal and
    Wallis, H / (n - 1)). `p` is corrected by Holm over the settings. Settings that vary together
    go with the metric together: an association is no effect.

    Returns:
        `key`, `runs`, `values`, their number, `rank_correlation` or `share`, and `p`; nothing of
        fewer than six runs, or of a metric that is the same in all of them

    Reference:
        Kruskal and Wallis (1952), Use of ranks in one-criterion variance analysis
    """
    from scipy.stats import kruskal, spearmanr  # takes half a second to import

    metrics = [metric for _, metric in runs]
    if len(runs) < _FEWEST or len(set(metrics)) < 2:
        return []
    rows: list[dict[str, Any]] = []
    for key in dict.fromkeys(key for settings, _ in runs for key in settings):
        values = [settings.get(key) for settings, _ in runs]
        groups: dict[str, list[float]] = {}
        for value, metric in zip(values, metrics, strict=True):
            groups.setdefault(repr(value), []).append(metric)
        if len(groups) < 2:
            continue
        if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
            test: Any = spearmanr(values, metrics)
            size = {"rank_correlation": float(test.statistic)}
        else:
            test = kruskal(*groups.values())
            size = {"share": float(test.statistic / (len(runs) - 1))}
        counted = {"key": key, "runs": len(runs), "values": len(groups)}
        rows.append(counted | size | {"p": float(test.pvalue)})
    corrected = holm([row["p"] for row in rows]) if rows else []
    rows = [row | {"p": float(p)} for row, p in zip(rows, corrected, strict=True)]
    return sorted(rows, key=lambda row: row["p"])
