"""What the statistics of an ablation mean, in a sentence each, with a page that says more."""

from collections.abc import Mapping
from dataclasses import dataclass

_WIKIPEDIA = "https://en.wikipedia.org/wiki/"


@dataclass(frozen=True)
class Method:
    """A statistical method.

    Attributes:
        meaning: in a sentence
        page: address of a page on it
    """

    meaning: str
    page: str


# by what occurs in the method's name, in lower case; the first that occurs holds
_METHODS = {
    "t interval": Method(
        "where the mean over all seeds there are lies, with that confidence",
        _WIKIPEDIA + "Confidence_interval",
    ),
    "corrected": Method(
        "a paired t test whose variance is raised since the folds of a cross-validation share most "
        "of their training rows",
        "https://doi.org/10.1023/A:1024068626366",
    ),
    "two one-sided": Method(
        "two variants are equivalent if the difference is surely above -margin and surely below "
        "+margin",
        _WIKIPEDIA + "Equivalence_test",
    ),
    "paired t": Method(
        "asks whether the mean of the differences at equal seeds could be 0",
        _WIKIPEDIA + "Paired_difference_test",
    ),
    "mcnemar": Method(
        "counts the seeds at which exactly one of two variants succeeded",
        _WIKIPEDIA + "McNemar%27s_test",
    ),
    "signed rank": Method(
        "compares the ranks of the differences, so that 'never' is later than all",
        _WIKIPEDIA + "Wilcoxon_signed-rank_test",
    ),
    "fisher": Method(
        "asks whether two shares of lost runs could be equal, exact at any number of runs",
        _WIKIPEDIA + "Fisher%27s_exact_test",
    ),
    "wilson": Method(
        "an interval of a share that holds near 0 % and 100 % too",
        _WIKIPEDIA + "Binomial_proportion_confidence_interval",
    ),
    "holm": Method(
        "raises every p, so that the chance of any false verdict among all variants stays below "
        "5 %",
        _WIKIPEDIA + "Holm%E2%80%93Bonferroni_method",
    ),
}


def method(name: str) -> Method | None:
    """Return what is known of a method by its name in a summary; None of an unknown one."""
    text = name.lower()
    return next((found for part, found in _METHODS.items() if part in text), None)


def listed(tests: Mapping[str, str]) -> list[tuple[str, str, Method | None]]:
    """Return what each test is for, its name and what is known of it."""
    return [(use.replace("_", " "), name, method(name)) for use, name in tests.items()]
