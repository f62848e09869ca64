"""The values among which a search looks: the keys of `search.space` as Optuna's distributions."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from dlx.ablation import vary
from dlx.ablation.variants import in_order
from dlx.config.load import assign
from dlx.config.schema import COMPARING, ENDS, RunConfig
from dlx.errors import ConfigError, DataError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

_RANGE = re.compile(rf"{ENDS}(?: (log|linear)( [1-9][0-9]*)?)?")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_DIGITS = 6  # of a number between the ends of a range: more would tell nothing
MOST_POINTS = 100_000  # of a grid
_OF_INPUTS = ("standardize", "scale", "augment", "bagging")  # keys of data that keep its rows
_TRIED = 40  # points of a space that are checked before it is searched
_MOST_TRIED = 250  # values of a key that are


@dataclass(frozen=True)
class Dimension:
    """The values of one key: a list, or all numbers between two ends."""

    key: str
    values: Sequence[Any] | None = None  # of a list; None: a range
    low: float = 0.0  # of a range; whole numbers are held as such
    high: float = 0.0
    is_log: bool = False  # whether ratios count, not distances
    is_integer: bool = False

    @property
    def distribution(self) -> "BaseDistribution":
        """The values as Optuna knows them; those of a list as JSON texts."""
        from optuna import distributions

        if self.values is not None:
            return distributions.CategoricalDistribution([json.dumps(v) for v in self.values])
        if self.is_integer:
            assert isinstance(self.low, int) and isinstance(self.high, int)
            return distributions.IntDistribution(self.low, self.high, log=self.is_log)
        return distributions.FloatDistribution(self.low, self.high, log=self.is_log)

    def value(self, parameter: Any) -> Any:
        """Return the value for the config that a parameter of Optuna's stands for."""
        if self.values is not None:
            return json.loads(parameter)
        if self.is_integer:
            return int(parameter)
        return min(max(float(f"{parameter:.{_DIGITS}g}"), self.low), self.high)

    def parameter(self, value: Any) -> Any:
        """Return the parameter of Optuna's that stands for a value."""
        return json.dumps(value) if self.values is not None else value

    def holds(self, value: Any) -> bool:
        """Say whether a value is one of these."""
        if self.values is not None:
            return json.dumps(value) in map(json.dumps, self.values)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and self.low <= value <= self.high

    @property
    def samples(self) -> list[Any]:
        """Some values that show what the config takes: those of a list, or both ends."""
        if self.values is not None:
            return list(self.values)
        return [self.value(self.low), self.value(self.high)]


def dimensions(space: Mapping[str, Sequence[Any] | str]) -> list[Dimension]:
    """Return the keys of a space with their values.

    Raises:
        ConfigError: there is no key, a key is the seed or chooses rows, or a range is none
    """
    if not space:
        raise ConfigError(
            "search.space: nothing to look for; name a key and its values, as in --space "
            "'optimizer.lr=1e-4..1e-1 log', or write search: {space: {KEY: VALUES}}"
        )
    if "seed" in space:
        raise ConfigError(
            "search.space.seed: a seed is luck, which cannot be chosen; search.seeds says over how "
            "many a trial is averaged"
        )
    for key in space:
        if key == "data" or key.startswith("data."):
            _refuse_data(key)
    return [_dimension(key, values) for key, values in space.items()]


def _refuse_data(key: str) -> None:
    if key.split(".")[:2][-1] in _OF_INPUTS:
        return
    raise ConfigError(
        f"search.space.{key}: trials on different rows do not compare; of data only "
        f"{', '.join(_OF_INPUTS)} may be searched, and dlx ablate compares choices of data"
    )


def _dimension(key: str, values: Sequence[Any] | str) -> Dimension:
    where = f"search.space.{key}"
    if not isinstance(values, str):
        return Dimension(key, vary.expand(where, values))
    match = _RANGE.fullmatch(values)
    assert match is not None, "the schema says so"
    first, last, spacing, count = match.groups()
    if count is not None:
        return Dimension(key, vary.expand(where, values))
    low, high = float(first), float(last)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ConfigError(
            f"{where}: received {values!r}; the lower end comes first, and both are finite"
        )
    if spacing == "log" and low <= 0:
        raise ConfigError(
            f"{where}: received {values!r}; equal ratios need ends above 0: raise the lower one"
        )
    is_integer = bool(_INTEGER.fullmatch(first) and _INTEGER.fullmatch(last))
    if is_integer:  # which a float would round
        low, high = int(first), int(last)
    return Dimension(key, None, low, high, spacing == "log", is_integer)


def read(text: str) -> tuple[str, list[Any] | str]:
    """Return key and values of `KEY=LOW..HIGH log` or `KEY=a,b,c`, whose items are YAML."""
    cure = (
        "write KEY=LOW..HIGH, for example 'optimizer.lr=1e-4..1e-1 log', or KEY=a,b,c: "
        "'model.hidden=[64],[128,128]'"
    )
    return vary.read_option(text, "--space", _RANGE, cure)


def num_points(space: Sequence[Dimension]) -> int:
    """Return how many points a grid over a space has.

    Raises:
        ConfigError: a key has no countable values, or there are too many points
    """
    sizes = {}
    for dimension in space:
        key, low, high = dimension.key, dimension.low, dimension.high
        if dimension.values is not None:
            sizes[key] = len(dimension.values)
        elif dimension.is_integer and not dimension.is_log:
            sizes[key] = int(high - low) + 1
        else:
            raise ConfigError(
                f"search.sampler: a grid needs the values of {key} counted: add how many, as "
                f"in '{low:g}..{high:g} {'log' if dimension.is_log else 'linear'} 5'"
            )
    points = math.prod(sizes.values())
    if points > MOST_POINTS:
        product = " x ".join(f"{size:,} of {key}" for key, size in sizes.items())
        raise ConfigError(
            f"search.sampler: a grid of {product} has {points:,} points, more than "
            f"{MOST_POINTS:,}; name fewer values, or use tpe or random, which need no grid"
        )
    return points


def grid_values(dimension: Dimension) -> list[Any]:
    """Return the parameters of a dimension that a grid goes over."""
    if dimension.values is not None:
        return [dimension.parameter(value) for value in dimension.values]
    return list(range(int(dimension.low), int(dimension.high) + 1))


def check(config: RunConfig) -> None:
    """Check the space of a config whose search names one, as far as it goes without data.

    Raises:
        ConfigError: a key or its values cannot be used
    """
    if config.search is not None and config.search.space:
        base = config.model_copy(update=dict.fromkeys(COMPARING))
        check_points(dimensions(config.search.space), lambda own: assign(base, in_order(own)))


def check_points(space: Sequence[Dimension], prepare: Callable[[dict[str, Any]], object]) -> None:
    """Check that some point of the space can be trained, with every value of every list.

    Args:
        space: the keys and their values
        prepare: takes a point's value of each key; ConfigError or DataError where it cannot be
            trained

    Raises:
        ConfigError: no point, or no point with one of the values, can be trained
    """
    generator = np.random.default_rng(0)
    why: dict[tuple[str, str], str] = {}
    worked: set[tuple[str, str]] = set()
    data_problem = None
    for settings in _points(space, generator):
        pairs = {(key, repr(value)) for key, value in settings.items()}
        if pairs <= worked:
            continue
        try:
            prepare(settings)
        except DataError as error:
            data_problem = error
            why |= {pair: str(error) for pair in pairs if pair not in why}
        except ConfigError as error:
            first = str(error).split("\n")[0]
            why |= {pair: first for pair in pairs if pair not in why}
        else:
            worked |= pairs
    lost = [pair for pair in why if pair not in worked]
    if not worked and data_problem is not None:
        raise data_problem
    if lost:
        raise ConfigError(
            "\n".join(
                dict.fromkeys(
                    f"search.space.{key}: {value} cannot be trained: {why[key, value]}"
                    for key, value in (lost if worked else lost[:1])
                )
            )
        )


def _points(space: Sequence[Dimension], generator: np.random.Generator) -> list[dict[str, Any]]:
    """Return points that have both ends of a range and, several times, values of each list."""
    samples = {own.key: own.samples for own in space}
    most = min(max(map(len, samples.values())), _MOST_TRIED)
    rounds = max(-(-_TRIED // most), 2)
    points = []
    for _ in range(rounds):
        orders = {key: generator.permutation(len(values)) for key, values in samples.items()}
        for place in range(most):
            points.append(
                {key: values[orders[key][place % len(values)]] for key, values in samples.items()}
            )
    return list(islice(points, 4 * max(_TRIED, most)))
