"""What stands out in the variances of a network, in words."""

import math
from collections.abc import Sequence
from typing import Any

_NOTABLE = 1e-3  # a ratio beyond which a signal or a gradient has vanished, or exploded

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def findings(layers: Sequence[dict[str, Any]]) -> list[str]:
    """Return a sentence for everything that would keep a network from learning.

    Args:
        layers: as `inspect` describes them
    """
    weighted = [layer for layer in layers if layer["weight_variance"] is not None]
    hidden = weighted[:-1]
    sentences = _constant(hidden) or _signals(hidden)
    return sentences + _gradients(weighted)


def power(ratio: float) -> str:
    """Return a ratio as a power of ten: 10⁻⁵."""
    return "10" + str(round(math.log10(ratio))).translate(_SUPERSCRIPTS)


def _constant(hidden: Sequence[dict[str, Any]]) -> list[str]:
    still = [layer["name"] for layer in hidden if layer["variance"]["measured"] == 0]
    if not still:
        return []
    return [
        f"the activations of {_named(still)} are the same for every row and unit: nothing of the "
        "inputs passes"
    ]


def _signals(hidden: Sequence[dict[str, Any]]) -> list[str]:
    if len(hidden) < 2:
        return []
    first, last = hidden[0], hidden[-1]
    before, after = first["variance"]["measured"], last["variance"]["measured"]
    if not (math.isfinite(before) and math.isfinite(after)):
        return ["the activations are not finite: they explode on their way forward"]
    ratio = after / before
    if _NOTABLE < ratio < 1 / _NOTABLE:
        return []
    what = "vanishes" if ratio < 1 else "explodes"
    return [
        f"the activations of layer {last['name']} have {power(ratio)} of the variance of layer "
        f"{first['name']}'s: the signal {what} on its way forward"
    ]


def _gradients(weighted: Sequence[dict[str, Any]]) -> list[str]:
    known = [layer for layer in weighted if layer["weight_gradient"] is not None]
    if len(known) < 2:
        return []
    without = [layer["name"] for layer in known if layer["weight_gradient"] == 0]
    if without:
        return [f"no gradient reaches {_named(without)}: such weights do not learn"]
    first, last = known[0], known[-1]
    ratio = first["weight_gradient"] / last["weight_gradient"]
    if not math.isfinite(ratio):
        return ["the gradients are not finite: they explode on their way back"]
    if _NOTABLE < ratio < 1 / _NOTABLE:
        return []
    what = "vanishes" if ratio < 1 else "explodes"
    return [
        f"the gradient of layer {first['name']} is {power(ratio)} of layer {last['name']}'s: it "
        f"{what} on its way back"
    ]


def _named(layers: Sequence[str]) -> str:
    if len(layers) == 1:
        return f"layer {layers[0]}"
    if len(layers) <= 3:
        return f"layers {', '.join(layers[:-1])} and {layers[-1]}"
    return f"layers {layers[0]}, {layers[1]}, … and {layers[-1]}"
