import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.backend_context import Context
from tensorboard.plugins.hparams.list_session_groups import Handler

from dlx.errors import StorageError
from dlx.tracking import FinishedRun, write_finished, write_overview
from dlx.tracking.protos import DataType, HParamsPluginData, Layout
from tests.tracking.event_files import accumulate, scalars

METRICS = ["dev.accuracy", "train.cost"]
SETTINGS: list[dict[str, Any]] = [
    {"model.activation": "relu", "optimizer.lr": 0.1, "model.batch_norm": True},
    {"model.activation": "tanh", "optimizer.lr": 1, "model.hidden": [10, 10]},
    {"model.activation": "tanh", "optimizer.lr": 0.1, "seed": 1, "model.batch_norm": "no"},
]


def band(steps: list[int], runs: list[int], width: float = 0.5) -> Any:
    mean = np.linspace(1, 2, len(steps))
    ends = np.where(np.array(runs) > 1, width, math.nan)
    return SimpleNamespace(
        steps=np.array(steps), mean=mean, low=mean - ends, high=mean + ends, runs=np.array(runs)
    )


def write(directory: Path, **bands: Any) -> None:
    write_overview(directory, name="demo", settings=SETTINGS, metrics=METRICS, bands=bands)


def test_the_hparams_page_has_a_column_for_what_varies_and_for_each_metric(tmp_path: Path) -> None:
    write(tmp_path)
    content = accumulate(tmp_path).PluginTagToContent("hparams")["_hparams_/experiment"]
    experiment = HParamsPluginData.FromString(content).experiment
    assert experiment.name == "demo"
    columns = {
        info.name: (info.type, json.loads(json.dumps(list(info.domain_discrete))))
        for info in experiment.hparam_infos
    }
    assert columns == {
        "model.activation": (DataType.DATA_TYPE_STRING, ["relu", "tanh"]),
        "optimizer.lr": (DataType.DATA_TYPE_FLOAT64, [0.1, 1]),
        "model.batch_norm": (DataType.DATA_TYPE_STRING, [True, "no"]),
        "model.hidden": (DataType.DATA_TYPE_STRING, ["[10, 10]"]),
        "seed": (DataType.DATA_TYPE_FLOAT64, [1]),
    }
    assert [(info.name.group, info.name.tag) for info in experiment.metric_infos] == [
        ("dev", "accuracy"),
        ("train", "cost"),
    ]


def test_the_hparams_page_has_a_row_for_each_variant(tmp_path: Path) -> None:
    """As TensorBoard's own page asks for it, the best dev accuracy first."""
    steps = np.arange(3)
    finals = {"relu": [0.5, 0.7], "tanh": [0.9, 0.8, 1.0]}
    write_finished(
        FinishedRun(
            tmp_path / variant / f"seed={seed}",
            *(steps, steps, steps, steps, 1.7e9 + steps),
            metrics={
                "dev": {"accuracy": np.linspace(0.1, final, 3)},
                "train": {"cost": np.ones(3)},
            },
            hparams={"model.activation": variant},
            group=variant,
        )
        for variant, values in finals.items()
        for seed, final in enumerate(values)
    )
    write(tmp_path, **{name: {"train.cost": band([0, 1], [2, 2])} for name in finals})
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(tmp_path)).Reload()
    provider = MultiplexerDataProvider(multiplexer, str(tmp_path))
    context = Context(TBContext(data_provider=provider))
    request = api_pb2.ListSessionGroupsRequest(  # pyright: ignore
        start_index=0,
        slice_size=10,
        aggregation_type="AGGREGATION_AVG",
        allowed_statuses=["STATUS_SUCCESS"],
        col_params=[
            {"metric": {"group": "dev", "tag": "accuracy"}, "order": "ORDER_DESC"},
        ],
    )
    found = Handler(RequestContext(), context, "", request).run()
    assert [(group.name, len(group.sessions)) for group in found.session_groups] == [
        ("tanh", 3),
        ("relu", 2),
    ]
    means = [group.metric_values[0].value for group in found.session_groups]
    assert means == pytest.approx([0.9, 0.6])


def test_the_charts_name_tags_that_the_variants_have(tmp_path: Path) -> None:
    write(tmp_path, relu={metric: band([0, 5, 10], [3, 3, 3]) for metric in METRICS})
    (event,) = accumulate(tmp_path).Tensors("custom_scalars__config__")
    (category,) = Layout.FromString(event.tensor_proto.string_val[0]).category
    assert category.title == "demo: mean of each variant's runs, with its 95 % interval"
    assert {chart.title for chart in category.chart} == set(METRICS)
    for chart in category.chart:
        (series,) = chart.margin.series
        value, lower, upper = (
            scalars(tmp_path / "relu", tag) for tag in (series.value, series.lower, series.upper)
        )
        assert value == ([0, 5, 10], [1.0, 1.5, 2.0])
        assert lower == ([0, 5, 10], [0.5, 1.0, 1.5])
        assert upper == ([0, 5, 10], [1.5, 2.0, 2.5])


def test_bands_end_where_they_end(tmp_path: Path) -> None:
    curves = {"dev.accuracy": band([0, 5], [2, 2]), "train.cost": band([0, 5, 10], [2, 2, 1])}
    write(tmp_path, relu=curves)
    folder = tmp_path / "relu"
    assert scalars(folder, "mean/dev.accuracy") == ([0, 5], [1.0, 2.0])
    assert scalars(folder, "runs/train.cost") == ([0, 5, 10], [2, 2, 1])
    # One run has no interval, but a chart of an interval needs its ends.
    assert scalars(folder, "interval/train.cost/low") == ([0, 5, 10], [0.5, 1.0, 2.0])
    assert scalars(folder, "interval/train.cost/high") == ([0, 5, 10], [1.5, 2.0, 2.0])


def test_what_was_there_is_replaced(tmp_path: Path) -> None:
    for steps in ([0, 5, 10], [0, 7]):
        write(tmp_path, relu={"train.cost": band(steps, [2] * len(steps))})
    assert scalars(tmp_path / "relu", "mean/train.cost")[0] == [0, 7]
    assert len(list(tmp_path.rglob("events*"))) == 2


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="a part of the path is a file"):
        write(tmp_path / "file" / "ablation")
