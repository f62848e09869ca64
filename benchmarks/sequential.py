"""Measures how often verdicts are wrong if one looks after every batch of seeds, and what it takes.

    python -m benchmarks.sequential [--ablations 2000]

Simulated ablations grow as `ablation.seeds: {until: decided, max: N}` lets them: after each batch
all variants are judged by the same code as real ones, and those that are decided leave. Of equal
variants a verdict `better` or `worse` is false, at whichever look. The tables of docs/statistics.md
are made by this command; tests/ablation/statistics/test_sequential_calibration.py runs the same
cases with fewer ablations.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student

from benchmarks.calibration import NOISES, SUCCESSES, Array, Draw, judge_values, power
from dlx.ablation.statistics import sequential, verdicts
from dlx.ablation.statistics.conclusions import POWER
from dlx.ablation.statistics.sequential import FIRST, Schedule, planned_looks
from dlx.ablation.statistics.verdicts import Comparison, Family, Verdict, judge_in_turn

MARGIN = 0.005
MOST = 60
"""Seeds beyond which no ablation of the tables grows."""


@dataclass(frozen=True)
class Grown:
    """How a simulated ablation ended."""

    verdicts: list[Verdict]  # of the variants 1, 2, …
    seeds: list[int]  # that each of them had


def grow(
    values: Array,
    *,
    margin: float = MARGIN,
    is_binary: bool = False,
    leaves: bool = True,
    of_rows: float = 0.0,
    until_first: bool = False,
) -> Grown:
    """Let an ablation grow, with a look after every batch, and return its verdicts.

    Args:
        values: (V, N) of all seeds that there may be; NaN: diverged
        margin: of equivalence
        is_binary: values are outcomes
        leaves: whether decided variants leave; otherwise all have all seeds
        of_rows: variance that the choice of the rows adds to every mean difference
        until_first: stop when variant 1 is decided
    """
    schedule = Schedule(planned_looks(values.shape[1]))
    given = [FIRST] * (len(values) - 1)
    is_open = [True] * len(given)

    def family(seeds: int) -> Family:
        comparisons = []
        for place, own in enumerate(given):
            n = min(own, seeds)
            shown = np.where(np.arange(seeds) < n, values[[place + 1, 0], :seeds], np.nan)
            lost = np.isnan(values[[place + 1, 0], :n]).sum(-1)
            comparisons.append(
                Comparison(
                    *shown,
                    rising=True,
                    margin=margin,
                    is_binary=is_binary,
                    diverged=(int(lost[0]), n),
                    baseline_diverged=(int(lost[1]), n),
                    seeds=n,
                    confidence=schedule.confidence(n),
                    of_rows=of_rows,
                    row_freedom=149.0 if of_rows else np.inf,
                )
            )
        return Family([comparisons], seeds=seeds)

    def looks() -> Any:
        for seeds in schedule.looks:
            if not any(is_open) or (until_first and not is_open[0]):
                return
            given[:] = [seeds if o else own for o, own in zip(is_open, given, strict=True)]
            yield family(seeds)

    newest: list[Verdict] = []
    for (newest,), _, _ in judge_in_turn(looks(), schedule):
        if leaves:
            is_open[:] = [verdict.word == "undecided" for verdict in newest]
    return Grown(newest, list(given))


def false_rate(
    draw: Draw, *, num_variants: int, most: int = MOST, ablations: int, **options: Any
) -> float:
    """Return how often ablations of equal variants call any of them better or worse.

    With `of_rows` the rows of an ablation favour a variant at all seeds alike.
    """
    generator = np.random.default_rng((num_variants, most))
    wrong = 0
    for _ in range(ablations):
        values = draw(generator, (num_variants, most))
        if of_rows := options.get("of_rows"):
            values[1:] += of_rows**0.5 * generator.standard_normal((num_variants - 1, 1))
        grown = grow(values, **options)
        wrong += any(verdict.word in ("better", "worse") for verdict in grown.verdicts)
    return wrong / ablations


def false_rate_without(*, num_variants: int, most: int = MOST, ablations: int) -> float:
    """Return the same if each look is judged as if it were the only one."""
    generator = np.random.default_rng((num_variants, most))
    wrong = 0
    for _ in range(ablations):
        values = generator.standard_normal((num_variants, most))
        wrong += any(
            verdict.word in ("better", "worse")
            for seeds in planned_looks(most)
            for verdict in judge_values(values[:, :seeds])
        )
    return wrong / ablations


def false_equivalence(*, deviation: float, most: int = MOST, ablations: int) -> float:
    """Return how often a variant that differs by just the margin is called equivalent.

    `deviation` is that of the paired differences, in margins.
    """
    generator = np.random.default_rng(most)
    wrong = 0
    for _ in range(ablations):
        noise = deviation * MARGIN * generator.standard_normal(most)
        grown = grow(np.stack([np.zeros(most), noise + MARGIN]))
        wrong += grown.verdicts[0].word == "equivalent"
    return wrong / ablations


def rate_of_t_tests(*, most: int, comparisons: int, lost: int, ablations: int) -> float:
    """Return how often t tests of nothing pass at any look, times the number of comparisons.

    By themselves, without what else a verdict takes, and so quick. `lost` is `sequential.LOST`.
    """
    looks, kept = planned_looks(most), sequential.LOST
    sequential.LOST = lost
    levels = sequential.nominal_levels(looks, 0.05 / comparisons)
    sequential.LOST = kept
    values = np.random.default_rng(1).standard_normal((ablations, most))
    passed = np.zeros(ablations, bool)
    for seeds, level in zip(looks, levels, strict=True):
        shown = values[:, :seeds]
        t = np.abs(shown.mean(1)) / shown.std(1, ddof=1) * seeds**0.5
        passed |= 2 * student.sf(t, seeds - 1) <= level
    return float(comparisons * passed.mean())


@dataclass(frozen=True)
class Found:
    """What it took to find an effect that one variant has."""

    share: float  # of ablations that found it
    seeds: float  # that the variant had, on average
    bias: float  # mean estimate minus the effect, in deviations
    held: float  # share of ablations whose interval holds the effect


def find(
    noise: Draw, *, effect: float, num_variants: int, most: int = MOST, ablations: int
) -> Found:
    """Return how often an effect is found, and with how many seeds.

    Args:
        noise: of the paired differences, scaled to a standard deviation of 1
        effect: in standard deviations of the paired difference, of variant 1 alone
        num_variants: with the baseline
        most: seeds
        ablations: to simulate
    """
    generator = np.random.default_rng((num_variants, most))
    scale = noise(generator, (100_000,)).std()
    found, seeds, estimates, held = 0, [], [], 0
    for _ in range(ablations):
        values = noise(generator, (num_variants, most)) / scale
        values[0] = 0.0  # so that the differences are the values
        values[1] += effect
        grown = grow(values, until_first=True)
        verdict = grown.verdicts[0]
        found += verdict.word == "better"
        seeds.append(grown.seeds[0])
        estimates.append(verdict.difference.mean)
        held += verdict.difference.low <= effect <= verdict.difference.high
    bias = float(np.mean(estimates)) - effect
    return Found(found / ablations, float(np.mean(seeds)), bias, held / ablations)


def fixed_seeds(*, effect: float, num_variants: int, ablations: int = 1_000) -> int:
    """Return the fewest seeds with which a fixed number finds an effect in four of five."""
    seeds = 3
    while (
        power(
            NOISES["normal"],
            effect=effect,
            planted=1,
            num_variants=num_variants,
            n=seeds,
            ablations=ablations,
        )
        < POWER
    ):
        seeds += 1
    return seeds


def _row(name: str, cells: list[str]) -> None:
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def _head(name: str, cells: list[str]) -> None:
    print()
    _row(name, cells)
    print("|---" * (len(cells) + 1) + "|")


_ERRORS: dict[str, tuple[Draw, dict[str, bool]]] = {
    **{
        name: (NOISES[name], {})
        for name in (
            "t, 3 degrees of freedom",
            "exponential",
            "log-normal",
            "accuracy 1, 36 % at 0.5 or 0.75",
            "accuracy 1 or 0.5 at even odds",
            "t (3), 20 % diverging",
        )
    },
    "success, 64 %": (SUCCESSES["success, 64 %"], {"is_binary": True}),
}


def main() -> None:
    """Print the tables of docs/statistics.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ablations", type=int, default=2_000, help="simulated for normal noise")
    ablations: int = parser.parse_args().ablations
    few, counts, normal = ablations // 4, (2, 4), NOISES["normal"]
    # How many seeds would do is asked of every undecided variant at every look, and not used here.
    verdicts.enough_pairs = lambda evidence: None
    columns = [f"{count} variants" for count in counts]
    _head(f"looks at {len(planned_looks(MOST))} numbers: false `better` or `worse`", columns)

    def row(name: str, number: int, rate: Callable[..., float], **options: Any) -> None:
        rates = [rate(num_variants=count, ablations=number, **options) for count in counts]
        _row(f"{name} ({number:,})", [f"{100 * rate:.1f}" for rate in rates])

    row("normal", ablations, false_rate, draw=normal)
    for name, (draw, options) in _ERRORS.items():
        row(name, few, false_rate, draw=draw, **options)
    row("normal, none leaves", few, false_rate, draw=normal, leaves=False)
    row("normal, at most 20 seeds", ablations, false_rate, draw=normal, most=20)
    half = {"draw": normal, "of_rows": 2 / 15}
    row("normal, rows make half of the variance at 15 seeds", few, false_rate, **half)
    row("normal, every look as if it were the only one", few, false_rate_without)

    _head("t tests that pass at any look", [f"{count} comparisons" for count in (1, 3, 7)])
    for lost in (0, sequential.LOST):
        for most in (10, 20, MOST, 300):
            rates = [
                rate_of_t_tests(most=most, comparisons=count, lost=lost, ablations=30 * ablations)
                for count in (1, 3, 7)
            ]
            _row(f"clock {lost} behind, max {most}", [f"{100 * rate:.1f}" for rate in rates])

    heads = ["fixed number", "at most 1.3 × that", f"at most {MOST}"]
    _head("found in per cent, and seeds on average", heads)
    for count in counts:
        for effect in (1.0, 2.0, 3.0):
            fixed = fixed_seeds(effect=effect, num_variants=count)
            cells = [f"{fixed}"]
            for most in (max(int(np.ceil(1.3 * fixed)), FIRST), MOST):
                options = {"effect": effect, "num_variants": count, "most": most}
                found = find(normal, ablations=few, **options)
                cells.append(f"{100 * found.share:.1f} %, {found.seeds:.1f}")
            _row(f"{effect:g} deviations, {count} variants", cells)

    deviations = (0.5, 1.0)
    _head("a margin apart: false `equivalent`", [f"deviation {d:g} margins" for d in deviations])
    rates = [false_equivalence(deviation=d, ablations=few) for d in deviations]
    _row("normal", [f"{100 * rate:.1f}" for rate in rates])

    _head(f"at most {MOST}, 2 variants", ["estimate too large by", "interval holds the effect"])
    for effect in (0.0, 0.5, 1.0, 2.0):
        found = find(normal, effect=effect, num_variants=2, ablations=ablations)
        cells = [f"{found.bias:.2f} deviations", f"{100 * found.held:.1f} %"]
        _row(f"{effect:g} deviations", cells)


if __name__ == "__main__":
    main()
