"""What stands out in an ablation's runs: the findings that half of a variant's runs have."""

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dlx.ablation.plan import Plan, runs_by_path
from dlx.ablation.results import RunResult
from dlx.diagnose.diagnosis import diagnose
from dlx.diagnose.evidence import Evidence
from dlx.diagnose.rules.finding import SEVERITIES, Finding
from dlx.runs.ablations import infos, read_index
from dlx.training.finding import readable_tensors
from dlx.training.job import Job
from dlx.training.saved import check_weights

Tensors = Mapping[str, Any]
_MOST = 60  # runs that a report looks at


def first_runs(results: Sequence[RunResult]) -> list[RunResult]:
    """Return at most sixty runs, as many of each variant, the first ones."""
    variants = dict.fromkeys(result.variant for result in results)
    runs_per_variant = max(_MOST // max(len(variants), 1), 1)
    taken: Counter[str] = Counter()
    chosen = []
    for result in results:
        taken[result.variant] += 1
        if taken[result.variant] <= runs_per_variant:
            chosen.append(result)
    return chosen[:_MOST]


def by_variant(
    plan: Plan, directory: Path, results: Iterable[RunResult], *, is_brief: bool = False
) -> list[dict[str, Any]]:
    """Return what stands out in the runs of each variant: `variant`, `runs`, and `findings`.

    A finding is as in a run's JSON, and has also `runs`, the number of the variant's runs that have
    it; it is that of the first of them. What fewer than half of them have is left out. Simple
    models are those of the first seed; in a brief diagnosis nearest neighbours alone, which takes a
    fraction of the time.
    """
    ended = [result for result in results if result.status != "failed"]
    index, planned = read_index(directory), runs_by_path(plan)
    indexed = [index[result.path] for result in ended]
    fields = infos(directory, indexed)
    tensors = readable_tensors(directory, [run for run in indexed if run.status != "diverged"])
    known: dict[tuple[Any, ...], Any] = {}
    diagnosed: dict[str, list[tuple[RunResult, list[Finding]]]] = {}
    for result in ended:
        job, own = plan.job(planned[result.path]), tensors.get(result.path)
        if own is not None:
            check_weights(job.member.design, own, f"{directory}#{result.number} has")
        evidence = _evidence(job, fields[result.path], result, own, known)
        evidence = replace(evidence, shares_models=True, is_brief=is_brief)
        diagnosed.setdefault(result.variant, []).append((result, diagnose(evidence)))
    return [
        {"variant": variant, "runs": len(runs), "findings": _common(directory, runs)}
        for variant, runs in diagnosed.items()
    ]


def _evidence(
    job: Job,
    info: Mapping[str, Any],
    result: RunResult,
    tensors: Tensors | None,
    known: dict[tuple[Any, ...], Any],
) -> Evidence:
    splits, curve = job.splits.to("cpu"), result.curve
    if tensors is None:
        return Evidence(job.config, info, curve, splits=splits, known=known)
    network = job.member.design, tensors
    return Evidence.of_network(job.config, info, curve, splits, network, known)


def _common(
    directory: Path, runs: Sequence[tuple[RunResult, Sequence[Finding]]]
) -> list[dict[str, Any]]:
    counts = Counter(name for _, own in runs for name in {finding.name for finding in own})
    first: dict[str, dict[str, Any]] = {}
    for result, own in runs:
        command = f"dlx train --from {shlex.quote(str(directory))} --variant "
        command += f"{shlex.quote(result.variant)} --seed {result.seed}"
        command += f" --fold {result.fold}" if result.fold else ""
        for finding in own:
            if 2 * counts[finding.name] >= len(runs) and finding.name not in first:
                document = finding.document(f"{directory}#{result.number}", command)
                first[finding.name] = document | {"runs": counts[finding.name]}
    order = lambda f: (SEVERITIES.index(f["severity"]), -f["runs"])
    return sorted(first.values(), key=order)
