"""What TensorBoard shows of single runs."""

from pathlib import Path
from typing import Any

import pytest

import dlx
from dlx.report.run.graph import network_graph
from dlx.tracking.protos import HParamsPluginData, Layout
from tests.guarded import PICTURES
from tests.tracking.event_files import accumulate, hparams_rows

BLOCKS = (
    "model.hidden=[8,{name: residual, layers: [4,8]},"
    "{name: branch, join: concat, branches: [[3],[]]}]"
)
STEPS = ["train.steps=2", "train.batch_size=all"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("runs")
    for settings in (["seed=0"], ["seed=1"], ["optimizer.lr=0.25"]):
        dlx.train("configs/gates/xor.yaml", [BLOCKS, *STEPS, *settings], runs_dir=runs)
    return runs


def newest(folder: Path) -> Any:
    return max(folder.glob("*/*/run.json")).parent


@pytest.mark.slow(*PICTURES)
def test_the_graph_leads_from_the_inputs_past_every_layer_to_the_cost(folder: Path) -> None:
    nodes = {node.name: node for node in accumulate(newest(folder) / "train").Graph().node}
    activation = "relu"
    residual, branch = "2 residual 8", "3 branch 11"
    assert {name: list(node.input) for name, node in nodes.items()} == {
        "inputs 2": [],
        f"1 {activation} 8": ["inputs 2"],
        f"{residual}/2.1 {activation} 4": [f"1 {activation} 8"],
        f"{residual}/2.2 {activation} 8": [f"{residual}/2.1 {activation} 4"],
        f"{residual}/join": [f"{residual}/2.2 {activation} 8", f"1 {activation} 8"],
        f"{branch}/3.1.1 {activation} 3": [f"{residual}/join"],
        f"{branch}/join": [f"{branch}/3.1.1 {activation} 3", f"{residual}/join"],
        "4 identity 1": [f"{branch}/join"],
        "sigmoid 1": ["4 identity 1"],
        "targets": [],
        "cost": ["sigmoid 1", "targets"],
    }
    [shape] = nodes[f"{branch}/join"].attr["_output_shapes"].list.shape
    assert [dim.size for dim in shape.dim] == [-1, 11]
    assert nodes[f"1 {activation} 8"].attr["W[1]"].s == b"[8, 2]"


@pytest.mark.slow(*PICTURES)
def test_no_run_is_listed_that_has_no_curves(folder: Path) -> None:
    assert not list(newest(folder).glob("events*"))


def test_the_charts_of_a_run_name_tags_that_it_has(folder: Path) -> None:
    train = accumulate(newest(folder) / "train")
    [event] = train.Tensors("custom_scalars__config__")
    [category] = Layout.FromString(event.tensor_proto.string_val[0]).category
    charts = {chart.title: list(chart.multiline.tag) for chart in category.chart}
    assert charts == {
        "cost": ["^cost$"],
        "accuracy": ["^accuracy$"],
        "gradient norms of all layers": ["^gradient_norm/"],
        "learning rate": ["^optimizer/lr$"],
    }
    tags = train.Tags()["scalars"]
    assert {"cost", "accuracy", "gradient_norm/1", "gradient_norm/2.1", "optimizer/lr"} <= {*tags}


def test_runs_that_differ_in_their_seed_are_one_row(folder: Path) -> None:
    groups = hparams_rows(folder, "result/dev.accuracy")
    rows = {g.hparams["optimizer.lr"].number_value: len(g.sessions) for g in groups}
    assert len(groups) == 2 and rows[0.25] == 1 and sum(rows.values()) == 3
    assert "seed" not in groups[0].hparams
    shown = {(value.name.group, value.name.tag) for value in groups[0].metric_values}
    assert ("", "result/dev.accuracy") in shown


def test_minimal_has_no_graph_but_a_row(tmp_path: Path) -> None:
    run = dlx.train("configs/gates/xor.yaml", [*STEPS, "log.level=minimal"], runs_dir=tmp_path)
    train = accumulate(run.path / "train")
    with pytest.raises(ValueError, match="no graph"):
        train.Graph()
    content = train.PluginTagToContent("hparams")["_hparams_/session_start_info"]
    assert HParamsPluginData.FromString(content).session_start_info.group_name


def test_full_has_what_the_activations_are_applied_to(tmp_path: Path) -> None:
    run = dlx.train(
        "configs/gates/xor.yaml",
        [*STEPS, "log.level=full", "model.hidden=[4]", "model.activation=sigmoid"],
        runs_dir=tmp_path,
    )
    train = accumulate(run.path / "train")
    names = set(train.Tags()["histograms"])
    assert {"pre_activations/1", "activations/1"} <= names
    before, after = (train.Histograms(f"{kind}activations/1")[-1] for kind in ("pre_", ""))
    assert before.histogram_value.num == after.histogram_value.num
    assert before.histogram_value.min != after.histogram_value.min
    images = network_graph(run.design, (8, 8))
    assert images.node[0].name == "inputs 8x8"
