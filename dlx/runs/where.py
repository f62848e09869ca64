"""Conditions on runs: `optimizer.lr > 0.01 and dev.accuracy > 0.9`.

Python's own parser reads a condition; it is never run. It holds comparisons (chained, or with `in`)
of names with dots, numbers, quoted texts, true, false, null and lists, and between them `and`,
`or`, `not` and parentheses. A name alone is a condition too: is its value true? A value that is
missing is null. Values of different kinds have no order, and neither has null.
"""

import ast
import operator
import warnings
from collections.abc import Callable, Collection
from typing import Any

from dlx.errors import ConfigError, did_you_mean

_MOST_CHARACTERS = 1000
_CONSTANTS = {"true": True, "false": False, "null": None}
_ORDERS = {ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge}
_COMPARISONS = (*_ORDERS, ast.Eq, ast.NotEq, ast.In, ast.NotIn)
_FORM = (
    "write comparisons such as optimizer.lr > 0.01 or status in ['failed', 'diverged'], joined by "
    "and, or, not and parentheses"
)
_CURES = {  # of what other languages write
    "&&": "write and",
    "||": "write or",
    "<>": "write !=",
    "AND": "write and",
    "OR": "write or",
    "NOT": "write not",
    "%": "shares are numbers from 0 to 1",
    "!": "write not",
    "=": "write == for equal values",
}

Lookup = Callable[[str], Any]


class Condition:
    """A condition that has been read; called with what gives a name's value, it says if it holds.

    Attributes:
        names: whose values it asks for
    """

    def __init__(self, text: str, names: Collection[str]) -> None:
        """Read a condition that may ask for some names.

        Raises:
            ConfigError: it is no condition, or asks for another name; says at which character
        """
        self.names: dict[str, None] = {}
        self._text, self._known = text.replace("\n", " ").rstrip(), names
        self._indent = len(self._text) - len(self._text.lstrip())
        self._tree = self._parsed()
        self._check(self._tree)

    def __call__(self, lookup: Lookup) -> bool:
        """Return whether a run meets the condition; `lookup` gives its value of a name."""
        return _holds(self._tree, lookup)

    def _parsed(self) -> ast.expr:
        if len(self._text) > _MOST_CHARACTERS:
            raise ConfigError(f"--where: it is longer than {_MOST_CHARACTERS:,} characters")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of a \ in a text
                return ast.parse(self._text.lstrip(), mode="eval").body
        except SyntaxError as error:
            place = (error.offset or len(self._text) - self._indent + 1) + self._indent
            near = self._text[max(place - 2, 0) : place + 2]
            raise self._wrong(
                place,
                f"{error.msg}; "
                + next((cure for sign, cure in _CURES.items() if sign in near), _FORM),
            ) from None
        except (ValueError, RecursionError, MemoryError):
            raise self._wrong(1, f"it cannot be read; {_FORM}") from None

    def _wrong(self, at: int | ast.expr, problem: str) -> ConfigError:
        """Return the error of a problem at a character, counted from 1, or at a node."""
        if isinstance(at, ast.expr):
            before = self._text.lstrip().encode()[: at.col_offset].decode()
            at = 1 + self._indent + len(before)
        return ConfigError(f"--where {self._text!r}, character {at}: {problem}")

    def _check(self, node: ast.expr) -> None:
        """Refuse what is no condition."""
        match node:
            case ast.BoolOp():
                for part in node.values:
                    self._check(part)
            case ast.UnaryOp(op=ast.Not()):
                self._check(node.operand)
            case ast.Compare() if all(isinstance(op, _COMPARISONS) for op in node.ops):
                for side in (node.left, *node.comparators):
                    self._check_value(side)
            case ast.Name() | ast.Attribute():
                self._check_value(node)
            case _:
                raise self._wrong(node, f"{ast.unparse(node)} is no condition; {_FORM}")

    def _check_value(self, node: ast.expr) -> None:
        """Refuse what is no value, and note the names."""
        name = _name(node)
        if name is not None and name not in _CONSTANTS:
            if name not in self._known:
                ends = [known for known in self._known if known.endswith(f".{name}")]
                near = did_you_mean(name, ends or self._known)
                near = f"; did you mean {ends[0]!r}?" if ends else near
                cure = f"; a text stands in quotes: '{name}'" if "." not in name else ""
                raise self._wrong(node, f"no run here has {name!r}{near or cure}")
            self.names[name] = None
        elif isinstance(node, ast.List | ast.Tuple):
            for item in node.elts:
                self._check_value(item)
        elif name is None and not _is_constant(node):
            raise self._wrong(node, f"{ast.unparse(node)} is no value; {_FORM}")


def _name(node: ast.expr) -> str | None:
    """Return a name with its dots; None for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := _name(node.value)) is not None:
        return f"{before}.{node.attr}"
    return None


def _is_constant(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return isinstance(node.operand, ast.Constant) and _is_number(node.operand.value)
    return isinstance(node, ast.Constant) and isinstance(node.value, str | int | float | None)


def _holds(node: ast.expr, lookup: Lookup) -> bool:
    match node:
        case ast.BoolOp():
            parts = (_holds(part, lookup) for part in node.values)
            return all(parts) if isinstance(node.op, ast.And) else any(parts)
        case ast.UnaryOp():
            return not _holds(node.operand, lookup)
        case ast.Compare():
            sides = [_value(side, lookup) for side in (node.left, *node.comparators)]
            return all(map(_compared, node.ops, sides, sides[1:]))
        case _:
            return bool(_value(node, lookup))


def _value(node: ast.expr, lookup: Lookup) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.UnaryOp(operand=ast.Constant(value=number)):
            return -number  # type: ignore[operator]
        case ast.List() | ast.Tuple():
            return [_value(item, lookup) for item in node.elts]
    name = _name(node)
    assert name is not None
    return _CONSTANTS[name] if name in _CONSTANTS else lookup(name)


def _compared(op: ast.cmpop, left: Any, right: Any) -> bool:
    if isinstance(op, ast.Eq | ast.NotEq):
        return _same(left, right) == isinstance(op, ast.Eq)
    if isinstance(op, ast.In | ast.NotIn):
        if isinstance(right, str):
            is_in = isinstance(left, str) and left in right
        else:
            is_in = isinstance(right, list) and any(_same(left, item) for item in right)
        return is_in == isinstance(op, ast.In)
    have_order = (_is_number(left) and _is_number(right)) or (
        isinstance(left, str) and isinstance(right, str)
    )
    return have_order and _ORDERS[type(op)](left, right)


def _same(left: Any, right: Any) -> bool:
    """Say whether two values are equal; 1 and true are not."""
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
