"""Runs of any kind as variants: those whose configs agree, apart from the seed, are one.

Imports no torch.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlx.ablation.results import RunResult, Variant
from dlx.config.dump import inline
from dlx.config.nodes import read_file
from dlx.errors import ConfigError, RunError
from dlx.runs import RunDirectory, find, list_runs

# What does not change a run's weights: configs that differ in these alone are of one variant.
_ASIDE = ("seed", "name", "ablation", "log.level", "train.device", "train.checkpoint_seconds")
_ENDED = ("completed", "stopped_early", "diverged", "failed")

Flat = dict[str, Any]  # plain value by dotted key


@dataclass(frozen=True)
class Gathered:
    """Runs by variant.

    Attributes:
        variants: in the order in which the paths name them
        results: of their runs
        data: names of the data sets
        warnings: sentences for the user
    """

    variants: list[Variant]
    results: list[RunResult]
    data: list[str]
    warnings: list[str]


def gather(paths: Sequence[str], runs_dir: Path) -> Gathered:
    """Return the ended runs at the paths, grouped by config.

    Args:
        paths: of runs, ablations (all their runs) and folders of runs; names (all runs of the
            name), ids or latest
        runs_dir: where names and ids are looked up

    Raises:
        RunError: there is no such run, or none has ended, or a config is damaged
    """
    families: dict[str, tuple[Flat, dict[tuple[int, int | None], RunDirectory]]] = {}
    warnings: list[str] = []
    configs: dict[Path, Flat] = {}
    for run in _runs(paths, runs_dir):
        info, status = run.read_info(), run.status()
        if status not in _ENDED:
            warnings.append(f"{run.path} is left out: it is {status}")
            continue
        flat = _config(run, configs)
        # null is a default that older configs do not have
        known = sorted((name, repr(value)) for name, value in flat.items() if value is not None)
        _, members = families.setdefault(repr(known), (flat, {}))
        key = info["seed"], _fold(run)
        before = members.get(key)
        if before is not None and before.path.resolve() != run.path.resolve():
            older, run = sorted((before, run), key=_created)
            warnings.append(f"{older.path} is left out: {run.path} has the same config and seed")
        members[key] = run
    if not families:
        raise RunError(
            f"none of {', '.join(paths)} has a run that has ended; `dlx resume` goes on with a run"
        )
    flats = [flat for flat, _ in families.values()]
    variants = _named(flats)
    results = [
        _result(variant.name, run)
        for variant, (_, members) in zip(variants, families.values(), strict=True)
        for run in members.values()
    ]
    data = list(dict.fromkeys(str(flat["data.name"]) for flat in flats))
    return Gathered(variants, results, data, list(dict.fromkeys(warnings)))


def _runs(paths: Sequence[str], runs_dir: Path) -> Iterator[RunDirectory]:
    for text in paths:
        family = next((f for f in (Path(text), runs_dir / text) if _is_family(f)), None)
        if family is not None:
            found, _ = list_runs(family.parent)
            # Oldest first: what was trained first is what others are compared with.
            members = [run for run in reversed(found) if run.path.parent == family]
        else:
            members = [find(text, runs_dir)]
        for run in members:
            if run.read_info()["kind"] == "ablation":
                yield from _members(run)
            else:
                yield run


def _is_family(folder: Path) -> bool:
    """Say whether a folder has runs in it and is none itself."""
    if (folder / "run.json").exists() or not folder.is_dir():
        return False
    return next(folder.glob("*/run.json"), None) is not None


def _members(ablation: RunDirectory) -> list[RunDirectory]:
    """Return an ablation's runs, its baseline's first, then as it names its variants."""
    found = sorted(ablation.path.glob("*/seed=*/run.json"))
    if not found:
        raise RunError(f"{ablation.path} has no run that has ended; `dlx resume` goes on with it")
    members = [RunDirectory(path.parent) for path in found]
    try:
        summary = json.loads((ablation.path / "summary.json").read_bytes())
        order = [summary["baseline"], *(each["name"] for each in summary["variants"])]
    except (OSError, ValueError, KeyError):  # it has not ended: the order says nothing then
        return members
    places = {name: place for place, name in reversed([*enumerate(order)])}
    return sorted(members, key=lambda each: places.get(each.read_info().get("variant"), len(order)))


def _config(run: RunDirectory, configs: dict[Path, Flat]) -> Flat:
    """Return a run's config; of an ablation's variant that of its first run."""
    is_member = run.path.name.startswith("seed=")
    key = run.path.parent if is_member else run.path
    if key not in configs:
        problems: list[str] = []
        try:
            plain = read_file(run.config_path, problems).plain()
        except ConfigError as error:
            problems.append(str(error))
        if problems:
            raise RunError(f"the config of {run.path} cannot be used: {problems[0]}")
        configs[key] = _flat({k: v for k, v in plain.items() if k != "ablation"})
    return configs[key]


def _flat(plain: Mapping[str, Any], prefix: str = "") -> Flat:
    found: Flat = {}
    for key, value in plain.items():
        path = f"{prefix}{key}"
        if path in _ASIDE:
            continue
        if isinstance(value, Mapping):
            found |= _flat(value, f"{path}.")
        else:
            found[path] = value
    return found


def _named(flats: Sequence[Flat]) -> list[Variant]:
    """Return a variant for each config, named by what differs."""
    keys = _differing(flats)
    labels = _labels(keys)
    variants = []
    for flat in flats:
        settings = {key: flat[key] for key in keys if key in flat}
        parts = [f"{labels[key]}={inline(value)}" for key, value in settings.items()]
        variants.append(Variant(" ".join(parts) or "these runs", settings))
    return variants


def _differing(flats: Sequence[Flat]) -> list[str]:
    """Return the keys in which configs differ.

    Where a choice differs, such as optimizer.name, the options that come with it say nothing more:
    an option counts if it differs between two configs of the same choice.
    """
    found = []
    for key in dict.fromkeys(key for flat in flats for key in flat):
        groups: dict[str, set[str]] = {}
        section = key.rpartition(".")[0]
        choice = f"{section}.name" if key != f"{section}.name" else ""
        for flat in flats:
            groups.setdefault(repr(flat.get(choice)), set()).add(repr(flat.get(key)))
        if any(len(values) > 1 for values in groups.values()):
            found.append(key)
    return found


def _labels(keys: Sequence[str]) -> dict[str, str]:
    """Return short names of dotted keys: as many of their last parts as tell them apart."""
    paths = {key: key.removesuffix(".name").split(".") for key in keys}
    labels = {}
    for key, path in paths.items():
        size = 1
        while size < len(path) and any(
            other[-size:] == path[-size:] for name, other in paths.items() if name != key
        ):
            size += 1
        labels[key] = ".".join(path[-size:])
    return labels


def _created(run: RunDirectory) -> str:
    return run.read_info().get("created") or ""


def _fold(run: RunDirectory) -> int | None:
    fold = re.search(r" fold=(\d+)$", run.path.name)
    return int(fold[1]) if fold else None


def _result(variant: str, run: RunDirectory) -> RunResult:
    info = run.read_info()
    return RunResult(
        variant=variant,
        seed=info["seed"],
        fold=_fold(run),
        status=info["status"],
        steps=info.get("steps") or 0,
        seconds=info.get("seconds") or 0.0,
        parameters=info.get("parameters") or 0,
        examples=info.get("examples") or 0,
        metrics={
            split: {tag: value for tag, value in values.items() if value is not None}
            for split, values in (info.get("metrics") or {}).items()
        },
        path=str(run.path),
        pretraining_steps=info.get("pretraining_steps") or 0,
        pretraining_examples=info.get("pretraining_examples") or 0,
    )
