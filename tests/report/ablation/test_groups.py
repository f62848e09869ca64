from dlx.report.ablation.groups import MOST_LINES, groups
from tests.report.ablation import synthetic


def grouped(variants: list[synthetic.Variant], design: str = "grid") -> list:
    runs = synthetic.results(variants, 2, lambda s, seed: 0.9 + 0.01 * seed, points=3)
    return groups(synthetic.summary(variants, runs, design=design))


def test_few_variants_are_one_panel_in_colours_that_differ() -> None:
    (group,) = grouped(synthetic.grid(model__activation=list("abcdefg")))
    assert len(group.lines) == MOST_LINES
    assert len({line.color for line in group.lines}) == MOST_LINES


def test_a_grid_has_a_panel_for_each_value_of_one_factor_and_lines_for_the_other() -> None:
    variants = synthetic.grid(model__depth=[1, 2, 3], model__activation=["a", "b", "c", "d"])
    panels = grouped(variants)
    assert [group.title for group in panels] == ["depth=1", "depth=2", "depth=3"]
    for group in panels:
        assert [line.label for line in group.lines] == ["a", "b", "c", "d"]
        assert group.factor == "activation"
        assert all(line.variant.startswith(group.title) for line in group.lines)
    assert len({tuple(line.color for line in group.lines) for group in panels}) == 1
    assert sorted(line.variant for g in panels for line in g.lines) == sorted(
        v.name for v in variants
    )


def test_one_at_a_time_has_a_panel_for_each_factor_with_the_base_in_each() -> None:
    variants = synthetic.one_at_a_time(
        model__activation=["relu", "tanh", "elu"], train__clip=[0, 1, 2], model__init=list("abcde")
    )
    panels = grouped(variants, "one_at_a_time")
    assert [group.title for group in panels] == ["activation", "clip", "init"]
    assert all(group.lines[0].variant == "base" for group in panels)
    assert [line.label for line in panels[1].lines] == ["base", "1", "2"]
    assert sum(len(group.lines) - 1 for group in panels) == len(variants) - 1


def test_a_list_of_unlike_variants_has_panels_by_rank() -> None:
    variants = [synthetic.variant({"model.activation": f"a{n}", "seedless": n}) for n in range(9)]
    panels = grouped(variants, "list")
    assert [group.title for group in panels] == ["rank 1 to 7", "rank 8 to 9"]
