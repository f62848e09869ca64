"""Measures how often the verdicts of an ablation are wrong, and how often they find what is there.

    python benchmarks/calibration.py [--ablations 2000]

Simulated metrics go through the same `judge` as those of real runs. Of A/A ablations, whose
variants are all the same, a verdict `better` or `worse` of any variant is false. The tables of
docs/statistics.md are made by this command; tests/ablation/statistics/test_calibration.py runs the
same cases with fewer ablations.
"""

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.stats import t as student

from dlx.ablation.comparisons import Judged
from dlx.ablation.statistics.censored import steps_difference
from dlx.ablation.statistics.intervals import spread_of
from dlx.ablation.statistics.moderation import moderated
from dlx.ablation.statistics.multiple import holm
from dlx.ablation.statistics.paired import paired_t
from dlx.ablation.statistics.power import Shown, found_difference
from dlx.ablation.statistics.verdicts import Comparison, Verdict, judge, judge_together
from dlx.api import prepare
from dlx.cohort import Cohort
from dlx.training.records import Outcome
from dlx.training.trainer import Listener, Trainer

Array = NDArray[np.float64]
Draw = Callable[[Generator, tuple[int, ...]], Array]
"""Values of so many variants and seeds, (V, N), all of one distribution; NaN: diverged."""

CONFIGS = Path(__file__).parents[1] / "configs"
REAL = {"digits": ("digits.yaml", []), "XOR, two hidden units": ("xor.yaml", ["model.hidden=[2]"])}
"""By name: a config, and what is changed in it."""
MARGIN = 0.005
LEVEL = 0.06
"""How many A/A ablations may have a false verdict."""
POWER = 0.8
"""How many planted effects of one standard deviation have to be found, at n = 15."""


def _mixed(generator: Generator, shape: tuple[int, ...]) -> Array:
    scale = np.where(generator.random(shape) < 0.1, 10.0, 1.0)
    return scale * generator.standard_normal(shape)


def _by_seed(generator: Generator, shape: tuple[int, ...]) -> Array:
    """Most of the noise is that of the seed, which the variants share: the split, the start."""
    return 3 * generator.standard_t(3, shape[-1:]) + generator.lognormal(0, 1, shape)


def deviating(share: float, *, otherwise: float = 1.0) -> Draw:
    """Return accuracies that are all the same but for a share of 0.5 or 0.75."""

    def draw(generator: Generator, shape: tuple[int, ...]) -> Array:
        low = generator.choice([0.5, 0.75], shape)
        return np.where(generator.random(shape) < share, low, otherwise)

    return draw


def diverging(share: float, draw: Draw, *, worst: bool = False) -> Draw:
    """Return values of which a share is missing, at random or always the worst of the seeds."""

    def missing(generator: Generator, shape: tuple[int, ...]) -> Array:
        values = draw(generator, shape)
        order = values if worst else generator.random(shape)
        lost = order.argsort(-1).argsort(-1) < generator.binomial(
            shape[-1], share, (*shape[:-1], 1)
        )
        return np.where(lost, np.nan, values)

    return missing


NOISES: dict[str, Draw] = {
    "normal": lambda generator, shape: generator.standard_normal(shape),
    "t, 2 degrees of freedom": lambda generator, shape: generator.standard_t(2, shape),
    "t, 3 degrees of freedom": lambda generator, shape: generator.standard_t(3, shape),
    "log-normal": lambda generator, shape: generator.lognormal(0, 1, shape),
    "exponential": lambda generator, shape: generator.exponential(1, shape),
    "normal, one in ten with ten times the deviation": _mixed,
    "log-normal about a seed's own t (3)": _by_seed,
    "accuracy 1, 5 % at 0.5 or 0.75": deviating(0.05),
    "accuracy 1, 36 % at 0.5 or 0.75": deviating(0.36),
    "accuracy 1 or 0.5 at even odds": lambda generator, shape: np.where(
        generator.random(shape) < 0.5, 1.0, 0.5
    ),
    "accuracy 0, 0.5 or 1 at even odds": lambda generator, shape: generator.choice(
        [0.0, 0.5, 1.0], shape
    ),
    "t (3), 20 % diverging": diverging(0.2, lambda g, shape: g.standard_t(3, shape)),
    "exponential, the worst 30 % diverging": diverging(
        0.3, lambda g, shape: g.exponential(1, shape), worst=True
    ),
}


MANY = ("normal", "t, 3 degrees of freedom", "exponential", "accuracy 1, 36 % at 0.5 or 0.75")
"""Noises under which many variants are compared at few seeds."""


def success(share: float) -> Draw:
    """Return outcomes of which a share is 1."""
    return lambda generator, shape: (generator.random(shape) < share).astype(float)


SUCCESSES: dict[str, Draw] = {
    "success, 64 %": success(0.64),
    "success, 50 %": success(0.5),
    "success, 95 %": success(0.95),
}


def arriving(share: float) -> Draw:
    """Return steps to a threshold, log-normal; all but a share never arrive."""

    def draw(generator: Generator, shape: tuple[int, ...]) -> Array:
        steps = np.ceil(np.exp(generator.normal(5, 0.8, shape)))
        return np.where(generator.random(shape) < share, steps, np.inf)

    return draw


STEPS: dict[str, Draw] = {
    "steps, all arrive": arriving(1.0),
    "steps, 70 % arrive": arriving(0.7),
    "steps, 20 % arrive": arriving(0.2),
}


def judge_values(
    values: Array, *, is_binary: bool = False, overlap: float = 0.0, margin: float = MARGIN
) -> list[Verdict]:
    """Judge the variants 1, 2, … against variant 0.

    Args:
        values: (V, N)
        is_binary: they are outcomes
        overlap: of folds
        margin: of equivalence
    """
    return judge(comparisons(values, is_binary=is_binary, overlap=overlap, margin=margin))


def comparisons(values: Array, *, margin: float = MARGIN, **options: Any) -> list[Comparison]:
    """Return those of the variants 1, 2, … with variant 0, of values (V, N)."""
    lost = np.isnan(values).sum(-1)
    n = values.shape[-1]
    return [
        Comparison(
            variant=values[i],
            baseline=values[0],
            rising=True,
            margin=margin,
            diverged=(int(lost[i]), n),
            baseline_diverged=(int(lost[0]), n),
            **options,
        )
        for i in range(1, len(values))
    ]


@dataclass(frozen=True)
class Rates:
    """How often an ablation had a verdict of a kind for any of its variants."""

    decided: float
    equivalent: float


def rates(
    draw: Draw, *, num_variants: int, n: int, ablations: int, seed: int = 0, **options: bool
) -> Rates:
    """Return how often ablations of equal variants are decided, and how often called equivalent."""
    generator = np.random.default_rng((seed, num_variants, n))
    decided = equivalent = 0
    for _ in range(ablations):
        words = {each.word for each in judge_values(draw(generator, (num_variants, n)), **options)}
        decided += bool(words & {"better", "worse"})
        equivalent += "equivalent" in words
    return Rates(decided / ablations, equivalent / ablations)


def rate_of_steps(draw: Draw, *, num_variants: int, n: int, ablations: int) -> float:
    """Return how often any variant is said to reach a threshold sooner or later than another."""
    generator = np.random.default_rng((num_variants, n))
    found = 0
    for _ in range(ablations):
        steps = draw(generator, (num_variants, n))
        tests = [steps_difference(each, steps[0], horizon=1000.0).p for each in steps[1:]]
        found += bool(np.min(holm(tests)) <= 0.05)
    return found / ablations


def folds_rate(*, overlap: float, folds: int, ablations: int) -> float:
    """Return how often two equal variants are decided whose folds' values hang together.

    The differences of the folds of one cross-validation are correlated by about 1 / folds, the
    share of rows that a fold is tested on (Nadeau and Bengio 2003).
    """
    generator = np.random.default_rng(folds)
    found = 0
    for _ in range(ablations):
        shared = generator.standard_normal((2, 1)) * (1 / folds) ** 0.5
        own = generator.standard_normal((2, folds)) * (1 - 1 / folds) ** 0.5
        [verdict] = judge_values(shared + own, overlap=overlap)
        found += verdict.word in ("better", "worse")
    return found / ablations


def power(
    noise: Draw, *, effect: float, planted: int, num_variants: int, n: int, ablations: int
) -> float:
    """Return how often a planted effect is found, of all that were planted.

    Args:
        noise: of the paired differences, scaled to a standard deviation of 1
        effect: in standard deviations of the paired difference
        planted: variants that have it, of those besides the baseline
        num_variants: with the baseline
        n: pairs
        ablations: to simulate
    """
    generator = np.random.default_rng((planted, num_variants, n))
    scale = noise(generator, (100_000,)).std()
    found = 0
    for _ in range(ablations):
        values = noise(generator, (num_variants, n)) / scale
        values[0] = 0.0  # so that the differences are the values
        values[1 : planted + 1] += effect
        found += sum(each.word == "better" for each in judge_values(values)[:planted])
    return found / (ablations * planted)


def pilot_power(noise: Draw, *, num_variants: int, pilot: int, n: int, ablations: int) -> float:
    """Return how often a difference is found that n seeds find, as a pilot's variances say.

    The seeds of the pilot are the first of the n. One variant differs, by what is said of it.
    """
    generator = np.random.default_rng((num_variants, pilot, n))
    found = 0
    for _ in range(ablations):
        values = noise(generator, (num_variants, n))
        differences = values[1:, :pilot] - values[0, :pilot]
        spread = moderated([spread_of(paired) for paired in differences])[0]
        values[1] += found_difference(Shown(spread, pilot), n, num_variants - 1)
        found += judge_values(values)[0].word == "better"
    return found / ablations


def shapes_rate(noise: Draw, *, n: int, ablations: int) -> float:
    """Return how often a variant is decided that has the mean of a baseline without any noise.

    Not A/A: noise of another shape is a difference, only not one of means.
    """
    generator = np.random.default_rng(n)
    mean = noise(generator, (1_000_000,)).mean()
    found = 0
    for _ in range(ablations):
        values = np.stack([np.zeros(n), noise(generator, (n,)) - mean])
        found += judge_values(values)[0].word in ("better", "worse")
    return found / ablations


def false_equivalence(noise: Draw, *, spread: float, n: int, ablations: int) -> float:
    """Return how often a variant is called equivalent that differs by just the margin.

    Args:
        noise: of the paired differences
        spread: its standard deviation, in margins
        n: pairs
        ablations: to simulate
    """
    generator = np.random.default_rng(n)
    scale = noise(generator, (100_000,)).std() / (spread * MARGIN)
    found = 0
    for _ in range(ablations):
        values = np.stack([np.zeros(n), noise(generator, (n,)) / scale + MARGIN])
        found += judge_values(values)[0].word == "equivalent"
    return found / ablations


def false_equivalence_of_a_share(*, error: float, n: int, ablations: int) -> float:
    """Return how often a variant is called equivalent whose error is just 10 % higher.

    Errors are those on 1,000 judged rows, at each seed of another network: they vary by a tenth
    from seed to seed, and the margin is 10 % of the baseline's mean error.

    Args:
        error: of the baseline, below 5 %, so that it sets the margin
        n: pairs
        ablations: to simulate
    """
    generator = np.random.default_rng((n, round(1000 * error)))
    judged = Judged("dev.error", rising=False, scale="share")
    found = 0
    for _ in range(ablations):
        rates = np.array([[1.1], [1.0]]) * error * (1 + 0.1 * generator.standard_normal((2, n)))
        variant, baseline = generator.binomial(1000, np.clip(rates, 0, 1)) / 1000
        margin = judged.margin_beside(baseline, rows=1000)
        [verdict] = judge([Comparison(variant, baseline, rising=False, **margin)])
        found += verdict.word == "equivalent"
    return found / ablations


def metrics_rate(*, num_metrics: int, num_variants: int, n: int, ablations: int) -> Array:
    """Return how often equal variants are decided by any of several metrics.

    Returns:
        as one family; with a family for each metric
    """
    generator = np.random.default_rng((num_metrics, num_variants, n))
    found = np.zeros(2)
    for _ in range(ablations):
        values = generator.standard_normal((num_metrics, num_variants, n))
        groups = [comparisons(of_metric) for of_metric in values]
        together, _, _ = judge_together(groups)
        alone = [judge(group) for group in groups]
        for place, verdicts in enumerate((together, alone)):
            words = {verdict.word for group in verdicts for verdict in group}
            found[place] += bool(words & {"better", "worse"})
    return found / ablations


def _holm_t(differences: Array) -> Array:
    """Return the adjusted p of each variant: paired t tests alone, by Holm."""
    return holm([paired_t(paired).p for paired in differences])


def _holm_pooled(differences: Array) -> Array:
    """Return those with one variance for all variants, as in an analysis of variance."""
    num_variants, n = differences.shape
    error = (differences.var(1, ddof=1).mean() / n) ** 0.5
    t = np.abs(differences.mean(1)) / error
    return holm(2 * student.sf(t, num_variants * (n - 1)))


def _sign_flips(differences: Array) -> Array:
    """Return those of the largest t among all ways to flip the signs of whole seeds (max-t)."""
    n = differences.shape[1]
    numbers = np.arange(2 ** (n - 1))
    signs = 1 - 2.0 * ((numbers[:, None] >> np.arange(n)) & 1)  # (F, N); the mirror images agree
    means = signs @ differences.T / n
    squares = (differences**2).mean(1)
    t = np.abs(means) / np.sqrt(np.maximum(squares - means**2, 1e-300) / (n - 1))
    return (t.max(1)[:, None] >= t[0] - 1e-9).mean(0)


def _dunnett(differences: Array) -> Array:
    """Return those of the largest of t values that correlate by 1/2 (Dunnett), shared variances."""
    spreads = moderated([spread_of(paired) for paired in differences])
    error = [(spread.variance * spread.share) ** 0.5 for spread in spreads]
    t = np.abs(differences.mean(1)) / error
    largest = _largest_t(len(differences), round(np.mean([spread.freedom for spread in spreads])))
    return 1 - np.searchsorted(largest, t) / len(largest)


@cache
def _largest_t(num_variants: int, freedom: int) -> Array:
    """Return sorted draws of the largest |t| among so many that share a baseline and variance."""
    generator = np.random.default_rng((num_variants, freedom))
    own, shared = generator.standard_normal((20_000, num_variants + 1)), slice(-1, None)
    z = (own[:, :-1] - own[:, shared]) / 2**0.5
    scale = np.sqrt(generator.chisquare(freedom, 20_000) / freedom)
    return np.sort(np.abs(z).max(1) / scale)


def _holm_moderated(differences: Array) -> Array:
    """Return those of dlx: variances drawn towards each other, by Holm."""
    return np.array(
        [verdict.p for verdict in judge_values(np.vstack([0 * differences[:1], differences]))]
    )


PROCEDURES: dict[str, Callable[[Array], Array]] = {
    "Holm, paired t of each variant": _holm_t,
    "max-t over flipped signs": _sign_flips,
    "Holm, one variance for all": _holm_pooled,
    "Dunnett, variances drawn together": _dunnett,
    "Holm, variances drawn together (dlx)": _holm_moderated,
}
"""Adjusted p of each variant, of paired differences (V, N)."""


def of_unequal_spread(generator: Generator, shape: tuple[int, ...]) -> Array:
    """Return normal values of which one variant's have five times the deviation."""
    values = generator.standard_normal(shape)
    values[-1] *= 5
    return values


def procedure_rates(
    procedure: Callable[[Array], Array], draw: Draw, *, num_variants: int, n: int, ablations: int
) -> tuple[float, float]:
    """Return how often any equal variant is decided, and how often a planted effect is found.

    The effect is of two standard deviations of a paired difference, and of one variant.
    """
    generator = np.random.default_rng((num_variants, n))
    false = found = 0
    for _ in range(ablations):
        values = draw(generator, (num_variants, n))
        false += bool((procedure(values[1:] - values[0]) <= 0.05).any())
        values[1] += 2 * 2**0.5
        found += bool(procedure(values[1:] - values[0])[0] <= 0.05)
    return false / ablations, found / ablations


def _beaten_in_pairs(values: Array) -> NDArray[np.bool_]:
    """Return which variants are worse than any other, all pairs judged as one family (dlx)."""
    places = [(i, j) for j in range(len(values)) for i in range(j + 1, len(values))]
    verdicts = judge([comparisons(values[[j, i]])[0] for i, j in places])
    beaten = np.zeros(len(values), bool)
    for (i, j), verdict in zip(places, verdicts, strict=True):
        beaten[i] |= verdict.word == "worse"
        beaten[j] |= verdict.word == "better"
    return beaten


def _beaten_by_the_best(values: Array) -> NDArray[np.bool_]:
    """Return those that are worse by one-sided tests with all others, at 5 % for each variant.

    So are multiple comparisons with the best (Hsu), with Bonferroni's bound.
    """
    beaten = np.zeros(len(values), bool)
    for i, own in enumerate(values):
        others = np.delete(values, i, axis=0)
        spreads = moderated([spread_of(other - own) for other in others])
        means = (others - own).mean(1).tolist()
        p = [spread.p_above(mean) for spread, mean in zip(spreads, means, strict=True)]
        beaten[i] = min(p) * len(others) <= 0.05
    return beaten


GROUPS: dict[str, Callable[[Array], NDArray[np.bool_]]] = {
    "all pairs as one family (dlx)": _beaten_in_pairs,
    "with the best, 5 % for each variant": _beaten_by_the_best,
}
"""Which variants are not in the group of the best, of values (V, N)."""


def group_rates(
    beaten: Callable[[Array], NDArray[np.bool_]],
    draw: Draw,
    *,
    best: int,
    num_variants: int,
    n: int,
    ablations: int,
) -> tuple[float, float]:
    """Return how often any of the best variants is left out, and which share of the others is.

    The others are worse by two standard deviations of a paired difference.

    Args:
        beaten: a procedure of `GROUPS`
        draw: values of equal variants
        best: equal variants that no other is better than
        num_variants: all
        n: seeds
        ablations: to simulate
    """
    generator = np.random.default_rng((best, num_variants, n))
    scale = draw(generator, (2, 100_000)).std()
    false = found = 0.0
    for _ in range(ablations):
        values = draw(generator, (num_variants, n))
        values[best:] -= 2 * 2**0.5 * scale
        out = beaten(values)
        false += bool(out[:best].any())
        found += float(out[best:].mean()) if best < num_variants else 0.0
    return false / ablations, found / ablations


class _Ends(Listener):
    """Listens for the final metrics of runs on dev rows."""

    def __init__(self) -> None:
        self.metrics: list[dict[str, float]] = []

    def ended(self, trainer: Trainer, outcomes: dict[int, Outcome]) -> None:
        self.metrics += [each.metrics["dev"] for each in outcomes.values() if each.metrics]


def trained(config: str, overrides: list[str], num_runs: int) -> dict[str, Array]:
    """Train the same network at so many seeds, and return its metrics on dev rows: (R,) each."""
    job = prepare(CONFIGS / config, overrides)
    members = [
        replace(job.member, name=str(seed), seed=seed, evaluate_every=job.member.num_steps)
        for seed in range(num_runs)
    ]
    cohort = Cohort(members, job.batch_size)
    cohort.initialize()
    ends = _Ends()
    Trainer(cohort, job.examples()).fit(ends)
    tags = ends.metrics[0]
    return {tag: np.array([each[tag] for each in ends.metrics]) for tag in tags}


def regrouped(values: Array) -> Draw:
    """Return a draw of ablations out of real runs of one network: its seeds dealt to variants."""
    return lambda generator, shape: generator.permutation(values)[: math.prod(shape)].reshape(shape)


def _row(name: str, found: Sequence[float]) -> None:
    print(f"| {name} | " + " | ".join(f"{100 * each:.1f}" for each in found) + " |", flush=True)


def _head(first: str, columns: Sequence[str]) -> None:
    print(f"\n| {first} | " + " | ".join(columns) + " |")
    print("|---|" + "---|" * len(columns))


def main() -> None:
    """Print the tables of docs/statistics.md, in per cent of ablations."""
    parser = argparse.ArgumentParser(description="Measures how often verdicts are wrong.")
    parser.add_argument("--ablations", type=int, default=2000)
    ablations = parser.parse_args().ablations
    sizes = [(variants, n) for n in (5, 10) for variants in (2, 4, 8)]
    columns = [f"n = {n}, {variants} variants" for variants, n in sizes]

    _head("A/A: false `better` or `worse`", columns)
    for name, draw in {**NOISES, **SUCCESSES}.items():
        binary = name in SUCCESSES
        each = [
            rates(draw, num_variants=v, n=n, ablations=ablations, is_binary=binary)
            for v, n in sizes
        ]
        _row(name, [rate.decided for rate in each])
    for name, draw in STEPS.items():
        _row(
            name, [rate_of_steps(draw, num_variants=v, n=n, ablations=ablations) for v, n in sizes]
        )

    many = [(21, 5), (36, 5)]
    _head("many variants: false `better` or `worse`", [f"n = {n}, {v} variants" for v, n in many])
    for name in MANY:
        found = [
            rates(NOISES[name], num_variants=v, n=n, ablations=ablations // 4) for v, n in many
        ]
        _row(name, [each.decided for each in found])

    real = [(8, 5), (8, 10), (8, 30)]
    _head(
        "A/A of real runs: false `better` or `worse`",
        [f"n = {n}, {variants} variants" for variants, n in real],
    )
    for name, (config, overrides) in REAL.items():
        for tag, values in trained(config, overrides, 240).items():
            found = [
                rates(regrouped(values), num_variants=v, n=n, ablations=ablations) for v, n in real
            ]
            _row(f"{name}, {tag}", [each.decided for each in found])

    _head("cross-validation: false verdicts", ["5 folds", "10 folds"])
    for name, is_corrected in (("corrected for folds", True), ("plain paired t", False)):
        _row(
            name,
            [
                folds_rate(overlap=is_corrected / (k - 1), folds=k, ablations=ablations)
                for k in (5, 10)
            ],
        )

    _head("three metrics: false verdicts", ["n = 5, 4 variants", "n = 10, 4 variants"])
    found = np.array(
        [metrics_rate(num_metrics=3, num_variants=4, n=n, ablations=ablations) for n in (5, 10)]
    )
    _row("one family (dlx)", found[:, 0].tolist())
    _row("a family for each metric", found[:, 1].tolist())

    many = [(v, n) for v in (8, 36) for n in (5, 10)]
    for title, place, draws in (
        ("false verdicts", 0, {"normal": NOISES["normal"], "exponential": NOISES["exponential"]}),
        ("one variant with five times the deviation: false verdicts", 0, {"": of_unequal_spread}),
        ("an effect of two deviations: found", 1, {"": NOISES["normal"]}),
    ):
        _head(title, [f"n = {n}, {v} variants" for v, n in many])
        for kind, draw in draws.items():
            for name, procedure in PROCEDURES.items():
                found = [
                    procedure_rates(
                        procedure, draw, num_variants=v, n=n, ablations=max(ablations // 4, 1)
                    )[place]
                    for v, n in many
                ]
                _row(f"{name}{kind and f', {kind}'}", found)

    cases = [(best, v, n) for best, v in ((4, 4), (8, 8), (1, 8), (4, 8)) for n in (6, 10)]
    for title, place, chosen in (
        ("one of the best left out of their group", 0, cases),
        ("others left out of it", 1, cases[4:]),
    ):
        _head(title, [f"{best} best of {v}, n = {n}" for best, v, n in chosen])
        kinds = {
            name: NOISES[name] for name in ("normal", "t, 3 degrees of freedom", "exponential")
        }
        for kind, draw in (kinds | {"one of five times the deviation": of_unequal_spread}).items():
            for name, beaten in GROUPS.items():
                found = [
                    group_rates(
                        beaten,
                        draw,
                        best=best,
                        num_variants=v,
                        n=n,
                        ablations=max(ablations // 2, 1),
                    )[place]
                    for best, v, n in chosen
                ]
                _row(f"{name}, {kind}", found)

    sizes = [(effect, n) for effect in (1.0, 2.0) for n in (3, 5, 10, 15)]
    _head("power, 4 variants", [f"{effect:g} deviations, n = {n}" for effect, n in sizes])
    _row(
        "normal",
        [
            power(NOISES["normal"], effect=e, planted=1, num_variants=4, n=n, ablations=ablations)
            for e, n in sizes
        ],
    )

    effects = [(v, planted) for v in (2, 3, 4) for planted in {1, v - 1}]
    _head("1 deviation, n = 15: found", [f"{p} of {v - 1}" for v, p in effects])
    for name in ("normal", "t, 3 degrees of freedom", "exponential"):
        noise = NOISES[name]

        def about_zero(
            generator: Generator, shape: tuple[int, ...], noise: Draw = noise, name: str = name
        ) -> Array:
            return noise(generator, shape) - (name == "exponential")

        _row(
            name,
            [
                power(about_zero, effect=1, planted=p, num_variants=v, n=15, ablations=ablations)
                for v, p in effects
            ],
        )

    pilots = [(v, pilot, n) for n in (10, 20) for v in (2, 8) for pilot in (3, 5)]
    _head(
        "found, of a difference that a pilot names",
        [f"{v} variants, pilot of {pilot}, n = {n}" for v, pilot, n in pilots],
    )
    for name in ("normal", "t, 3 degrees of freedom", "exponential"):
        found = [
            pilot_power(NOISES[name], num_variants=v, pilot=pilot, n=n, ablations=ablations)
            for v, pilot, n in pilots
        ]
        _row(name, found)

    pairs = (5, 10, 30, 100)
    _head("equal means, the baseline without noise: decided", [f"n = {n}" for n in pairs])
    for name in ("normal", "t, 3 degrees of freedom", "exponential", "log-normal"):
        _row(name, [shapes_rate(NOISES[name], n=n, ablations=ablations) for n in pairs])

    _head("a margin apart: false `equivalent`", ["n = 5", "n = 10", "n = 30"])
    for name in ("normal", "t, 3 degrees of freedom"):
        for spread in (0.5, 1.0):
            found = [
                false_equivalence(NOISES[name], spread=spread, n=n, ablations=ablations)
                for n in (5, 10, 30)
            ]
            _row(f"{name}, deviation {spread:g} margins", found)
    for error in (0.01, 0.04):
        _row(
            f"10 % of an error of {100 * error:g} %",
            [
                false_equivalence_of_a_share(error=error, n=n, ablations=ablations)
                for n in (5, 10, 30)
            ],
        )


if __name__ == "__main__":
    main()
