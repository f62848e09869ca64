"""Designs, conditions, names and baselines."""

from typing import Any

import pytest

from dlx.ablation.variants import (
    BASE,
    distances_from_base,
    expand,
    find_baseline,
    quieted,
    short_labels,
    show,
)
from dlx.config.load import load
from dlx.config.schema import RunConfig
from dlx.errors import ConfigError


def config(vary: Any, **ablation: Any) -> RunConfig:
    return load(
        {
            "data": "xor",
            "model": {"hidden": [4], "activation": "tanh"},
            "optimizer": {"name": "sgd", "lr": 0.5},
            "ablation": {"vary": vary, **ablation},
        }
    )


def names(vary: Any, **ablation: Any) -> list[str]:
    return [resolved.name for resolved in expand(config(vary, **ablation))]


ACTIVATIONS = {"model.activation": ["relu", "tanh"]}
RATES = {"optimizer.lr": [0.1, 0.5]}


def test_a_grid_has_every_combination_the_first_key_slowest():
    assert names(ACTIVATIONS | RATES) == [
        "activation=relu lr=0.1",
        "activation=relu lr=0.5",
        "activation=tanh lr=0.1",
        "activation=tanh lr=0.5",
    ]


def test_the_configs_are_those_that_the_names_say():
    variants = expand(config(ACTIVATIONS | RATES))
    assert [variant.config.model.activation.name for variant in variants] == ["relu"] * 2 + [
        "tanh"
    ] * 2
    assert [variant.config.optimizer.lr for variant in variants] == [0.1, 0.5, 0.1, 0.5]
    assert all(variant.config.ablation is None for variant in variants)


def test_one_at_a_time_leaves_the_base_by_one_key_each():
    # tanh and 0.5 are what the base has: it is not trained twice.
    assert names(ACTIVATIONS | RATES, design="one_at_a_time") == [BASE, "activation=relu", "lr=0.1"]


def test_zip_takes_one_value_of_every_list():
    assert names(ACTIVATIONS | RATES, design="zip") == [
        "activation=relu lr=0.1",
        "activation=tanh lr=0.5",
    ]
    with pytest.raises(ConfigError, match=r"lists of one length, but model\.activation has 2, opt"):
        names(ACTIVATIONS | {"optimizer.lr": [0.1]}, design="zip")


def test_a_list_names_its_variants_or_says_what_differs():
    vary = [
        {"name": "shallow", "model.hidden": []},
        {"model.hidden": [3, 3], "model.activation": "relu"},
    ]
    assert names(vary, design="list") == ["shallow", "hidden=[3,3] activation=relu"]
    with pytest.raises(ConfigError, match="a list of variants needs design: list"):
        names(vary)
    with pytest.raises(ConfigError, match="design list takes a list of variants"):
        names(ACTIVATIONS, design="list")
    with pytest.raises(ConfigError, match="two variants are called 'a'; remove or rename one"):
        names([{"name": "a", "optimizer.lr": 1}, {"name": "a", "optimizer.lr": 2}], design="list")


def test_variants_that_meet_a_condition_are_left_out():
    exclude = [{"model.activation": "relu", "optimizer.lr": [0.5, 7.0]}]
    assert names(ACTIVATIONS | RATES, exclude=exclude) == [
        "activation=relu lr=0.1",
        "activation=tanh lr=0.1",
        "activation=tanh lr=0.5",
    ]
    with pytest.raises(ConfigError, match=r"ablation\.exclude: it leaves no variant; remove"):
        names(ACTIVATIONS, exclude=[{"model.activation": ["relu", "tanh"]}])


@pytest.mark.parametrize(
    "condition",
    [
        {"optimizer": "momentum"},
        {"optimizer.name": "momentum"},
        {"optimizer": ["momentum", "rmsprop"]},
    ],
)
def test_a_key_varies_only_where_its_condition_holds(condition):
    vary = {"optimizer": ["sgd", "momentum"], "optimizer.momentum": [0.5, 0.9]}
    assert names(vary, only={"optimizer.momentum": condition}) == [
        "optimizer=sgd",
        "optimizer=momentum momentum=0.5",
        "optimizer=momentum momentum=0.9",
    ]


def test_a_condition_may_be_about_what_does_not_vary():
    assert names(ACTIVATIONS | RATES, only={"optimizer.lr": {"model.hidden": [[5]]}}) == [
        "activation=relu",
        "activation=tanh",
    ]
    with pytest.raises(ConfigError, match=r"only\.optimizer\.l2: unknown key"):
        names(ACTIVATIONS, only={"optimizer.l2": {"model.activation": "relu"}})
    with pytest.raises(
        ConfigError, match=r"ablation\.only\.model\.init: not a key of ablation\.vary"
    ):
        names(ACTIVATIONS, only={"model.init": {"model.activation": "relu"}})


def test_a_choice_is_set_before_what_is_set_inside_it():
    variants = expand(config({"optimizer.lr": [0.25], "optimizer.name": ["adam"]}))
    assert variants[0].config.optimizer.name == "adam"
    assert variants[0].config.optimizer.lr == 0.25


def test_every_variant_that_cannot_be_is_named_at_once():
    with pytest.raises(ConfigError) as caught:
        names({"model.activation": ["relu", "reluu"], "optimizer.momentum": [0.9]})
    lines = str(caught.value).split("\n")
    assert len(lines) == 3
    assert lines[0].startswith(
        "variant 'activation=relu momentum=0.9': optimizer.momentum: unknown"
    )
    assert lines[1].startswith(
        "variant 'activation=reluu momentum=0.9': model.activation: received"
    )
    assert "did you mean 'relu'?" in lines[1]


def test_equal_variants_are_refused():
    with pytest.raises(ConfigError, match="are the same; remove one"):
        names({"model.activation": ["relu", {"name": "relu"}]})


def test_seeds_are_no_factor_and_grids_have_an_end():
    with pytest.raises(ConfigError, match=r"ablation\.vary\.seed: seeds are no factor.*seeds"):
        names({"seed": [1, 2]})
    huge = {f"{key}": "1..1000" for key in ("train.batch_size", "log.points", "train.steps")}
    with pytest.raises(ConfigError, match=r"1000 of log\.points.*are 10,000,000,000 runs, more"):
        names(huge)
    with pytest.raises(ConfigError, match="nothing varies; name a key and its values"):
        names({})


def test_the_baseline_is_the_base_config_if_it_is_among_the_variants():
    ready = config(ACTIVATIONS | RATES)
    assert find_baseline(expand(ready), ready) == "activation=tanh lr=0.5"
    ready = config({"model.activation": ["relu", "elu"]})
    assert find_baseline(expand(ready), ready) == "activation=relu"


def test_the_nearest_variant_is_the_baseline_if_none_is_the_base_config():
    ready = config({"model.activation": ["relu", "tanh"], "optimizer.lr": [0.25, 0.75]})
    base = ready.model.activation.name
    assert base == "tanh" and ready.optimizer.lr not in (0.25, 0.75)
    variants = expand(ready)
    assert find_baseline(variants, ready) == "activation=tanh lr=0.25"
    assert distances_from_base(variants, ready) == [2, 2, 1, 1]


@pytest.mark.parametrize(
    ("baseline", "expected"),
    [
        ("activation=relu lr=0.5", "activation=relu lr=0.5"),
        ({"model.activation": "relu", "optimizer.lr": 0.1}, "activation=relu lr=0.1"),
    ],
)
def test_the_baseline_may_be_named_or_described(baseline, expected):
    ready = config(ACTIVATIONS | RATES, baseline=baseline)
    assert find_baseline(expand(ready), ready) == expected


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        ("activation=relu lr=0.6", r"is no variant; did you mean 'activation=relu lr=0\.5'\?"),
        ({"model.activation": "relu"}, r"fits 2 variants \(the variants are 'activation=relu lr="),
        ({"model.activation": "elu"}, r"is no variant \(the variants are 'activation=relu lr=0"),
    ],
)
def test_a_baseline_that_is_no_variant_is_refused(baseline, message):
    ready = config(ACTIVATIONS | RATES, baseline=baseline)
    with pytest.raises(ConfigError, match=message):
        find_baseline(expand(ready), ready)


def test_runs_log_little_unless_the_config_says_how_much():
    assert quieted(config(ACTIVATIONS)).log.level == "minimal"
    assert quieted(load({"data": "xor", "log": {"points": 3}})).log.level == "minimal"
    assert quieted(load({"data": "xor", "log": {"level": "standard"}})).log.level == "standard"


def test_names_are_as_short_as_they_can_be():
    keys = ["model.init", "optimizer.name", "optimizer.schedule.name", "data.dev_from.name"]
    assert short_labels(keys) == {
        "model.init": "init",
        "optimizer.name": "optimizer",
        "optimizer.schedule.name": "schedule",
        "data.dev_from.name": "dev_from",
    }
    assert short_labels(["a.rate", "b.rate", "rate"]) == {
        "a.rate": "a.rate",
        "b.rate": "b.rate",
        "rate": "rate",
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("relu", "relu"),
        (0.1, "0.1"),
        (1.0, "1"),
        (1e-05, "1e-05"),
        (None, "null"),
        (True, "true"),
        ([10, 10], "[10,10]"),
        ([10, 10, 10], "[10,10,10]"),
        ([10] * 9, "[9x10]"),
        ([10, 10, 10, 5], "[10,10,10,5]"),
        ([{"name": "maxout", "units": 5}] * 4, "[4xmaxout(units=5)]"),
        ({"name": "sgd", "lr": 0.1}, "sgd(lr=0.1)"),
        ({"hidden": 0.5}, "(hidden=0.5)"),
    ],
)
def test_values_are_shown_as_a_person_writes_them(value, text):
    assert show(value) == text


@pytest.mark.parametrize("name", [3, None, "", " ", ["a"], "a\nb"])
def test_a_listed_variant_is_called_by_a_printable_text(name):
    message = r"ablation\.vary\[1\]\.name: received .*allowed: a text of printable characters"
    with pytest.raises(ConfigError, match=message):
        names([{"optimizer.lr": 0.1}, {"name": name, "optimizer.lr": 0.2}], design="list")


def test_a_listed_variant_has_no_seed_of_its_own():
    with pytest.raises(ConfigError, match=r"ablation\.vary\[0\]\.seed: seeds are no factor"):
        names([{"name": "a", "seed": 4}, {"name": "b"}], design="list")


def test_a_condition_that_leaves_nothing_out_is_refused():
    excluded = [{"optimizer.lr": 0.1}, {"model.activation": "rellu"}]
    message = r"ablation\.exclude\[1\]: \{model\.activation: rellu\} fits no variant; correct"
    with pytest.raises(ConfigError, match=message):
        names(ACTIVATIONS | RATES, exclude=excluded)


def test_what_cannot_be_printed_is_shown_escaped():
    assert show("\t") == '"\\t"'


def test_files_are_called_by_what_differs_in_their_paths(tmp_path):
    def names_of(*files: str) -> list[str]:
        vary = {"data.path": [str(tmp_path / file) for file in files]}
        base = {"name": "csv", "path": "c.csv", "target": "y"}
        return [
            resolved.name for resolved in expand(load({"data": base, "ablation": {"vary": vary}}))
        ]

    assert names_of("a.csv", "b.csv") == ["path=a.csv", "path=b.csv"]
    assert names_of("a/rows.csv", "b/rows.csv") == ["path=a/rows.csv", "path=b/rows.csv"]
    assert names_of("a.csv") == ["path=a.csv"]


def test_of_many_wrong_variants_the_first_are_told():
    ready = config({"model.dropout": [0.1, *[2 + place for place in range(300)]]})
    with pytest.raises(ConfigError, match=r"were not looked at\)$") as caught:
        expand(ready)
    assert len(str(caught.value).split("\n")) == 20
