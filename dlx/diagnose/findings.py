"""What stands out in the signals and gradients of a network, in words."""

import math
from collections.abc import Sequence
from typing import Any

_NOTABLE = 1e-3  # a ratio beyond which a signal or a gradient has vanished, or exploded

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def findings(layers: Sequence[dict[str, Any]]) -> list[str]:
    """Return a sentence for each thing that keeps a network from learning, see `inspect`."""
    weighted = [layer for layer in layers if layer["weight_variance"] is not None]
    # A projection is a part of a recurrent layer: its outputs are not yet the layer's.
    hidden = [
        layer
        for layer in weighted[:-1]
        if layer["kind"] != "projection" and layer["variance"]["measured"] is not None
    ]
    sentences = _constant(hidden) or _signals(hidden)
    for layer in weighted:
        if layer["steps"] is not None:
            sentences += _steps(layer["name"], layer["steps"])
    return sentences + _gradients(weighted)


def _verb(ratio: float) -> str:
    """Return what happened to a signal or a gradient; an empty text if nothing remarkable did."""
    if _NOTABLE < ratio < 1 / _NOTABLE:
        return ""
    return "vanishes" if ratio < 1 else "explodes"


def power(ratio: float) -> str:
    """Return a ratio as a power of ten: 10⁻⁵."""
    return "10" + str(round(math.log10(ratio))).translate(_SUPERSCRIPTS)


def _constant(hidden: Sequence[dict[str, Any]]) -> list[str]:
    constant = [layer["name"] for layer in hidden if layer["variance"]["measured"] == 0]
    if not constant:
        return []
    return [
        f"the activations of {_named(constant)} are the same for every row and unit: nothing of "
        "the inputs passes"
    ]


def _signals(hidden: Sequence[dict[str, Any]]) -> list[str]:
    if len(hidden) < 2:
        return []
    first, last = hidden[0], hidden[-1]
    before, after = first["variance"]["measured"], last["variance"]["measured"]
    if not (math.isfinite(before) and math.isfinite(after)):
        return ["the activations are not finite: they explode on their way forward"]
    ratio = after / before
    if not (verb := _verb(ratio)):
        return _rows_alike(first, last)
    return [
        f"the activations of layer {last['name']} have {power(ratio)} of the variance of layer "
        f"{first['name']}'s: the signal {verb} on its way forward"
    ]


def _rows_alike(first: dict[str, Any], last: dict[str, Any]) -> list[str]:
    """Say that rows become alike though units differ, as they do behind many sigmoid layers."""
    before, after = (layer["variance"].get("between_rows") or 0.0 for layer in (first, last))
    if not before or not math.isfinite(after) or after / before > _NOTABLE:
        return []
    left = f"{power(after / before)} as much as" if after else "not at all, unlike"
    return [
        f"between rows, the activations of layer {last['name']} vary {left} those of layer "
        f"{first['name']}: hardly anything of the inputs passes, though units differ"
    ]


def _steps(name: str, steps: dict[str, Any]) -> list[str]:
    """Return what stands out between the first and the last step of a recurrent layer."""
    sentences = []
    states = steps["variance"]["measured"]
    # Empty inputs, such as an image's first rows, leave the state at zero.
    start, before = next(((t, v) for t, v in enumerate(states, 1) if v != 0), (1, 0.0))
    if not math.isfinite(states[-1]):
        sentences.append(f"the states of layer {name} are not finite: they explode step by step")
    elif before and states[-1] / before > 1 / _NOTABLE:
        sentences.append(
            f"the state of layer {name} at step {len(states)} has {power(states[-1] / before)} of "
            f"the variance of step {start}'s: it explodes step by step"
        )
    gradients = steps["gradient"]["measured"]
    if gradients is None or not gradients[-1] or not math.isfinite(gradients[-1]):
        return sentences
    ratio = gradients[0] / gradients[-1]
    if not math.isfinite(ratio):
        sentences.append(f"the gradients of layer {name} are not finite: they explode back in time")
    elif ratio == 0:
        sentences.append(f"no gradient reaches step 1 of layer {name}: its inputs are not learned")
    elif verb := _verb(ratio):
        sentences.append(
            f"the gradient of layer {name} at step 1 is {power(ratio)} of step {len(gradients)}'s: "
            f"it {verb} back in time"
        )
    return sentences


def _gradients(weighted: Sequence[dict[str, Any]]) -> list[str]:
    measured = [layer for layer in weighted if layer["weight_gradient"] is not None]
    if len(measured) < 2:
        return []
    without = [layer["name"] for layer in measured if layer["weight_gradient"] == 0]
    if without:
        return [f"no gradient reaches {_named(without)}: such weights do not learn"]
    first, last = measured[0], measured[-1]
    ratio = first["weight_gradient"] / last["weight_gradient"]
    if not math.isfinite(ratio):
        return ["the gradients are not finite: they explode on their way back"]
    if not (verb := _verb(ratio)):
        return []
    return [
        f"the gradient of layer {first['name']} is {power(ratio)} of layer {last['name']}'s: it "
        f"{verb} on its way back"
    ]


def _named(layers: Sequence[str]) -> str:
    if len(layers) == 1:
        return f"layer {layers[0]}"
    if len(layers) <= 3:
        return f"layers {', '.join(layers[:-1])} and {layers[-1]}"
    return f"layers {layers[0]}, {layers[1]}, … and {layers[-1]}"
