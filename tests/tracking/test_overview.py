import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dlx.errors import StorageError
from dlx.tracking.overview import write_overview
from dlx.tracking.protos import DataType, HParamsPluginData, Layout, Status
from tests.tracking.event_files import accumulate, hparams_rows, scalars

METRICS = ["dev.accuracy", "train.cost"]
SETTINGS: dict[str, dict[str, Any]] = {
    "relu": {"model.activation": "relu", "optimizer.lr": 0.1, "model.batch_norm": True},
    "tanh": {"model.activation": "tanh", "optimizer.lr": 1, "model.hidden": [10, 10]},
    "a/b": {"model.activation": "tanh", "optimizer.lr": 0.1, "seed": 1, "model.batch_norm": "no"},
}


def band(steps: list[int], runs: list[int], width: float = 0.5) -> Any:
    mean = np.linspace(1, 2, len(steps))
    ends = np.where(np.array(runs) > 1, width, math.nan)
    return SimpleNamespace(
        steps=np.array(steps), mean=mean, low=mean - ends, high=mean + ends, runs=np.array(runs)
    )


def write(
    directory: Path, last: Mapping[str, Mapping[str, float]] | None = None, **bands: Any
) -> None:
    write_overview(
        directory,
        name="demo",
        settings=SETTINGS,
        folders={name: name.replace("/", "_") for name in SETTINGS},
        metrics=METRICS,
        bands=bands,
        last=last or {},
        steps=dict.fromkeys(SETTINGS, 30),
    )


def content(folder: Path, name: str) -> Any:
    """Return what an event file says to the HParams page."""
    written = accumulate(folder).PluginTagToContent("hparams")[f"_hparams_/{name}"]
    return getattr(HParamsPluginData.FromString(written), name)


def test_the_hparams_page_has_a_column_for_what_varies_and_for_each_metric(tmp_path: Path) -> None:
    write(tmp_path)
    experiment = content(tmp_path, "experiment")
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
    headings = [
        (info.display_name, info.name.group, info.name.tag) for info in experiment.metric_infos
    ]
    assert headings == [
        ("dev.accuracy", "", "last/dev.accuracy"),
        ("train.cost", "", "last/train.cost"),
    ]


def test_the_hparams_page_has_a_row_for_each_variant(tmp_path: Path) -> None:
    """As TensorBoard's own page asks for it, the best dev accuracy first."""
    last = {
        "relu": {"dev.accuracy": 0.6, "train.cost": 1.0},
        "tanh": {"dev.accuracy": 0.9, "train.cost": 1.0},
        "a/b": {"dev.accuracy": 0.1},
    }
    # The curve of a mean may end elsewhere than the mean of the last values.
    write(tmp_path, last, **{name: {"dev.accuracy": band([0, 1], [2, 2])} for name in SETTINGS})
    groups = hparams_rows(tmp_path, "last/dev.accuracy")
    assert [(group.name, len(group.sessions)) for group in groups] == [
        ("tanh", 1),
        ("relu", 1),
        ("a/b", 1),
    ]
    means = [group.metric_values[0].value for group in groups]
    assert means == pytest.approx([0.9, 0.6, 0.1])
    assert groups[0].hparams["optimizer.lr"].number_value == 1
    assert groups[0].hparams["model.hidden"].string_value == "[10, 10]"


def test_a_variant_none_of_whose_runs_was_scored_has_a_row_that_says_so(tmp_path: Path) -> None:
    write(tmp_path, relu={"train.cost": band([0, 1], [2, 2])})
    statuses = {
        name: content(tmp_path / name, "session_end_info").status for name in ("relu", "a_b")
    }
    assert statuses == {"relu": Status.STATUS_SUCCESS, "a_b": Status.STATUS_FAILURE}
    start = content(tmp_path / "a_b", "session_start_info")
    assert start.group_name == "a/b" and start.hparams["seed"].number_value == 1


def test_the_charts_name_tags_that_the_variants_have(tmp_path: Path) -> None:
    write(tmp_path, relu={metric: band([0, 5, 10], [3, 3, 3]) for metric in METRICS})
    (event,) = accumulate(tmp_path).Tensors("custom_scalars__config__")
    (category,) = Layout.FromString(event.tensor_proto.string_val[0]).category
    assert category.title == "demo: mean of each variant's runs, with its 95 % interval"
    # TensorBoard shows the last one first.
    assert [chart.title for chart in category.chart] == METRICS[::-1]
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
    assert len(list(tmp_path.rglob("events*"))) == 1 + len(SETTINGS)


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="a part of the path is a file"):
        write(tmp_path / "file" / "ablation")
