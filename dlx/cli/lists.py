"""`dlx list`: the names that a config can use."""

from inspect import Parameter
from typing import Annotated, Any

import typer

from dlx.cli.options import Json
from dlx.cli.output import emit, emit_json, emit_table
from dlx.registry import MODULES, Entry, Option, get, names
from dlx.texts import shortened

_LONGEST = 1000  # characters of a line about a plug-in's name


def list_names(
    kind: Annotated[
        str | None, typer.Argument(metavar="KIND", help=f"One of: {', '.join(MODULES)}.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the names that a config can use.

    With KIND: what each name of this kind means, its options and their defaults.

    \b
    Examples:
      dlx list
      dlx list activations
    """
    if kind is None:
        by_kind = {name: names(name) for name in MODULES}
        rows = [[name, ", ".join(listed)] for name, listed in by_kind.items()]
        emit_json(by_kind) if as_json else emit_table(["kind", "names"], rows)
        return
    plurals = {f"{name}{ending}": name for name in MODULES for ending in ("s", "es")}
    kind = plurals.get(kind, kind)
    from dlx.config.types import common_options

    entries = [get(kind, name) for name in names(kind)]
    common = common_options(kind)
    if as_json:
        documents = [_document(entry) for entry in entries]
        emit_json({"kind": kind, "entries": documents, "common": [_option(o) for o in common]})
        return
    emit("\n\n".join(_text(entry) for entry in entries))
    if common:
        emit("\n".join([f"\nEvery {kind} also takes:", *map(_line, common)]))


def _document(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "summary": entry.summary,
        "options": [_option(option) for option in entry.options.values()],
        "reference": entry.reference or None,
    }


def _option(option: Option) -> dict[str, Any]:
    required = option.default is Parameter.empty
    return {
        "name": option.name,
        "required": required,
        "default": None if required else option.default,
        "description": option.description,
    }


def _text(entry: Entry) -> str:
    lines = [f"{entry.name}: {entry.summary}"]
    lines += [_line(option) for option in entry.options.values()]
    if entry.reference:
        lines.append(f"    ({entry.reference})")
    return "\n".join(shortened(line, _LONGEST) for line in lines)


def _line(option: Option) -> str:
    given = "required" if option.default is Parameter.empty else _yaml(option.default)
    return f"    {option.name}: {given}    {option.description}".rstrip()


def _yaml(value: Any) -> str:
    words = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return words[value]
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    return str(value)
