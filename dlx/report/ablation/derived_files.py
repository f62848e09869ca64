"""The files that are derived from an ablation's results."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dlx import texts
from dlx.ablation import overview, registration, rules
from dlx.ablation.plan import Plan
from dlx.ablation.results import RunResult
from dlx.ablation.results_csv import results_csv
from dlx.ablation.summary import base_values, of_plan
from dlx.ablation.tuning import Try, edges
from dlx.ablation.variants import show
from dlx.config.dump import flat
from dlx.config.load import dump
from dlx.report.ablation import findings, markdown, page, reconstructions
from dlx.runs import RunDirectory
from dlx.runs.ablations import SUMMARY


def write(
    plan: Plan, directory: Path, results: Sequence[RunResult], tries: Sequence[Try], command: str
) -> dict[str, Any]:
    """Write summary.json, results.csv, figures/, report.html and TensorBoard's overview.

    The caller holds the ablation's lock. `results` are of the compared runs that have ended,
    `command` runs the ablation again. Returns the summary.
    """
    section, variants = plan.section, plan.variants
    before = rules.kept(directory)
    summary = of_plan(plan, results, tuning=_tuning(plan, tries), command=command)
    entry = registration.report(plan, RunDirectory(directory).read_info())
    summary["registered"] = entry
    summary["warnings"] += registration.warnings(entry)
    changes = rules.changed(before, summary["variants"]) if before else {}
    summary["warnings"] += rules.sentences(plan.rules, before, changes)
    summary["findings"] = findings.by_variant(
        plan, directory, findings.first_runs(results), is_brief=True
    )
    text = json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False)
    base = base_values(plan)
    data = variants[0].config.data.name
    table = results_csv(variants, results, base=base, data=data, show_test=section.show_test)
    files = {SUMMARY: texts.encoded(text) + b"\n", "results.csv": texts.encoded(table)}
    RunDirectory(directory).write_files(files)
    more = reconstructions.draw(plan, directory, summary, results)
    page.write(directory, summary, results, dump(plan.config), more)
    overview.write(
        directory,
        name=plan.config.name,
        metric=plan.metric,
        settings={variant.name: flat(variant.settings) for variant in variants},
        folders={arm.variant: arm.folder for arm in plan.arms("comparison")},
        results=results,
        show_test=section.show_test,
        conclusions=markdown.conclusions(summary),
    )
    return summary


def _tuning(plan: Plan, tries: Sequence[Try]) -> dict[str, Any] | None:
    """Return by variant the chosen settings, the tried ones, and the runs and steps it took."""
    if not plan.section.tune:
        return None
    tuning: dict[str, Any] = {}
    for variant, chosen in plan.chosen.items():
        of_variant = [attempt for attempt in tries if attempt.variant == variant]
        tuning[variant] = chosen | {
            "tried": {_choice(attempt.choice): attempt.mean for attempt in of_variant},
            "runs": sum(attempt.runs for attempt in of_variant),
            "steps": sum(attempt.steps for attempt in of_variant),
            "edges": edges(chosen, [attempt.choice for attempt in of_variant]),
        }
    return tuning


def _choice(choice: Mapping[str, Any]) -> str:
    if len(choice) == 1:
        return show(next(iter(choice.values())))
    return " ".join(f"{key}={show(value)}" for key, value in choice.items())
