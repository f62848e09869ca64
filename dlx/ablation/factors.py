"""The factors of an ablation: the keys that vary, their values, and which values are numbers."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dlx.ablation.results import Variant
from dlx.ablation.variants import short_labels, show

DATA = "data.name"


@dataclass(frozen=True)
class Factor:
    """A key that an ablation varies."""

    key: str  # dotted
    label: str  # its last part, or as many parts as tell it from other keys
    values: tuple[Any, ...]  # in the order of the config
    axis: tuple[float, ...] | None  # a number for each value; None if there is none
    axis_label: str  # what the numbers are: the label, or `depth` or `width` of a list of layers

    @property
    def is_numeric(self) -> bool:
        """Whether the values themselves are numbers."""
        return self.axis == self.values

    def level(self, variant: Variant) -> int | None:
        """Return the place of a variant's value in `values`; None if it is not among them."""
        wanted = same(variant.settings.get(self.key))
        return next((i for i, value in enumerate(self.values) if same(value) == wanted), None)


def same(value: Any) -> str:
    """Return a text that is equal for equal values: not for 1 and true.

    A name and a choice of that name without options are equal.
    """
    if isinstance(value, Mapping) and set(value) == {"name"}:
        value = value["name"]
    return json.dumps(value, sort_keys=True)


def factors_of(varied: Mapping[str, Sequence[Any]]) -> list[Factor]:
    """Return the factors of an ablation, from its values by dotted key."""
    labels = short_labels(varied)
    return [
        Factor(key, labels[key], tuple(values), *_axis(values, labels[key]))
        for key, values in varied.items()
    ]


def filled(
    variants: Sequence[Variant], varied: Mapping[str, Sequence[Any]], base: Mapping[str, Any]
) -> tuple[list[Variant], dict[str, list[Any]]]:
    """Return the variants with a value for every varied key, and the values of every key.

    A key that a variant does not set has the value of the base config.
    """
    base = {key: value for key, value in base.items() if key in varied}
    complete = [Variant(variant.name, {**base, **variant.settings}) for variant in variants]
    taken = values_of(complete)
    values = {key: _distinct([*listed, *taken.get(key, [])]) for key, listed in varied.items()}
    return complete, values


def values_of(variants: Sequence[Variant]) -> dict[str, list[Any]]:
    """Return the distinct values of every key that any variant sets."""
    keys = dict.fromkeys(key for variant in variants for key in variant.settings)
    return {
        key: _distinct([v.settings[key] for v in variants if key in v.settings]) for key in keys
    }


def _distinct(values: Iterable[Any]) -> list[Any]:
    first: dict[str, Any] = {}
    for value in values:
        first.setdefault(same(value), value)
    return list(first.values())


def setting_names(settings: Mapping[str, Any], factors: Sequence[Factor]) -> str:
    """Return settings in words, `activation=relu init=he_normal`, in the order of the factors."""
    present = [factor for factor in factors if factor.key in settings]
    return " ".join(f"{factor.label}={show(settings[factor.key])}" for factor in present)


def _axis(values: Sequence[Any], label: str) -> tuple[tuple[float, ...] | None, str]:
    if len(values) < 2:
        return None, label
    if all(_is_number(value) for value in values):
        return tuple(values), label
    if not all(
        isinstance(value, Sequence) and not isinstance(value, str) and all(map(_is_number, value))
        for value in values
    ):
        return None, label
    lengths = tuple(len(value) for value in values)
    if len(set(lengths)) == len(values):
        return lengths, "depth"
    widths = tuple(value[0] if value else 0 for value in values)
    is_even = all(len(set(value)) == 1 for value in values)
    if is_even and len(set(lengths)) == 1 and len(set(widths)) == len(values):
        return widths, "width"
    return None, label


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
