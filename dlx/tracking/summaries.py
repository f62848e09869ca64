"""What event files hold of a run or an ablation as a whole: texts, and what pages shall show."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from dlx.texts import printable
from dlx.tracking import protos


def config(yaml: str) -> Any:
    """Return the text of a run's config, shown as Markdown."""
    fence = "`" * max([3, *(1 + len(signs) for signs in re.findall("`+", yaml))])
    return text("config", f"{fence}yaml\n{printable(yaml)}{fence}")


def text(tag: str, markdown: str) -> Any:
    """Return a text, which the Text page shows as Markdown."""
    return _plugin("text", tag, _string(markdown.encode(errors="backslashreplace")))


def hparams(settings: Mapping[str, Any], group_name: str, began: float) -> Any:
    """Return the settings, by dotted name, of a run that began at a Unix time for the HParams page.

    Runs of one group (the seeds of a variant) are shown as one row.
    """
    start = protos.SessionStartInfo(group_name=group_name, start_time_secs=began)
    for name, value in settings.items():
        shown = _plain(value)
        if isinstance(shown, bool):
            start.hparams[name].bool_value = shown
        elif isinstance(shown, str):
            start.hparams[name].string_value = shown
        else:
            start.hparams[name].number_value = shown
    return _hparams("session_start_info", start)


def end_hparams(success: bool, ended: float) -> Any:
    """Return that a run has ended, well or not; TensorBoard keeps the first such word."""
    status = protos.Status.STATUS_SUCCESS if success else protos.Status.STATUS_FAILURE
    return _hparams("session_end_info", protos.SessionEndInfo(status=status, end_time_secs=ended))


def experiment(
    name: str, settings: Sequence[Mapping[str, Any]], metrics: Mapping[str, str], created: float
) -> Any:
    """Return which columns the HParams page of an ablation, made at Unix time `created`, has.

    There is one for every dotted name in the `settings` of a group of runs, and one of last values
    for every heading in `metrics`, which has the tag of the values.
    """
    columns = protos.Experiment(name=name, time_created_secs=created)
    for key in dict.fromkeys(key for group in settings for key in group):
        values = [_plain(group[key]) for group in settings if key in group]
        distinct = list({(type(value), value): value for value in values}.values())
        kinds = {_kind(value) for value in values}
        kind = kinds.pop() if len(kinds) == 1 else protos.DataType.DATA_TYPE_STRING
        columns.hparam_infos.add(name=key, type=kind).domain_discrete.extend(distinct)
    for heading, tag in metrics.items():
        columns.metric_infos.add(name={"group": "", "tag": tag}, display_name=heading)
    return _hparams("experiment", columns)


def charts(title: str, margins: Mapping[str, Sequence[str]]) -> Any:
    """Return the charts of the Custom Scalars page, by title: tags of value, low and high end."""
    category = protos.Category(title=title)
    # TensorBoard shows the last one first.
    for name, (value, lower, upper) in reversed(list(margins.items())):
        category.chart.add(title=name).margin.series.add(value=value, lower=lower, upper=upper)
    return _layout(category)


def line_charts(title: str, charts: Mapping[str, str]) -> Any:
    """Return charts of the Custom Scalars page, by title: the pattern of the tags it has."""
    category = protos.Category(title=title)
    for name, pattern in charts.items():
        category.chart.add(title=name).multiline.tag.append(pattern)
    return _layout(category)


def _layout(category: Any) -> Any:
    content = protos.Layout(category=[category]).SerializeToString()
    return _plugin("custom_scalars", "custom_scalars__config__", _string(content))


def _kind(value: bool | float | str) -> int:
    kinds = protos.DataType
    if isinstance(value, bool):
        return kinds.DATA_TYPE_BOOL
    return kinds.DATA_TYPE_STRING if isinstance(value, str) else kinds.DATA_TYPE_FLOAT64


def _plain(value: Any) -> bool | float | str:
    """Return a setting as the HParams page shows it: what is no bool, number or string, as JSON."""
    return value if isinstance(value, bool | int | float | str) else json.dumps(value)


def _plugin(name: str, tag: str, tensor: Any, content: bytes = b"") -> Any:
    """Return a tensor for one of TensorBoard's pages."""
    data = protos.SummaryMetadata.PluginData(plugin_name=name, content=content)
    value = protos.Summary.Value(tag=tag, metadata=protos.SummaryMetadata(plugin_data=data))
    value.tensor.CopyFrom(tensor)
    return value


def _hparams(field: str, info: Any) -> Any:
    content = protos.HParamsPluginData(version=0, **{field: info}).SerializeToString()
    nothing = protos.TensorProto(dtype=protos.DT_FLOAT, tensor_shape=_shape(0))
    return _plugin("hparams", f"_hparams_/{field}", nothing, content)


def _string(content: bytes) -> Any:
    return protos.TensorProto(dtype=protos.DT_STRING, tensor_shape=_shape(), string_val=[content])


def _shape(*sizes: int) -> Any:
    return protos.TensorShapeProto(dim=[protos.TensorShapeProto.Dim(size=size) for size in sizes])
