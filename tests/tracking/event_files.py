"""Event files as TensorBoard reads them."""

from pathlib import Path
from typing import Any

import numpy as np
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import (
    STORE_EVERYTHING_SIZE_GUIDANCE,
    EventAccumulator,
)
from tensorboard.backend.event_processing.plugin_event_accumulator import (
    EventAccumulator as PluginAccumulator,
)
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.backend_context import Context
from tensorboard.plugins.hparams.list_session_groups import Handler


def hparams_rows(folder: Path, tag: str) -> Any:
    """Return the rows of the HParams page as the page asks for them, the highest of a tag first."""
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(folder)).Reload()
    provider = MultiplexerDataProvider(multiplexer, str(folder))
    context = Context(TBContext(data_provider=provider))
    request = api_pb2.ListSessionGroupsRequest(  # pyright: ignore
        start_index=0,
        slice_size=10,
        aggregation_type="AGGREGATION_AVG",
        allowed_statuses=["STATUS_SUCCESS"],
        col_params=[{"metric": {"group": "", "tag": tag}, "order": "ORDER_DESC"}],
    )
    return Handler(RequestContext(), context, "", request).run().session_groups


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
