"""One comparison out of several data sets: is a variant better over all of them?"""

from collections.abc import Sequence

import numpy as np

from dlx.ablation.statistics.verdicts import Comparison, Verdict, Word

# D data sets, N pairs


def pooled(comparisons: Sequence[Comparison], *, is_share: bool) -> Comparison:
    """Return the comparison of a variant with its baseline over several data sets.

    At each seed the differences are averaged over the data sets, and these means are the pairs:
    the statement is about the mean over these data sets, for any seed, and not about data sets that
    were not tried (for those the data sets would be the pairs, and six are the fewest; Demšar
    2006). Costs have another scale on each data set: their differences, and the margin, are taken
    relative to the mean of the baseline there.

    Args:
        comparisons: of the same variant, a data set each, at the same N seeds
        is_share: the metric lies between 0 and 1 on every data set

    Reference:
        Demšar 2006, Statistical comparisons of classifiers over multiple data sets, JMLR 7.
    """
    differences, margins = [], []
    for each in comparisons:
        means = np.abs(each.baseline[~np.isnan(each.baseline)])
        scale = 1.0 if is_share or not len(means) else float(means.mean()) or 1.0
        differences.append((each.variant - each.baseline) / scale)
        margins.append(each.margin / scale)
    # A seed that one data set lacks would be a mean over other data sets than the rest.
    together = np.mean(np.stack(differences), axis=0)
    return Comparison(
        variant=together,
        baseline=np.zeros_like(together),
        rising=comparisons[0].rising,
        margin=float(np.mean(margins)),
        diverged=_add([each.diverged for each in comparisons]),
        baseline_diverged=_add([each.baseline_diverged for each in comparisons]),
        overlap=comparisons[0].overlap,
    )


def _add(counts: Sequence[tuple[int, int]]) -> tuple[int, int]:
    return sum(count for count, _ in counts), sum(n for _, n in counts)


def overall(verdict: Verdict, words: Sequence[Word]) -> Word:
    """Return the verdict over all data sets: none where they contradict each other.

    Args:
        verdict: on the pooled comparison
        words: the verdict on each data set
    """
    opposite: dict[Word, Word] = {"better": "worse", "worse": "better"}
    if verdict.word in opposite and opposite[verdict.word] in words:
        return "undecided"
    if verdict.word == "equivalent" and set(words) & set(opposite):
        return "undecided"
    return verdict.word
