"""What an ablation varies: keys, their values, and which of them are numbers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dlx.ablation.results import Variant
from dlx.ablation.variants import short_labels, show

DATA = "data.name"


@dataclass(frozen=True)
class Factor:
    """A key that an ablation varies.

    Attributes:
        key: dotted
        label: its last part, or as much as tells it from the others
        values: in the order of the config
        axis: a number for each value, None if they are not numbers
        axis_label: what these numbers are: the label, or the depth or width of a list of layers
    """

    key: str
    label: str
    values: tuple[Any, ...]
    axis: tuple[float, ...] | None
    axis_label: str

    @property
    def is_numeric(self) -> bool:
        """Whether the values themselves are numbers."""
        return self.axis == self.values

    def level(self, variant: Variant) -> int | None:
        """Return the number of a variant's value; None if it is none of them."""
        wanted = same(variant.settings.get(self.key))
        return next((i for i, value in enumerate(self.values) if same(value) == wanted), None)


def same(value: Any) -> str:
    """Return what two plain values share if they are the same: 1 and true are not.

    A name and a choice of that name without options are.
    """
    if isinstance(value, Mapping) and set(value) == {"name"}:
        value = value["name"]
    return json.dumps(value, sort_keys=True)


def factors_of(varied: Mapping[str, Sequence[Any]]) -> list[Factor]:
    """Return the factors of an ablation.

    Args:
        varied: values by dotted key
    """
    found, labels = [], short_labels(varied)
    for key, values in varied.items():
        label = labels[key]
        axis, axis_label = _axis(values, label)
        found.append(Factor(key, label, tuple(values), axis, axis_label))
    return found


def filled(
    variants: Sequence[Variant], varied: Mapping[str, Sequence[Any]], base: Mapping[str, Any]
) -> tuple[list[Variant], dict[str, list[Any]]]:
    """Return variants with a value for every key that varies, and all values of each key.

    Args:
        variants: with the settings in which they differ from the base config
        varied: values by dotted key
        base: of the base config, plain value by dotted key
    """
    start = {key: value for key, value in base.items() if key in varied}
    whole = [Variant(each.name, {**start, **each.settings}) for each in variants]
    values = {}
    for key, listed in varied.items():
        taken = [each.settings[key] for each in whole if key in each.settings]
        values[key] = list({same(value): value for value in [*listed, *taken]}.values())
    return whole, values


def setting_names(settings: Mapping[str, Any], factors: Sequence[Factor]) -> str:
    """Return settings in words, `activation=relu init=he_normal`, in the order of the factors."""
    shown = [each for each in factors if each.key in settings]
    return " ".join(f"{each.label}={show(settings[each.key])}" for each in shown)


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
