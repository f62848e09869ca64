"""The comparison of any runs: those of one config are a variant, the first is the baseline."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dlx.ablation.factors import values_of
from dlx.ablation.results import RunResult, Variant, fields_of
from dlx.ablation.statistics.associations import associations
from dlx.ablation.summary import summarize
from dlx.ablation.variants import short_labels
from dlx.config.dump import flat, inline
from dlx.config.nodes import read_file
from dlx.errors import ConfigError, RunError, did_you_mean
from dlx.report.run_list import IGNORED, differing
from dlx.runs import RunDirectory
from dlx.runs.ablations import infos, read_index, read_summary
from dlx.runs.directory import runs_of
from dlx.runs.files import exists, matching, refuse_links
from dlx.training.finding import find, with_differences

_ENDED = ("completed", "stopped_early", "diverged", "failed")

Flat = dict[str, Any]  # plain value by dotted key


class Gathered(NamedTuple):
    """Runs by variant, in the order in which the paths name them."""

    variants: list[Variant]
    results: list[RunResult]
    data: list[str]  # names of the data sets
    warnings: list[str]  # sentences for the user


class _Ended(NamedTuple):
    path: str  # its folder; of an ablation's run its name
    info: Mapping[str, Any]  # the contents of run.json
    config: Flat  # without the ignored keys
    fold: int | None = None  # of a cross-validation, from 1


def compare(paths: Sequence[str], runs_dir: Path, metric: str | None = None) -> dict[str, Any]:
    """Return the summary of runs and ablations, in the form of an ablation's summary.json.

    Of three variants or more, `associations` says which settings go with the metric.

    The paths are those of `gather`. The other variants are compared with the first one, by a metric
    `<split>.<tag>`; default: dev.accuracy, or else dev.cost, or else the first one.

    Raises:
        RunError: there is no such run, or none has ended
        ConfigError: no run has the metric
    """
    gathered = gather(paths, runs_dir)
    judged = _metric(metric, gathered.results)
    folds = max(result.fold or 0 for result in gathered.results)
    summary = summarize(
        gathered.variants,
        gathered.results,
        name=", ".join(paths),
        metric=judged,
        baseline=gathered.variants[0].name,
        varied=values_of(gathered.variants),
        seeds=sorted({result.seed for result in gathered.results}),
        design="list",
        folds=folds or None,
        data=gathered.data,
        show_test=judged.startswith("test."),
    )
    settings = {variant.name: variant.settings for variant in gathered.variants}
    scored = [(settings[run.variant], run.value(judged)) for run in gathered.results]
    known = [(own, value) for own, value in scored if value is not None]
    return summary | {
        "warnings": gathered.warnings + summary["warnings"],
        "associations": associations(known) if len(gathered.variants) > 2 else [],
    }


def _metric(wanted: str | None, results: Sequence[RunResult]) -> str:
    metrics = {
        f"{split}.{tag}"
        for result in results
        for split, tags in result.metrics.items()
        for tag in tags
    }
    if wanted is None:
        preferred = [metric for metric in ("dev.accuracy", "dev.cost") if metric in metrics]
        # If all runs diverged or failed, no metric makes a difference.
        return (preferred or sorted(metrics) or ["dev.cost"])[0]
    if wanted not in metrics:
        listed = ", ".join(sorted(metrics)) or "none, since all runs diverged or failed"
        raise ConfigError(
            f"--metric: no run has {wanted!r}{did_you_mean(wanted, metrics)} (they have: {listed})"
        )
    return wanted


def gather(paths: Sequence[str], runs_dir: Path) -> Gathered:
    """Return the runs that have ended, grouped by config.

    The paths are of runs, ablations (all their runs) and folders of runs; also names (all runs with
    the name), ids, or latest.

    Raises:
        RunError: there is no such run, none has ended, or a config is damaged
    """
    families: dict[str, dict[tuple[int, int | None], _Ended]] = {}
    warnings: list[str] = []
    for run in _runs(paths, runs_dir, warnings):
        # Configs of earlier versions lack newer keys, whose default is null.
        settings = sorted((k, repr(v)) for k, v in run.config.items() if v is not None)
        members = families.setdefault(repr(settings), {})
        key = run.info["seed"], run.fold
        before = members.get(key)
        if before is not None and Path(before.path).resolve() != Path(run.path).resolve():
            older, run = sorted((before, run), key=lambda run: run.info.get("created") or "")
            warnings.append(f"{older.path} is left out: {run.path} has the same config and seed")
        members[key] = run
    if not families:
        reasons = f" ({'; '.join(dict.fromkeys(warnings))})" if warnings else ""
        raise RunError(
            f"none of {', '.join(paths)} has a run that has ended{reasons}; `dlx resume` continues "
            "a run"
        )
    configs = [next(iter(members.values())).config for members in families.values()]
    variants = _named(configs)
    results = [
        _result(variant.name, run)
        for variant, members in zip(variants, families.values(), strict=True)
        for run in members.values()
    ]
    data = list(dict.fromkeys(str(config["data"]) for config in configs))
    return Gathered(variants, results, data, list(dict.fromkeys(warnings)))


def _runs(paths: Sequence[str], runs_dir: Path, warnings: list[str]) -> Iterator[_Ended]:
    for text in paths:
        family = next((f for f in (Path(text), runs_dir / text) if _is_family(f)), None)
        if family is not None:
            # Oldest first, since the first run's variant is the baseline.
            runs = runs_of([family], warnings)[::-1]
            # A search of that name has judged its best trial itself.
            runs = [run for run in runs if run.read_info()["kind"] != "search"]
        else:
            runs = [find(text, runs_dir)]
        for run in runs:
            refuse_links(run.path)
            info, status = run.read_info(), run.status()
            if info["kind"] == "ablation":
                yield from _members(run)
            elif info["kind"] == "search":
                raise RunError(
                    f"{run.path} is a search, which has judged its best trial itself; name runs of "
                    f"it, such as {run.path}#1, or ablations"
                )
            elif status in _ENDED:
                yield _Ended(str(run.path), info, _config(_plain(run.path / "config.yaml")))
            else:
                warnings.append(f"{run.path} is left out: it is {status}")


def _is_family(folder: Path) -> bool:
    """Return whether a folder contains runs and is not a run itself."""
    return not exists(folder / "run.json") and bool(matching(folder, "*/run.json"))


def _members(ablation: RunDirectory) -> list[_Ended]:
    """Return an ablation's compared runs: the baseline's first, then in the order of variants."""
    indexed = [run for run in read_index(ablation.path).values() if run.phase == "comparison"]
    if not indexed:
        raise RunError(f"{ablation.path} has no run that has ended; {ablation.how_it_goes_on()}")
    created = ablation.read_info().get("created")
    base = _plain(ablation.path / "ablation.yaml")
    configs: dict[str, Flat] = {}
    members, order = [], []
    with contextlib.suppress(OSError, ValueError, KeyError):  # the ablation has not ended
        summary = read_summary(ablation.path)
        order = [summary["baseline"], *(variant["name"] for variant in summary["variants"])]
    places = {name: place for place, name in reversed([*enumerate(order)])}
    indexed.sort(key=lambda run: places.get(run.variant, len(order)))
    fields = infos(ablation.path, indexed)
    for run in indexed:
        key, folder = f"{run.variant}, fold {run.fold}", ablation.path / run.name
        alone = run.cohort is None
        if key not in configs:
            plain = (
                _plain(folder / "config.yaml") if alone else with_differences(base, run.differences)
            )
            configs[key] = _config(plain)
        path = str(folder) if alone else f"{ablation.path}#{run.number}"
        info = fields[run.name]
        info = info if info.get("created") else info | {"created": created}
        members.append(_Ended(path, info, configs[key], run.fold))
    return members


def _plain(path: Path) -> dict[str, Any]:
    problems: list[str] = []
    RunDirectory(path.parent).read_file(path.name)  # which checks its digest
    try:
        plain = read_file(path, problems).plain()
    except ConfigError as error:
        problems.append(str(error))
    if problems:
        raise RunError(f"the config of {path.parent} cannot be used: {problems[0]}")
    return plain


def _config(plain: Mapping[str, Any]) -> Flat:
    sections = {key: value for key, value in plain.items() if key not in IGNORED}
    return {key: value for key, value in flat(sections).items() if key not in IGNORED}


def _named(configs: Sequence[Flat]) -> list[Variant]:
    """Return a variant for each config, named by the values in which configs differ."""
    keys = differing(configs)
    labels = short_labels(keys)
    variants = []
    for config in configs:
        settings = {key: config[key] for key in keys if key in config}
        parts = [f"{labels[key]}={inline(value)}" for key, value in settings.items()]
        variants.append(Variant(" ".join(parts) or "these runs", settings))
    return variants


def _result(variant: str, run: _Ended) -> RunResult:
    metrics = {
        split: {tag: value for tag, value in values.items() if value is not None}
        for split, values in (run.info.get("metrics") or {}).items()
    }
    fields = fields_of(run.info)
    return RunResult(variant=variant, fold=run.fold, metrics=metrics, path=run.path, **fields)
