"""The statistical methods of an ablation: a sentence on each, and a page to read on."""

from typing import NamedTuple

_WIKIPEDIA = "https://en.wikipedia.org/wiki/"


class Method(NamedTuple):
    """What a statistical method does, in a sentence, and the address of a page about it."""

    meaning: str
    page: str


# By a part of the method's name in lower case; the first part that occurs counts.
_METHODS = {
    "two one-sided": Method(
        "two variants are equivalent if the difference is certainly above -margin and certainly "
        "below +margin",
        _WIKIPEDIA + "Equivalence_test",
    ),
    "paired t, over seeds and rows": Method(
        "tests whether the mean of the differences at equal seeds could be 0 with other seeds and "
        "other dev rows; variants lend each other what they show of the variance over seeds",
        "https://doi.org/10.1080/01621459.1980.10477565",
    ),
    "t interval, over seeds and rows": Method(
        "contains the mean over all possible seeds and dev rows with the given confidence",
        "https://doi.org/10.1080/01621459.1980.10477565",
    ),
    "t interval": Method(
        "contains the mean over all possible seeds with the given confidence",
        _WIKIPEDIA + "Confidence_interval",
    ),
    "corrected": Method(
        "a paired t test with a larger variance, since the folds of a cross-validation share most "
        "of their training rows",
        "https://doi.org/10.1023/A:1024068626366",
    ),
    "paired t": Method(
        "tests whether the mean of the differences at equal seeds could be 0; variants lend each "
        "other what they show of the variance",
        _WIKIPEDIA + "Paired_difference_test",
    ),
    "mcnemar": Method(
        "compares how often one of two variants succeeded alone at a seed",
        _WIKIPEDIA + "McNemar%27s_test",
    ),
    "signed rank": Method(
        "compares the ranks of the differences, so that 'never' is later than any step",
        _WIKIPEDIA + "Wilcoxon_signed-rank_test",
    ),
    "boschloo": Method(
        "tests whether two shares of lost runs could be equal, exact for any number of runs",
        _WIKIPEDIA + "Boschloo%27s_test",
    ),
    "wilson": Method(
        "an interval of a share that is right near 0 % and 100 % too",
        _WIKIPEDIA + "Binomial_proportion_confidence_interval",
    ),
    "alpha spending": Method(
        "each look may use up its part of the 5 % of false verdicts, which was fixed before the "
        "first run, and intervals hold at all looks at once",
        "https://doi.org/10.1093/biomet/70.3.659",
    ),
    "holm": Method(
        "raises every p, so that the probability of any false verdict, of any variant by any "
        "metric, stays below 5 %",
        _WIKIPEDIA + "Holm%E2%80%93Bonferroni_method",
    ),
}


def method(name: str) -> Method | None:
    """Return the method with this name in a summary; None if it is unknown."""
    return next((_METHODS[part] for part in _METHODS if part in name.lower()), None)
