"""Whether a variant is better over several data sets."""

from collections.abc import Sequence

import numpy as np

from dlx.ablation.statistics.intervals import present
from dlx.ablation.statistics.verdicts import Comparison, Verdict, Word

# D data sets, N pairs


def pooled(comparisons: Sequence[Comparison], *, is_share: bool) -> Comparison:
    """Return the comparison of a variant with its baseline over several data sets.

    At each of the N seeds the differences are averaged over the data sets; these means are tested.
    So the verdict is about these data sets at any seed, not about other data sets. (For those the
    data sets would be the pairs, and at least six would be needed; Demšar 2006.) Costs have another
    scale on each data set, so that their differences and the margin are divided by the mean of the
    baseline on it.

    Reference:
        Demšar 2006, Statistical comparisons of classifiers over multiple data sets, JMLR 7.
    """
    differences, margins = [], []
    for comparison in comparisons:
        baseline = np.abs(present(comparison.baseline))
        scale = 1.0 if is_share or not len(baseline) else float(baseline.mean()) or 1.0
        differences.append((comparison.variant - comparison.baseline) / scale)
        margins.append(comparison.margin / scale)
    # NaN where a data set has no pair at the seed: the mean of the others would not compare.
    mean = np.mean(np.stack(differences), axis=0)
    return Comparison(
        variant=mean,
        baseline=np.zeros_like(mean),
        rising=comparisons[0].rising,
        margin=float(np.mean(margins)),
        diverged=_sums([comparison.diverged for comparison in comparisons]),
        baseline_diverged=_sums([comparison.baseline_diverged for comparison in comparisons]),
        overlap=comparisons[0].overlap,
    )


def _sums(counts: Sequence[tuple[int, int]]) -> tuple[int, int]:
    return sum(count for count, _ in counts), sum(n for _, n in counts)


def overall(verdict: Verdict, words: Sequence[Word]) -> Word:
    """Return the verdict over all data sets: undecided if the word on one contradicts it."""
    opposite: dict[Word, set[Word]] = {
        "better": {"worse"},
        "worse": {"better"},
        "equivalent": {"better", "worse"},
    }
    return "undecided" if opposite.get(verdict.word, set()) & set(words) else verdict.word
