import pytest

from dlx.report.ablation.answer import answer
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
        f"(95 % interval [{low}, {high}]; p = 0.003; better in 4 of 4 pairs)."
    )
    assert rest == []


def test_equal_variants_are_no_and_name_the_margin(two: Synthetic) -> None:
    summary, _ = two
    compared = summary["variants"][1]["vs_baseline"]
    compared |= {"verdict": "equivalent", "conclusion": "equivalent"}
    first, same = answer(summary)
    assert first.startswith("No, not by more than the margin.")
    assert same == "Equivalent to the baseline, within 0.50 points: activation=relu."
    compared["conclusion"] = "better within the margin"
    assert answer(summary)[1].endswith("points: activation=relu: better within the margin.")


@pytest.mark.parametrize(
    ("conclusion", "enough", "shown"),
    [
        ("too few seeds", 1234, "activation=relu: too few seeds (1,234 would do)"),
        ("too few seeds", None, "activation=relu: too few seeds"),
        ("too few rows", None, "activation=relu: too few rows (no number of seeds would do)"),
        ("mixed", None, "activation=relu: mixed"),
    ],
)
def test_undecided_says_what_would_decide(
    two: Synthetic, conclusion: str, enough: int | None, shown: str
) -> None:
    summary, _ = two
    summary["variants"][1]["vs_baseline"] |= {
        "verdict": "undecided",
        "conclusion": conclusion,
        "enough_seeds": enough,
    }
    first, undecided = answer(summary)
    assert first.startswith("That is not decided yet.")
    assert undecided.startswith(f"Undecided: {shown}. Undecided does not mean equal")


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
