"""A search in words and tables: the answer, the best trials, what mattered, what was ruled out."""

from collections.abc import Mapping, Sequence
from typing import Any

from dlx.ablation.variants import short_labels, show
from dlx.report.ablation import reading
from dlx.report.ablation.verdict_table import Table

Summary = Mapping[str, Any]

_MOST = 10  # rows of the table of the best trials
_OUNCE = 0.005  # of the importance: less is not said


def in_words(objective: str) -> str:
    """Return an objective in words: `dev accuracy`, `parameters`, `seconds per step`."""
    known = {"parameters": "parameters", "seconds_per_step": "seconds per step"}
    return known.get(objective) or reading.in_words(objective)


def judged_words(summary: Summary) -> str:
    """Return what the verdict is by: the tag of the first metric, such as `accuracy`."""
    return reading.tag_of(summary["metric"]).replace("_", " ")


def value(objective: str, number: float | None) -> str:
    """Return a value of an objective: a share in percent, a count with separators."""
    if number is None:
        return "–"
    if objective == "parameters":
        return f"{number:,.0f}"
    if objective == "seconds_per_step":
        return f"{number:.3g}"
    return reading.value(reading.tag_of(objective), number)


def settings(trial: Mapping[str, Any]) -> str:
    """Return the values of a trial as overrides: `optimizer.lr=0.01 model.hidden=[64]`."""
    return " ".join(f"{key}={show(own)}" for key, own in trial["settings"].items())


def answer(summary: Summary) -> list[str]:
    """Return the answer in sentences, the most important one first."""
    best, verdict = summary["best"], summary["verdict"]
    if best is None:
        return ["No trial was completed within all bounds, so that there is no best one."]
    sentences = [_verdict(summary, verdict)]
    place = summary["objectives"].index(summary["metric"])
    number = len(summary["seeds"])
    seeds = "one seed" if number == 1 else f"{number} seeds"
    sentences.append(
        f"The best of {len(summary['trials']):,} trials is trial {best['number']}: "
        f"{settings(best)}. Its {in_words(summary['metric'])} is "
        f"{value(summary['metric'], best['values'][place])}, the mean over {seeds}; it was chosen "
        f"for this number, which {_consequence(verdict)}."
    )
    if len(summary["objectives"]) > 1:
        sentences.append(
            f"{len(summary['front'])} trials are not beaten in every objective by any other; of "
            f"these the one with the best {in_words(summary['metric'])} is judged."
        )
    return sentences + _importances(summary) + _lost(summary)


def _consequence(verdict: Mapping[str, Any] | None) -> str:
    if verdict is None:
        return "new rows may not reach"
    return f"is why other {'rows' if verdict['rows_apart'] else 'seeds'} judge it"


def _verdict(summary: Summary, verdict: Mapping[str, Any] | None) -> str:
    if verdict is None:
        return "The config's own values are the best that were tried: there is nothing to change."
    versus, metric = verdict["versus"], summary["metric"]
    means = {name: own["mean"] for name, own in verdict["values"].items()}
    rows = f"{verdict['rows']:,} rows that no trial has seen"
    if not verdict["rows_apart"]:
        rows = "the rows that they were trained on"
        if not metric.startswith("train."):
            rows += ", since this data set has no others"
    seeds = f"{len(verdict['seeds'])} fresh seeds"
    words = verdict["answer"][0].upper() + verdict["answer"][1:]
    if means["best"] is None or means["default"] is None:
        which = "best values" if means["best"] is None else "config's own values"
        return f"{words}: with the {which} every run diverged or failed on {seeds}."
    difference = reading.difference_with_interval(
        metric, versus["difference"], versus["low"], versus["high"]
    )
    end = "" if verdict["answer"].endswith("and better") else f": {reading.conclusion(versus)}"
    return (
        f"{words}: on {rows}, at {seeds}, the best values have {judged_words(summary)} "
        f"{value(metric, means['best'])}, the config's own {value(metric, means['default'])}: "
        f"{difference}{reading.difference_unit(metric)}{end}."
    )


def tested(summary: Summary) -> list[str]:
    """Return what the test rows say, where they were asked for."""
    verdict = summary["verdict"]
    if verdict is None or verdict["values"]["best"]["test"] is None:
        return []
    metric = summary["metric"]
    parts = []
    for name, words in (("best", "the best values"), ("default", "the config's own")):
        test = verdict["values"][name]["test"]
        interval = reading.value_interval(reading.tag_of(metric), test["low"], test["high"])
        parts.append(f"{words} {value(metric, test['mean'])} {interval}".strip())
    return [f"On the test rows, looked at once: {judged_words(summary)} {', '.join(parts)}."]


def _importances(summary: Summary) -> list[str]:
    shares = [
        f"{key} ({100 * share:.0f} %)"
        for key, share in summary["importances"].items()
        if share >= _OUNCE
    ]
    if not shares:
        return []
    return [f"What sets the best tenth of the trials apart, by PED-ANOVA: {', '.join(shares)}."]


_STATES = {
    "pruned": "were pruned",
    "diverged": "diverged",
    "failed": "failed",
    "infeasible": "broke a bound before they were trained",
    "invalid": "were refused",
}


def _lost(summary: Summary) -> list[str]:
    counts = [
        f"{summary['states'][state]:,} {words}"
        for state, words in _STATES.items()
        if summary["states"].get(state)
    ]
    broken = sum(
        trial["state"] == "completed" and any(v > 0 for v in trial["violations"].values())
        for trial in summary["trials"]
    )
    counts += [f"{broken:,} broke a bound"] * bool(broken)
    twice = sum(trial["same_as"] is not None for trial in summary["trials"])
    counts += [f"{twice:,} had the values of an earlier one, and its result"] * bool(twice)
    if not counts:
        return []
    return [f"Of {len(summary['trials']):,} trials {', '.join(counts)}."]


def _table(summary: Summary, trials: Sequence[Mapping[str, Any]]) -> Table:
    keys = list(summary["space"])
    labels = short_labels(keys)
    measured = list(summary["objectives"])
    measured += [name for name in ("parameters",) if name not in measured]
    rows = [
        [
            f"{trial['number']}",
            *(value(name, trial["measured"].get(name)) for name in measured),
            *(show(trial["settings"][key]) for key in keys),
        ]
        for trial in trials
    ]
    headings = ["trial", *map(in_words, measured), *(labels[key] for key in keys)]
    return Table(headings, rows, "r" * (1 + len(measured)) + " " * len(keys))


def best_trials(summary: Summary) -> Table:
    """Return the best trials within all bounds, or those of the front of several objectives."""
    by_number = {trial["number"]: trial for trial in summary["trials"]}
    if len(summary["objectives"]) > 1:
        return _table(summary, [by_number[number] for number in summary["front"]])
    sign = -1 if summary["rising"][0] else 1
    fitting = [
        trial
        for trial in summary["trials"]
        if trial["state"] == "completed"
        and trial["same_as"] is None
        and all(violation <= 0 for violation in trial["violations"].values())
    ]
    fitting.sort(key=lambda trial: sign * trial["values"][0])
    return _table(summary, fitting[:_MOST])


def changes(summary: Summary) -> Table:
    """Return the best values beside the config's own."""
    best = summary["best"]
    rows = [
        [key, show(summary["defaults"][key]), show(best["settings"][key])]
        for key in summary["space"]
    ]
    return Table(["key", "config", "best"], rows, "   ")


def in_a_line(summary: Summary) -> str:
    """Return the answer for a list of runs."""
    best = summary["best"]
    if best is None:
        return f"{len(summary['trials']):,} trials, none within all bounds"
    verdict = summary["verdict"]
    words = "the config's own values are best" if verdict is None else verdict["answer"]
    return f"{len(summary['trials']):,} trials: {words}"
