"""The types that options and sections of a config are declared with.

A registered function declares its options as keyword-only parameters: plain types, `Literal`,
constraints from `annotated_types`, and the names defined here for choices from the registry::

    def mlp(*, hidden: list[Annotated[int, Gt(0)]], activation: Activation = "relu"): ...
"""

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from inspect import Parameter
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import (
    BaseModel,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema

from dlx import registry
from dlx.config.annotations import Marker
from dlx.config.checks import checked, checked_model, not_allowed
from dlx.config.messages import problems_of
from dlx.config.nodes import from_plain
from dlx.config.rows import Augment, Fold, Split
from dlx.config.sections import Section, option, rule
from dlx.errors import ConfigError

# What to write in place of names that older configs give, by their options.
_GONE: dict[tuple[str, str], Callable[[Mapping[str, Any]], str]] = {
    ("schedule", "linear_warmup"): lambda options: (
        f"{{name: constant, warmup: {options.get('steps', 100)}}}"
    ),
}

# What `dlx.config.json_schema` turns into "$ref": pydantic knows no definitions of ours.
REFERENCE = "x-ref"


class Choice(Section):
    """A name from the registry together with its options; calling it calls the name's function."""

    entry: ClassVar[registry.Entry]  # of the models that `entry_model` makes

    name: str

    @property
    def traits(self) -> Any:
        """What is known of the name beside its function: one of the classes of `dlx.traits`."""
        return self.entry.traits

    def arguments(self) -> dict[str, Any]:
        """Return the options of its function, without those that all of its kind have in common."""
        return {name: getattr(self, name) for name in self.entry.options}

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Return what its function returns for arguments, with its options.

        Args:
            arguments: what the kind's functions take, such as z
            options: in place of its own
        """
        return self.entry.function(*arguments, **(self.arguments() | options))

    def bound(self) -> Callable[..., Any]:
        """Return its function with its options, for what is called again and again."""
        return functools.partial(self.entry.function, **self.arguments())

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


@dataclass(frozen=True)
class Text(Marker):
    """Strings of a pattern: `Annotated[str, Text(...)]`."""

    pattern: str
    description: str
    examples: tuple[str, ...] = ()

    def fits(self, value: Any) -> bool:
        """Say whether a value is a string."""
        return isinstance(value, str)

    def words(self, many: bool = False) -> list[str]:
        """Return the description."""
        return [self.description]

    def suggestions(self) -> list[str]:
        """Return the strings that a misspelt one may have meant."""
        return list(self.examples)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(
            self._match, core_schema.str_schema(strict=True)
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^(?:{self.pattern})$"}

    def _match(self, value: str) -> str:
        if not re.fullmatch(self.pattern, value):
            raise not_allowed(self.description, list(self.examples))
        return value


@dataclass(frozen=True)
class Named(Marker):
    """A name of a kind with its options: `Annotated[Choice, Named("activation")]`.

    Reads "relu" as {name: relu}. The kind's module is imported when a value is read, not before.
    """

    kind: str
    default: str | None = None
    common: bool = True  # whether the options that a kind has in common may be given

    def fits(self, value: Any) -> bool:
        """Say whether a value is a name or a mapping of options."""
        return isinstance(value, str | Mapping | Choice)

    def words(self, many: bool = False) -> list[str]:
        """Return the names of the kind or, if many, the kind's plural."""
        return [f"{self.kind}s"] if many else registry.names(self.kind)

    def suggestions(self) -> list[str]:
        """Return the names of the kind."""
        return registry.names(self.kind)

    def with_default(self, default: Any) -> Marker:
        """Return the marker that reads options without a name as those of the default."""
        return replace(self, default=default) if isinstance(default, str) else self

    def models(self, value: Any = None) -> list[type[BaseModel]]:
        """Return the model of the entry that a value names; of every entry if it names none."""
        name = value.get("name", self.default) if isinstance(value, Mapping) else value
        names = registry.names(self.kind)
        named = [name] if name in names else names
        return [self._model(each) for each in named]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        title = self.kind if self.common else f"bare_{self.kind}"
        named = {REFERENCE: f"#/$defs/{title}"}
        if self.default is None:
            return named
        return {"anyOf": [named, {REFERENCE: f"#/$defs/{title}_{self.default}"}]}

    def _read(self, value: Any) -> Choice:
        names = registry.names(self.kind)
        if isinstance(value, str) and (value in names or (self.kind, value) in _GONE):
            value = {"name": value}
        if not isinstance(value, Mapping | Choice):
            raise self._error()
        options = dict(value)
        name = options.setdefault("name", self.default)
        if (self.kind, name) in _GONE:
            written = _GONE[self.kind, name](options)
            raise rule(f"{name} is gone; write {self.kind}: {written}")
        if name not in names:
            kind = "missing" if name is None else self._error()
            raise ValidationError.from_exception_data(
                self.kind, [InitErrorDetails(type=kind, loc=("name",), input=name)]
            )
        return self._model(name).model_validate(options)

    def _model(self, name: str) -> type[Choice]:
        # The default is left out: the cache would hold a second model for it.
        return entry_model(self.kind, name, **({} if self.common else {"common": False}))

    def _error(self) -> PydanticCustomError:
        return not_allowed(", ".join(self.words()), self.suggestions())


Activation = Annotated[Choice, Named("activation")]
Initializer = Annotated[Choice, Named("initializer")]
Loss = Annotated[Choice, Named("loss")]
Corruption = Annotated[Choice, Named("corruption")]
MetricChoice = Annotated[Choice, Named("metric")]
Schedule = Annotated[Choice, Named("schedule")]
Average = Annotated[Choice, Named("average")]

ClassWeights = Literal["balanced"] | tuple[Annotated[float, Gt(0)], ...] | None

Source = Annotated[Choice, Named("data", common=False)]


@checked_model
class DataChoice(Choice):
    """A data set: what all sources have in common."""

    split: Literal["auto"] | Split = option(
        "auto", "Rows of dev and test; auto: 60/20/20, from a million rows on 10,000 each."
    )
    split_seed: Annotated[int, Ge(0)] = option(0, "Seed of the split, shared by all runs.")
    fold: Fold | None = option(
        None, "{number, of}: divide train and dev anew, for a cross-validation; null: not."
    )
    dev_from: Source | None = option(None, "Another source, whose rows are the dev part.")
    test_from: Source | None = option(None, "Another source, whose rows are the test part.")
    train_dev: Annotated[int, Ge(0)] | Annotated[float, Ge(0), Lt(1)] = option(
        0, "Training rows set aside and evaluated like dev: a count or, with a point, a fraction."
    )
    limit: Annotated[int, Gt(0)] | None = option(
        None, "Most training rows, of each class its share; null: all."
    )
    labels: Annotated[int, Gt(0)] | None = option(
        None,
        "Training rows whose labels are told, of each class its share; layers are pre-trained on "
        "the others too; null: all.",
    )
    label_noise: Annotated[float, Ge(0), Le(1)] = option(
        0.0, "Share of the training labels that are replaced at random."
    )
    standardize: bool = option(
        False, "Give every feature mean 0 and variance 1 over the training rows."
    )
    scale: bool | Annotated[float, Gt(0)] = option(
        False,
        "Bring every feature to [0, 1] by its range over the training rows, or divide all by a "
        "number, such as the largest that pixels can be.",
    )
    augment: Augment | None = option(None, "How training rows are changed at random; null: not.")
    bagging: bool = option(
        False, "Train each seed on a bootstrap sample of the training rows, for ensembles."
    )

    @field_validator("scale")
    @classmethod
    def _exclude(cls, scale: bool | float, info: ValidationInfo) -> bool | float:
        if scale and info.data.get("standardize"):
            raise rule("scale and standardize are both given; keep one of them")
        return scale


@checked_model
class OptimizerChoice(Choice):
    """An optimizer: what all of them have in common."""

    schedule: Schedule = option("constant", "How the learning rate changes over the steps.")
    decay: Literal["all", "weights"] = option(
        "all", "What weight_decay is taken of: all parameters, or not of biases, gains and slopes."
    )


@checked_model
class BlockChoice(Choice):
    """A block of layers: what all of them have in common."""

    repeat: Annotated[int, Gt(0), Le(1000)] = option(1, "How many of it stand one after another.")


@checked_model
class DropoutChoice(Choice):
    """A kind of dropout: where it is, and how often."""

    input: Annotated[float, Ge(0), Lt(1)] = option(0.0, "Share of the inputs that is dropped.")
    hidden: Annotated[float, Ge(0), Lt(1)] = option(
        0.0, "Share of each hidden layer's outputs (drop_connect: weights) that is dropped."
    )


@checked_model
class SparsityChoice(Choice):
    """What an autoencoder's cost is raised by for a code whose units are on: how much."""

    weight: Annotated[float, Ge(0)] = option(1e-3, "Of it in the cost.")


@checked_model
class FromRun(Section):
    """Layers that start from what those of a run trained before have learned."""

    run: str = option(
        ...,
        "Its folder or, in the folder of runs, its name (the newest of that name), NAME/ID or ID.",
    )
    layers: Literal["hidden", "all"] | Annotated[list[str], MinLen(1)] = option(
        "hidden",
        "Names of those that are taken (1, 2, …); hidden: from the first up to the code, or to the "
        "output, as far as both networks are alike; all: every one.",
    )
    freeze: bool = option(False, "Keep these layers as they are.")


@checked_model
class ModelChoice(Choice):
    """A network: what all of them have in common."""

    from_run: str | FromRun | None = option(
        None, "A run trained before, whose layers this one starts from; null: from drawn weights."
    )

    @property
    def source(self) -> FromRun | None:
        """The run that it starts from, and how."""
        return FromRun(run=self.from_run) if isinstance(self.from_run, str) else self.from_run


Data = Annotated[DataChoice, Named("data")]
Model = Annotated[ModelChoice, Named("model")]
Optimizer = Annotated[OptimizerChoice, Named("optimizer")]
Dropout = Annotated[DropoutChoice, Named("dropout", "dropout")]
Sparsity = Annotated[SparsityChoice, Named("sparsity")]

_COMMON: dict[str, type[Choice]] = {
    "data": DataChoice,
    "model": ModelChoice,
    "optimizer": OptimizerChoice,
    "block": BlockChoice,
    "dropout": DropoutChoice,
    "sparsity": SparsityChoice,
}


def common_options(kind: str) -> list[registry.Option]:
    """Return the options that all entries of a kind have, beside their own."""
    if kind not in _COMMON:
        return []
    return [
        registry.Option(name, field.annotation, field.default, field.description or "")
        for name, field in _COMMON[kind].model_fields.items()
        if name != "name"
    ]


@functools.cache
def entry_model(kind: str, name: str, *, common: bool = True) -> type[Choice]:
    """Return the model of an entry: its name, its options, then what its kind has in common.

    Args:
        kind: of the registry
        name: of the entry
        common: False leaves out what the kind has in common

    Raises:
        ConfigError: the kind has no such name.
    """
    entry = registry.get(kind, name)
    options: dict[str, Any] = {
        each.name: (
            checked(each.annotation, each.default),
            option(... if each.default is Parameter.empty else each.default, each.description),
        )
        for each in entry.options.values()
    }
    options["name"] = (Literal[name], option(..., entry.summary))  # type: ignore[valid-type]
    title = f"{kind}_{name}"
    model = create_model(title, __base__=Choice, __doc__=entry.summary, **options)
    if kind in _COMMON and common:
        bases = (_COMMON[kind], model)  # pydantic orders fields from the last base to the first
        named: dict[str, Any] = {"name": options["name"]}
        model = create_model(title, __base__=bases, __doc__=entry.summary, **named)
    model.entry = entry
    return model


def choice(kind: str, name: str, **options: Any) -> Choice:
    """Return a checked choice: the entry of a kind with these options and the defaults of others.

    Raises:
        ConfigError: the kind has no such name, or the entry no such option.
    """
    model = entry_model(kind, name)
    try:
        return model.model_validate({"name": name, **options})
    except ValidationError as error:
        problems = problems_of(error, from_plain(options), model)
        raise ConfigError("\n".join(f"{kind} {name}: {each}" for each in problems)) from None
