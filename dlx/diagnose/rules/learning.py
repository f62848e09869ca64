"""The course of the training: its rate, and whether it has ended."""

import math
from collections.abc import Iterator

import numpy as np

from dlx.diagnose.evidence import Evidence
from dlx.diagnose.rules.bias_variance import possible_error
from dlx.diagnose.rules.finding import Finding, percent
from dlx.diagnose.rules.remedies import longer, lower_rate, other_rate, sound_start


def rate(e: Evidence) -> Iterator[Finding]:
    """Whether steps were too large or too small, and whether the cost has come to rest."""
    costs = e.series("cost")[1]
    if e.info.get("status") == "diverged":
        yield _diverged(e)
        return
    if len(costs) < 3:
        return
    ratios = [e.series(f"update_ratio/{layer}")[1] for layer in e.layers]
    usual = [float(np.median(r)) for r in ratios if len(r)]
    largest = max((float(r.max()) for r in ratios if len(r)), default=0.0)
    size = max(usual, default=math.nan)  # not recorded at level minimal: nothing follows of it
    start, end, least = float(costs[0]), float(costs[-1]), float(costs.min())
    exploded = end > 3 * start and end > start + 1
    if exploded:
        yield Finding(
            "exploded_cost",
            "high",
            f"the training cost rose from {start:.4g} to {end:.4g} and stayed finite",
            (lower_rate(e),),
            {"first_cost": start, "last_cost": end},
        )
    half = costs[len(costs) // 2 :]
    changes = np.diff(half)
    wobble = float(changes[changes > 0].sum() / max(start - least, 1e-12))
    filled = _filled(e)
    too_high = (
        exploded
        or filled is not None
        or (largest > 0.5 and not e.has_learned)
        or (size > 0.05 and wobble > 0.5 and end > least + 0.1 * (start - least))
    )
    if too_high:
        yield Finding(
            "rate_too_high",
            "medium" if e.has_learned and not exploded else "high",
            f"{_harm(largest, exploded or end > start, filled)}: the learning rate is too high",
            (lower_rate(e),),
            {"largest_update_ratio": largest, "first_cost": start, "last_cost": end},
        )
        return
    if end >= start:
        yield from _plateau(e, costs)
        return
    gained = start - end
    recent = float(costs[-max(len(costs) // 5, 2)] - end)
    train, possible = e.errors.get("train"), possible_error(e)[1]
    error = train.mean if train is not None else 0.0
    unfinished = train is not None and error > max(0.02, 0.05 * train.constant)
    behind = possible is not None and error > possible + 0.02
    slows = recent > 0.02 * end and half[0] - end > 0.05 * end  # and still falls
    rates = e.series("optimizer/lr")[1]
    is_cut = len(rates) > 0 and float(np.median(rates)) < 0.01 * float(rates.max())
    if is_cut and behind and size < 1e-4:
        yield Finding(
            "rate_too_low",
            "medium" if e.has_learned else "high",
            f"the schedule lowers the learning rate from {rates.max():.2g} to "
            f"{np.median(rates):.2g} by the middle of the training, and a step then changes "
            f"weights by {percent(size)} of their size (0.01 % to 1 % is usual), though the error "
            f"on training rows is {percent(error)} still",
            ("optimizer.schedule=constant",),
            {"update_ratio": size, "first_cost": start, "last_cost": end},
        )
    elif (
        size < (1e-4 if e.has_learned else 3e-4)
        and unfinished
        and not e.is_constant
        and gained < 0.5 * start
        and recent > 0.02 * gained > 0
    ):
        yield Finding(
            "rate_too_low",
            "medium" if e.has_learned else "high",
            f"a step changes weights by {percent(size)} of their size (0.01 % to 1 % is usual), "
            f"and the cost fell from {start:.4g} to {end:.4g} alone: the learning rate is too low",
            (other_rate(e, 100),),
            {"update_ratio": size, "first_cost": start, "last_cost": end},
        )
    elif (
        unfinished
        and ((recent > 0.1 * gained and recent > 0.02 * start) or (behind and slows))
        and not _overfits(e)
    ):
        yield Finding(
            "still_improving",
            "medium",
            f"the training cost fell from {end + recent:.4g} to {end:.4g} in the last fifth of the "
            "steps: the training has not ended",
            (longer(e),),
            {"recent_fall": recent, "first_cost": start, "last_cost": end},
            resumes=True,
        )
    else:
        yield from _plateau(e, costs)


def _filled(e: Evidence) -> str | None:
    """Return a layer whose units training drove to a bound, though signals passed at its start."""
    starts = [e.first(f"between_rows/{layer}") or 0.0 for layer in e.hidden]
    if e.has_learned_well or not starts or starts[-1] < 1e-6 * max(starts):
        return None
    shares = {layer: e.series(f"activation_saturated/{layer}")[1] for layer in e.hidden}
    full = (layer for layer, s in shares.items() if len(s) and s[0] < 0.1 and s[-1] > 0.9)
    return next(full, None)


def _harm(largest: float, has_risen: bool, filled: str | None) -> str:
    """Return how large the steps were, and what they did."""
    did = "the cost rises" if has_risen else "the cost goes up and down"
    if filled is not None:
        did = f"nearly all outputs of layer {filled} went to a bound of their activation"
    if largest < 0.01:  # of weights that are large already
        return did
    size = f"a step changes weights by up to {percent(largest)} of their size"
    return f"{size} (0.01 % to 1 % is usual), and {did}"


def _overfits(e: Evidence) -> bool:
    costs = e.series("cost", "dev")[1]
    return bool(len(costs)) and not e.is_shared and float(costs[-1]) > 1.05 * float(costs.min())


def _plateau(e: Evidence, costs: np.ndarray) -> Iterator[Finding]:
    half = costs[len(costs) // 2 :]
    if e.has_learned or not e.errors:
        return
    moved = float((half.max() - half.min()) / max(abs(half.mean()), 1e-12))
    if moved < 0.02:
        yield Finding(
            "plateau",
            "medium",
            f"the training cost stays at {half.mean():.4g} in the second half of the training, and "
            "the network is hardly better than a constant answer",
            sound_start(e),
            {"cost": float(half.mean()), "moved": moved},
        )


def _diverged(e: Evidence) -> Finding:
    return Finding(
        "rate_too_high",
        "high",
        f"{e.info.get('reason') or 'the cost was not finite'}: a step was too large",
        (lower_rate(e), "train.clip_norm=1"),
        step=e.info.get("steps"),
    )
