"""The list of runs: status, metrics, config, and of ablations the answer. Imports no torch.

<runs_dir>/.index.json    what the list says of every run that does not train, with size and times
                          of its run.json: a run whose run.json is another one is read again
"""

import contextlib
import functools
import itertools
import json
import os
import re
from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from dlx.config.dump import flat
from dlx.config.nodes import read_value
from dlx.errors import ConfigError, DlxError, RunError, StorageError, did_you_mean
from dlx.runs import RunDirectory, documents
from dlx.runs.ablations import read_summary
from dlx.runs.directory import directories, families, newest_last
from dlx.runs.files import exists, parsed
from dlx.runs.tags import read_tags
from dlx.runs.where import Condition

_SEVERAL = ("ablation", "search")  # sections that are about several runs
# Keys that do not change a run's weights, besides the seed: configs that differ in these alone are
# of one variant.
IGNORED = (*("seed", "name", "log.level", "train.device", "train.checkpoint_seconds"), *_SEVERAL)
_INDEX = ".index.json"
_FIELDS = ("kind", "seed", "steps", "epochs", "seconds", "parameters", "created")
_NUMBERS = ("sequence", "ordinal")  # by which runs are sorted, and which nobody asks for
_NAMED = ("run", "name", "id", "status", *_FIELDS, "answer", "tags")  # in conditions and columns
_MOST_DIFFERING = 8  # columns

Flat = Mapping[str, Any]  # plain value by dotted key


class RunList(NamedTuple):
    """Runs as they are listed."""

    # Of each run: run (the path), name, id, status, kind, seed, steps, epochs, seconds, parameters,
    # created, tags (of an ablation, those of its runs), answer (of what has several runs), columns
    # (by name) and metrics: the final ones or, without any, those of the last evaluation.
    runs: list[dict[str, Any]]
    columns: list[str]  # names of the asked columns or, of none, of the keys that differ
    warnings: list[str]  # one for each damaged run


@dataclass(frozen=True)
class _Listed:
    summary: dict[str, Any]
    config: Flat

    def value(self, name: str) -> Any:
        """Return the value of a field, metric or key of the config; None if it has none."""
        if name in _NAMED:
            return self.summary[name]
        split, _, tag = name.partition(".")
        metrics = (self.summary["metrics"] or {}).get(split) or {}
        return metrics[tag] if tag in metrics else self.config.get(name)

    @property
    def order(self) -> tuple[int, str, int]:
        """By which the newest comes last."""
        return newest_last(self.summary)


def summaries(
    runs_dir: Path,
    name: str = "",
    *,
    where: str | None = None,
    sort: Sequence[str] = (),
    columns: Sequence[str] = (),
) -> RunList:
    """Return the runs and ablations below a folder, newest first.

    Args:
        runs_dir: the folder
        name: of the runs; default: all
        where: a condition that they meet, see `dlx.runs.where`
        sort: names of what they are sorted by; `-name` for the largest first; null comes last
        columns: names of the columns; default: the keys in which runs of one name differ

    Raises:
        ConfigError: no run has a name in a condition, or among what is sorted by or shown
        RunError: there are no runs of the name
    """
    warnings: list[str] = []
    listed, keep = _listed(runs_dir, warnings)
    if name:
        names = {run.summary["name"] for run in listed}
        if Path(name).name not in names:
            family = str(runs_dir / Path(name).name)
            beginnings = [f"{family}{end}" for end in (os.sep, ":")]
            for told in warnings:
                if any(beginning in told for beginning in beginnings):
                    raise RunError(f"no run called {name!r} can be read: {told}")
            near = did_you_mean(name, names)
            raise RunError(f"no runs called {name!r} in {runs_dir}{near}; `dlx runs` lists all")
        listed = [run for run in listed if run.summary["name"] == Path(name).name]
    if where is not None or sort or columns:
        known = _names(listed)
        if where is not None and (condition := Condition(where, known)) and listed:
            listed = [run for run in listed if condition(run.value)]
        for option, asked in (("--sort", sort), ("--columns", columns)):
            for key in (key.removeprefix("-") if option == "--sort" else key for key in asked):
                if key not in known:
                    near = did_you_mean(key, known) or "; name a key, metric or field"
                    raise ConfigError(f"{option}: no run here has {key!r}{near}")
    keep()
    listed.sort(key=lambda run: run.order, reverse=True)
    warnings += _changed_clock(listed)
    for key in reversed(sort):
        descends = key.startswith("-")
        value = functools.partial(_Listed.value, name=key.removeprefix("-"))
        # Both sorts are stable: those without a value stay last, and equal ones in their order.
        listed.sort(key=lambda run, value=value: _rank(value(run)), reverse=descends)
        listed.sort(key=lambda run, value=value: value(run) is None)
    shown = list(columns) or _differing_by_name(listed)
    runs = [
        {key: value for key, value in run.summary.items() if key not in _NUMBERS}
        | {"columns": {key: run.value(key) for key in shown}}
        for run in listed
    ]
    return RunList(runs, shown, warnings)


def _changed_clock(listed: Sequence[_Listed]) -> list[str]:
    """Say that a clock was set back, if a run that began later has an earlier time."""
    counted = [run.summary for run in listed if run.summary.get("ordinal")]
    for newer, older in itertools.pairwise(counted):
        if str(newer["created"]) < str(older["created"]):
            return [
                f"the clock was changed: {newer['run']} began after {older['run']}, but its time "
                "is earlier; runs are in the order in which they began"
            ]
    return []


def differing(configs: Sequence[Flat], keys: Sequence[str] | None = None) -> list[str]:
    """Return the keys in which configs differ, of all or of some.

    An option counts only if it differs between two configs with the same choice: with another
    optimizer other options are to be expected.
    """
    if keys is None:
        keys = list(dict.fromkeys(key for config in configs for key in config))
    differ = []
    for key in keys:
        groups: dict[str, set[str]] = {}
        choice = key.rpartition(".")[0]
        for config in configs:
            groups.setdefault(repr(config.get(choice)), set()).add(repr(config.get(key)))
        if any(len(values) > 1 for values in groups.values()):
            differ.append(key)
    return differ


def _differing_by_name(listed: Sequence[_Listed]) -> list[str]:
    """Return the keys in which runs of one name differ, as many as a table has room for."""
    by_name: dict[str, list[Any]] = {}
    for run in listed:
        if run.summary["kind"] == "run":
            by_name.setdefault(run.summary["name"], []).append(run.config)
    keys: dict[str, None] = {}
    for configs in by_name.values():
        changed = dict.fromkeys(key for config in configs for key in config.maps[0])
        keys |= dict.fromkeys(differing(configs, [key for key in changed if key not in IGNORED]))
    return list(keys)[:_MOST_DIFFERING]


def _names(listed: Sequence[_Listed]) -> dict[str, None]:
    names: dict[str, None] = dict.fromkeys(_NAMED)
    for run in listed:
        for split, tags in (run.summary["metrics"] or {}).items():
            names |= {f"{split}.{tag}": None for tag in tags}
    for config in {id(run.config): run.config for run in listed}.values():
        names |= dict.fromkeys(config)
    return names


def _rank(value: Any) -> tuple[bool, Any]:
    is_number = isinstance(value, int | float)
    return (not is_number, value if is_number else str(value))


def _listed(runs_dir: Path, warnings: list[str]) -> tuple[list[_Listed], Callable[[], None]]:
    """Return all runs, and what writes into the index those that it does not know yet."""
    known, bases = _read_index(runs_dir / _INDEX)
    tags: dict[str, list[str]] = {}
    for tag, folder in read_tags(runs_dir).items():
        tags.setdefault("/".join(folder.relative_to(runs_dir).parts[:2]), []).append(tag)
    kept: dict[str, Any] = {}
    listed: list[_Listed] = []
    for family in families(runs_dir, warnings):
        for path in directories(family, warnings):
            place = f"{family.name}/{path.name}"
            try:
                stat = (path / "run.json").stat()
                # Copies may have the times of their originals; when a file was changed is its own.
                stamp = [stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size]
                entry, problems = known.get(place), list[str]()
                if entry is None or entry["stamp"] != stamp:
                    entry = _entry(RunDirectory(path), bases, problems)
                    entry["stamp"] = stamp
            except (DlxError, OSError) as error:
                warnings.append(_said(path, error))
                continue
            warnings += problems
            if not entry["trains"] and not problems:  # which are told until they are mended
                kept[place] = entry
            config = ChainMap(entry["changes"], bases.get(family.name, {}))
            place_of = {"run": str(path), "name": family.name, "id": path.name}
            listed.append(
                _Listed(place_of | entry["summary"] | {"tags": tags.get(place, [])}, config)
            )

    def keep() -> None:
        if kept == known or not runs_dir.is_dir():
            return
        used = {place.partition("/")[0] for place in kept}
        text = json.dumps([kept, {name: bases[name] for name in bases if name in used}])
        with contextlib.suppress(StorageError):  # in a folder that may only be read
            # As one text, which is written and read several times as fast as its parts.
            documents.write(runs_dir / _INDEX, {"runs": text})

    return listed, keep


def _read_index(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what is known of runs by name and id, and by name the config they are compared to."""
    try:
        runs, bases = parsed(documents.read(path)["runs"])
        return dict(runs), dict(bases)
    except (OSError, RunError, ValueError, KeyError, TypeError):
        return {}, {}  # it is made anew


def _said(path: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{path} is not a run: it has no run.json (half made, or half removed)"
    return str(error)


def _entry(run: RunDirectory, bases: dict[str, Any], warnings: list[str]) -> dict[str, Any]:
    """Return what the index keeps of a run; its config by the changes from the first of its name.

    A key that the config lacks is null: configs of earlier versions lack keys that came later.
    """
    info = run.read_info()
    status = run.status()
    summary = {
        "status": status,
        **{field: info.get(field) for field in (*_FIELDS, *_NUMBERS)},
        "metrics": info.get("metrics"),
        "answer": None,
    }
    kind = info["kind"]
    if kind != "run":
        summary["answer"] = _answer(run.path, kind, warnings)
    elif summary["metrics"] is None:
        try:
            summary |= _last_evaluation(run)
        except RunError as error:
            warnings.append(str(error))
    try:
        config = _config(run.read_file("config.yaml" if kind == "run" else f"{kind}.yaml"))
    except (DlxError, OSError, ValueError) as error:
        config = {}
        warnings.append(f"the config of {run.path} cannot be read: {error}")
    base = bases.setdefault(run.path.parent.name, config)
    changes = {
        key: config.get(key)
        for key in dict.fromkeys([*base, *config])
        if repr(config.get(key)) != repr(base.get(key))
    }
    return {"trains": info["status"] == "running", "summary": summary, "changes": changes}


def _config(content: bytes) -> dict[str, Any]:
    """Return a config that dlx wrote, by dotted key, without its ablation."""
    plain: dict[str, Any] = {}
    for section in re.split(r"(?m)^(?=[a-z_]+:)", content.decode()):
        plain |= _section(section)
    return flat({key: value for key, value in plain.items() if key not in _SEVERAL})


@functools.lru_cache(maxsize=1000)
def _section(text: str) -> dict[str, Any]:
    """Return a section, of which most runs have the same."""
    return (read_value(text, "config", []).plain() or {}) if text else {}


def _answer(ablation: Path, kind: str, warnings: list[str]) -> str | None:
    # These import what draws and computes.
    if kind == "search":
        from dlx.report.search.words import in_a_line
    else:
        from dlx.report.ablation.answer import in_a_line

    try:
        return in_a_line(read_summary(ablation))
    except RunError as error:
        warnings.append(str(error))
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        pass  # it has not ended
    return None


def _last_evaluation(run: RunDirectory) -> dict[str, Any]:
    if not exists(run.metrics_path):
        return {}
    from dlx.tracking import metrics  # takes a quarter of a second to import

    content = run.read_file(run.metrics_path.name)
    last = next(reversed(metrics.records_of(content, run.metrics_path)), None)
    if last is None:
        return {}
    return {
        "steps": last["step"],
        "epochs": last["epoch"],
        "seconds": last["seconds"],
        "metrics": {
            split: {name: value for name, value in last[split].items() if "/" not in name}
            for split in ("train", "dev", "test")
            if split in last
        },
    }
