"""Choices: a name from the registry with its options."""

import copy
from typing import Annotated, Any

import pytest
from pydantic import TypeAdapter, ValidationError

from dlx import registry
from dlx.config.types import (
    Activation,
    Choice,
    Data,
    Named,
    Optimizer,
    Schedule,
    choice,
    entry_model,
)
from dlx.errors import ConfigError
from tests.data.needed import needed


def read(annotation: Any, value: Any) -> Choice:
    return TypeAdapter(annotation).validate_python(value)


def test_the_short_form_is_the_name_with_its_defaults():
    relu = read(Activation, "leaky_relu")
    assert relu == read(Activation, {"name": "leaky_relu"}) == choice("activation", "leaky_relu")
    assert relu.arguments() == {"negative_slope": 0.01}


def test_a_choice_is_read_as_itself():
    given = choice("activation", "elu", alpha=2)
    assert read(Activation, given) == given
    assert read(Activation, Choice(name="elu")).alpha == 1.0


def test_choices_inside_options_stay_choices():
    adam = read(Optimizer, {"name": "adam", "schedule": {"name": "cosine", "warmup": 10.0}})
    assert adam.schedule == choice("schedule", "cosine", warmup=10)


def test_options_without_a_name_are_those_of_the_default():
    annotation = Annotated[Choice, Named("activation", default="elu")]
    assert read(annotation, {"alpha": 2.0}) == choice("activation", "elu", alpha=2.0)
    with pytest.raises(ValidationError, match="Field required"):
        read(Activation, {"alpha": 2.0})


def test_what_a_kind_has_in_common_follows_the_options():
    assert [key for key, _ in read(Data, "emnist")] == [
        "name",
        "subset",
        "split",
        "split_seed",
        "test_seed",
        "fold",
        "dev_from",
        "test_from",
        "train_dev",
        "limit",
        "labels",
        "label_noise",
        "standardize",
        "scale",
        "augment",
        "human_error",
        "bagging",
    ]
    sgd = read(Optimizer, "sgd")
    assert [key for key, _ in sgd] == ["name", "lr", "weight_decay", "schedule", "decay"]
    assert list(sgd.arguments()) == ["lr", "weight_decay"]


@pytest.mark.parametrize("kind", ["activation", "initializer", "optimizer", "schedule", "data"])
def test_every_name_of_every_kind_has_a_model_and_documents_its_options(kind):
    for name in registry.names(kind):
        model = entry_model(kind, name)
        assert model is entry_model(kind, name)
        options = needed(name) if kind == "data" else {}
        if name == "values":  # there is nothing to write out by default
            options = {"weights": [[1.0]]}
        required = {key for key, field in model.model_fields.items() if field.is_required()}
        assert required == {"name", *options}
        assert choice(kind, name, **options).model_dump()["name"] == name
        for key, field in model.model_fields.items():
            assert field.description, f"{kind} {name}: {key}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("activation", "leakyrelu"), "unknown activation 'leakyrelu'; did you mean 'leaky_relu'"),
        (("activation", "elu"), "activation elu: slope: unknown key .allowed: name, alpha"),
        (("activation", "leaky_relu"), "activation leaky_relu: slope: unknown key"),
    ],
)
def test_a_choice_that_does_not_exist(arguments, message):
    with pytest.raises(ConfigError, match=message):
        choice(*arguments, slope=1)


def test_one_error_for_a_wrong_option():
    with pytest.raises(ConfigError, match=r"^schedule step: every: received 0 .*integer > 0\)$"):
        choice("schedule", "step", every=0)


def test_a_choice_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        read(Schedule, "constant").name = "step"


def test_a_choice_calls_its_function_with_its_own_options():
    step = read(Schedule, {"name": "step", "every": 2, "gamma": 0.5})
    assert [step(at, 9) for at in range(5)] == [1.0, 1.0, 0.5, 0.5, 0.25]
    assert step.bound()(4, 9) == step(4, 9) == 0.25
    assert step(4, 9, gamma=0.1) == pytest.approx(0.01)
    assert read(Optimizer, {"name": "sgd", "lr": 2})().settings["lr"] == 2


def test_a_choice_has_the_traits_of_its_name():
    assert read(Activation, "relu").traits is registry.get("activation", "relu").traits
    assert not read(Activation, "step").traits.trainable
    assert read(Optimizer, "adam").schedule.traits.constant


def test_copies_of_a_choice_keep_its_function():
    adam = read(Optimizer, {"name": "adam", "lr": 0.5})
    for copied in (copy.deepcopy(adam), adam.model_copy()):
        assert copied == adam and copied.traits is adam.traits
        assert repr(copied) == repr(adam)
        assert copied().settings == adam().settings
    assert adam.model_copy(update={"lr": 2.0})().settings["lr"] == 2
    assert hash(read(Activation, "relu")) == hash(choice("activation", "relu"))
