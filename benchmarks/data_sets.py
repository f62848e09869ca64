"""Whether intervals and verdicts hold for other rows: simulated over data sets.

Every data set is drawn anew: training and dev rows, and for every seed a small network of random
hidden units whose output layer is fitted by ridge regression, so that thousands of ablations take a
minute. The true difference of two variants is known, because they are equal by symmetry, or because
it is measured on many rows. For `fixed` splits all seeds share one division into training and dev
rows, for `each_seed` every seed draws its own.

    python benchmarks/data_sets.py [--data-sets 400] [--seed 0] [--metric f1]

prints, for each way to make an interval, how often the 95 % interval holds the truth (`covers`),
how often a verdict is false where both are equal (`false`), the width, and how often a planted
difference is found (`power`).
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from dlx.ablation.statistics import rows as of_rows
from dlx.ablation.statistics.intervals import Spread, spread_of
from dlx.ablation.statistics.rows import Judgement, difference, with_rows

Array = np.ndarray


@dataclass(frozen=True)
class Case:
    """A kind of data set, and how two variants differ on it."""

    name: str
    labels: Callable[[np.random.Generator, Array], Array]  # of standard normal inputs (N, 8)
    variant: tuple[int, ...]  # the inputs that the variant sees
    baseline: tuple[int, ...]
    hidden: tuple[int, int] = (20, 20)  # random hidden units of variant and baseline
    num_train: int = 450
    num_dev: int = 150
    metric: str = "accuracy"


def _sum_of_all(generator: np.random.Generator, x: Array) -> Array:
    return (x.sum(1) + generator.normal(0, 2.5, len(x)) > 0).astype(float)


def _heavy(generator: np.random.Generator, x: Array) -> Array:
    return (x.sum(1) + 1.5 * generator.standard_t(2, len(x)) > 0).astype(float)


def _skewed(generator: np.random.Generator, x: Array) -> Array:
    return (x.sum(1) + generator.exponential(2.5, len(x)) > 4).astype(float)


LEFT, RIGHT, ALL = (0, 1, 2, 3), (4, 5, 6, 7), tuple(range(8))
CASES = [
    Case("other inputs, equal by symmetry", _sum_of_all, LEFT, RIGHT),
    Case("A/A: the same variant twice", _sum_of_all, ALL, ALL),
    Case("heavy tails, equal by symmetry", _heavy, LEFT, RIGHT),
    Case("skewed and rare class, equal", _skewed, LEFT, RIGHT),
    Case("few dev rows, equal", _sum_of_all, LEFT, RIGHT, num_train=150, num_dev=40),
    Case("many units, equal by symmetry", _sum_of_all, LEFT, RIGHT, hidden=(60, 60)),
]
PLANTED = [
    Case("an input more", _sum_of_all, (0, 1, 2, 3, 4), LEFT),
    Case("twice the inputs", _sum_of_all, ALL, LEFT),
    Case("more units", _sum_of_all, ALL, ALL, hidden=(40, 10)),
]


def _f1(scores: Array, truth: Array) -> Array:
    says = scores > 0
    hits = (says & truth).sum(), (~says & ~truth).sum()
    wrong = (says != truth).sum()
    return np.full(len(scores), np.mean([2 * own / max(2 * own + wrong, 1) for own in hits]))


def _auc(scores: Array, truth: Array) -> Array:
    ranks = np.empty(len(scores))
    ranks[np.argsort(scores)] = np.arange(1, len(scores) + 1)
    positive = truth.sum()
    area = ranks[truth].sum() - positive * (positive + 1) / 2
    return np.full(len(scores), area / max(positive * (len(scores) - positive), 1))


# From scores and truths (n,) to values (n,) whose mean is the metric.
METRICS: dict[str, Callable[[Array, Array], Array]] = {
    "accuracy": lambda scores, truth: ((scores > 0) == truth).astype(float),
    "f1": _f1,
    "auc": _auc,
}


def _scores(
    seed: int, x: Array, y: Array, train: Array, dev: Array, inputs: tuple[int, ...], hidden: int
) -> Array:
    """Return what a network that was fitted on the training rows says of the dev rows."""
    generator = np.random.default_rng(seed)
    weights = generator.normal(0, len(inputs) ** -0.5, (len(inputs), hidden))
    z = np.maximum(x[:, inputs] @ weights + generator.normal(0, 0.5, hidden), 0)
    z = np.column_stack([z, np.ones(len(z))])
    own = z[train]
    gram = own.T @ own + np.eye(own.shape[1])
    return z[dev] @ np.linalg.solve(gram, own.T @ (2 * y[train] - 1))


def ablation(
    case: Case, generator: np.random.Generator, num_seeds: int, *, fixed: bool
) -> list[Judgement]:
    """Return the paired judgements of one ablation on a data set of its own."""
    num_rows = case.num_train + case.num_dev
    x = generator.normal(size=(num_rows, 8))
    y = case.labels(generator, x)
    judgements = []
    order = generator.permutation(num_rows)
    for _ in range(num_seeds):
        if not fixed:
            order = generator.permutation(num_rows)
        train, dev = order[: case.num_train], np.sort(order[case.num_train :])
        seeds = generator.integers(2**31, size=2)
        pair = [
            Judgement(
                dev,
                METRICS[case.metric](
                    _scores(int(s), x, y, train, dev, inputs, hidden), y[dev] > 0.5
                ),
                case.num_train,
            )
            for s, inputs, hidden in zip(
                seeds, (case.variant, case.baseline), case.hidden, strict=True
            )
        ]
        judgements.append(difference(*pair))
    return judgements


def _plain(judgements: list[Judgement]) -> Spread:
    return spread_of([own.values.mean() for own in judgements])


def _resampled(judgements: list[Judgement]) -> Spread:
    """The corrected resampled t: 1/S + n / N in place of 1/S."""
    overlap = len(judgements[0].rows) / judgements[0].num_train
    return spread_of([own.values.mean() for own in judgements], overlap=overlap)


def _redrawn(judgements: list[Judgement]) -> Spread:
    """The corrected resampled t with c more, as `Outcomes.redrawn`: 1/S + (1 + c) n / N."""
    overlap = (1 + of_rows.TRAINED_TOO) * len(judgements[0].rows) / judgements[0].num_train
    return spread_of([own.values.mean() for own in judgements], overlap=overlap)


def _crossed(judgements: list[Judgement]) -> Spread:
    return with_rows(_plain(judgements), judgements)


WAYS: dict[str, Callable[[list[Judgement]], Spread]] = {
    "seeds alone": _plain,
    "corrected resampled t": _resampled,
    "rows and seeds": _crossed,
}
# Of metrics that are no means over rows, for which rows and seeds cannot be told apart.
OTHER_WAYS = {"seeds alone": _plain, "corrected resampled t": _resampled, "redrawn": _redrawn}


def truth(case: Case, seed: int) -> float:
    """Return the true difference, over 300 data sets with 2,000 judged rows each."""
    if case.hidden[0] == case.hidden[1] and len(case.variant) == len(case.baseline):
        return 0.0
    generator = np.random.default_rng([seed, 1])
    large = replace(case, num_dev=2000)
    return float(
        np.mean([ablation(large, generator, 1, fixed=True)[0].values.mean() for _ in range(300)])
    )


def measure(case: Case, num_data_sets: int, num_seeds: int, seed: int, *, fixed: bool) -> None:
    """Print a line for each way to make an interval."""
    generator = np.random.default_rng(seed)
    true = truth(case, seed)
    ended = [ablation(case, generator, num_seeds, fixed=fixed) for _ in range(num_data_sets)]
    means = np.array([np.mean([own.values.mean() for own in judgements]) for judgements in ended])
    for name, way in (WAYS if case.metric == "accuracy" else OTHER_WAYS).items():
        spreads = [way(judgements) for judgements in ended]
        widths = np.array([spread.width() for spread in spreads])
        share = np.mean([spread.of_rows / max(spread.error**2, 1e-12) for spread in spreads])
        covers, found = np.abs(means - true) <= widths, np.abs(means) > widths
        print(
            f"  {name:22} {'fixed' if fixed else 'each_seed':9} {num_seeds:3} seeds  covers "
            f"{covers.mean():6.1%}  {'power' if true else 'false'} {found.mean():6.1%}  half width "
            f"{100 * np.median(widths):5.2f} points  of rows {share:4.0%}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-sets", type=int, default=400)
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 5, 10, 15])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--metric", choices=METRICS, default="accuracy")
    parser.add_argument("--trained-too", type=float, default=of_rows.TRAINED_TOO)
    given = parser.parse_args()
    of_rows.TRAINED_TOO = given.trained_too
    for each in [*CASES, *PLANTED]:
        case = replace(each, metric=given.metric)
        print(f"{case.name}: true difference {100 * truth(case, given.seed):+.2f} points")
        for fixed in (True, False):
            for num_seeds in given.seeds:
                measure(case, given.data_sets, num_seeds, given.seed, fixed=fixed)


if __name__ == "__main__":
    main()
