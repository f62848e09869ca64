"""What is dumped loads to the same config."""

import math
import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dlx import registry
from dlx.config.dump import to_plain, to_yaml
from dlx.config.load import RunConfig, dump, load
from dlx.config.nodes import read_value
from dlx.config.sections import MOST_FLOAT
from tests.data.needed import needed

finite = st.floats(allow_nan=False, allow_infinity=False)
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
scalars = st.none() | st.booleans() | st.integers() | finite | text
TRICKY = """
1e-3 .5 1e5 0o17 0x1F 09 017 no on yes 1_000 12:30:45 2024-01-01 .inf .nan ~ null true << = - ? :
# & * ! % @ ` 0 -1 +1. 1E3 Null TRUE {} [] a: 'a #b'
"""
tricky = st.sampled_from(["", *TRICKY.split()])
anything = st.recursive(
    scalars | tricky,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text | tricky, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def configs(draw):
    names = {kind: st.sampled_from(registry.names(kind)) for kind in registry.MODULES}
    source, splits = draw(names["data"]), st.sampled_from(["auto", {"dev": 3}])
    positive = st.floats(1e-300, MOST_FLOAT)
    train = draw(st.sampled_from([{"epochs": 3}, {"steps": 7}]))
    train["batch_size"] = draw(st.integers(1, 10**12) | st.just("all"))
    train["clip_norm"] = draw(st.none() | positive)
    words = draw(st.from_regex(r"[^\W_][\w ]{0,10}\w", fullmatch=True) | tricky)
    return {
        # Without the characters that no name may hold.
        "name": "n" + re.sub(r"""\.\.|[/:*?"<>|]""", "", words) + "n",
        "data": {"name": source, **needed(source), "split": draw(splits)},
        "model": {
            "hidden": draw(st.lists(st.integers(1, 10**6), max_size=3)),
            "activation": draw(names["activation"] | st.lists(names["activation"], max_size=2)),
            "init": draw(
                names["initializer"].filter(lambda name: name != "values")
                | st.just({"name": "values", "weights": [[0.5, -1e-30]]})
            ),
            "dropout": draw(st.floats(0, 0.999) | st.just({"input": 0.1})),
        },
        "optimizer": {
            "name": "adam",
            "lr": draw(positive),
            "schedule": {"name": draw(names["schedule"]), "warmup": draw(st.integers(0, 10**12))},
        },
        "train": train,
        "log": {"every": draw(st.sampled_from([None, 3, "2 epochs"]))},
        "seed": draw(st.integers(0, 2**63 - 1)),
        "ablation": {"vary": {"seed": draw(st.lists(anything, min_size=1, max_size=3))}},
    }


@settings(max_examples=150, deadline=None)
@given(configs())
def test_what_is_dumped_loads_to_the_same_config(tmp_path_factory, values):
    config = load(values)
    path = tmp_path_factory.mktemp("dumped") / "other.yaml"
    path.write_text(dump(config), encoding="utf-8", newline="")
    again = load(path)
    assert again == config
    assert dump(again) == dump(config)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(text | tricky, anything, max_size=3))
def test_yaml_reads_the_same_in_both_versions(plain):
    dumped = to_yaml(plain)
    problems = []
    assert read_value(dumped, "", problems).plain() == plain
    assert yaml.safe_load(dumped) == plain
    assert problems == []


@pytest.mark.parametrize("value", [1e-05, 1e22, 5e-324, 1.7976931348623157e308, 0.1, -0.0, 3.0])
def test_floats_stay_floats(value):
    again = read_value(to_yaml({"a": value}), "", []).plain()["a"]
    assert type(again) is float
    assert math.copysign(1, again) == math.copysign(1, value)
    assert again == value


def test_a_dump_is_readable():
    config = load(
        {
            "name": "xor",
            "data": "digits",
            "model": {"hidden": [4, 4], "activation": ["tanh", {"name": "elu", "alpha": 1e-5}]},
            "optimizer": {"schedule": "cosine"},
        }
    )
    assert list(to_plain(config)) == list(RunConfig.model_fields)
    lines = dump(config).splitlines()
    assert lines[0] == "name: xor"
    assert "  hidden: [4, 4]" in lines
    assert "  - {name: elu, alpha: 1.0e-05}" in lines
    assert "  schedule: {name: cosine, final: 0.0, warmup: 0}" in lines
    assert lines[-1] == "search: null"


def test_pydantic_dumps_it_too():
    config = load({"data": "digits", "model": {"dropout": {"input": 0.5}}})
    assert config.model_dump() == to_plain(config)
