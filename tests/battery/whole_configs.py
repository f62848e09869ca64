"""Whole configs, drawn from the schema itself: every key of every section and name may be there.

What is drawn is of the right shape: most of it is valid, and what is not breaks a rule between
keys, or one of the data. `spoilt` breaks shapes too.
"""

import copy
import random
from collections.abc import Callable
from typing import Any, Literal

import annotated_types as at
from hypothesis import strategies as st

from dlx import registry
from dlx.config.annotations import Branch, annotation_of, branches
from dlx.config.schema import RunConfig
from dlx.config.types import Named, entry_model

# Data sets that need no file; digits and parity have so many inputs that a step is still quick.
SOURCES = ("and", "xor", "half_adder", "moons", "circles", "blobs", "iris", "wine", "diabetes")
SOURCES += ("regression", "classification", "parity", "digits", "spirals")
_DEEPEST = 6  # of mappings and lists inside each other

HOSTILE = [
    *(None, True, False, -1, 0, 2**31, 2**63, 2**64, 10**30, 10**400, -(10**400)),
    *(1e-320, 1e308, float("inf"), float("nan"), -0.0, 0.5),
    *("", " ", "auto", "all", "none", "\ud800", "é" * 300, "/", "..", "\x1b[31m", "=1+1", "0"),
    *([], {}, [[]], [{}], {"name": "relu"}, {"": {}}, [None], ["relu", 3]),
]


def configs(sources: tuple[str, ...] = SOURCES, *, ablation: bool = False) -> st.SearchStrategy:
    """Return whole configs, plain, on data sets of these sources."""
    return _Configs(sources, ablation).whole()


class _Configs:
    def __init__(self, sources: tuple[str, ...], ablation: bool) -> None:
        self._sources = sources
        self._left_out = ("name", *(() if ablation else ("ablation",)))

    def whole(self) -> st.SearchStrategy:
        fields = {
            name: self._of(annotation_of(field), 1)
            for name, field in RunConfig.model_fields.items()
            if name not in self._left_out
        }
        required = {"data": fields.pop("data")}
        # Each section may be left out: then its defaults meet what else was drawn.
        return st.fixed_dictionaries(required, optional=fields)

    def _of(self, annotation: Any, depth: int) -> st.SearchStrategy:
        options = branches(annotation)
        flat = [branch for branch in options if _is_flat(branch)]
        if depth >= _DEEPEST and flat:
            options = flat
        return st.one_of([self._branch(branch, depth) for branch in options])

    def _branch(self, branch: Branch, depth: int) -> st.SearchStrategy:
        marker = branch.marker
        if isinstance(marker, Named):
            return self._named(marker, depth)
        if marker is not None:
            return st.sampled_from(marker.suggestions() or ["1 epochs", "run"])
        if branch.kind is Literal:
            return st.sampled_from(branch.arguments)
        if branch.is_null:
            return st.none()
        if branch.is_model:
            return st.deferred(lambda: self._section(branch.base, depth))
        scalars: dict[Any, Callable[[Branch], st.SearchStrategy]] = {
            int: _integers,
            float: _floats,
            bool: lambda _: st.booleans(),
            str: lambda _: st.sampled_from(["1", "2", "hidden", "run", "latest", "x"]),
        }
        if branch.kind in scalars:
            return scalars[branch.kind](branch)
        if branch.kind is list:
            least = max(
                (c.min_length for c in branch.constraints if isinstance(c, at.MinLen)), default=0
            )
            item = self._of(branch.arguments[0], depth + 1)
            return st.lists(item, min_size=least, max_size=least + 2)
        if branch.kind is tuple:
            items = [item for item in branch.arguments if item is not ...]
            if ... in branch.arguments:
                return st.lists(self._of(items[0], depth + 1), max_size=4)
            return st.tuples(*(self._of(item, depth + 1) for item in items)).map(list)
        if branch.kind is dict:
            keys = st.sampled_from(["optimizer.lr", "model.activation", "dev.cost", "train.cost"])
            return st.dictionaries(keys, self._of(branch.arguments[1], depth + 1), max_size=2)
        return st.sampled_from([0.1, 1, "relu", "tanh", None])

    def _named(self, marker: Named, depth: int) -> st.SearchStrategy:
        names = registry.names(marker.kind)
        if marker.kind == "data":
            names = [name for name in self._sources if name in names]
        if marker.kind == "block" and depth >= _DEEPEST - 1:
            names = ["dense"]
        common = {} if marker.common else {"common": False}

        def options(name: str) -> st.SearchStrategy:
            model = entry_model(marker.kind, name, **common)
            return self._section(model, depth).map(lambda own: {"name": name, **own})

        bare = [n for n in names if not _required(entry_model(marker.kind, n, **common))]
        with_options = st.deferred(lambda: st.sampled_from(names).flatmap(options))
        return st.sampled_from(bare) | with_options if bare else with_options

    def _section(self, model: Any, depth: int) -> st.SearchStrategy:
        fields = {
            name: self._of(annotation_of(field), depth + 1)
            for name, field in model.model_fields.items()
            if name not in ("name", "from_run") and name not in _FROM_FILES
        }
        needed = {name: fields.pop(name) for name in _required(model) if name in fields}
        return st.fixed_dictionaries(needed, optional=fields).flatmap(_few(needed))


_FROM_FILES = ("dev_from", "test_from")


def _few(needed: dict[str, Any]) -> Callable[[dict[str, Any]], st.SearchStrategy]:
    """Keep few of a section's options: of many, some two forbid each other nearly always."""

    def thin(drawn: dict[str, Any]) -> st.SearchStrategy:
        others = [key for key in drawn if key not in needed]
        kept = st.lists(st.sampled_from(others), max_size=2, unique=True) if others else st.just([])
        return kept.map(lambda keys: {k: v for k, v in drawn.items() if k in needed or k in keys})

    return thin


def _required(model: Any) -> list[str]:
    return [
        name for name, field in model.model_fields.items() if field.is_required() and name != "name"
    ]


def _is_flat(branch: Branch) -> bool:
    return branch.kind is Literal or branch.is_null or branch.kind in (int, float, bool, str)


def _bound(branch: Branch, kinds: tuple[type, ...], default: float) -> float:
    values = [
        getattr(c, k.__name__.lower())
        for c in branch.constraints
        for k in kinds
        if isinstance(c, k)
    ]
    return values[0] if values else default


def _integers(branch: Branch) -> st.SearchStrategy:
    low = int(_bound(branch, (at.Ge,), 0))
    low = max(low, int(_bound(branch, (at.Gt,), -1)) + 1)
    high = int(_bound(branch, (at.Le,), low + 5))
    return st.integers(low, min(high, low + 5))


def _floats(branch: Branch) -> st.SearchStrategy:
    low = _bound(branch, (at.Ge, at.Gt), 0.0)
    high = _bound(branch, (at.Le, at.Lt), max(low, 0.0) + 10.0)
    open_low = any(isinstance(c, at.Gt) for c in branch.constraints)
    open_high = any(isinstance(c, at.Lt) for c in branch.constraints)
    return st.floats(float(low), float(high), exclude_min=open_low, exclude_max=open_high)


def spoilt(config: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """Return a copy of a config of which one to three places were spoilt."""
    config = copy.deepcopy(config)
    for _ in range(draw.randint(1, 3)):
        _spoil(draw, config)
    return config


def crossed(configs: list[dict[str, Any]], draw: random.Random) -> dict[str, Any]:
    """Return a config that has up to four values of others, each in its own place or as a whole."""
    config = copy.deepcopy(draw.choice(configs))
    for _ in range(draw.randint(1, 4)):
        node: Any = config
        other: Any = draw.choice(configs)
        while key := draw.choice([*other, None]):
            inner = node.get(key), other[key]
            if all(isinstance(value, dict) for value in inner) and draw.random() < 0.6:
                node, other = inner
                continue
            node[key] = copy.deepcopy(other[key])
            break
    return config


def _spoil(draw: random.Random, node: Any) -> None:
    while isinstance(node, dict | list) and node:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = draw.choice(keys)
        if not isinstance(node[key], dict | list) or not node[key] or draw.random() < 0.5:
            break
        node = node[key]
    else:
        return
    how = draw.randint(0, 3)
    if how == 0 and isinstance(node, dict):
        node[draw.choice(["nmae", "lr", "steps", "", "repeat", "units"])] = node.pop(key)
    elif how == 1:
        node[key] = [node[key]] if draw.random() < 0.5 else {"name": node[key]}
    else:
        node[key] = copy.deepcopy(draw.choice(HOSTILE))
