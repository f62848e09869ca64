"""Run directories: made whole, listed, found, locked, removed.

<runs_dir>/<name>/<id>/    id = UTC time + 4 hex digits: 20260131-094501-7f3a
    run.json               what the run is and how it stands; written last when a run is made,
                           so a directory without it is not a run
    .lock                  held by the process that trains the run
"""

import contextlib
import os
import secrets
import shutil
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from unicodedata import normalize

from dlx.errors import ConfigError, DlxWarning, RunError, RunInUseError, did_you_mean
from dlx.runs import documents
from dlx.runs.documents import MOST
from dlx.runs.files import (
    exists,
    gone,
    make_directory,
    read_plain,
    refuse_links,
    storage_errors,
    sync_directory,
    write_atomic,
)
from dlx.runs.info import blank, damage, describe, in_order
from dlx.runs.locks import hold, is_held
from dlx.runs.tags import tags_of
from dlx.texts import LATEST, folded, name_problem

_HALF = "(half made, or half removed)"
_COUNT = ".count"  # how many runs were made in a folder of runs
_MADE_AGAIN = ("table.json", "summary.json", "results.csv")

Kind = Literal["run", "ablation", "search"]


@dataclass(frozen=True)
class RunDirectory:
    """A run's directory; the properties are its files."""

    path: Path

    @property
    def config_path(self) -> Path:
        """The resolved config, in YAML."""
        return self.path / "config.yaml"

    @property
    def info_path(self) -> Path:
        """What `read_info` reads."""
        return self.path / "run.json"

    @property
    def metrics_path(self) -> Path:
        """One JSON line per logged point."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The folder of `dlx.runs.checkpoints`."""
        return self.path / "checkpoints"

    @property
    def weights_path(self) -> Path:
        """The scored weights, `dlx.runs.weights`."""
        return self.path / "weights.safetensors"

    @property
    def runs_dir(self) -> Path:
        """The folder of all runs."""
        above = self.path.absolute().parent.parent
        return above.parent.parent if exists(above / "run.json") else above

    @property
    def cache(self) -> Path:
        """The folder beside all runs for what can be made again."""
        return self.runs_dir / ".cache"

    @property
    def _lock_path(self) -> Path:
        return self.path / ".lock"

    @classmethod
    def create(
        cls,
        runs_dir: Path,
        name: str,
        *,
        config: str | None = None,
        config_name: str = "config.yaml",
        **info: Any,
    ) -> "RunDirectory":
        """Make a new run below `runs_dir/name`; after a failure or a crash nothing is listed.

        run.json starts with kind 'run', status 'running', the sequence number (1 + the largest
        under this name), the ordinal (1 + that of the run made last in the folder), `created`,
        versions, command, git commit and `info`; the fields that training fills in are null. A name
        that would lead out of `runs_dir`, or is that of others on some systems, is a ConfigError.
        """
        check_name(name)
        make_directory(runs_dir)
        family = runs_dir / name
        # One lock for all names: two processes must not take one sequence number, and `remove`
        # must not take the family's directory away under a run that is being made.
        with hold(runs_dir / ".lock", wait=True):
            check_case(name, runs_dir)
            make_directory(family)
            if not family.resolve().is_relative_to(runs_dir.resolve()):
                raise ConfigError(f"{family} is a link out of {runs_dir}: choose another name")
            with contextlib.ExitStack() as undo:
                undo.callback(_remove_if_empty, family)
                run = cls(_make_unique(family))
                undo.callback(shutil.rmtree, run.path, ignore_errors=True)
                document = blank() | {"created": timestamp()} | describe()
                document |= _next_numbers(runs_dir, family)
                write_atomic(runs_dir / _COUNT, str(document["ordinal"]).encode())
                if config is not None:
                    write_atomic(run.path / config_name, config.encode())
                    document["digests"] = {config_name: documents.sha256(config.encode())}
                run._write(document | info)
                undo.pop_all()  # it is whole
        return run

    @classmethod
    def open(cls, path: Path) -> "RunDirectory":
        """Return the run at `path`; RunError if it is missing, not whole, or holds links."""
        run = cls(path)
        run.read_info()
        refuse_links(path)
        return run

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Hold the run until the block or the process ends; RunInUseError if another one does."""
        return hold(self._lock_path)

    def read_info(self) -> dict[str, Any]:
        """Return run.json; RunError if it is missing or damaged."""
        try:
            info = documents.read(self.info_path)
        except FileNotFoundError:
            if not exists(self.path):
                raise RunError(f"there is no run at {self.path}") from None
            raise RunError(f"{self.path} is not a run: it has no run.json {_HALF}") from None
        if problem := damage(info):
            raise RunError(f"{self.info_path} is damaged: {problem}; put it back")
        return info

    def write_info(self, **changes: Any) -> None:
        """Change fields of run.json, atomically; the caller holds the run's lock."""
        self._write(self.read_info() | changes)

    def status(self) -> str:
        """Return run.json's status; 'interrupted' if it says 'running' and no process holds it."""
        # Asked before the file is read: a run that ends in between must not look interrupted.
        held = is_held(self._lock_path)
        status = self.read_info()["status"]
        return "interrupted" if status == "running" and not held else status

    def how_it_goes_on(self) -> str:
        """Return in words what to do for one that has not ended."""
        if self.status() == "running":
            return "it is being trained: wait until it has ended"
        return f"`dlx resume {self.path}` goes on with it"

    def read_file(self, name: str) -> bytes:
        """Return a file's content; RunError if it is missing or not of the digest in run.json."""
        path = self.path / name
        can_be_made = path.suffix == ".safetensors" or name in _MADE_AGAIN
        try:
            content = read_plain(path)
        except FileNotFoundError:
            if exists(self.info_path) and self.status() == "running":
                problem = "it is written when the run, which is being trained, has ended"
            elif can_be_made:
                problem = "not saved yet, or deleted; resume the run"
            else:
                problem = "it was deleted; put it back"
            raise RunError(f"{path} is missing: {problem}") from None
        except OSError as error:
            raise RunError(f"cannot read {path}: {error.strerror}") from error
        recorded = (self.read_info().get("digests") or {}).get(name)
        digests = [recorded] if isinstance(recorded, str) else recorded
        if digests is not None and documents.sha256(content) not in digests:
            cure = f", or `dlx resume {self.path}` writes it anew" if can_be_made else ""
            raise RunError(
                f"{path} is damaged, or was changed after dlx wrote it: its SHA-256 is not the one "
                f"in run.json; put it back{cure}"
            )
        return content

    def write_files(
        self, files: Mapping[str, bytes], *, grown: Collection[str] = (), **changes: Any
    ) -> None:
        """Write files, and their digests with other changes into run.json.

        The old digests stand beside the new ones until all files are written: a process that is
        killed in between leaves files that one of the two fits. `grown` names files that lie there
        already and will not grow any more.
        """
        before = self.read_info().get("digests") or {}
        new = {name: documents.sha256(content) for name, content in files.items()}
        both = {
            name: [*([old] if isinstance(old, str) else old), new[name]]
            for name, old in before.items()
            if name in new and old != new[name]
        }
        if both:
            self.write_info(digests=before | both)
        for name, content in files.items():
            write_atomic(self.path / name, content)
        for name in grown:
            try:
                new[name] = documents.sha256(read_plain(self.path / name))
            except FileNotFoundError:
                raise gone(self.path / name) from None
        self.write_info(digests=before | new, **changes)

    def will_grow(self, name: str) -> None:
        """Drop the digest of a file that is about to change, and go on to."""
        digests = self.read_info().get("digests") or {}
        if name in digests:
            self.write_info(digests={k: v for k, v in digests.items() if k != name})

    def _write(self, info: Mapping[str, Any]) -> None:
        documents.write(self.info_path, in_order(info))


def timestamp() -> str:
    """Return the time now as run.json has it: UTC, ISO 8601, microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def check_name(name: str) -> None:
    """Raise a ConfigError unless an experiment's name is one plain path component."""
    if problem := name_problem(name):
        raise ConfigError(f"name: {name!r} {problem}; choose a plain name such as 'mnist-relu'")


def check_case(name: str, runs_dir: Path) -> None:
    """Raise a ConfigError if a folder of runs has another name that some systems take for this."""
    names = [path.name for path in runs_dir.iterdir()] if runs_dir.is_dir() else []
    other = next((other for other in names if folded(other) == folded(name)), name)
    if name not in names and other != name:
        raise ConfigError(
            f"name: {name!r} and {other!r}, which is in {runs_dir}, are one name on systems that "
            "do not tell capital letters apart; use that one, or choose another"
        )


def list_runs(runs_dir: Path) -> tuple[list[RunDirectory], list[str]]:
    """Return the runs and ablations below a folder, newest first, and a warning per damaged one."""
    warnings: list[str] = []
    return runs_of(families(runs_dir, warnings), warnings), warnings


def find(wanted: Path | str, runs_dir: Path, *, prefer: Kind | None = None) -> RunDirectory:
    """Return the run meant by a path, a name (its newest run), 'name/id', an id or 'latest'.

    A path may also be that of a name's directory, or lead into an ablation. A name and 'latest'
    mean what is of the kind `prefer` if there is any, else the newest of both kinds. What they may
    mean too and cannot be read is told as a `DlxWarning`.
    """
    text = str(wanted)
    if not exists(Path(text)):
        text = normalize("NFC", text)  # as names are
    places = [Path(wanted), runs_dir / text]
    for place in places:
        if exists(RunDirectory(place).info_path):
            RunDirectory(place).read_info()
            return RunDirectory(place)
    runs, damaged = list_runs(runs_dir)
    meant = [
        run
        for run in runs + runs_of(places[:1], damaged)  # newest first
        if text in (LATEST, run.path.parent.name, run.path.name) or run.path.parent == places[0]
    ]
    if prefer:
        meant.sort(key=lambda run: run.read_info()["kind"] != prefer)
    beginnings = [f"{place}{end}" for place in places for end in (os.sep, ":")]
    damaged = [told for told in dict.fromkeys(damaged) if not told.endswith(_HALF)]
    if meant:
        for told in damaged:
            if text == LATEST or any(beginning in told for beginning in beginnings):
                words = f"{text} may mean another run than {meant[0].path}, since {told}"
                warnings.warn(words, DlxWarning, stacklevel=2)
        return meant[0]
    if not runs and damaged:
        raise RunError(f"no run {text!r} can be read: {damaged[0]}")
    for place in places:
        if exists(place):
            for path in directories(place, []):
                if exists(RunDirectory(path).info_path):
                    RunDirectory(path).read_info()  # which says how it is damaged
            raise RunError(f"{place} is not a run and holds none; `dlx runs` lists the runs")
    if not runs:
        raise RunError(f"no run {text!r}: there are no runs in {runs_dir}; see --runs-dir")
    names = {run.path.parent.name for run in runs} | {run.path.name for run in runs}
    raise RunError(
        f"no run {text!r} in {runs_dir}{did_you_mean(text, sorted(names))} "
        "(`dlx runs` lists the runs)"
    )


def remove(run: RunDirectory) -> None:
    """Delete a run's directory, and the directory of its name if that was the last one.

    Links inside are deleted, never followed; a run that is reached through one is a RunError, and
    so is one that has a tag.
    """
    path = run.path.absolute()
    run.read_info()
    if path.is_symlink() or path.parent.is_symlink():
        raise RunError(f"{run.path} is reached through a link: give the path of the run itself")
    path = path.resolve()  # without ..
    pinned = tags_of(path, RunDirectory(path).runs_dir)
    if pinned:
        raise RunError(f"{run.path} is tagged {pinned[0]}: `dlx runs untag {pinned[0]}` first")
    with storage_errors(run.path, "remove"):
        with run.lock():
            # First, so that a removal that is cut off leaves no run that looks whole.
            run.info_path.unlink()
        # After the lock, whose file Windows does not delete while it is held.
        shutil.rmtree(path)
    runs_dir = path.parent.parent
    if exists(runs_dir / ".lock"):
        with contextlib.suppress(RunInUseError), hold(runs_dir / ".lock"):
            _remove_if_empty(path.parent)


def _make_unique(family: Path) -> Path:
    while True:
        path = family / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        with storage_errors(path, "make"):
            try:
                path.mkdir()
            except FileExistsError:
                continue
            sync_directory(family)
            return path


def runs_of(families: list[Path], warnings: list[str]) -> list[RunDirectory]:
    """Return the runs in the directories of names, newest first."""
    dated: list[tuple[tuple[int, str, int], RunDirectory]] = []
    for family in families:
        for path in directories(family, warnings):
            run = RunDirectory(path)
            try:
                info = run.read_info()
            except RunError as error:
                warnings.append(str(error))
            else:
                dated.append((newest_last(info), run))
    dated.sort(key=lambda item: item[0], reverse=True)
    return [run for _, run in dated]


def newest_last(info: Mapping[str, Any]) -> tuple[int, str, int]:
    """Return what runs are sorted by: the order in which they began, whatever the clock said.

    Runs of earlier versions have no ordinal; they are older than all that have one, and sorted by
    the time of their folder.
    """
    return info.get("ordinal") or 0, str(info.get("created")), info.get("sequence") or 0


def _next_numbers(runs_dir: Path, family: Path) -> dict[str, int]:
    """Return the sequence number of a run in its family, and its ordinal among all runs."""
    infos = [run.read_info() for run in runs_of([family], [])]
    try:
        content = read_plain(runs_dir / _COUNT)
        counted = int(content) if content.isdigit() and len(content) < 19 else None
    except (OSError, RunError):
        counted = None
    if counted is None:  # deleted, damaged, or of a folder of an earlier version
        runs, _ = list_runs(runs_dir)
        counted = _largest("ordinal", [run.read_info() for run in runs])
    sequence, ordinal = _largest("sequence", infos), max(counted, _largest("ordinal", infos))
    # A stranger's run may have the largest number that run.json may hold.
    return {"sequence": min(1 + sequence, MOST), "ordinal": min(1 + ordinal, MOST)}


def _largest(field: str, infos: list[dict[str, Any]]) -> int:
    return max((info.get(field) or 0 for info in infos), default=0)


def families(runs_dir: Path, warnings: list[str]) -> list[Path]:
    """Return the directories of names; RunError if a file stands where their folder should."""
    if runs_dir.is_file():
        raise RunError(f"{runs_dir} is a file, and no folder of runs; name one by --runs-dir")
    return directories(runs_dir, warnings)


def directories(folder: Path, warnings: list[str]) -> list[Path]:
    """Return the directories in a folder, hidden ones aside; [] if there is no such folder.

    They are sorted by name, so that of a run and its copies, which began at once, the same one is
    meant everywhere: the one with the shortest name.
    """
    try:
        with os.scandir(folder) as entries:
            shown = [e for e in entries if e.is_dir() and not e.name.startswith(".")]
        return [Path(e.path) for e in sorted(shown, key=lambda e: e.name)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        warnings.append(f"cannot read {folder}: {error.strerror}")
        return []


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()
