"""The arrays that a function of the user's returns, as a data set."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from dlx.config.types import Text
from dlx.data import functions
from dlx.data.channels import Channels
from dlx.data.dataset import Dataset
from dlx.data.sources.arrays import Arrays, dataset_of
from dlx.data.tasks import TaskName
from dlx.errors import DataError
from dlx.registry import register

_NAME = r"[^\W\d]\w*"
_CONTRACT = (
    "return (x, y), arrays with one row per example, or {'train': (x, y)}, with 'dev' and 'test' "
    "likewise if they have rows of their own"
)

Function = Annotated[
    str, Text(rf"{_NAME}(\.{_NAME})*:{_NAME}", "module:function", ("module:function",))
]


@register("data", runs_code=True)
def python(
    data_dir: Path,
    *,
    function: Function,
    options: dict[str, Any] = {},
    task: TaskName = "auto",
    channels: Channels = "auto",
) -> Dataset:
    """Arrays that your own function returns; it is executed only under `dlx --allow-code`.

    Args:
        function: module:function; the module is looked for in the working directory first; the
            function returns inputs and targets (x, y), or such a pair for each of train, dev, test
        options: keyword arguments of the function
        task: classification, multilabel or regression; auto: as the values look, see docs/data.md
        channels: of images: first, or last; auto: whichever axis has 1, 3 or 4 of them

    Raises:
        ConfigError: code is not allowed, there is no such function, or it takes other options
        DataError: it raises an error, or returns something else
    """
    returned = functions.call(function, options)
    return dataset_of(function, _parts(function, returned), task, channels)


def _parts(name: str, returned: Any) -> dict[str, Arrays]:
    pairs = returned if isinstance(returned, Mapping) else {"train": returned}
    if "train" not in pairs or not set(pairs) <= {"train", "dev", "test"}:
        keys = ", ".join(map(repr, pairs)) or "nothing"
        raise DataError(f"{name} returned a mapping of {keys}; {_CONTRACT}")
    parts = {}
    for part, pair in pairs.items():
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            many = f" of {len(pair)}" if isinstance(pair, tuple | list) else ""
            raise DataError(
                f"{name} returned a {type(pair).__name__}{many} for {part}; {_CONTRACT}"
            )
        x, y = pair
        parts[part] = (_array(name, part, "inputs", x), _array(name, part, "targets", y))
    return parts


def _array(name: str, part: str, what: str, value: Any) -> np.ndarray:
    where = f"{name}: the {what} of {part}"
    if isinstance(value, np.ma.MaskedArray):
        raise DataError(f"{where} are masked; fill the masked values in, or leave out their rows")
    try:
        array = np.asarray(value)
    except Exception as error:  # of a ragged list, a tensor on a GPU or an object of the user's
        raise DataError(
            f"{where} are a {type(value).__name__} that NumPy cannot turn into an array ({error})"
        ) from error
    if array.dtype == object and all(isinstance(item, str) for item in array.flat):
        array = array.astype(str)  # as pandas keeps texts
    if array.dtype.kind not in "biufU":
        raise DataError(
            f"{where} are a {type(value).__name__} of {array.dtype}; return numbers, or words as "
            "targets"
        )
    return array
