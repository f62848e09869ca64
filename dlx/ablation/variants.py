"""The variants of an ablation: designs, conditions and names."""

import itertools
import json
import math
import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlx.ablation import vary
from dlx.ablation.results import Variant
from dlx.config import load as config_files
from dlx.config.dump import flat, inline, to_plain
from dlx.config.schema import COMPARING, AblationConfig, RunConfig
from dlx.errors import ConfigError, did_you_mean

MAX_RUNS = 100_000
BASE = "base"
_LONGEST_OF_EQUALS = 3  # values of a list of equal ones that is written in full
_MOST_PROBLEMS = 20  # after which no more variants are looked at

Settings = dict[str, Any]


@dataclass(frozen=True)
class Resolved(Variant):
    """A variant with its config."""

    config: RunConfig  # of its runs, without their seeds


def expand(config: RunConfig) -> list[Resolved]:
    """Return the variants of a config's ablation, in the order in which it names them.

    Raises ConfigError with a line for every variant whose settings are wrong.
    """
    section = _section(config)
    base = _base_of(config)
    plain = to_plain(base)
    for key in section.only:
        if key not in section.vary:
            near = did_you_mean(key, section.vary if isinstance(section.vary, dict) else [])
            raise ConfigError(f"ablation.only.{key}: not a key of ablation.vary{near}")
    combinations = _combinations(section)
    _check_excluding(section, combinations, plain)
    all_settings = [
        settings for settings in combinations if not _is_excluded(settings, section, plain)
    ]
    if not all_settings:
        raise ConfigError("ablation.exclude: it leaves no variant; remove a condition")
    names = _names(all_settings)
    variants: list[Resolved] = []
    problems: list[str] = []
    by_config: dict[str, str] = {}
    for name, settings in zip(names, all_settings, strict=True):
        settings.pop("name", None)
        try:
            resolved = config_files.assign(base, in_order(settings))
        except ConfigError as error:
            problems += [f"variant {name!r}: {line}" for line in str(error).split("\n")]
            refuse_many(problems)
            continue
        text = _text(resolved)
        if text in by_config:
            if section.design == "one_at_a_time" and by_config[text] == BASE:
                continue
            problems.append(
                f"ablation.vary: the variants {by_config[text]!r} and {name!r} are the same; "
                "remove one"
            )
        by_config.setdefault(text, name)
        variants.append(Resolved(name, settings, resolved))
    if problems:
        raise ConfigError("\n".join(problems))
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise ConfigError(f"ablation.vary: two variants are called {name!r}; remove or rename one")
    return variants


def check(config: RunConfig) -> None:
    """Check the variants of a config whose ablation names some, as far as it goes without data.

    Raises:
        ConfigError: settings of a variant are wrong, or the baseline is none
    """
    if config.ablation is not None and config.ablation.vary:
        find_baseline(expand(config), config)


def refuse_many(problems: Collection[str]) -> None:
    """Raise ConfigError where so much is wrong that the variants after it need no look."""
    if len(problems) >= _MOST_PROBLEMS:
        raise ConfigError(
            "\n".join(problems) + " (the variants that come after this one were not looked at)"
        )


def _base_of(config: RunConfig) -> RunConfig:
    return config.model_copy(update=dict.fromkeys(COMPARING))


def quieted(config: RunConfig) -> RunConfig:
    """Return a config with log level minimal, unless it names a level."""
    if "level" in config.log.model_fields_set:
        return config
    return config.model_copy(update={"log": config.log.model_copy(update={"level": "minimal"})})


def find_baseline(variants: Sequence[Resolved], config: RunConfig) -> str:
    """Return the name of the variant that others are compared with.

    It is the one that `ablation.baseline` names or describes. Without that key it is the variant
    with the base config, or else the one that differs from it in the fewest values.
    """
    wanted = _section(config).baseline
    names = [variant.name for variant in variants]
    if wanted is None:
        distances = distances_from_base(variants, config)
        return names[distances.index(min(distances))]
    if isinstance(wanted, str):
        if wanted not in names:
            raise ConfigError(
                f"ablation.baseline: {wanted!r} is no variant{did_you_mean(wanted, names)} "
                f"({_listed(names)})"
            )
        return wanted
    fitting = [v.name for v in variants if _fits(wanted, v.settings, to_plain(v.config))]
    if len(fitting) != 1:
        text = inline(dict(wanted))
        problem = f"fits {len(fitting)} variants" if fitting else "is no variant"
        raise ConfigError(f"ablation.baseline: {text} {problem} ({_listed(fitting or names)})")
    return fitting[0]


def distances_from_base(variants: Iterable[Resolved], config: RunConfig) -> list[int]:
    """Return for each variant in how many values it differs from the base config."""
    base = flat(to_plain(_base_of(config)))
    flats = (flat(to_plain(variant.config)) for variant in variants)
    return [sum(own.get(key) != base.get(key) for key in {*own, *base}) for own in flats]


def _fits(condition: Mapping[str, Any], settings: Mapping[str, Any], plain: Any) -> bool:
    """Return whether a config with changed settings meets a condition.

    A condition has by dotted key a value, or a list of allowed values; a name stands for the choice
    of that name with any options.
    """
    return all(_allows(wanted, value_at(key, settings, plain)) for key, wanted in condition.items())


def _section(config: RunConfig) -> AblationConfig:
    if config.ablation is None:
        raise ConfigError(
            "ablation: the config has no such section; say what varies with --vary KEY=a,b,c, or "
            "write ablation: {vary: {KEY: [a, b, c]}}"
        )
    return config.ablation


def _combinations(section: AblationConfig) -> list[Settings]:
    """Return the settings of every variant of the design, before any is excluded."""
    design = section.design
    if isinstance(section.vary, list) != (design == "list"):
        raise ConfigError(
            f"ablation.vary: design {design} takes "
            + (
                "a list of variants, each {dotted key: value}"
                if design == "list"
                else "{dotted key: [values]}; a list of variants needs design: list"
            )
        )
    if isinstance(section.vary, list):
        return [_listed_variant(place, settings) for place, settings in enumerate(section.vary)]
    if not section.vary:
        raise ConfigError(
            "ablation.vary: nothing varies; name a key and its values, as in --vary "
            "model.activation=relu,tanh"
        )
    values = {key: vary.expand(f"ablation.vary.{key}", of) for key, of in section.vary.items()}
    refuse_seed("ablation.vary.seed", values)
    _check_size(section, values)
    if design == "one_at_a_time":
        alone: list[Settings] = [{key: value} for key, of in values.items() for value in of]
        return [{"name": BASE}, *alone]
    if design == "zip":
        if len({len(of) for of in values.values()}) > 1:
            counts = ", ".join(f"{key} has {len(of)}" for key, of in values.items())
            raise ConfigError(
                f"ablation.vary: design zip takes lists of one length, but {counts}; "
                "give each key as many values, or write ablation.design: grid"
            )
        rows = zip(*values.values(), strict=True)
    else:
        rows = itertools.product(*values.values())
    return [dict(zip(values, row, strict=True)) for row in rows]


def _listed_variant(place: int, settings: Mapping[str, Any]) -> Settings:
    """Return the settings of a variant of design list, after checking its name and keys."""
    where = f"ablation.vary[{place}]"
    refuse_seed(f"{where}.seed", settings)
    name = settings.get("name", BASE)
    if not (isinstance(name, str) and name.strip() and name.isprintable()):
        raise ConfigError(
            f"{where}.name: received {json.dumps(name)} (allowed: a text of printable characters, "
            "in quotes if YAML reads something else)"
        )
    return dict(settings)


def refuse_seed(where: str, keys: Iterable[str]) -> None:
    """Refuse keys that vary or are tuned if the seed is one of them."""
    if "seed" in keys:
        raise ConfigError(
            f"{where}: seeds are no factor, since every variant has all of them; use ablation.seeds"
        )


def _check_excluding(section: AblationConfig, combinations: Sequence[Settings], plain: Any) -> None:
    """Refuse a condition that excludes nothing: it is likely misspelt."""
    for place, condition in enumerate(section.exclude):
        if not any(_fits(condition, settings, plain) for settings in combinations):
            raise ConfigError(
                f"ablation.exclude[{place}]: {inline(dict(condition))} fits no variant; correct "
                "its values, or remove it"
            )


def _check_size(section: AblationConfig, values: Mapping[str, Sequence[Any]]) -> None:
    sizes = {key: len(of) for key, of in values.items()}
    number = math.prod(sizes.values()) if section.design == "grid" else sum(sizes.values())
    seeds = section.most_seeds
    runs = number * seeds * (section.folds or 1)
    if runs > MAX_RUNS:
        product = " x ".join(f"{size} of {key}" for key, size in sizes.items())
        raise ConfigError(
            f"ablation.vary: {product} x {seeds} seeds are {runs:,} runs, more than {MAX_RUNS:,}; "
            "name fewer values, or use design: one_at_a_time"
        )


def _is_excluded(settings: Settings, section: AblationConfig, plain: Any) -> bool:
    """Remove the keys that may not vary in a variant, and return whether it is excluded."""
    for key, condition in section.only.items():
        if key not in settings:
            continue
        others = {other: value for other, value in settings.items() if other != key}
        if _fits(condition, others, plain):
            continue
        # The variant with the key's first value stands for those with its other values.
        first = vary.expand(f"ablation.vary.{key}", section.vary[key])[0]  # type: ignore[index]
        if not _allows(settings[key], first):
            return True
        del settings[key]
    return any(_fits(condition, settings, plain) for condition in section.exclude)


def value_at(key: str, settings: Mapping[str, Any], plain: Any) -> Any:
    """Return the value at a dotted key: that of the settings or, without one, of the config."""
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
        return any(_allows(allowed, value) for allowed in wanted)
    if isinstance(wanted, str) and isinstance(value, Mapping):
        return value.get("name") == wanted
    if isinstance(value, str) and isinstance(wanted, Mapping):
        return wanted.get("name") == value
    return wanted == value and isinstance(wanted, bool) == isinstance(value, bool)


def in_order(settings: Settings) -> Settings:
    """Return the settings with each choice before the options set inside it."""

    def place(key: str) -> tuple[int, bool]:
        return key.removesuffix(".name").count("."), not key.endswith(".name")

    return {key: settings[key] for key in sorted(settings, key=place)}


def _names(all_settings: Sequence[Settings]) -> list[str]:
    """Return a name for each variant: the one it was given, or else its settings in words."""
    keys = dict.fromkeys(key for settings in all_settings for key in settings if key != "name")
    labels = short_labels(keys)
    folders = {
        key: _common_folder([settings[key] for settings in all_settings if key in settings])
        for key in keys
    }

    def words(settings: Settings) -> str:
        texts = {key: show(value).replace(folders[key], "") for key, value in settings.items()}
        return " ".join(f"{labels[key]}={text}" for key, text in texts.items()) or BASE

    return [
        str(settings["name"]) if "name" in settings else words(settings)
        for settings in all_settings
    ]


def _common_folder(values: Sequence[Any]) -> str:
    """Return the common folder of the absolute paths among values, with '/' at its end."""
    paths = [path for value in values for path in _absolute_paths(value)]
    common = os.path.commonpath([path.parent for path in paths]) if paths else ""
    return f"{common}{os.sep}" if common.rstrip(os.sep) else ""


def _absolute_paths(value: Any) -> list[Path]:
    if isinstance(value, Mapping):
        return [path for option in value.values() for path in _absolute_paths(option)]
    return [Path(value)] if isinstance(value, str) and Path(value).is_absolute() else []


def short_labels(keys: Iterable[str]) -> dict[str, str]:
    """Return for each dotted key as few of its last parts as no other key ends with."""
    paths = {key: key.removesuffix(".name").split(".") for key in keys}

    def label(key: str) -> str:
        for length in range(1, len(paths[key])):
            end = paths[key][-length:]
            if [other for other, path in paths.items() if path[-length:] == end] == [key]:
                return ".".join(end)
        return ".".join(paths[key])

    return {key: label(key) for key in paths}


def show(value: Any) -> str:
    """Return a value as in a variant's name: `relu`, `0.1`, `[10,10]`, `[9x10]`, `sgd(lr=0.1)`.

    A list of more than three equal values is shortened: `[9x10]` is nine times 10.
    """
    if isinstance(value, Mapping):
        name = str(value.get("name", ""))
        options = [f"{key}={show(option)}" for key, option in value.items() if key != "name"]
        return f"{name}({','.join(options)})" if options else name
    if isinstance(value, list | tuple):
        shown = [show(item) for item in value]
        if len(shown) > _LONGEST_OF_EQUALS and len(set(shown)) == 1:
            return f"[{len(shown)}x{shown[0]}]"
        return f"[{','.join(shown)}]"
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, str):
        return value if value.isprintable() else json.dumps(value, ensure_ascii=False)
    return inline(value)


def _text(config: RunConfig) -> str:
    """Return a text that is equal for equal configs."""
    return json.dumps(to_plain(config))


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:8])
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"the variants are {shown}{more}"
