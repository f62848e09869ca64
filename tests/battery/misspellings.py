"""All misspellings by one letter of the names that a config or a command line may have."""

import string
from collections.abc import Iterator

from dlx import registry
from dlx.cli.app import _command
from dlx.config.annotations import annotation_of, branches
from dlx.config.schema import RunConfig
from dlx.config.types import entry_model

LETTERS = string.ascii_lowercase


def vocabularies() -> dict[str, list[str]]:
    """Return the names among which a misspelt one is looked for, by where they stand."""
    sets = {kind: registry.names(kind) for kind in registry.MODULES}
    sets["command"] = list(_command.commands)  # type: ignore[attr-defined]
    for kind in registry.MODULES:
        for name in registry.names(kind):
            sets[f"{kind} {name}"] = list(entry_model(kind, name).model_fields)
    _sections("", RunConfig, sets)
    return sets


def _sections(path: str, model: type, sets: dict[str, list[str]]) -> None:
    sets[path or "config"] = list(model.model_fields)
    for name, field in model.model_fields.items():
        for branch in branches(annotation_of(field)):
            if branch.is_model:
                _sections(f"{path}.{name}".lstrip("."), branch.base, sets)


def edits(name: str) -> Iterator[str]:
    """Give every text that is a letter, or a swap of neighbours, away from a name."""
    for place in range(len(name) + 1):
        before, after = name[:place], name[place:]
        if after:
            yield before + after[1:]
            yield from (before + letter + after[1:] for letter in LETTERS)
        if len(after) > 1:
            yield before + after[1] + after[0] + after[2:]
        yield from (before + letter + after for letter in LETTERS)


def misspelt(names: list[str]) -> Iterator[tuple[str, str]]:
    """Give each name of four letters and more with each of its misspellings that is no name."""
    for name in names:
        if len(name) >= 4:
            for text in dict.fromkeys(edits(name)):
                if text not in names:
                    yield name, text
