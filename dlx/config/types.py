"""The types that options of registered functions, and sections, are declared with.

The options of a function are its keyword-only parameters. They have plain types, `Literal`,
constraints from `annotated_types`, or one of the choices from the registry that are defined here::

    def mlp(*, hidden: list[Annotated[int, Gt(0)]], activation: Activation = "relu"): ...
"""

import functools
import json
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
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from dlx import registry
from dlx.config.annotations import Marker, is_yaml
from dlx.config.dump import to_plain
from dlx.config.messages import problems_of
from dlx.config.nodes import from_plain
from dlx.config.rows import Augment, Fold, Split
from dlx.config.sections import Most, Section, checked, checked_model, not_allowed, option, rule
from dlx.errors import ConfigError

# Names of older configs that are gone: from their options to what to write instead.
_GONE: dict[tuple[str, str], Callable[[Mapping[str, Any]], str]] = {
    ("schedule", "linear_warmup"): lambda options: (
        f"{{name: constant, warmup: {options.get('steps', 100)}}}"
    )
}

# `dlx.config.json_schema` makes "$ref" of it; pydantic accepts no references but its own.
REFERENCE = "x-ref"


class Choice(Section):
    """A name from the registry with its options; a call of it calls the registered function."""

    entry: ClassVar[registry.Entry]  # set by `entry_model`

    name: str

    @property
    def traits(self) -> Any:
        """The traits of the name, of one of the classes of `dlx.traits`."""
        return self.entry.traits

    def arguments(self) -> dict[str, Any]:
        """Return the options that its function takes, without those common to all of its kind."""
        return {name: getattr(self, name) for name in self.entry.options}

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Return the result of its function for what all of the kind take, such as z."""
        return self.entry.function(*arguments, **(self.arguments() | options))

    def bound(self) -> Callable[..., Any]:
        """Return its function with the options filled in, to be called many times."""
        return functools.partial(self.entry.function, **self.arguments())

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


@dataclass(frozen=True)
class Text(Marker):
    """Strings that match a pattern: `Annotated[str, Text(...)]`."""

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
        """Return the examples."""
        return list(self.examples)

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            self._match, core_schema.str_schema(strict=True)
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^(?:{self.pattern})$"}

    def _match(self, value: str) -> str:
        if not re.fullmatch(self.pattern, value):
            raise not_allowed(self.description, list(self.examples))
        return value


@dataclass(frozen=True)
class Named(Marker):
    """A choice from the names of a kind: `Annotated[Choice, Named("activation")]`.

    "relu" is read as {name: relu}. The kind's module is imported when the first value is read.
    """

    kind: str  # of the registry
    # the name of options that are given without one; None: a name is required
    default: str | None = None
    common: bool = True  # the options that are common to all of the kind may be given

    def fits(self, value: Any) -> bool:
        """Say whether a value is a name or a mapping of options."""
        return isinstance(value, str | Mapping | Choice)

    def words(self, many: bool = False) -> list[str]:
        """Return the names of the kind or, if `many`, the kind's plural."""
        return [f"{self.kind}s"] if many else registry.names(self.kind)

    def suggestions(self) -> list[str]:
        """Return the names of the kind."""
        return registry.names(self.kind)

    def with_default(self, default: Any) -> Marker:
        """Return the marker for an option with this default."""
        return replace(self, default=default) if isinstance(default, str) else self

    def models(self, value: Any = None) -> list[type[BaseModel]]:
        """Return the model of the name that a value has; the models of all names if it has none."""
        name = value.get("name", self.default) if isinstance(value, Mapping) else value
        names = registry.names(self.kind)
        return [self._model(choice_name) for choice_name in ([name] if name in names else names)]

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
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
        if isinstance(name, str) and (self.kind, name) in _GONE:
            written = _GONE[self.kind, name](options)
            raise rule(f"{name} is gone; write {self.kind}: {written}")
        if name not in names:
            kind = "missing" if name is None else self._error()
            raise ValidationError.from_exception_data(
                self.kind, [InitErrorDetails(type=kind, loc=("name",), input=name)]
            )
        return self._model(name).model_validate(options)

    def _model(self, name: str) -> type[Choice]:
        # `common=True` is left out: the cache would hold a second model for it.
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

LAST_SEED = 2**63 - 1
Seed = Annotated[int, Ge(0), Most(LAST_SEED)]

ClassWeights = Literal["balanced"] | tuple[Annotated[float, Gt(0)], ...] | None

Source = Annotated[Choice, Named("data", common=False)]


@checked_model
class DataChoice(Choice):
    """A data set: the options of all sources."""

    split: Literal["auto"] | Split = option(
        "auto", "Rows of dev and test; auto: 60/20/20, or 10,000 each from a million rows on."
    )
    split_seed: Literal["auto"] | Seed = option(
        "auto", "Seed that draws train and dev among the other rows than test; auto: the run's."
    )
    test_seed: Seed | None = option(
        0, "Seed that draws the test rows, which no other seed moves; null: split_seed."
    )
    fold: Fold | None = option(
        None, "{number, of}: a fold of a cross-validation of train and dev; null: none."
    )
    dev_from: Source | None = option(None, "Another source whose rows are the dev part.")
    test_from: Source | None = option(None, "Another source whose rows are the test part.")
    train_dev: Annotated[int, Ge(0)] | Annotated[float, Ge(0), Lt(1)] = option(
        0, "Training rows that are not trained on but evaluated like dev: a count or a fraction."
    )
    limit: Annotated[int, Gt(0)] | None = option(
        None, "Largest number of training rows, with the same shares of classes; null: all."
    )
    labels: Annotated[int, Gt(0)] | None = option(
        None,
        "Training rows whose labels are used, with the same shares of classes; layers are "
        "pre-trained on the others too; null: all.",
    )
    label_noise: Annotated[float, Ge(0), Le(1)] = option(
        0.0, "Share of the training labels that are replaced at random."
    )
    standardize: bool = option(
        False, "Scale every feature to mean 0 and variance 1 over the training rows."
    )
    scale: bool | Annotated[float, Gt(0)] = option(
        False,
        "true: scale every feature to [0, 1] by its range over the training rows; a number: divide "
        "all features by it, such as 255 for pixels.",
    )
    augment: Augment | None = option(None, "How training rows are changed at random; null: not.")
    human_error: Annotated[float, Ge(0), Le(1)] | None = option(
        None,
        "The share of rows that somebody who does this well gets wrong, which a diagnosis measures "
        "bias by; null: simple models say what is possible.",
    )
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
    """An optimizer: the options of all of them."""

    schedule: Schedule = option("constant", "How the learning rate changes over the steps.")
    decay: Literal["all", "weights"] = option(
        "all", "What weight_decay applies to: all parameters, or weights but no biases and gains."
    )


@checked_model
class BlockChoice(Choice):
    """A block of layers: the options of all of them."""

    repeat: Annotated[int, Gt(0), Le(1000)] = option(1, "How often the block is repeated.")


@checked_model
class DropoutChoice(Choice):
    """A kind of dropout, with its rates."""

    input: Annotated[float, Ge(0), Lt(1)] = option(0.0, "Share of the inputs that are dropped.")
    hidden: Annotated[float, Ge(0), Lt(1)] = option(
        0.0, "Share of each hidden layer's outputs (drop_connect: weights) that are dropped."
    )


@checked_model
class SparsityChoice(Choice):
    """A penalty on the units of an autoencoder's code that are on, with its weight."""

    weight: Annotated[float, Ge(0)] = option(1e-3, "Factor of the penalty in the cost.")


@checked_model
class FromRun(Section):
    """Layers that start from the trained weights of another run."""

    run: str = option(
        ...,
        "Folder of the run, or its NAME (the newest run of it), NAME/ID or ID in the runs folder.",
    )
    layers: Literal["hidden", "all"] | Annotated[list[str], MinLen(1)] = option(
        "hidden",
        "Names of the layers that are taken (1, 2, …); hidden: those before the output, or up to "
        "the code, as far as both networks are alike; all: every layer.",
    )
    freeze: bool = option(False, "Do not train these layers any further.")


@checked_model
class ModelChoice(Choice):
    """A network: the options of all models."""

    from_run: str | FromRun | None = option(
        None, "A trained run from whose layers this one starts; null: from initial weights."
    )

    @property
    def source(self) -> FromRun | None:
        """The run that it starts from."""
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
    """Return the options that all names of a kind have beside their own."""
    if kind not in _COMMON:
        return []
    return [
        registry.Option(name, field.annotation, field.default, field.description or "")
        for name, field in _COMMON[kind].model_fields.items()
        if name != "name"
    ]


@functools.cache
def entry_model(kind: str, name: str, *, common: bool = True) -> type[Choice]:
    """Return the model of a name: its own options, then those that all of its kind have."""
    entry = registry.get(kind, name)
    options: dict[str, Any] = {}
    for key, own in entry.options.items():
        default = ... if own.default is Parameter.empty else own.default
        options[key] = (checked(own.annotation, own.default), option(default, own.description))
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
    """Return the choice of a name with these options, and with defaults for the other ones."""
    model = entry_model(kind, name)
    try:
        return model.model_validate({"name": name, **options})
    except ValidationError as error:
        problems = problems_of(error, from_plain(options), model)
        raise ConfigError("\n".join(f"{kind} {name}: {text}" for text in problems)) from None


def option_problem(entry: registry.Entry) -> str | None:
    """Return which option of an entry cannot be given, kept or written by a config; None: all can.

    Of a plug-in nothing else has looked at that before.
    """
    for own in entry.options.values():
        taken = (*Choice.__annotations__, *vars(Choice), *_common(entry.kind))
        if own.name in taken or own.name.startswith("_"):
            return f"an option {own.name!r}, a name that dlx uses itself; take another one"
        if not is_yaml(own.annotation):
            return (
                f"an option {own.name!r} of a type that YAML cannot give; use numbers, strings, "
                "booleans, lists or the types of dlx.config.types"
            )
        if own.default is not Parameter.empty and (problem := _default_problem(own)):
            return f"a default of the option {own.name!r} that its type does not allow: {problem}"
    return None


def _common(kind: str) -> list[str]:
    return [option.name for option in common_options(kind)]


def _default_problem(own: registry.Option) -> str | None:
    """Return what is wrong with the default of an option."""
    fields: dict[str, Any] = {own.name: (checked(own.annotation, own.default), ...)}
    model = create_model("option", **fields)
    try:
        read = model.model_validate({own.name: own.default})
        json.dumps(to_plain(read), allow_nan=False)
    except ValidationError as error:
        return "; ".join(problems_of(error, from_plain({own.name: own.default}), model))
    except (TypeError, ValueError):
        return f"{own.default!r} cannot be written in YAML"
    return None
