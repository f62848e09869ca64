"""Event files as TensorBoard reads them."""

from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import (
    STORE_EVERYTHING_SIZE_GUIDANCE,
    EventAccumulator,
)
from tensorboard.backend.event_processing.plugin_event_accumulator import (
    EventAccumulator as PluginAccumulator,
)


def accumulate(folder: Path) -> EventAccumulator:
    """Return TensorBoard's own reader, with everything in a folder's event files."""
    return EventAccumulator(str(folder), STORE_EVERYTHING_SIZE_GUIDANCE).Reload()


def scalars(folder: Path, tag: str) -> tuple[list[int], list[float]]:
    """Return steps and values, the same from both of TensorBoard's readers: the old, the pages'."""
    events = accumulate(folder).Scalars(tag)
    pages = PluginAccumulator(str(folder), tensor_size_guidance={"scalars": 0}).Reload()
    shown = [(event.step, event.tensor_proto.float_val[0]) for event in pages.Tensors(tag)]
    read = [(event.step, event.value) for event in events]
    np.testing.assert_array_equal(shown, read)  # which takes nan for equal to nan
    return [step for step, _ in read], [value for _, value in read]
