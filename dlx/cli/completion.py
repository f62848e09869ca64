"""What the shell completes: configs, keys and their values, runs."""

import contextlib
import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from dlx.cli.without_torch import leave_out_torch
from dlx.errors import DlxError

_KINDS = {"init": "initializer", "recurrent_init": "initializer"}  # keys of another name
# What shells take for text alone. What is completed stands in the command line as it is, and a name
# such as $(command) would be executed; where nothing is left, bash completes files by itself.
_PLAIN = re.compile(r"(?!-)[\w./:=@%+,\[\]-]+")
_BREAK = re.compile("[=:@]+")  # where bash takes words apart, see COMP_WORDBREAKS there


@contextlib.contextmanager
def of_bash() -> Iterator[None]:
    """Complete whole words where bash asks for pieces of them, and answer with pieces.

    To bash `optimizer.name=ad` is three words, of which the last one is replaced.
    """
    pieces = os.environ.get("COMP_WORDS", "").split("\n")
    if os.environ.get("_DLX_COMPLETE") != "complete_bash" or len(pieces) == 1:
        yield
        return
    words: list[str] = []
    before, follows_break = "", False
    for piece in pieces[: int(os.environ["COMP_CWORD"]) + 1]:
        is_break = _BREAK.fullmatch(piece) is not None
        before = words.pop() if words and (is_break or follows_break) else ""
        words.append(before + piece)
        follows_break = is_break
    kept = words[-1] if follows_break else before
    os.environ |= {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1)}
    answer = io.StringIO()
    try:
        with contextlib.redirect_stdout(answer):
            yield
    finally:
        for word in answer.getvalue().splitlines():
            typer.echo(word.removeprefix(kept))


def configs(incomplete: str) -> list[str]:
    """Return the configs that come with dlx, and the YAML files of a folder."""
    from dlx.config.shipped import shipped

    folder = Path(incomplete).parent if "/" in incomplete else Path()
    files = [str(path) for path in sorted(folder.glob("*.yaml"))]
    return _begun(incomplete, [*shipped(), *files])


def runs(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of runs and ablations, their folders, tags, and `latest`."""
    from dlx.runs import list_runs
    from dlx.runs.tags import read_tags

    runs_dir = Path(context.params.get("runs_dir") or "runs")
    with contextlib.suppress(DlxError, OSError):
        folders = [run.path for run in list_runs(runs_dir)[0]]
        names = dict.fromkeys(str(path.parent.relative_to(runs_dir)) for path in folders)
        known = ["latest", *names, *read_tags(runs_dir), *map(str, folders)]
        return _begun(incomplete, known)
    return []


def changes(context: typer.Context, incomplete: str) -> list[str]:
    """Return `KEY=` for the keys of the config, and `KEY=VALUE` once the key is known.

    Values are the names of a kind, or the one that the config has.
    """
    leave_out_torch()
    from dlx.api.inputs import read_config
    from dlx.config.dump import flat, to_plain
    from dlx.config.shipped import locate

    with contextlib.suppress(DlxError, OSError):
        keys = flat(to_plain(read_config(locate(context.params.get("config") or ""))))
        known = [f"{key}=" for key in keys if f"{key}=".startswith(incomplete)]
        key = known[0].removesuffix("=") if len(known) == 1 else incomplete.partition("=")[0]
        if len(known) == 1 or "=" in incomplete:
            # With more than the key alone, the shell goes on to the value without a blank.
            known += [f"{key}={value}" for value in _values(key, keys)]
        return _begun(incomplete, known)
    return []


def _begun(incomplete: str, known: Iterable[str]) -> list[str]:
    """Return the words that begin so, without those that a shell would not take as they are."""
    return [word for word in known if word.startswith(incomplete) and _PLAIN.fullmatch(word)]


def _values(key: str, keys: Mapping[str, Any]) -> list[str]:
    """Return what may stand after a key: names of a kind, or what the config has, in one word."""
    from dlx.config.dump import inline
    from dlx.registry import MODULES, names

    *sections, last = key.split(".")
    last = sections[-1] if last == "name" and sections else last
    kind = _KINDS.get(last, last)
    if kind in MODULES:
        return list(names(kind))
    return [inline(keys[key]).replace(", ", ",")] if key in keys else []
