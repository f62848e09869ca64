"""What an event file holds of a run as a whole: texts, and the run's entry on the HParams page."""

import json
from collections.abc import Mapping
from typing import Any

from dlx.tracking.protos import (
    DT_FLOAT,
    DT_STRING,
    HParamsPluginData,
    SessionEndInfo,
    SessionStartInfo,
    Status,
    Summary,
    SummaryMetadata,
    TensorProto,
    TensorShapeProto,
)


def text(tag: str, markdown: str) -> Any:
    """Return a text, shown as Markdown."""
    return plugin("text", tag, _string(markdown.encode()))


def config(yaml: str) -> Any:
    """Return the text of a run's config."""
    return text("config", f"```yaml\n{yaml}```")


def hparams(settings: Mapping[str, Any], group_name: str, began: float) -> Any:
    """Return the settings of a run for TensorBoard's HParams page.

    Args:
        settings: value by dotted name
        group_name: runs of one group (the seeds of a variant) are shown as one row
        began: Unix seconds
    """
    start = SessionStartInfo(group_name=group_name, start_time_secs=began)
    for name, value in settings.items():
        shown = plain(value)
        if isinstance(shown, bool):
            start.hparams[name].bool_value = shown
        elif isinstance(shown, str):
            start.hparams[name].string_value = shown
        else:
            start.hparams[name].number_value = shown
    return _hparams("session_start_info", start)


def end_hparams(success: bool, ended: float) -> Any:
    """Return that a run has ended, well or not; TensorBoard keeps the first such word."""
    status = Status.STATUS_SUCCESS if success else Status.STATUS_FAILURE
    return _hparams("session_end_info", SessionEndInfo(status=status, end_time_secs=ended))


def plain(value: Any) -> bool | float | str:
    """Return a setting as the HParams page shows it: what is no bool, number or string, as JSON."""
    return value if isinstance(value, bool | int | float | str) else json.dumps(value)


def plugin(name: str, tag: str, tensor: Any, content: bytes = b"") -> Any:
    """Return a tensor for one of TensorBoard's pages."""
    data = SummaryMetadata.PluginData(plugin_name=name, content=content)
    value = Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=data))
    value.tensor.CopyFrom(tensor)
    return value


def _hparams(field: str, info: Any) -> Any:
    content = HParamsPluginData(version=0, **{field: info}).SerializeToString()
    nothing = TensorProto(dtype=DT_FLOAT, tensor_shape=_shape(0))
    return plugin("hparams", f"_hparams_/{field}", nothing, content)


def _string(content: bytes) -> Any:
    return TensorProto(dtype=DT_STRING, tensor_shape=_shape(), string_val=[content])


def _shape(*sizes: int) -> Any:
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in sizes])
