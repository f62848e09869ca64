"""YAML with positions: every value knows the file and line, or the override, that it comes from.

PyYAML reads the syntax. Plain scalars mean what YAML 1.2's core schema says: `1e-3` is a number,
`no` and `12:30:45` are strings, `017` is 17. https://yaml.org/spec/1.2.2/#103-core-schema
"""

import codecs
import functools
import os
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import yaml

from dlx.errors import ConfigError, refuse_special, unreadable

STDIN = Path("/dev/stdin")
MAX_NODES = 100_000  # of a file: a few aliases of aliases can stand for billions
MAX_BYTES = 20 * MAX_NODES  # of a file
# Endings of files that are no configs.
_TABLES = (".csv", ".tsv", ".parquet")
_SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".ods")
_HALVES = re.compile("[\ud800-\udbff][\udc00-\udfff]")  # of one character
# NUL, which no path may have, and halves of characters, which UTF-8 has no bytes for.
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True)
class Node:
    """A value and where it is written."""

    value: Any  # a dict of nodes, a list of nodes or a scalar
    where: str = ""  # "file:line", "override 'KEY=VALUE'" or "" for a value from Python
    # a mapping replaces the one that it overrides, and is not merged with it
    replaces: bool = False

    def plain(self) -> Any:
        """Return the value without positions."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def at(self, path: tuple[Any, ...]) -> "tuple[Node, tuple[Any, ...]]":
        """Return the deepest node on a path, and the part of the path that leads to it."""
        node = self
        for depth, key in enumerate(path):
            try:
                node = node.value[key]
            except (LookupError, TypeError):
                return node, path[:depth]
        return node, path


def dotted(path: Sequence[str | int]) -> str:
    """Return `model.hidden[1]` for ("model", "hidden", 1)."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def from_plain(value: Any) -> Node:
    """Return the node of a Python value."""
    if isinstance(value, Mapping):
        return Node({key: from_plain(inner) for key, inner in value.items()})
    if isinstance(value, list | tuple):
        return Node([from_plain(inner) for inner in value])
    if isinstance(value, int):
        _check_digits(value)
    if isinstance(value, str | Path) and (found := _UNWRITABLE.search(str(value))):
        character = f"the character U+{ord(found[0]):04X}"
        raise ConfigError(
            f"the config holds {str(value)[:40]!r}: {character} cannot stand in a file; remove it"
        )
    return Node(value)


def _check_digits(value: int) -> None:
    """Refuse an integer of more digits than Python writes out, which no message could show."""
    try:
        str(value)
    except ValueError:
        raise ConfigError(
            "the config holds an integer of thousands of digits; shorten it"
        ) from None


def read_file(path: Path, problems: list[str]) -> Node:
    """Return the mapping in a config file; `problems` gets what is wrong but can be read."""
    try:
        refuse_special(path, pipe=True)
        with open(path, "rb", opener=_open) as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = unreadable(path, error, "a YAML file", "*.y*ml")
        if path == STDIN:
            reason = "no config comes from there; pipe one in, or write < FILE"
        raise ConfigError(f"{path}: {reason}") from None
    if problem := _other_name(path):
        raise ConfigError(f"{path}: {problem}")
    if len(data) > MAX_BYTES:
        raise ConfigError(
            f"{path}: it is larger than {MAX_BYTES // 10**6} MB, which no config is; name a YAML "
            "file, and keep data in files of their own"
        )
    is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if b"\0" in data[:4096] and not is_utf16:
        raise ConfigError(
            f"{path}: this is not text, and a config is; name a YAML file, and the data in its "
            "data.path"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"{path}:{line}: byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
        ) from None
    root = _read(text, lambda line: f"{path}:{line}", problems)
    if root is None:
        raise ConfigError(f"{path}:1: the file is empty; it needs at least `data: NAME`")
    if not isinstance(root.value, dict):
        raise ConfigError(f"{root.where}: a config is a mapping; write `key: value` lines")
    return root


def _open(path: str, flags: int) -> int:
    """Open a file; a pipe that the shell has opened may have been left by who filled it."""
    number = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if stat.S_ISFIFO(os.fstat(number).st_mode):
        os.set_blocking(number, True)
    return number


def _other_name(path: Path) -> str:
    """Return what a file is that is named like data, with the cure; "" if it is not."""
    name = path.name.lower().removesuffix(".gz")
    init = "`dlx init {} --target COLUMN` writes a config for it"
    if name.endswith(_TABLES):
        return f"this is a table, not a config; {init.format(path)}"
    if name.endswith(_SPREADSHEETS):
        return f"this is a spreadsheet, not a config; save it as CSV; {init.format('FILE.csv')}"
    return ""


def read_value(text: str, where: str, problems: list[str]) -> Node:
    """Return the value of an override, read as YAML; an empty text is null."""
    return _read(text, lambda line: where, problems) or Node(None, where)


class CoreLoader(yaml.SafeLoader):
    """A SafeLoader that reads plain scalars by the core schema of YAML 1.2."""

    yaml_implicit_resolvers: ClassVar[dict] = {}

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        r"""Return a scalar; a character that JSON writes as two halves, as \ud83d\ude00, is one."""
        node = super().compose_scalar_node(anchor)
        node.value = _HALVES.sub(
            lambda halves: halves[0].encode("utf-16", "surrogatepass").decode("utf-16"), node.value
        )
        return node


NULL, BOOL, INT, FLOAT, STR, SEQ, MAP = (
    f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map")
)
CORE_SCHEMA = {
    NULL: (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    BOOL: (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    INT: (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    FLOAT: (
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
}
for _tag, (_pattern, _first) in CORE_SCHEMA.items():
    CoreLoader.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern})\Z"), _first)


def _integer(text: str) -> int:
    value = int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    str(value)  # ValueError: of thousands of digits, which no message could show
    return value


_SCALARS: dict[str, Callable[[str], Any]] = {
    NULL: lambda text: None,
    BOOL: lambda text: text.lower() == "true",
    INT: _integer,
    FLOAT: lambda text: float(re.sub(r"\.(?=inf|nan)", "", text.lower())),
    STR: str,
}


_MOST_REPEATED = 1000  # values that a product may be written out as
_LIST = r"\[[^][{}'\"#\n]*\](?:[ ]*\*[ ]*[0-9]+)?"
_SUM = re.compile(rf"{_LIST}(?:[ ]*\+[ ]*{_LIST})*")


def _expanded(text: str, where: Callable[[int], str]) -> str:
    """Return lists times numbers, such as [10]*9+[5], written out as one list."""
    items: list[str] = []
    for own, times in re.findall(r"\[([^]]*)\](?:[ ]*\*[ ]*([0-9]+))?", text):
        count = int(times[:9] or 1)
        if len(items) + count > _MOST_REPEATED:
            raise ConfigError(
                f"{where(1)}: {text[:40]} is more than {_MOST_REPEATED:,} values; shorten it"
            )
        items += [own.strip()] * count if own.strip() else []
    return f"[{', '.join(items)}]"


def _read(text: str, where: Callable[[int], str], problems: list[str]) -> Node | None:
    try:
        root, second = _composed(text)
        if second is not None:
            raise ConfigError(f"{where(second)}: a second document starts here; keep one")
        return root and _Builder(where, problems).build(root)
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise ConfigError(
            f"{where(line)}: the character U+{error.character:04X} cannot stand in YAML; remove it"
        ) from None
    except yaml.MarkedYAMLError as error:
        # A product of lists is no YAML, so that text which is YAML is never changed.
        expanded = _SUM.sub(lambda found: _expanded(found[0], where), text)
        if expanded != text:
            return _read(expanded, where, problems)
        mark = error.problem_mark or error.context_mark
        reason = ", ".join(part for part in (error.context, error.problem) if part)
        cure = "indent with spaces" if r"'\t'" in reason else "correct the YAML"
        raise ConfigError(f"{where(mark.line + 1 if mark else 1)}: {reason}; {cure}") from None
    except RecursionError:
        raise ConfigError(f"{where(1)}: nested too deeply; write it flatter") from None


# The runs of an ablation share most of what they are configured by, and PyYAML is slow.
@functools.lru_cache(maxsize=16)
def _composed(text: str) -> tuple[yaml.Node | None, int | None]:
    """Return PyYAML's tree of a text, and the line at which a second document starts, if any."""
    loader = CoreLoader(text)
    root = loader.get_node() if loader.check_node() else None
    has_second = root is not None and loader.check_node()
    return root, loader.peek_event().start_mark.line + 1 if has_second else None


class _Builder:
    """Turns PyYAML's nodes into `Node`s.

    In PyYAML's tree an alias is the anchored node itself, so a node can occur at several places.
    """

    def __init__(self, where: Callable[[int], str], problems: list[str]) -> None:
        self.where = where
        self.problems = problems
        self.open: set[int] = set()
        self.path: list[str | int] = []
        self.count = 0

    def build(self, node: yaml.Node, key: yaml.Node | None = None) -> Node:
        where = self.where_of(key or node)
        self.count += 1
        if self.count > MAX_NODES:
            raise ConfigError(
                f"{where}: aliases expand to more than {MAX_NODES} values; write them out"
            )
        if id(node) in self.open:
            raise ConfigError(f"{where}: an alias stands inside its own anchor; write it out")
        self.open.add(id(node))
        value = self.value(node)
        self.open.remove(id(node))
        return Node(value, where)

    def value(self, node: yaml.Node) -> Any:
        if node.tag not in (*_SCALARS, SEQ, MAP):
            self.complain(node, f"unknown tag {node.tag!r}; remove it")
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.inside(index, item) for index, item in enumerate(node.value)]
        if found := _UNWRITABLE.search(node.value):
            told = f"{node.value[:40]!r} holds the character U+{ord(found[0]):04X}; remove it"
            self.complain(node, told)
            return None
        try:
            return _SCALARS.get(node.tag, str)(node.value)
        except ValueError:
            cure = "quote it if it is a text"
            self.complain(node, f"{node.value[:40]!r} is not a number that can be read; {cure}")
            return None

    def mapping(self, node: yaml.MappingNode) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        for key, value in node.value:
            if key.tag != STR or not isinstance(key, yaml.ScalarNode):
                shown = repr(key.value) if isinstance(key, yaml.ScalarNode) else "this one"
                self.complain(key, f"keys are strings, {shown} is not; put it in quotes")
            elif key.value == "<<" and key.style is None:
                self.complain(key, "merge keys (<<) are not YAML 1.2; use `extends: FILE`")
            elif _UNWRITABLE.search(key.value):
                self.value(key)  # which complains
            elif key.value in entries:
                first = entries[key.value].where
                self.complain(key, f"{key.value!r} stands here twice, first at {first}; remove one")
            else:
                entries[key.value] = self.inside(key.value, value, key)
        return entries

    def inside(self, part: str | int, node: yaml.Node, key: yaml.Node | None = None) -> Node:
        self.path.append(part)
        built = self.build(node, key)
        self.path.pop()
        return built

    def complain(self, node: yaml.Node, text: str) -> None:
        parts = [self.where_of(node), dotted(self.path), text]
        self.problems.append(": ".join(part for part in parts if part))

    def where_of(self, node: yaml.Node) -> str:
        return self.where(node.start_mark.line + 1)
