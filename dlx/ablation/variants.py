"""Which variants an ablation has: designs, conditions and names."""

import itertools
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlx.ablation import vary
from dlx.ablation.results import Variant
from dlx.config import load as config_files
from dlx.config.dump import inline, to_plain
from dlx.config.schema import AblationConfig, RunConfig
from dlx.errors import ConfigError, did_you_mean

MAX_RUNS = 100_000
BASE = "base"
_LONGEST_OF_EQUALS = 3  # a list of equal values that is written out

Settings = dict[str, Any]


@dataclass(frozen=True)
class Resolved:
    """A variant with the config that its settings give.

    Attributes:
        variant: name and settings
        config: of its runs, but for the seed
    """

    variant: Variant
    config: RunConfig


def expand(config: RunConfig) -> list[Resolved]:
    """Return the variants of a config's ablation, in the order in which it names them.

    Args:
        config: the base, with its `ablation` section

    Raises:
        ConfigError: a line for every variant that cannot be, and for what is wrong with the design
    """
    plan = _section(config)
    base = base_of(config)
    plain = to_plain(base)
    for key in plan.only:
        if key not in plan.vary:
            near = did_you_mean(key, plan.vary if isinstance(plan.vary, dict) else [])
            raise ConfigError(f"ablation.only.{key}: no key of ablation.vary{near}")
    combinations = _combinations(plan)
    _check_excluding(plan, combinations, plain)
    settings = [each for each in combinations if not _excluded(each, plan, plain)]
    if not settings:
        raise ConfigError("ablation.exclude: it leaves no variant; remove a condition")
    names = _names(settings, plan)
    found: list[Resolved] = []
    problems: list[str] = []
    by_config: dict[str, str] = {}
    for name, its in zip(names, settings, strict=True):
        settled = {key: value for key, value in its.items() if key != "name"}
        try:
            resolved = config_files.assign(base, _in_order(settled))
        except ConfigError as error:
            problems += [f"variant {name!r}: {line}" for line in str(error).split("\n")]
            continue
        text = _text(resolved)
        if text in by_config:
            if plan.design == "one_at_a_time" and by_config[text] == BASE:
                continue
            problems.append(
                f"ablation.vary: the variants {by_config[text]!r} and {name!r} are the same; "
                "remove one"
            )
        by_config.setdefault(text, name)
        found.append(Resolved(Variant(name, settled), resolved))
    if problems:
        raise ConfigError("\n".join(problems))
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise ConfigError(f"ablation.vary: two variants are called {twice!r}; remove or rename one")
    return found


def base_of(config: RunConfig) -> RunConfig:
    """Return the config that variants depart from: without its ablation."""
    return config.model_copy(update={"ablation": None})


def quieted(config: RunConfig) -> RunConfig:
    """Return a config as its file says, but logging little if it does not say how much."""
    if "level" in config.log.model_fields_set:
        return config
    return config.model_copy(update={"log": config.log.model_copy(update={"level": "minimal"})})


def find_baseline(found: Sequence[Resolved], config: RunConfig) -> str:
    """Return the name of the variant that others are compared with.

    It is the one that `ablation.baseline` names or describes; without, the one whose config is the
    base config, else the first.

    Raises:
        ConfigError: the baseline is no variant
    """
    wanted = _section(config).baseline
    names = [each.variant.name for each in found]
    if wanted is None:
        base = _text(base_of(config))
        same = (n for n, r in zip(names, found, strict=True) if _text(r.config) == base)
        return next(same, names[0])
    if isinstance(wanted, str):
        if wanted not in names:
            raise ConfigError(
                f"ablation.baseline: {wanted!r} is no variant{did_you_mean(wanted, names)}; "
                f"{_listed(names)}"
            )
        return wanted
    fitting = [
        each.variant.name
        for each in found
        if fits(wanted, each.variant.settings, to_plain(each.config))
    ]
    if len(fitting) != 1:
        text = inline(dict(wanted))
        which = f"fits {len(fitting)} variants" if fitting else "is no variant"
        raise ConfigError(f"ablation.baseline: {text} {which}; {_listed(fitting or names)}")
    return fitting[0]


def fits(condition: Mapping[str, Any], settings: Mapping[str, Any], plain: Any) -> bool:
    """Say whether settings, over a config, meet a condition.

    Args:
        condition: by dotted key a value, or a list of values of which one will do; a name stands
            for the choice of that name, whatever its options
        settings: of a variant, by dotted key
        plain: the config below them, as mappings and scalars
    """
    return all(_allows(wanted, value_at(key, settings, plain)) for key, wanted in condition.items())


def _section(config: RunConfig) -> AblationConfig:
    if config.ablation is None:
        raise ConfigError(
            "ablation: the config has no such section; say what varies with --vary KEY=a,b,c, or "
            "write ablation: {vary: {KEY: [a, b, c]}}"
        )
    return config.ablation


def _combinations(plan: AblationConfig) -> list[Settings]:
    """Return the settings of every variant of the design, before any is excluded."""
    if isinstance(plan.vary, list) != (plan.design == "list"):
        raise ConfigError(
            f"ablation.vary: design {plan.design} takes "
            + (
                "a list of variants, each {dotted key: value}"
                if plan.design == "list"
                else "{dotted key: [values]}; a list of variants needs design: list"
            )
        )
    if isinstance(plan.vary, list):
        return [_listed_variant(place, each) for place, each in enumerate(plan.vary)]
    if not plan.vary:
        raise ConfigError(
            "ablation.vary: nothing varies; name a key and its values, as --vary "
            "model.activation=relu,tanh does"
        )
    values = {key: vary.expand(f"ablation.vary.{key}", each) for key, each in plan.vary.items()}
    refuse_seed("ablation.vary.seed", values)
    _check_size(plan, values)
    if plan.design == "one_at_a_time":
        alone: list[Settings] = [{key: value} for key, each in values.items() for value in each]
        return [{"name": BASE}, *alone]
    if plan.design == "zip":
        lengths = {key: len(each) for key, each in values.items()}
        if len(set(lengths.values())) > 1:
            counts = ", ".join(f"{key} has {number}" for key, number in lengths.items())
            raise ConfigError(f"ablation.vary: design zip takes lists of one length, but {counts}")
        return [dict(zip(values, each, strict=True)) for each in zip(*values.values(), strict=True)]
    return [dict(zip(values, each, strict=True)) for each in itertools.product(*values.values())]


def _listed_variant(place: int, settings: Mapping[str, Any]) -> Settings:
    """Return a variant of design list, its name and keys checked."""
    where = f"ablation.vary[{place}]"
    refuse_seed(f"{where}.seed", settings)
    name = settings.get("name", BASE)
    if not (isinstance(name, str) and name.strip() and name.isprintable()):
        raise ConfigError(
            f"{where}.name: received {json.dumps(name)} (allowed: a text of printable characters, "
            "in quotes where YAML reads something else)"
        )
    return dict(settings)


def refuse_seed(where: str, keys: Iterable[str]) -> None:
    """Refuse the seed among what varies or is tuned.

    Raises:
        ConfigError: it is
    """
    if "seed" in keys:
        raise ConfigError(
            f"{where}: seeds are no factor, every variant has them all; use ablation.seeds"
        )


def _check_excluding(plan: AblationConfig, combinations: Sequence[Settings], plain: Any) -> None:
    """Refuse a condition that leaves nothing out: what it was to leave out would be trained."""
    for place, condition in enumerate(plan.exclude):
        if not any(fits(condition, each, plain) for each in combinations):
            raise ConfigError(
                f"ablation.exclude[{place}]: {inline(dict(condition))} fits no variant; correct "
                "its values, or remove it"
            )


def _check_size(plan: AblationConfig, values: Mapping[str, Sequence[Any]]) -> None:
    sizes = [len(each) for each in values.values()]
    number = math.prod(sizes) if plan.design == "grid" else sum(sizes)
    seeds = plan.seeds if isinstance(plan.seeds, int) else len(plan.seeds)
    runs = number * seeds * (plan.folds or 1)
    if runs > MAX_RUNS:
        product = " x ".join(f"{len(each)} of {key}" for key, each in values.items())
        raise ConfigError(
            f"ablation.vary: {product} x {seeds} seeds are {runs:,} runs, more than {MAX_RUNS:,}; "
            "name fewer values, or use design: one_at_a_time"
        )


def _excluded(settings: Settings, plan: AblationConfig, plain: Any) -> bool:
    """Take away the keys that may not vary here, and say whether the variant is left out."""
    for key, condition in plan.only.items():
        if key not in settings:
            continue
        others = {other: value for other, value in settings.items() if other != key}
        if fits(condition, others, plain):
            continue
        # One variant stands for all values of the key: the first of them.
        first = vary.expand(f"ablation.vary.{key}", plan.vary[key])[0]  # type: ignore[index]
        if not _allows(settings[key], first):
            return True
        del settings[key]
    return any(fits(condition, settings, plain) for condition in plan.exclude)


def value_at(key: str, settings: Mapping[str, Any], plain: Any) -> Any:
    """Return the value at a dotted key, as the settings or else the config have it."""
    path = key.split(".")
    for length in range(len(path), 0, -1):
        above = ".".join(path[:length])
        if above in settings:
            return _inside(settings[above], path[length:])
        if f"{above}.name" in settings and length == len(path):
            return settings[f"{above}.name"]
    return _inside(plain, path)


def _inside(value: Any, path: Sequence[str]) -> Any:
    for part in path:
        if isinstance(value, str) and part == "name":
            return value
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _allows(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, list) and not isinstance(value, list):
        return any(_allows(each, value) for each in wanted)
    if isinstance(wanted, str) and isinstance(value, Mapping):
        return value.get("name") == wanted
    if isinstance(value, str) and isinstance(wanted, Mapping):
        return wanted.get("name") == value
    return wanted == value and isinstance(wanted, bool) == isinstance(value, bool)


def _in_order(settings: Settings) -> Settings:
    """Return the settings, whole choices before what is set inside them."""
    return dict(
        sorted(
            settings.items(),
            key=lambda item: (item[0].removesuffix(".name").count("."), item[0][-5:] != ".name"),
        )
    )


def _names(settings: Sequence[Settings], plan: AblationConfig) -> list[str]:
    """Return a name for each variant: what it is called, else what differs."""
    keys = list(dict.fromkeys(key for each in settings for key in each if key != "name"))
    labels = short_labels(keys)
    folders = {key: _common_folder([each[key] for each in settings if key in each]) for key in keys}
    return [
        str(each["name"])
        if "name" in each
        else " ".join(
            f"{labels[key]}={show(value).replace(folders[key], '')}" for key, value in each.items()
        )
        or BASE
        for each in settings
    ]


def _common_folder(values: Sequence[Any]) -> str:
    """Return the folder, '/' included, that the absolute paths among values are in."""
    paths = [path for value in values for path in _absolute_paths(value)]
    common = os.path.commonpath([path.parent for path in paths]) if paths else ""
    return f"{common}{os.sep}" if common.rstrip(os.sep) else ""


def _absolute_paths(value: Any) -> list[Path]:
    if isinstance(value, Mapping):
        return [path for each in value.values() for path in _absolute_paths(each)]
    return [Path(value)] if isinstance(value, str) and Path(value).is_absolute() else []


def short_labels(keys: Iterable[str]) -> dict[str, str]:
    """Return for each dotted key the shortest end of it that tells it apart: `activation`."""
    paths = {key: key.removesuffix(".name").split(".") for key in keys}

    def label(key: str) -> str:
        for length in range(1, len(paths[key])):
            end = paths[key][-length:]
            if [other for other, path in paths.items() if path[-length:] == end] == [key]:
                return ".".join(end)
        return ".".join(paths[key])

    return {key: label(key) for key in paths}


def show(value: Any) -> str:
    """Return a value as a variant's name has it: `relu`, `0.1`, `[10,10]`, `[9x10]`, `sgd(lr=0.1)`.

    A list of more than three equal values is shortened: `[9x10]` is nine times 10.
    """
    if isinstance(value, Mapping):
        options = ",".join(f"{key}={show(each)}" for key, each in value.items() if key != "name")
        name = str(value.get("name", ""))
        return f"{name}({options})" if options else name
    if isinstance(value, list | tuple):
        shown = [show(each) for each in value]
        if len(shown) > _LONGEST_OF_EQUALS and len(set(shown)) == 1:
            return f"[{len(shown)}x{shown[0]}]"
        return f"[{','.join(shown)}]"
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, str):
        return value if value.isprintable() else json.dumps(value, ensure_ascii=False)
    return inline(value)


def _text(config: RunConfig) -> str:
    """Return a config as text that is equal for equal ones."""
    return json.dumps(to_plain(config))


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:8])
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"the variants are {shown}{more}"
