"""Signals and gradients by depth, and what becomes of units."""

from collections.abc import Iterator

import numpy as np

from dlx.diagnose.evidence import Evidence
from dlx.diagnose.rules.finding import Finding, percent, short
from dlx.diagnose.rules.remedies import STEADY_STATE, drops_most, lower_rate, sound_start

_NO_GRADIENT = 1e-6  # a gradient of weights near 1 that moves nothing


def signals(e: Evidence) -> Iterator[Finding]:
    """Whether signals die or explode on their way up, and gradients on their way down."""
    if not e.hidden:
        return
    between = {layer: e.last(f"between_rows/{layer}") for layer in e.layers}
    known = {layer: value for layer, value in between.items() if value is not None}
    if len(known) < 2:
        return
    first, last = next(iter(known)), list(known)[-2]
    entry = max(known[first], e.last("between_rows/input") or 0.0)
    ratio = known[last] / entry if entry else 0.0
    dead = e.last(f"activation_dead/{last}") or 0.0
    gradient = _first_gradient(e)
    dies = ratio < 1e-5 or (not e.has_learned and ratio < 1e-3)
    if dies and dead < 0.9:
        both = ""
        values = {"between_rows_first": known[first], "between_rows_last": known[last]}
        if gradient is not None and gradient < _NO_GRADIENT:
            both = (
                f", and no gradient reaches the input: that of layer {e.hidden[0]} is "
                f"{short(gradient)}"
            )
            values["first_gradient"] = gradient
        yield Finding(
            "dying_signal",
            "medium" if e.has_learned else "high",
            f"nothing of the input reaches the output: between rows, the outputs of layer {last} "
            f"vary by {short(known[last])}, those of layer {first} by {short(known[first])}"
            f"{both}",
            sound_start(e),
            values,
            last,
        )
    ratio_back = _gradient_ratio(e)
    is_lost = gradient is not None and gradient < _NO_GRADIENT and not e.has_learned
    least = 0.0 if e.has_learned_well else 1e-3 if e.has_learned else 2e-2
    if is_lost or (ratio_back is not None and ratio_back < least):
        of = "" if ratio_back is None else f", {short(ratio_back)} times the output layer's"
        yield Finding(
            "vanishing_gradient",
            "medium" if e.has_learned else "high",
            f"hardly any gradient reaches the input: that of layer {e.hidden[0]} is "
            f"{short(gradient or 0.0)}{of}",
            sound_start(e),
            {"first_gradient": gradient or 0.0, "ratio": ratio_back or 0.0},
            e.hidden[0],
        )
    yield from _exploding(e, ratio_back)


def _exploding(e: Evidence, ratio_back: float | None) -> Iterator[Finding]:
    yield from _growing_state(e)
    first, last = e.layers[0], e.layers[-1]
    before, after = (e.first(f"activation_std/{layer}") or 0.0 for layer in (first, last))
    growth = after / before if before else 0.0
    if growth > 100:
        what, ratio, layer, other = f"the signals of layer {last}", growth, last, first
    elif ratio_back is not None and ratio_back > 1e3:
        what, ratio, layer, other = f"the gradient of {first}", ratio_back, first, last
    else:
        return
    verb = "are" if layer == last else "is"
    yield Finding(
        "exploding_gradient",
        "medium" if e.has_learned else "high",
        f"{what} {verb} {short(ratio)} times those of layer {other}: they explode from layer to "
        "layer",
        sound_start(e),
        {"ratio": ratio},
        layer,
        0 if layer == last else None,
    )


def _growing_state(e: Evidence) -> Iterator[Finding]:
    """Yield whether the state of a recurrent layer grows from step to step before training.

    It is some five times as large as the inputs' part of it, and the first cost is half again that
    of a constant answer, since outputs are so large.
    """
    counts = np.array(e.task.get("class_counts") or [], float)
    shares = counts[counts > 0] / max(counts.sum(), 1.0)
    constant, cost = float(-(shares * np.log(shares)).sum()), e.first("cost") or 0.0
    if e.has_learned_well or not 0 < 1.5 * constant < cost:
        return
    for layer in e.hidden:
        inputs = e.first(f"activation_std/{layer}.projection")
        growth = (e.first(f"activation_std/{layer}") or 0.0) / inputs if inputs else 0.0
        if growth > 5:
            yield Finding(
                "exploding_gradient",
                "medium",
                f"before training the state of layer {layer} is {short(growth)} times as large as "
                f"what its inputs give, and the cost {short(cost)}, that of a constant answer "
                f"{short(constant)}: the state grows from step to step",
                STEADY_STATE,
                {"ratio": growth, "first_cost": cost},
                layer,
                0,
            )


def _first_gradient(e: Evidence) -> float | None:
    """Return |gradient| of the first layer, as it was in the middle."""
    values = e.series(f"gradient_norm/{e.hidden[0]}")[1]
    return float(np.median(values)) if len(values) else None


def _gradient_ratio(e: Evidence) -> float | None:
    """Return |gradient| of the first layer over that of the output's, as it was in the middle."""
    first = e.series(f"gradient_norm/{e.hidden[0]}")[1]
    last = e.series(f"gradient_norm/{e.layers[-1]}")[1]
    count = min(len(first), len(last))
    if count == 0:
        return None
    sized = last[:count] > _NO_GRADIENT  # what is smaller is rounding
    if not sized.any():
        return None
    return float(np.median(first[:count][sized] / last[:count][sized]))


def units(e: Evidence) -> Iterator[Finding]:
    """Whether units are copies, dead, or at a bound of their activation."""
    copies = {
        layer: max(float(values[0]), float(np.median(values)))  # rounding may part them later
        for layer in e.hidden
        if len(values := e.series(f"copies/{layer}")[1])
    }
    worst = max(copies, key=lambda layer: copies[layer], default=None)
    if worst is not None and copies[worst] >= 0.5:
        yield Finding(
            "symmetry",
            "medium" if e.has_learned_well else "high",
            f"{percent(copies[worst])} of the units of layer {worst} do what another one does: "
            "they have the same weights, and get the same gradient",
            ("model.init=he_normal",),
            {"copies": copies[worst]},
            worst,
        )
    parts = () if e.splits is None else e.config.model(e.splits.task).parts
    rectified = {part.name for part in parts if any(a.traits.rectifies for a in part.activations)}
    dead = {layer: e.last(f"activation_dead/{layer}") or 0.0 for layer in e.hidden}
    worst = max(dead, key=lambda layer: dead[layer], default=None)
    many = 0.9 if drops_most(e) else 0.5  # dropout of most units keeps some at rest
    if worst is not None and dead[worst] >= many and worst in rectified:
        steps, values = e.series(f"activation_dead/{worst}")
        since = int(steps[int(np.argmax(values >= 0.5))])
        yield Finding(
            "dead_units",
            "high" if dead[worst] >= 0.9 else "medium",
            f"{percent(dead[worst])} of the units of layer {worst} give every row the same output "
            f"since step {since:,}: no gradient passes them, and they will not wake again",
            ("model.dropout=0",)
            if drops_most(e)
            else (
                "model.activation=leaky_relu",
                "model.init=he_normal",
                lower_rate(e) if since else "model.bias=auto",
            ),
            {"dead": dead[worst]},
            worst,
            since,
        )
    bounded = {layer: e.last(f"activation_saturated/{layer}") for layer in e.hidden}
    full = {layer: value for layer, value in bounded.items() if value is not None}
    worst = max(full, key=lambda layer: full[layer], default=None)
    starts = e.first(f"activation_saturated/{worst}") or 0.0
    if worst is None:
        return
    severity = "high" if starts >= 0.5 or not e.has_learned else "medium"
    if min(full[worst], starts) >= 0.25 or (full[worst] >= 0.5 and not e.has_learned_well):
        yield Finding(
            "saturation",
            "low" if e.has_learned_well or (e.has_learned and starts < 0.25) else severity,
            f"{percent(full[worst])} of the outputs of layer {worst}, before training "
            f"{percent(starts)}, are at a bound of their activation, where its slope is near 0: "
            "they hardly learn",
            ("model.init=xavier_normal",) if starts >= 0.25 else (lower_rate(e),),
            {"saturated": full[worst], "at_start": starts},
            worst,
        )


def covariate_shift(e: Evidence) -> Iterator[Finding]:
    """Whether what a layer is given keeps moving."""
    worst, most = None, 0.0
    for layer in e.hidden:
        means, stds = e.series(f"z_mean/{layer}")[1], e.series(f"z_std/{layer}")[1]
        if len(means) < 4 or len(means) != len(stds):
            continue
        half = len(means) // 2
        drift = float(np.abs(np.diff(means[half:])).max() / max(stds[half:].mean(), 1e-12))
        if drift > most:
            worst, most = layer, drift
    if worst is not None and most > 1.0:
        yield Finding(
            "covariate_shift",
            "low" if e.has_learned else "medium",
            f"what layer {worst} is given moves by {most:.1f} standard deviations between two "
            "looks in the second half of the training: it learns for inputs that are soon others",
            ("model.batch_norm=true",),
            {"drift": most},
            worst,
        )
