"""Tags: names such as `churn@production`, each of which pins one run.

<runs_dir>/.tags.json    by tag, the folder of its run, relative to <runs_dir>

A tag has the form NAME@TAG, where TAG begins with a letter (a seed, as in VARIANT@SEED, does not).
"""

import re
from collections.abc import Mapping
from pathlib import Path

from dlx.errors import ConfigError, RunError, did_you_mean
from dlx.runs import documents
from dlx.runs.files import make_directory
from dlx.runs.locks import hold
from dlx.texts import folded

_FILE = ".tags.json"
_FORM = re.compile(r"[^/\\@#]+@[A-Za-z][A-Za-z0-9_.-]*")


def is_tag(text: str) -> bool:
    """Return whether a text has the form of a tag."""
    return _FORM.fullmatch(text) is not None


def read_tags(runs_dir: Path) -> dict[str, Path]:
    """Return the folder of each tag's run; RunError if the file is damaged."""
    path = runs_dir / _FILE
    try:
        tags = documents.read(path)["tags"]
        for tag, folder in tags.items():
            if Path(folder).is_absolute() or ".." in Path(folder).parts:
                raise ValueError(f"{tag} leads out of the folder")
        return {tag: runs_dir / folder for tag, folder in tags.items()}
    except FileNotFoundError:
        return {}
    except (RunError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise RunError(f"{path} is damaged: {error}; delete it and tag the runs again") from error


def tagged(tag: str, runs_dir: Path) -> Path:
    """Return the folder of a tag's run; RunError lists the tags there are."""
    tags = read_tags(runs_dir)
    if tag in tags:
        return tags[tag]
    there_are = f"the tags are {', '.join(tags)}" if tags else "no run has a tag"
    raise RunError(
        f"no run in {runs_dir} is tagged {tag}{did_you_mean(tag, tags)} ({there_are}; "
        f"`dlx runs tag RUN {tag}` gives it to one)"
    )


def tags_of(folder: Path, runs_dir: Path) -> list[str]:
    """Return the tags of the run in a folder, or of those of an ablation."""
    own = folder.resolve()
    return [tag for tag, path in read_tags(runs_dir).items() if path.resolve().is_relative_to(own)]


def set_tag(folder: Path, tag: str, runs_dir: Path) -> Path | None:
    """Give a tag to the run in a folder, and return the folder of the run that had it.

    Raises:
        ConfigError: it is no tag, or the name of runs
        RunError: the run lies outside the folder of all runs
    """
    if not is_tag(tag):
        raise ConfigError(
            f"{tag!r} is no tag; write NAME@TAG, where TAG begins with a letter and has letters, "
            "digits, '_', '.' and '-', such as churn@production"
        )
    names = [path.name for path in runs_dir.iterdir()] if runs_dir.is_dir() else []
    if folded(tag) in map(folded, names):
        raise ConfigError(f"{tag!r} is the name of runs in {runs_dir}; choose another tag")
    if ".." in folder.parts:
        folder, runs_dir = folder.resolve(), runs_dir.resolve()
    if not folder.absolute().is_relative_to(runs_dir.absolute()):
        raise RunError(f"{folder} lies outside {runs_dir}; name its folder of runs by --runs-dir")
    make_directory(runs_dir)
    with hold(runs_dir / ".lock", wait=True):
        tags = read_tags(runs_dir)
        before = tags.get(tag)
        _write(tags | {tag: folder}, runs_dir)
    return before


def remove_tag(tag: str, runs_dir: Path) -> Path:
    """Take a tag away, and return the folder of the run that had it; RunError if none has it."""
    tagged(tag, runs_dir)
    with hold(runs_dir / ".lock", wait=True):
        folder = tagged(tag, runs_dir)
        _write({t: f for t, f in read_tags(runs_dir).items() if t != tag}, runs_dir)
    return folder


def _write(tags: Mapping[str, Path], runs_dir: Path) -> None:
    top = runs_dir.absolute()
    folders = {tag: folder.absolute().relative_to(top).as_posix() for tag, folder in tags.items()}
    documents.write(runs_dir / _FILE, {"tags": dict(sorted(folders.items()))})
