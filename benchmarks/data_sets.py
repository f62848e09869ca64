"""Whether intervals and verdicts hold for other rows: simulated over data sets.

Every data set is drawn anew: training and dev rows, and for every seed a small network of random
hidden units whose output layer is fitted by ridge regression, so that thousands of ablations take a
minute. The true difference of two variants is known, because they are equal by symmetry, or because
it is measured on many rows. For `fixed` splits all seeds share one division into training and dev
rows, for `each_seed` every seed draws its own.

    python benchmarks/data_sets.py [--data-sets 700] [--seed 0] [--metric METRIC]

prints, for each way to make an interval, how often the 95 % interval holds the truth (`covers`),
how often a verdict is false where both are equal (`false`), the width, and how often a planted
difference is found (`power`). `success` is an accuracy of at least the mean one; `curve` is about
the band of one variant's accuracy after 3, 30 and 300 steps of gradient descent; `tuned` is about
a variant that was tuned on labels that say nothing.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from dlx.ablation.bands import bands
from dlx.ablation.outcomes import Outcomes
from dlx.ablation.results import Curve, RunResult, Variant
from dlx.ablation.statistics import rows as of_rows
from dlx.ablation.statistics.intervals import Spread, spread_of
from dlx.ablation.statistics.rows import Judgement, difference, with_rows
from dlx.ablation.statistics.verdicts import Comparison, Verdict, judge

Array = np.ndarray
Pair = tuple[Judgement, Judgement]  # of variant and baseline at a seed
STEPS = (3, 30, 300)


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
    "success": lambda scores, truth: ((scores > 0) == truth).astype(float),
}


def _scores(
    seed: int,
    x: Array,
    y: Array,
    train: Array,
    dev: Array,
    inputs: tuple[int, ...],
    hidden: int,
    steps: tuple[int, ...] = (),
) -> Array:
    """Return what a network that was fitted on the training rows says of the dev rows: (n,).

    With steps, after so many of gradient descent: (n, T).
    """
    generator = np.random.default_rng(seed)
    weights = generator.normal(0, len(inputs) ** -0.5, (len(inputs), hidden))
    z = np.maximum(x[:, inputs] @ weights + generator.normal(0, 0.5, hidden), 0)
    z = np.column_stack([z, np.ones(len(z))])
    own = z[train]
    gram = own.T @ own + np.eye(own.shape[1])
    target = own.T @ (2 * y[train] - 1)
    if not steps:
        return z[dev] @ np.linalg.solve(gram, target)
    values, vectors = np.linalg.eigh(gram)
    learned = (1 - (1 - values / values.max()) ** np.array(steps)[:, None]) / values
    return z[dev] @ vectors @ (learned * (vectors.T @ target)).T


def draws(
    case: Case, generator: np.random.Generator, num_seeds: int, *, fixed: bool
) -> Iterator[tuple[Array, Array, Array, Array]]:
    """Yield the inputs and targets of a data set with the training and dev rows of each seed."""
    num_rows = case.num_train + case.num_dev
    x = generator.normal(size=(num_rows, 8))
    y = case.labels(generator, x)
    order = generator.permutation(num_rows)
    for _ in range(num_seeds):
        if not fixed:
            order = generator.permutation(num_rows)
        yield x, y, order[: case.num_train], np.sort(order[case.num_train :])


def ablation(
    case: Case, generator: np.random.Generator, num_seeds: int, *, fixed: bool
) -> list[Pair]:
    """Return the paired judgements of one ablation on a data set of its own."""
    pairs = []
    for x, y, train, dev in draws(case, generator, num_seeds, fixed=fixed):
        seeds = generator.integers(2**31, size=2)
        variant, baseline = (
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
        )
        pairs.append((variant, baseline))
    return pairs


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


def is_null(case: Case) -> bool:
    """Say whether variant and baseline are equal, by symmetry."""
    return case.hidden[0] == case.hidden[1] and len(case.variant) == len(case.baseline)


def truth(case: Case, seed: int) -> float:
    """Return the true difference, over 300 data sets with 2,000 judged rows each."""
    if is_null(case):
        return 0.0
    generator = np.random.default_rng([seed, 1])
    large = replace(case, num_dev=2000)
    return float(
        np.mean(
            [
                difference(*ablation(large, generator, 1, fixed=True)[0]).values.mean()
                for _ in range(300)
            ]
        )
    )


def measure(case: Case, num_data_sets: int, num_seeds: int, seed: int, *, fixed: bool) -> None:
    """Print a line for each way to make an interval."""
    generator = np.random.default_rng(seed)
    true = truth(case, seed)
    ended = [
        [difference(*pair) for pair in ablation(case, generator, num_seeds, fixed=fixed)]
        for _ in range(num_data_sets)
    ]
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


def _results(name: str, judgements: list[Judgement], goal: float) -> list[RunResult]:
    """Return the results of runs, whose success is an accuracy of at least the goal."""
    return [
        RunResult(
            name,
            seed,
            "completed",
            1,
            metrics={"dev": {"accuracy": float(own.values.mean())}},
            rows={
                "dev": {"n": len(own.rows), "digest": str(own.rows.tolist())},
                "train": {"n": own.num_train, "digest": "other"},
            },
            success=bool(own.values.mean() >= goal),
        )
        for seed, own in enumerate(judgements)
    ]


def _of_success(pairs: list[Pair], goal: float, *, rows: bool) -> tuple[Verdict, Outcomes]:
    """Return the verdict on success, as `comparisons.compare` makes it."""
    variant, baseline = ([pair[place] for pair in pairs] for place in range(2))
    names = [Variant(name, {}) for name in ("variant", "baseline")]
    results = [*_results("variant", variant, goal), *_results("baseline", baseline, goal)]
    outcomes = Outcomes.of(names, results, seeds=range(len(pairs)), folds=None)
    a, b = (outcomes.values(name, "success") for name in ("variant", "baseline"))
    spread = outcomes.spread(a - b, "variant", "success", "baseline")
    comparison = Comparison(a, b, rising=True, margin=0.005, is_binary=True)
    if rows:
        comparison = replace(comparison, of_rows=spread.of_rows, row_freedom=spread.row_freedom)
    return judge([comparison])[0], outcomes


def measure_success(
    case: Case, num_data_sets: int, num_seeds: int, seed: int, *, fixed: bool
) -> None:
    """Print lines for McNemar's test alone and with rows, and for the interval of one rate."""
    generator = np.random.default_rng(seed)
    ended = [ablation(case, generator, num_seeds, fixed=fixed) for _ in range(num_data_sets)]
    shares = np.array([[[own.values.mean() for own in pair] for pair in pairs] for pairs in ended])
    goal = float(shares.mean())
    rates = (shares >= goal).mean((0, 1))
    for name in ("seeds alone", "rows and seeds"):
        judged = [_of_success(pairs, goal, rows=name != "seeds alone") for pairs in ended]
        true = 0.0 if is_null(case) else rates[0] - rates[1]
        tests = [verdict.difference for verdict, _ in judged]
        covers = np.mean([test.low <= true <= test.high for test in tests])
        found = np.mean([verdict.word in ("better", "worse") for verdict, _ in judged])
        print(
            f"  {name:22} {'fixed' if fixed else 'each_seed':9} {num_seeds:3} seeds  covers "
            f"{covers:6.1%}  {'power' if true else 'false'} {found:6.1%}",
            flush=True,
        )
    estimates = [outcomes.rate(["variant"]) for _, outcomes in judged]
    covers = np.mean([own.low <= rates[0] <= own.high for own in estimates])
    print(f"  {'rate of the variant':22} {'':9} {num_seeds:3} seeds  covers {covers:6.1%}")


def measure_curve(
    case: Case, num_data_sets: int, num_seeds: int, seed: int, *, fixed: bool
) -> None:
    """Print how often the band of a learning curve holds the truth, at each of its steps."""
    generator = np.random.default_rng(seed)
    drawn: list[list[RunResult]] = []
    for _ in range(num_data_sets):
        runs = []
        for x, y, train, dev in draws(case, generator, num_seeds, fixed=fixed):
            own = int(generator.integers(2**31))
            scores = _scores(own, x, y, train, dev, case.variant, case.hidden[0], STEPS)
            right = ((scores > 0) == (y[dev, None] > 0.5)).astype(float)
            judgement = Judgement(dev, right[:, -1], case.num_train)
            [run] = _results("variant", [judgement], 0.0)
            curve = Curve(STEPS, {"dev": {"accuracy": tuple(right.mean(0).tolist())}})
            runs.append(replace(run, curve=curve, judgements={"dev.accuracy": judgement}))
        drawn.append(runs)
    true = np.mean([[run.curve.of("dev.accuracy") for run in runs] for runs in drawn], (0, 1))
    ways = {
        "seeds alone": lambda run: replace(run, rows={}, judgements={}),
        "redrawn": lambda run: replace(run, judgements={}),
        "rows and seeds": lambda run: run,
    }
    for name, way in ways.items():
        made = [
            bands([way(run) for run in runs], "dev.accuracy", 0.95)["variant"] for runs in drawn
        ]
        covers = np.mean([(band.low <= true) & (true <= band.high) for band in made], 0)
        print(
            f"  {name:22} {'fixed' if fixed else 'each_seed':9} {num_seeds:3} seeds  covers "
            + "  ".join(
                f"{share:6.1%} at {step}" for share, step in zip(covers, STEPS, strict=True)
            ),
            flush=True,
        )


def _tuned(generator: np.random.Generator, num_seeds: int, *, apart: bool) -> list[Judgement]:
    """Return what a variant that was tuned makes of rows more than one that was not.

    Labels are random, so that both guess. What is tuned is which four of the eight inputs a network
    sees: 20 choices with two seeds each, on half of the dev rows, or on all that then judge.
    """
    case = Case("random labels", lambda own, x: own.integers(2, size=len(x)) * 1.0, LEFT, LEFT)
    [(x, y, train, dev)] = draws(case, generator, 1, fixed=True)
    stop, judged = (dev[::2], dev[1::2]) if apart else (dev, dev)

    def right(inputs: tuple[int, ...], rows: Array) -> Array:
        seed = int(generator.integers(2**31))
        return ((_scores(seed, x, y, train, rows, inputs, 20) > 0) == (y[rows] > 0.5)).astype(float)

    choices = [tuple(generator.permutation(8)[:4].tolist()) for _ in range(20)]
    best = max(choices, key=lambda own: right(own, stop).mean() + right(own, stop).mean())
    return [
        difference(*(Judgement(judged, right(own, judged), len(train)) for own in (best, LEFT)))
        for _ in range(num_seeds)
    ]


def measure_tuned(num_data_sets: int, num_seeds: int, seed: int) -> None:
    """Print how far a tuned variant is above one that was not, where both guess."""
    for name, apart in (("tuned on dev rows", False), ("tuned on stop rows", True)):
        generator = np.random.default_rng(seed)
        ended = [_tuned(generator, num_seeds, apart=apart) for _ in range(num_data_sets)]
        means = np.array([np.mean([own.values.mean() for own in own_]) for own_ in ended])
        found = np.abs(means) > [_crossed(own).width() for own in ended]
        print(
            f"  {name:22} {'fixed':9} {num_seeds:3} seeds  above guessing "
            f"{100 * means.mean():5.2f} points  false {found.mean():6.1%}",
            flush=True,
        )


MEASURES = {"success": measure_success, "curve": measure_curve}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-sets", type=int, default=700)
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 5, 10, 15])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--metric", choices=[*METRICS, "curve", "tuned"], default="accuracy")
    parser.add_argument("--trained-too", type=float, default=of_rows.TRAINED_TOO)
    given = parser.parse_args()
    of_rows.TRAINED_TOO = given.trained_too
    if given.metric == "tuned":
        for num_seeds in given.seeds:
            measure_tuned(given.data_sets, num_seeds, given.seed)
        return
    for each in [*CASES, *PLANTED]:
        case = replace(each, metric=given.metric)
        if given.metric in MEASURES:
            print(case.name)
        else:
            print(f"{case.name}: true difference {100 * truth(case, given.seed):+.2f} points")
        for fixed in (True, False):
            for num_seeds in given.seeds:
                MEASURES.get(given.metric, measure)(
                    case, given.data_sets, num_seeds, given.seed, fixed=fixed
                )


if __name__ == "__main__":
    main()
