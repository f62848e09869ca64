"""Made-up data: clouds and curves in the plane, and tables whose difficulty is known.

Every row is a pure function of the options, `seed` included; each set has a stream of its own.
"""

# N rows, I inputs

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Le

from dlx.capacity import check_fits
from dlx.config.types import Seed
from dlx.data import randomness
from dlx.data.dataset import Dataset
from dlx.errors import ConfigError
from dlx.registry import register

Rows = Annotated[int, Ge(2)]
Noise = Annotated[float, Ge(0)]
Count = Annotated[int, Ge(1)]
Classes = Annotated[int, Ge(2)]


@register("data")
def moons(data_dir: Path, *, rows: Rows = 1000, noise: Noise = 0.2, seed: Seed = 0) -> Dataset:
    """Two half moons that reach into each other, in the plane.

    Args:
        rows: of both moons together
        noise: standard deviation of the noise on each coordinate; a moon has radius 1
        seed: of the draw
    """
    from sklearn.datasets import make_moons

    _check_size(rows, 2)
    state = randomness.random_state("moons", seed)
    return _classes("moons", *make_moons(rows, noise=noise, random_state=state), 2)


@register("data")
def circles(
    data_dir: Path,
    *,
    rows: Rows = 1000,
    noise: Noise = 0.1,
    factor: Annotated[float, Gt(0), Le(0.99)] = 0.5,
    seed: Seed = 0,
) -> Dataset:
    """A circle inside a circle, in the plane.

    Args:
        rows: of both circles together
        noise: standard deviation of the noise on each coordinate; the outer circle has radius 1
        factor: radius of the inner circle
        seed: of the draw
    """
    from sklearn.datasets import make_circles

    _check_size(rows, 2)
    state = randomness.random_state("circles", seed)
    made = make_circles(rows, noise=noise, factor=factor, random_state=state)
    return _classes("circles", *made, 2)


@register("data")
def blobs(
    data_dir: Path,
    *,
    rows: Rows = 1000,
    classes: Classes = 3,
    features: Count = 2,
    std: Annotated[float, Gt(0)] = 1.0,
    seed: Seed = 0,
) -> Dataset:
    """Round normal clouds, one for each class, around centers drawn from [-10, 10].

    Args:
        rows: of all clouds together
        classes: number of clouds
        features: number of dimensions
        std: standard deviation of a cloud
        seed: of the draw
    """
    from sklearn.datasets import make_blobs

    _check_size(rows, features, classes)
    state = randomness.random_state("blobs", seed)
    inputs, labels, *_ = make_blobs(
        rows, features, centers=classes, cluster_std=std, random_state=state
    )
    return _classes("blobs", inputs, labels, classes)


@register("data")
def spirals(
    data_dir: Path,
    *,
    rows: Rows = 1000,
    arms: Classes = 2,
    turns: Annotated[float, Gt(0)] = 1.5,
    noise: Noise = 0.02,
    seed: Seed = 0,
) -> Dataset:
    """Spirals wound into each other, one arm per class: r = t, angle = 2π (turns t + arm / arms).

    Args:
        rows: of all arms together
        arms: number of arms
        turns: of each arm around the middle
        noise: standard deviation of the noise on each coordinate; a spiral has radius 1
        seed: of the draw

    Reference:
        Lang, Witbrock (1988), Learning to tell two spirals apart
    """
    _check_size(rows, 2, arms)
    draw = randomness.generator("spirals", seed)
    labels = draw.permutation(np.arange(rows) % arms)
    # The root spreads the rows evenly over the length of an arm rather than its radius.
    radius = np.sqrt(draw.uniform(size=rows))
    angle = 2 * np.pi * (turns * radius + labels / arms)
    inputs = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    return _classes("spirals", inputs + noise * draw.normal(size=inputs.shape), labels, arms)


@register("data")
def classification(
    data_dir: Path,
    *,
    rows: Rows = 1000,
    features: Count = 20,
    informative: Count = 5,
    classes: Classes = 2,
    separation: Annotated[float, Gt(0)] = 1.0,
    noise: Annotated[float, Ge(0), Le(1)] = 0.01,
    seed: Seed = 0,
) -> Dataset:
    """A table in which a few columns tell the classes apart; the others are noise.

    Args:
        rows: number of rows
        features: number of columns
        informative: number of columns that depend on the class
        classes: number of classes
        separation: how far the classes lie apart
        noise: share of the rows whose class is drawn at random
        seed: of the draw

    Raises:
        ConfigError: more informative columns than columns, or too few for the classes
    """
    from sklearn.datasets import make_classification

    _check_informative(informative, features)
    _check_size(rows, features, classes)
    if classes > 2**informative:
        raise ConfigError(
            f"data.informative: {informative} columns tell at most {2**informative} classes apart, "
            f"not {classes}; raise it"
        )
    inputs, labels = make_classification(
        rows,
        features,
        n_informative=informative,
        n_redundant=0,
        n_classes=classes,
        n_clusters_per_class=1,
        class_sep=separation,
        flip_y=noise,
        random_state=randomness.random_state("classification", seed),
    )
    return _classes("classification", inputs, labels, classes)


@register("data")
def regression(
    data_dir: Path,
    *,
    rows: Rows = 1000,
    features: Count = 10,
    informative: Count = 5,
    targets: Count = 1,
    noise: Noise = 0.1,
    seed: Seed = 0,
) -> Dataset:
    """Numbers that depend linearly on a few of a table's columns; each target has variance 1.

    Args:
        rows: number of rows
        features: number of columns, which are standard normal
        informative: number of columns that the targets depend on
        targets: how many numbers to predict
        noise: standard deviation of the noise on a target, relative to that of the target
        seed: of the draw

    Raises:
        ConfigError: more informative columns than columns
    """
    _check_informative(informative, features)
    _check_size(rows, features + targets)
    draw = randomness.generator("regression", seed)
    weights = draw.normal(size=(informative, targets))
    weights /= np.sqrt(np.square(weights).sum(axis=0))
    places = np.sort(draw.permutation(features)[:informative])
    inputs = draw.normal(size=(rows, features))
    values = inputs[:, places] @ weights + noise * draw.normal(size=(rows, targets))
    return Dataset(
        name="regression",
        inputs=_on_grid(inputs),
        targets=_on_grid(values / np.sqrt(1 + noise**2)),
        standardize_targets=False,  # their variance is 1 already, and the weights are as drawn
        classes=None,
        features=_names(features),
    )


def _classes(name: str, inputs: Any, labels: Any, number: int) -> Dataset:
    return Dataset(
        name=name,
        inputs=_on_grid(inputs),
        targets=labels.astype(np.int64),
        classes=tuple(str(label) for label in range(number)),
        features=_names(inputs.shape[1]),
    )


def _on_grid(values: np.ndarray) -> np.ndarray:
    """Return multiples of 2^-20, so that last digits in which machines differ do not matter."""
    return (np.rint(values * 2.0**20) / 2.0**20).astype(np.float32)


def _names(number: int) -> tuple[str, ...]:
    return tuple(f"x{i}" for i in range(1, number + 1))


def _check_size(rows: int, columns: int, classes: int = 0) -> None:
    """Refuse a table that memory cannot hold twice, as it is drawn and as it is kept."""
    size = 16 * rows * columns + 64 * classes * columns  # a class has a name, or a center
    what = f"{rows:,} rows of {columns:,} columns and {classes:,} classes"
    check_fits(what, size, "lower them")


def _check_informative(informative: int, features: int) -> None:
    if informative > features:
        raise ConfigError(
            f"data.informative: received {informative} of {features} features; lower it"
        )
