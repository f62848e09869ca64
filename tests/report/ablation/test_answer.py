import pytest

from dlx.report.ablation.answer import answer, seeds_to_decide
from tests.report.ablation import synthetic
from tests.report.ablation.conftest import Synthetic


def test_the_answer_says_what_is_better_by_how_much_and_how_sure(two: Synthetic) -> None:
    first, best, *rest = answer(two[0])
    assert first == (
        "Yes. The baseline is activation=sigmoid (dev accuracy 91.50 %). Other variants: 1 better."
    )
    versus = two[0]["variants"][1]["vs_baseline"]
    low, high = (f"{100 * versus[end]:+.2f}" for end in ("low", "high"))
    assert best == (
        "Best: activation=relu: dev accuracy 95.00 %, +3.50 points from the baseline "
        f"(95 % interval [{low}, {high}]; p = 0.001; better in 4 of 4 pairs)."
    )
    assert rest == []


def test_equal_variants_are_no_and_name_the_margin(two: Synthetic) -> None:
    summary, _ = two
    compared = summary["variants"][1]["vs_baseline"]
    compared |= {"verdict": "equivalent", "difference": 0.001}
    first, same = answer(summary)
    assert first.startswith("No, not by more than the margin.")
    assert same == "Equivalent to the baseline, within 0.50 points: activation=relu."


def test_undecided_says_how_many_seeds_would_decide(two: Synthetic) -> None:
    summary, _ = two
    summary["variants"][1]["vs_baseline"] |= {
        "verdict": "undecided",
        "difference": 0.01,
        "low": -0.01,
        "high": 0.03,
        "n": 5,
    }
    first, undecided = answer(summary)
    assert first.startswith("That is not decided yet.")
    assert "activation=relu (about 20 seeds would decide)" in undecided


@pytest.mark.parametrize(
    ("difference", "half", "n", "needed"),
    [
        (0.01, 0.02, 5, 20),  # the interval has to be half as wide
        (0.001, 0.008, 10, 40),  # equivalent within 0.005: half width 0.004
        (0.01, 0.0099, 8, 9),  # at least one more
        (0.01, 1.0, 5, None),  # fifty thousand: not said
        (0.0, 0.0, 5, None),
    ],
)
def test_seeds_to_decide_follow_from_the_root_law(
    two: Synthetic, difference: float, half: float, n: int, needed: int | None
) -> None:
    summary, _ = two
    variant = summary["variants"][1]
    variant["vs_baseline"] |= {
        "difference": difference,
        "low": difference - half,
        "high": difference + half,
        "n": n,
    }
    assert seeds_to_decide(variant, summary) == needed


def test_more_comparisons_need_more_seeds() -> None:
    variants = synthetic.grid(model__activation=list("abcdefgh"))
    runs = synthetic.results(variants, 3, lambda s, seed: 0.9 + 0.01 * seed)
    summary = synthetic.summary(variants, runs)
    variant = summary["variants"][1]
    variant["vs_baseline"] |= {"difference": 0.01, "low": -0.01, "high": 0.03, "n": 5}
    # z(1 - 0.05 / 14) / z(0.975) = 2.690 / 1.960
    assert seeds_to_decide(variant, summary) == -(-5 * (2 * 2.690 / 1.960) ** 2 // 1)


def test_one_seed_or_lost_runs_say_no_number_of_seeds(lossy: Synthetic, two: Synthetic) -> None:
    summary, _ = lossy
    lost = next(variant for variant in summary["variants"] if variant["diverged"] == 3)
    assert seeds_to_decide(lost, summary) is None
    summary, _ = two
    summary["variants"][1]["vs_baseline"] |= {"low": None, "high": None, "n": 1}
    assert seeds_to_decide(summary["variants"][1], summary) is None


def test_lost_runs_are_never_left_unsaid(lossy: Synthetic) -> None:
    last = answer(lossy[0])[-1]
    assert last == (
        "9 runs diverged or failed, of lr=1.0 activation=tanh; lr=1.0 activation=relu. The means "
        "are of the other runs; the verdicts take the lost runs into account. No run ended well of "
        "lr=1.0 activation=relu."
    )


def test_one_variant_is_compared_with_nothing(two: Synthetic) -> None:
    summary, _ = two
    alone = summary | {"variants": summary["variants"][:1]}
    assert answer(alone) == ["There is only one variant, so that there is nothing to compare."]
