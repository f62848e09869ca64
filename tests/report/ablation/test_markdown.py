"""The conclusions as TensorBoard shows them."""

import pytest

from dlx.report.ablation.markdown import conclusions
from dlx.texts import in_markdown
from tests.report.ablation import synthetic
from tests.report.ablation.conftest import Synthetic


def test_markdown_has_answer_tables_and_warnings(two: Synthetic) -> None:
    summary, _ = two
    text = conclusions(summary | {"warnings": ["use *more* seeds"]})
    head, *_, last = text.strip().split("\n\n")
    assert head == f"# {summary['question']}"
    assert last == "- use \\*more\\* seeds"
    assert "\n| :-- | --: |" in text


def test_names_are_no_markdown() -> None:
    variants = synthetic.grid(model__hidden=["a|b", "<i>"])
    runs = synthetic.results(variants, 4, lambda s, seed: 0.9 + 0.001 * seed * len(str(s)))
    text = conclusions(synthetic.summary(variants, runs))
    assert "| hidden=a\\|b |" in text and "&lt;i>" in text


def test_all_pairs_have_a_table() -> None:
    variants = synthetic.grid(model__activation=["relu", "tanh", "elu"])
    runs = synthetic.results(variants, 5, lambda s, seed: 0.9 + 0.001 * seed * len(str(s)))
    text = conclusions(synthetic.summary(variants, runs, comparisons="all"))
    assert "## All pairs\n\n| variant | against |" in text


@pytest.mark.parametrize("begun", ["- a", "+ a", "1. a", "2) a", "> a", "===", "---"])
def test_no_name_begins_a_list_a_quotation_or_a_line(begun: str) -> None:
    assert in_markdown(begun).startswith("&#")


def test_a_name_stays_in_its_line_and_strikes_nothing_out() -> None:
    assert in_markdown("a\n# b\u202e") == "a\\\\n\\# b\\\\u202e"
    assert not set("$~") & set(in_markdown("~~a~~ $$b$$"))
    assert [in_markdown(text) for text in ("7.50", "+0.5", "-1", "a - b")] == [
        *("7.50", "+0.5", "-1", "a - b")
    ]
