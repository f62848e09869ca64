from dlx.report.ablation.verdict_table import best_group, pairs, verdicts
from tests.report.ablation import synthetic
from tests.report.ablation.conftest import Synthetic


def rows_of(summary: dict) -> list[dict[str, str]]:
    table = verdicts(summary)
    assert len(table.right) == len(table.headings)
    return [dict(zip(table.headings, row, strict=True)) for row in table.rows]


def test_a_row_says_mean_interval_difference_p_and_verdict(two: Synthetic) -> None:
    base, relu = rows_of(two[0])
    mean = two[0]["variants"][1]["metrics"]["dev"]["accuracy"]
    assert base["variant"] == "activation=sigmoid" and base["conclusion"] == "baseline"
    assert base["difference (points)"] == base["p"] == base["wins"] == ""
    assert relu["dev accuracy"] == "95.00 %"
    assert relu["95 % interval"] == f"[{100 * mean['low']:.2f}, {100 * mean['high']:.2f}]"
    assert relu["difference (points)"].startswith("+3.50 [+")
    assert (relu["n"], relu["p"], relu["wins"]) == ("4", "0.003", "4/4")
    assert relu["conclusion"] == "better"
    assert relu["steps/s"] == "2,500"
    assert relu["steps to 88.00 %"].endswith("(4/4)")


def test_the_baseline_comes_first_then_the_best(lossy: Synthetic) -> None:
    rows = rows_of(lossy[0])
    assert [row["variant"] for row in rows] == [
        "lr=0.1 activation=tanh",
        "lr=1.0 activation=tanh",
        "lr=0.1 activation=relu",
        "lr=1.0 activation=relu",
    ]
    assert [row["lost"] for row in rows] == ["", "3/6", "", "6/6"]
    assert rows[3]["dev accuracy"] == rows[3]["p"] == "–"


def test_a_cost_has_no_points_and_columns_without_content_are_left_out() -> None:
    variants = synthetic.grid(model__activation=["a" * 80, "relu"])
    runs = synthetic.results(
        variants, 1, lambda s, seed: 0.9 + 0.05 * (s["model.activation"] == "relu")
    )
    summary = synthetic.summary(variants, runs, metric="dev.cost")
    for variant in summary["variants"]:
        variant["success"] = None
    base, relu = rows_of(summary)
    assert not {"lost", "success", "parameters"} & set(relu)
    assert len(base["variant"]) == 60
    assert relu["difference"] == "−0.115"  # one seed: no interval
    assert relu["95 % interval"] == ""


def test_parameters_stand_there_where_they_differ(two: Synthetic) -> None:
    summary, _ = two
    summary["variants"][1]["parameters"] = 9876
    assert [row["parameters"] for row in rows_of(summary)] == ["1,234", "9,876"]


def test_rows_can_be_ordered(lossy: Synthetic) -> None:
    summary, _ = lossy
    for speed, variant in zip((4, 1, 3, 2), summary["variants"], strict=True):
        variant["seconds_per_step"] = 1 / speed

    def order(by: str) -> list[str]:
        return [row[0].replace("activation=", "") for row in verdicts(summary, by).rows]

    base, best, same, lost = "lr=0.1 tanh", "lr=1.0 tanh", "lr=0.1 relu", "lr=1.0 relu"
    assert order("variant") == [same, base, lost, best]
    assert order("speed") == [base, best, lost, same]
    assert order("difference") == [best, base, same, lost]
    for variant in summary["variants"]:
        if variant["vs_baseline"]:
            variant["vs_baseline"]["p"] = {0.1: 0.5, 1.0: 0.2}[variant["settings"]["optimizer.lr"]]
    assert order("p") == [best, lost, same, base]


def test_what_is_shown_beside_the_judged_metric_has_its_column(two: Synthetic) -> None:
    summary, _ = two
    for number, variant in enumerate(summary["variants"]):
        variant["metrics"]["train"]["gradient_norm/1"] = {"mean": 0.25 + number}
    shown = summary | {"show": ["train.gradient_norm/1"]}
    assert [row["train gradient norm/1"] for row in rows_of(shown)] == ["0.25", "1.25"]
    assert "train gradient norm/1" not in rows_of(summary)[0]


def test_all_pairs_have_a_table_and_the_best_group_a_column() -> None:
    levels = {"relu": 0.8, "tanh": 0.9, "elu": 0.9}
    variants = synthetic.grid(model__activation=list(levels))
    noise = lambda name, seed: 0.001 * ((seed * 7 + len(name) * 3) % 5)
    runs = synthetic.results(
        variants,
        6,
        lambda s, seed: levels[s["model.activation"]] + noise(s["model.activation"], seed),
    )
    summary = synthetic.summary(variants, runs, comparisons="all")
    among = {row["variant"]: row["among the best"] for row in rows_of(summary)}
    assert among == {"activation=relu": "no", "activation=tanh": "yes", "activation=elu": "yes"}
    table = pairs(summary)
    assert table.headings == ["variant", "against", "difference (points)", "p", "conclusion"]
    [[variant, against, *_, conclusion]] = table.rows
    assert (variant, against) == ("activation=elu", "activation=tanh")
    assert conclusion not in ("better", "worse")
    assert best_group(summary) == (
        "Not shown to be worse than the best: activation=tanh; activation=elu. The other 1 is "
        "worse."
    )
    assert pairs(synthetic.summary(variants, runs)).rows == []
    assert "among the best" not in rows_of(synthetic.summary(variants, runs))[0]
