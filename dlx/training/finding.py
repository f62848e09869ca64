"""From a run's name to its folder; runs of an ablation get a folder when they are asked for.

    latest, digits, digits/20260131-094501-7f3a, 20260131-094501-7f3a, a path
    churn@production         the run that has this tag, see `dlx.runs.tags`
    ABLATION#17              run 17 of an ablation, by the number that tables show
    ABLATION/VARIANT@SEED    a run of a variant; of a cross-validation there are several: use #
    ABLATION/VARIANT/seed=N  the same, as its folder was called when each run had one

A run of an ablation is *materialised* as an ordinary run folder, `ABLATION/runs/<number>/`, made
once and never changed.
"""

import json
import re
import secrets
import shutil
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlx.config.dump import to_yaml
from dlx.config.nodes import read_file
from dlx.config.schema import COMPARING
from dlx.errors import DlxWarning, RunError, did_you_mean
from dlx.runs import RunDirectory, directory, documents, make_directory, tags, weights
from dlx.runs.ablations import (
    METRICS,
    PREPROCESSING,
    PRETRAINING,
    ROWS,
    TABLE,
    TABLES,
    WEIGHTS,
    IndexedRun,
    cohort_folder,
    infos,
    read_cohort,
    read_cohort_file,
    read_index,
)
from dlx.runs.directory import Kind
from dlx.runs.documents import count
from dlx.runs.files import exists, refuse_links, storage_errors, sync_directory, write_atomic
from dlx.tracking import metrics as metrics_file

if TYPE_CHECKING:
    from torch import Tensor

_NUMBERED = re.compile(r"(.+)#(\d+)")
_OLD_NAME = re.compile(r"(.+)/seed=(\d+)( fold=\d+)?")
_SHOWN = 6  # names in a message


def find(wanted: Path | str, runs_dir: Path, *, prefer: Kind | None = None) -> RunDirectory:
    """Return the run or ablation that a name or path means; RunError lists near names.

    A name and 'latest' mean what is of the kind `prefer` if there is any. A folder with links or
    special files in it is a RunError.
    """
    run = find_to_remove(wanted, runs_dir, prefer=prefer)
    refuse_links(run.path)
    return run


def find_to_remove(
    wanted: Path | str, runs_dir: Path, *, prefer: Kind | None = None
) -> RunDirectory:
    """Return what `find` does, whatever the folder holds."""
    text = str(wanted).rstrip("/")
    if tags.is_tag(text) and not exists(Path(text)) and not exists(runs_dir / text):
        folder = tags.tagged(text, runs_dir)
        try:
            return find_to_remove(folder, runs_dir)
        except RunError as error:
            raise RunError(
                f"{text} is the tag of {folder}, which cannot be used ({error}); "
                f"`dlx runs tag RUN {text}` gives it to another run"
            ) from error
    if not exists(RunDirectory(Path(text)).info_path):
        for ablation, name in _splits(text, runs_dir):
            member = _member(ablation, name)
            if member is not None:
                refuse_links(ablation.path)
                return materialise(ablation.path, member)
            if "@" in name or name.startswith("#") or _OLD_NAME.fullmatch(f"/{name}"):
                raise _unknown(ablation.path, name)
    return directory.find(wanted, runs_dir, prefer=prefer)


def find_run(wanted: Path | str, runs_dir: Path) -> RunDirectory:
    """Return the run that a name or path means; RunError if that is an ablation, or nothing."""
    run = find(wanted, runs_dir, prefer="run")
    if (kind := run.read_info()["kind"]) != "run":
        article = "an" if kind == "ablation" else "a"
        raise RunError(
            f"{run.path} is {article} {kind}; name one of its runs, such as {run.path}#1 or "
            f"{run.path}/VARIANT@SEED"
        )
    return run


def find_ablation(wanted: Path | str, runs_dir: Path) -> RunDirectory:
    """Return the ablation that a name or path means; RunError if that is a run, or nothing."""
    found = find(wanted, runs_dir, prefer="ablation")
    if found.read_info()["kind"] != "ablation":
        raise RunError(
            f"{found.path} is a {found.read_info()['kind']}, not an ablation; `dlx runs` lists both"
        )
    return found


def which(wanted: Path | str, run: RunDirectory) -> str:
    """Return the folder of a run that was found, and how it was chosen among others."""
    text, family = str(wanted).rstrip("/"), run.path.parent
    told = [tag for tag in tags.tags_of(run.path, run.runs_dir) if tag != text]
    if tags.is_tag(text):
        told.insert(0, text)
    reasons = [f"tagged {', '.join(told)}"] if told else []
    if text == family.name or (exists(Path(text)) and Path(text).resolve() == family.resolve()):
        runs, _ = directory.list_runs(family.parent)
        own = [r for r in runs if r.path.parent == family and r.read_info()["kind"] == "run"]
        if len(own) > 1:
            reasons.insert(0, f"the newest of {len(own)} runs called {family.name!r}")
    return ", ".join([str(run.path), *reasons])


def _splits(text: str, runs_dir: Path) -> Iterator[tuple[RunDirectory, str]]:
    """Give the ablations that the beginning of a name may mean, each with the rest of the name."""
    beginnings: list[tuple[str, str]] = []
    if match := _NUMBERED.fullmatch(text):
        beginnings.append((match[1], f"#{match[2]}"))
    slashes = [place for place, character in enumerate(text) if character == "/" and place]
    beginnings += [(text[:place], text[place + 1 :]) for place in reversed(slashes)]
    for beginning, rest in beginnings:
        places = (Path(beginning), runs_dir / beginning)
        is_run = any(exists(RunDirectory(place).info_path) for place in places)
        if not is_run and any(exists(place / rest.split("/")[0]) for place in places):
            continue  # a folder on the way to what is named
        try:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always", DlxWarning)
                run = directory.find(beginning, runs_dir)
            is_several = run.read_info()["kind"] != "run"
        except RunError:
            if is_run:
                raise  # it is damaged
            continue
        if is_several and rest:
            for warning in told:
                warnings.warn(warning.message, stacklevel=2)
            yield run, rest


def _member(ablation: RunDirectory, name: str) -> IndexedRun | None:
    runs = read_index(ablation.path)
    if name.startswith(("#", "runs/")):
        number = name.removeprefix("#").removeprefix("runs/")
        return next((run for run in runs.values() if str(run.number) == number), None)
    if name in runs:
        return runs[name]
    compared = [run for run in runs.values() if run.phase == "comparison"]
    named = [run for run in compared if f"{run.variant}@{run.seed}" == name]
    if len(named) > 1:
        numbers = ", ".join(f"#{run.number} (fold {run.fold})" for run in named)
        raise RunError(
            f"{ablation.path}/{name} is several runs, one of each fold: name one of {numbers}"
        )
    return named[0] if named else None


def _unknown(ablation: Path, name: str) -> RunError:
    runs = read_index(ablation).values()
    if not runs:
        return RunError(f"no run of {ablation} has ended yet; `dlx resume {ablation}` goes on")
    names = [f"{run.variant}@{run.seed}" for run in runs if run.phase == "comparison"]
    names += [run.name for run in runs]
    shown = ", ".join(f"#{run.number} ({run.variant}@{run.seed})" for run in [*runs][:_SHOWN])
    more = " …" if len(runs) > _SHOWN else ""
    return RunError(
        f"{ablation} has no run {name!r} that has ended{did_you_mean(name, names)} "
        f"(there are {shown}{more})"
    )


def materialise(ablation: Path, run: IndexedRun) -> RunDirectory:
    """Return the ordinary folder of a run of an ablation, which is made if it is not there."""
    if run.cohort is None:
        return RunDirectory.open(ablation / run.name)
    target = RunDirectory(ablation / "runs" / str(run.number))
    if exists(target.info_path):
        return RunDirectory.open(target.path)
    if run.status == "failed":
        raise RunError(
            f"run {run.number} of {ablation} failed ({run.reason}); "
            f"`dlx resume {ablation} --only failed` tries it again"
        )
    about = RunDirectory(ablation).read_info()
    info = infos(ablation, [run])[run.name] | {k: about.get(k) for k in ("created", "started")}
    files = _files(ablation, run, info)
    info["digests"] = {name: documents.sha256(content) for name, content in files.items()}
    make_directory(target.path.parent)
    made = target.path.parent / f".{run.number}.{secrets.token_hex(4)}"
    try:
        make_directory(made)
        for name, content in files.items():
            write_atomic(made / name, content)
        documents.write(made / "run.json", directory.in_order(info))
        with storage_errors(target.path):
            if exists(target.path):  # without run.json: half removed
                shutil.rmtree(target.path)
            try:
                made.rename(target.path)
            except OSError:
                if not exists(target.path):  # otherwise another process was faster
                    raise
            sync_directory(target.path.parent)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return RunDirectory.open(target.path)


def is_of_ablation(run: RunDirectory) -> bool:
    """Say whether a folder is that of a run of an ablation."""
    return any(exists(parent / "plan.json") for parent in run.path.absolute().parents[:3])


def _files(ablation: Path, run: IndexedRun, info: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files of a run by name, but for run.json."""
    assert run.cohort is not None
    folder = cohort_folder(ablation, run.cohort)
    cohort = read_cohort(folder)
    assert cohort is not None, "its fields have just been read"
    files = {"config.yaml": to_yaml(config_of(run, base_config(ablation))).encode()}
    content, path = read_cohort_file(folder, cohort, METRICS), folder / METRICS
    files[METRICS] = metrics_file.of_run(content, run.number, path)
    for name in cohort["digests"].keys() - {ROWS}:
        content = read_cohort_file(folder, cohort, name)
        if name == PRETRAINING:
            lines = metrics_file.of_run(content, run.number, folder / name)
            files |= {name: lines} if lines else {}
        elif name == PREPROCESSING:
            files[name] = _preprocessing(content, folder / name, _shared(cohort, run))
        elif name == TABLES:
            from dlx.data.tables.cells import content_of  # of tables alone

            files[TABLE] = content_of(json.loads(content)[str(_shared(cohort, run))])
        elif name != WEIGHTS:
            files[name] = content
        elif run.status != "diverged":
            described = {"step": info["steps"], "weights": info["weights"]}
            tensors = _row(weights.load(content, folder / name)[0], run)
            files[name] = weights.encode(tensors, described)
    return files


def _shared(cohort: Mapping[str, Any], run: IndexedRun) -> int:
    """Return the number of what a run shares with others of its cohort."""
    return next(own["shared"] for own in cohort["runs"] if own["number"] == run.number)


def _preprocessing(content: bytes, path: Path, shared: int) -> bytes:
    """Return a run's own of what a cohort's file holds; in older ones, that is the same for all."""
    tensors = weights.load(content, path)[0]
    if not any("/" in name for name in tensors):
        return content
    start = f"{shared}/"
    own = {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
    return weights.encode(own, {})


_SECTIONS = {
    **dict.fromkeys(("data", "model", "optimizer", "train", "log"), dict),
    "name": str,
    "seed": count,
}


def base_config(ablation: Path) -> dict[str, Any]:
    """Return the config of an ablation, plain."""
    kind = RunDirectory(ablation).read_info()["kind"]
    name = f"{kind}.yaml"
    RunDirectory(ablation).read_file(name)  # which checks its digest
    base = read_file(ablation / name, []).plain()
    documents.check(base, _SECTIONS, ablation / name)
    return base


def config_of(run: IndexedRun, base: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of a run of an ablation, plain."""
    return with_differences(base, {**dict.fromkeys(COMPARING), "seed": run.seed, **run.differences})


def readable_tensors(ablation: Path, runs: Iterable[IndexedRun]) -> "dict[str, dict[str, Tensor]]":
    """Return scored weights by the names of runs, and of tensors of the plain torch network.

    The file of a cohort is read once. Runs whose weights are gone are left out; so are those
    whose weights cannot be read, with a `DlxWarning`.
    """
    by_file: dict[Path, list[IndexedRun]] = {}
    for run in runs:
        folder = cohort_folder(ablation, run.cohort) if run.cohort else ablation / run.name
        by_file.setdefault(folder / WEIGHTS, []).append(run)
    readable: dict[str, dict[str, Tensor]] = {}
    for path, members in by_file.items():
        try:
            if members[0].cohort:
                cohort = read_cohort(path.parent) or {"digests": {}}
                tensors = weights.load(read_cohort_file(path.parent, cohort, WEIGHTS), path)[0]
                readable |= {run.name: _row(tensors, run) for run in members}
            else:
                content = RunDirectory(path.parent).read_file(WEIGHTS)
                readable[members[0].name] = weights.load(content, path)[0]
        except RunError as error:
            if exists(path):  # else the user has deleted them
                words = f"the weights of {len(members)} runs are left out, since {error}"
                warnings.warn(words, DlxWarning, stacklevel=2)
    return readable


def _row(tensors: "Mapping[str, Tensor]", run: IndexedRun) -> "dict[str, Tensor]":
    start = f"{run.row}/"
    return {key.removeprefix(start): t for key, t in tensors.items() if key.startswith(start)}


def differences(base: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what makes a base config another one, both plain: by `section` or `section.option`."""
    changes: dict[str, Any] = {}
    for section, value in config.items():
        before = base[section]
        have_same_options = (
            isinstance(value, Mapping)
            and isinstance(before, Mapping)
            and value.keys() == before.keys()
        )
        if have_same_options:
            # By what is written: 1 and true are equal to Python.
            changes |= {f"{section}.{k}": v for k, v in value.items() if repr(v) != repr(before[k])}
        elif repr(value) != repr(before):
            changes[section] = value
    return changes


def with_differences(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config that `differences` was given."""
    config = dict(base)
    for path, value in changes.items():
        section, _, option = path.partition(".")
        config[section] = {**config[section], option: value} if option else value
    return config
