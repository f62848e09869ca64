"""The registry: look-ups, what it reads from signatures and docstrings."""

import dataclasses
import inspect
import re
import subprocess
import sys
from inspect import Parameter

import pytest

from dlx import registry
from dlx.errors import ConfigError
from dlx.traits import TRAITS, ActivationTraits, Traits
from tests.guarded import IMPORTS


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch) -> str:
    """A kind without entries, for a test alone."""
    monkeypatch.setitem(registry.MODULES, "scratch", "dlx.registry")
    monkeypatch.setitem(registry._entries, "scratch", {})
    return "scratch"


def test_an_entry_says_what_its_function_says(scratch: str) -> None:
    @registry.register(scratch)
    def thing(x: int, *, size: int, rate: float = 0.5) -> None:
        """A thing of some size.

        Longer words about it.

        Args:
            size: how large it is, in words
                that go on
            rate: how fast

        Reference:
            Somebody (2001),
            Something
        """

    entry = registry.get(scratch, "thing")
    assert entry.function is thing
    assert (entry.kind, entry.name, entry.summary) == (scratch, "thing", "A thing of some size.")
    assert entry.reference == "Somebody (2001), Something"
    assert list(entry.options) == ["size", "rate"]
    size, rate = entry.options.values()
    assert (size.annotation, size.default) == (int, Parameter.empty)
    assert size.description == "how large it is, in words that go on"
    assert (rate.annotation, rate.default, rate.description) == (float, 0.5, "how fast")


def test_a_class_is_an_entry_too(scratch: str) -> None:
    @registry.register(scratch, name="other_name")
    class Thing:
        """A thing."""

        def __init__(self, *, size: int = 3) -> None:
            self.size = size

    entry = registry.get(scratch, "other_name")
    assert entry.function is Thing
    assert entry.options["size"].annotation is int
    assert entry.reference == ""


def test_names_keep_the_order_of_their_definition(scratch: str) -> None:
    for name in ("zebra", "ant", "mouse"):

        def thing() -> None:
            """A thing."""

        registry.register(scratch, name=name)(thing)
    assert registry.names(scratch) == ["zebra", "ant", "mouse"]


def test_a_name_cannot_be_taken_twice(scratch: str) -> None:
    def thing() -> None:
        """A thing."""

    registry.register(scratch)(thing)
    with pytest.raises(ValueError, match="scratch 'thing' is already registered"):
        registry.register(scratch)(thing)


def test_a_function_without_a_docstring_is_refused(scratch: str) -> None:
    def thing() -> None:
        pass

    with pytest.raises(ValueError, match="scratch 'thing' needs a docstring"):
        registry.register(scratch)(thing)


def test_half_a_character_in_a_docstring_is_written_as_its_escape(scratch: str) -> None:
    def thing() -> None: ...

    thing.__doc__ = "A\ud800 thing."
    registry.register(scratch)(thing)
    assert registry.get(scratch, "thing").summary == "A\\ud800 thing."


def test_traits_are_given_at_registration(scratch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def thing() -> None:
        """A thing."""

    with pytest.raises(TypeError, match="trainable"):  # a kind without traits takes none
        registry.register(scratch, trainable=False)
    monkeypatch.setitem(TRAITS, scratch, ActivationTraits)
    registry.register(scratch, trainable=False)(thing)
    assert registry.get(scratch, "thing").traits == ActivationTraits(trainable=False)
    with pytest.raises(TypeError, match="trainble"):
        registry.register(scratch, trainble=False)


@pytest.mark.parametrize("traits", Traits.__subclasses__())
def test_every_trait_is_explained(traits: type) -> None:
    for field in dataclasses.fields(traits):
        assert re.search(rf"^    {field.name}: ", inspect.getdoc(traits) or "", re.MULTILINE)


def test_an_unknown_name_is_answered_with_the_nearest_and_all() -> None:
    with pytest.raises(
        ConfigError, match=r"unknown activation 'rellu'; did you mean 'relu'\? \(one of: identity,"
    ):
        registry.get("activation", "rellu")


def test_an_unknown_kind_is_answered_with_the_nearest_and_all() -> None:
    with pytest.raises(
        ConfigError, match=r"unknown kind 'optimiser'; did you mean 'optimizer'\? \(one of: activ"
    ):
        registry.names("optimiser")


@pytest.mark.parametrize("kind", [kind for kind in registry.MODULES if kind != "data"])
def test_every_entry_is_documented(kind: str) -> None:
    for name in registry.names(kind):
        entry = registry.get(kind, name)
        assert entry.summary.endswith("."), name
        assert len(entry.summary) <= 100, name
        for option in entry.options.values():
            assert option.description, (name, option.name)
            # A block cannot stand by its name alone, it must be told its layers; nor can values.
            if kind != "block" and name != "values":
                assert option.default is not Parameter.empty, (name, option.name)


@pytest.mark.slow(*IMPORTS)
def test_nothing_heavy_is_imported_before_a_name_is_looked_up() -> None:
    program = (
        "import sys, dlx.registry; assert 'torch' not in sys.modules; "
        "dlx.registry.names('activation'); assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
