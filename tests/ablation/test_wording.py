import numpy as np
import pytest

from dlx.ablation import wording
from dlx.ablation.factors import factors_of
from dlx.ablation.statistics.verdicts import Comparison, judge

BASE = np.array([0.90, 0.91, 0.92, 0.89, 0.90, 0.93, 0.91, 0.90, 0.92, 0.91])
NOISE = np.array([21, -33, 42, -14, 15, -46, 37, -28, 19, -10]) / 1e4
LOST = np.r_[np.nan, np.nan, np.zeros(8)]


def why(variant, baseline=BASE, *, others: int = 0, metric="dev.accuracy", **options) -> str:
    settings = {"rising": True, "margin": 0.005} | options
    comparisons = [Comparison(variant, baseline, **settings)] * (1 + others)
    return wording.why(
        judge(comparisons)[0],
        metric=metric,
        in_points=metric == "dev.accuracy",
        baseline="base",
        margin=settings["margin"],
        unit="seeds",
        num_comparisons=len(comparisons),
    )


@pytest.mark.parametrize(
    ("varied", "metric", "expected"),
    [
        (["a.b"], "dev.accuracy", "Does a.b change dev.accuracy?"),
        (["a", "b", "c"], "dev.cost", "Does a, b or c change dev.cost?"),
        (
            ["a", "b"],
            "success",
            "Does a or b change how often a run succeeds (dev.accuracy at 0.95)?",
        ),
    ],
)
def test_the_question_names_what_varies(varied, metric, expected):
    factors = factors_of({key: [1, 2] for key in varied})
    assert wording.question(factors, metric, {"dev.accuracy": 0.95}) == expected


def test_a_difference_is_told_with_interval_p_and_wins():
    assert why(BASE + NOISE + 0.05) == (
        "dev.accuracy is 5.00 points above that of base (95 % interval +4.78 to +5.22, "
        "adjusted p < 0.0001, better in 10 of 10 seeds)."
    )
    assert why(BASE + NOISE - 0.05, metric="dev.cost").startswith(
        "dev.cost is 0.05 below that of base (95 % interval −0.0522 to −0.0478, "
    )


def test_equivalence_names_the_margin_and_says_when_it_is_not_0():
    assert why(BASE + NOISE).endswith("That is within ±0.50 points (p 0.00031).")
    assert "That is not 0, but within ±1.00 points" in why(BASE + NOISE + 0.005, margin=0.01)


@pytest.mark.parametrize(
    ("variant", "options", "expected"),
    [
        (BASE[:1] + 0.1, {"baseline": BASE[:1]}, "One pair gives no interval"),
        (BASE[:1], {"baseline": BASE[:1]}, "One pair gives no interval: dev.accuracy is equal"),
        (np.full(10, np.nan), {}, "No two runs of the same seed have dev.accuracy"),
        (np.full(2, 0.5), {"baseline": np.ones(2)}, "with 1 comparison it takes 3 seeds."),
        (np.ones(10), {"baseline": np.ones(10)}, "up to 26 % of the seeds could differ."),
        (BASE + 10 * NOISE, {}, "The interval contains 0 and reaches beyond ±0.50 points"),
        (
            BASE + NOISE + 0.0022,
            {"margin": 1e-4, "others": 7},
            "The interval, which is of this comparison alone, excludes 0. But p, adjusted",
        ),
        (
            BASE + 2 * NOISE,
            {"others": 30},
            "It may be within ±0.50 points, but that is not certain",
        ),
    ],
)
def test_undecided_says_what_would_decide(variant, options, expected):
    assert expected in why(variant, **options)


def test_survivors_are_named_as_such():
    text = why(BASE + NOISE + LOST - 0.05, diverged=(2, 10), baseline_diverged=(0, 10))
    assert "2 of 10 runs diverged, against 0 of 10 of base" in text
    assert "of the pairs in which both runs ended" in text
    better = why(BASE + NOISE + LOST + 0.05, diverged=(2, 10), baseline_diverged=(0, 10))
    assert better.endswith("The runs that ended do not outweigh those that diverged.")


def test_divergence_that_decides_says_so():
    lost = np.r_[np.full(8, np.nan), BASE[8:]]
    text = why(lost, diverged=(8, 10), baseline_diverged=(0, 10))
    assert text.endswith("The variant certainly diverges more often, which decides.")


def document(name: str, **options):
    plain = {"runs": 5, "n": 5, "diverged": 0, "failed": 0, "parameters": 81}
    before = {"pretraining_steps": 0, "pretraining_examples": 0, "settings": {}}
    before |= {"vs_baseline": None, "rows": 40}
    return {"name": name, "steps": 100, "examples": 6400} | before | plain | options


def warned(*documents, metric="dev.accuracy", num_seeds=5, folds=None, data=False) -> list[str]:
    return wording.warnings(
        documents,
        metric=metric,
        num_seeds=num_seeds,
        folds=folds,
        data=[document["name"][0] for document in documents] if data else [""] * len(documents),
    )


def test_variants_are_alike_within_their_data_set():
    first, second = document("a"), document("b", steps=9)
    assert warned(first, second, data=True) == []
    third = document("b second", steps=7)
    assert warned(first, second, third, data=True) == [
        "Variants differ in optimizer steps: 7 (b second) to 9 (b)."
    ]


def test_alike_variants_with_seeds_and_dev_rows_need_no_warning():
    assert warned(document("a"), document("b")) == []
    assert warned(document("a"), document("b", settings={"model.loss": "mse"})) == []
    pretrained = [document(name, pretraining_steps=5) for name in "ab"]
    assert warned(*pretrained) == []


@pytest.mark.parametrize(
    ("documents", "options", "expected"),
    [
        (
            [document("a"), document("b", parameters=12345)],
            {},
            "Variants differ in number of parameters: 81 (a) to 12,345 (b).",
        ),
        ([document("a", steps=9), document("b")], {}, "Variants differ in optimizer steps: 9 (a)"),
        ([document("a", examples=9), document("b")], {}, "Variants differ in examples seen: 9 (a)"),
        (
            [document("a", pretraining_steps=50), document("b")],
            {},
            "Variants differ in optimizer steps (pre-training included): 100 (b) to 150 (a).",
        ),
        (
            [document("a"), document("b", settings={"model.loss": "mse"})],
            {"metric": "dev.cost"},
            "Variants differ in model.loss, and dev.cost is in units of each variant's own loss",
        ),
        ([document("a")], {"num_seeds": 1}, "One seed (n = 1)"),
        ([document("a", n=3, diverged=2)], {}, "a: 2 of 5 runs diverged; its numbers are of the 3"),
        ([document("a", n=0, diverged=5)], {}, "a: 5 of 5 runs diverged; none ended."),
        ([document("a", n=3, failed=2)], {}, "a: 2 of 5 runs failed to run"),
        (
            [document("a", n=0, diverged=5)],
            {},
            "No run has dev.accuracy, so that nothing could be judged: no run ended well",
        ),
        (
            [document("a", n=0)],
            {},
            "No run has dev.accuracy, so that nothing could be judged: give data",
        ),
        ([document("a", n=0)], {"metric": "train.f1"}, "choose another ablation.metric"),
    ],
)
def test_warnings_say_what_a_reader_has_to_know(documents, options, expected):
    assert any(expected in sentence for sentence in warned(*documents, **options))


def test_one_seed_with_folds_has_pairs():
    assert warned(document("a"), num_seeds=1, folds=5) == []
