"""summary.json of a search: its trials, the best one, what mattered, and the verdict."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from typing import Any

from dlx.ablation.factors import values_of
from dlx.ablation.results import RunResult
from dlx.ablation.summary import summarize
from dlx.ablation.variants import show
from dlx.config import load as config_files
from dlx.config.schema import RunConfig
from dlx.runs.files import finite
from dlx.search.plan import BEST, DEFAULT, SearchPlan
from dlx.search.session import Ended, front_of
from dlx.search.trials import Trial
from dlx.texts import cell

SCHEMA = 1
NOT_BETTER = "tuned, but not better"
BETTER = "tuned, and better"


def summary_of(plan: SearchPlan, ended: Ended, *, show_test: bool, command: str) -> dict[str, Any]:
    """Return the summary of a search that has ended, a JSON object.

    Metrics on test rows are in it with `show_test` alone.
    """
    trials, best = ended.progress.trials, ended.best
    return finite(
        {
            "schema": SCHEMA,
            "name": plan.config.name,
            "objectives": plan.objectives,
            "rising": plan.rising,
            "metric": plan.metric,
            "constraints": plan.section.constraints,
            "sampler": plan.section.sampler,
            "pruner": plan.section.pruner,
            "seed": plan.config.seed,
            "seeds": plan.seeds,
            "space": plan.section.space,
            "defaults": plan.defaults,
            "planned": plan.num_trials,
            "states": dict(Counter(trial.state for trial in trials)),
            "steps": sum(trial.steps for trial in trials),
            "best": best and _document(best),
            "front": [trial.number for trial in front_of(plan, trials)],
            "importances": ended.study.importances(plan.rising[0]),
            "verdict": _verdict(plan, ended, show_test=show_test),
            "trials": [_document(trial) for trial in trials],
            "command": command,
        }
    )


def _document(trial: Trial) -> dict[str, Any]:
    document = trial.document()
    return {key: value for key, value in document.items() if key not in ("parameters", "rungs")}


def _verdict(plan: SearchPlan, ended: Ended, *, show_test: bool) -> dict[str, Any] | None:
    """Return how the best trial did against the config's own values; None if neither was judged."""
    if ended.verdict is None:
        return None
    pair = ended.verdict
    summary = summarize(
        pair.variants,
        ended.results,
        name=plan.config.name,
        metric=plan.metric,
        baseline=DEFAULT,
        varied=values_of(pair.variants),
        seeds=pair.seeds,
        design="list",
        show_test=show_test,
    )
    by_name = {variant["name"]: variant for variant in summary["variants"]}
    versus = by_name[BEST]["vs_baseline"]
    split, _, tag = plan.metric.partition(".")
    return {
        "answer": BETTER if versus and versus["verdict"] == "better" else NOT_BETTER,
        "metric": plan.metric,
        "rows": by_name[BEST]["rows"],
        "rows_apart": split != "train" and not pair.job(pair.runs("comparison")[0]).splits.shared,
        "seeds": pair.seeds,
        "versus": versus,
        "values": {
            name: {
                "mean": (own["metrics"].get(split, {}).get(tag) or {}).get("mean"),
                "values": _values(ended.results, name, plan.metric),
                "test": own["metrics"].get("test", {}).get(tag) if show_test else None,
                "diverged": own["diverged"],
                "failed": own["failed"],
                "numbers": own["numbers"],
            }
            for name, own in by_name.items()
        },
        "warnings": summary["warnings"],
    }


def _values(results: Sequence[RunResult], variant: str, metric: str) -> list[float | None]:
    return [result.value(metric) for result in results if result.variant == variant]


def best_config(plan: SearchPlan, best: Trial) -> RunConfig:
    """Return the config with the best values, on all rows that the user's config trains on."""
    config = plan.resolved(BEST, best.settings).config
    data = config.data.model_copy(update={"split": plan.config.data.split})
    log = config.log
    if log.level == "minimal":  # as all runs of a search are
        log = log.model_copy(update={"level": "standard"})
    return config.model_copy(update={"name": f"{plan.config.name}-best", "data": data, "log": log})


def best_yaml(plan: SearchPlan, best: Trial) -> str:
    """Return the best config as YAML."""
    return config_files.dump(best_config(plan, best))


def trials_csv(plan: SearchPlan, trials: Sequence[Trial]) -> str:
    """Return a table of all trials."""
    keys = [own.key for own in plan.space]
    measured = list(dict.fromkeys(name for trial in trials for name in trial.measured))
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["trial", "batch", "state", *keys, *measured, "same_as", "steps", "reason"])
    for trial in trials:
        writer.writerow(
            [
                trial.number,
                trial.batch,
                trial.state,
                *(cell(show(trial.settings[key])) for key in keys),
                *(trial.measured.get(name, "") for name in measured),
                trial.same_as or "",
                trial.steps,
                cell(trial.reason),
            ]
        )
    return table.getvalue()
