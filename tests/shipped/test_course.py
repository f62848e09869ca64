"""The course's questions are answered as docs/course.md says, with fewer seeds and wider bands.

A share p of n seeds is allowed three standard errors around ours, each sqrt(p (1 - p) / n).
"""

import os
from pathlib import Path
from typing import Any

import pytest

from dlx import api
from dlx.config.course import course
from dlx.config.shipped import shipped
from tests.guarded import LEARNING

pytestmark = [pytest.mark.slow(*LEARNING), pytest.mark.usefixtures("one_thread")]

NEEDS_MNIST = pytest.mark.skipif(
    not (Path(os.environ.get("DLX_DATA", "")) / "MNIST").is_dir(),
    reason="needs MNIST in the folder that DLX_DATA names",
)
FEW_ROWS = ("data.limit=3000", "data.split={dev: 2000}")


def variants(folder: Path, name: str, seeds: int, *changes: str) -> dict[str, Any]:
    """Return the variants of a course ablation's summary by name; its picture is drawn."""
    config = name if "/" in name else f"course/{name}"
    [question] = [question for question in course().questions if question.config == config]
    options = ["log.points=2", *changes]
    ended = api.ablate(shipped()[config], options, seeds=seeds, runs_dir=folder)
    assert (ended.path / question.picture).is_file()
    return {each["name"]: each for each in ended.summary["variants"]}


def means(found: dict[str, Any], split: str, metric: str) -> dict[str, float]:
    """Return the mean of a metric by variant."""
    return {k: v["metrics"][split][metric]["mean"] for k, v in found.items()}


def test_one_unit_learns_and_and_or_but_never_xor(tmp_path: Path) -> None:
    found = {k: v["success"]["rate"] for k, v in variants(tmp_path, "gates", 40).items()}
    assert found["AND by one unit"] == found["OR by one unit"] == 1
    assert found["XOR by one unit"] == 0
    assert found["XOR by three units"] == pytest.approx(0.71, abs=0.22)  # 3 sqrt(0.71 0.29 / 40)


def test_hidden_layers_untangle_spirals(tmp_path: Path) -> None:
    found = variants(tmp_path, "depth", 3)
    accuracy = {k: v["metrics"]["dev"]["accuracy"]["mean"] for k, v in found.items()}
    assert accuracy["hidden=[]"] < 0.68 < accuracy["hidden=[16]"] < 0.9
    assert accuracy["hidden=[16,16,16]"] > 0.97


def test_the_cost_falls_with_the_learning_rate_until_it_rises(tmp_path: Path) -> None:
    found = variants(tmp_path, "learning_rate", 3)
    cost = [each["metrics"]["train"]["cost"]["mean"] for each in found.values()]
    falling = cost[: list(found).index("lr=10") + 1]
    assert falling == sorted(falling, reverse=True)
    assert cost[-1] > 10 * falling[-1]


def test_equal_units_stay_equal(tmp_path: Path) -> None:
    found = variants(tmp_path, "symmetry", 2)
    accuracy = {k: v["metrics"]["dev"]["accuracy"]["mean"] for k, v in found.items()}
    for activation in ("tanh", "relu", "sigmoid"):
        assert accuracy[f"init=zeros activation={activation}"] < 0.2
        assert accuracy[f"init=constant activation={activation}"] < 0.2
        assert accuracy[f"init=xavier_normal activation={activation}"] > 0.7


def test_few_units_underfit_and_many_learn_the_wrong_labels(tmp_path: Path) -> None:
    found = variants(tmp_path, "number_of_weights", 2)
    cost = {k: v["metrics"]["train"]["cost"]["mean"] for k, v in found.items()}
    error = {k: v["metrics"]["dev"]["error"]["mean"] for k, v in found.items()}
    assert cost["hidden=[128]"] < 0.01 and error["hidden=[128]"] > 0.15
    assert error["hidden=[1]"] > 0.7


def test_xor_is_solved_from_large_weights_or_at_a_large_rate(tmp_path: Path) -> None:
    found = {k: v["success"]["rate"] for k, v in variants(tmp_path, "xor_labs", 10).items()}
    assert found["no hidden layer"] == found["2-10-10-10-1 torch start"] == 0
    assert found["2-2-1"] == pytest.approx(0.69, abs=0.44)  # 3 sqrt(0.69 0.31 / 10)
    assert found["2-10-10-10-1"] == 1
    assert found["2-10-10-10-1 torch start lr 1"] > 0.7


def test_more_bits_need_more_units(tmp_path: Path) -> None:
    few = "ablation.vary={data.bits: [2, 5], model.hidden: [[2], [4], [16]]}"
    found = {k: v["success"]["rate"] for k, v in variants(tmp_path, "parity", 5, few).items()}
    assert found["bits=5 hidden=[2]"] == 0 and found["bits=5 hidden=[4]"] <= 0.2
    assert found["bits=5 hidden=[16]"] == found["bits=2 hidden=[16]"] == 1


def test_nine_sigmoid_layers_do_not_learn_and_relu_does(tmp_path: Path) -> None:
    few = (
        "ablation.vary={model.activation: [sigmoid, relu], model.init: [xavier_normal, he_normal]}"
    )
    baseline = "ablation.baseline={model.activation: sigmoid, model.init: xavier_normal}"
    config = shipped()["course/deep_sigmoid"]
    ended = api.ablate(config, [few, baseline, "log.points=2"], seeds=5, runs_dir=tmp_path)
    found = {each["name"]: each for each in ended.summary["variants"]}
    accuracy = means(found, "train", "accuracy")
    assert accuracy["activation=sigmoid init=xavier_normal"] < 0.7
    assert accuracy["activation=relu init=he_normal"] > 0.9
    norm = means(found, "train", "gradient_norm/1")
    assert norm["activation=sigmoid init=xavier_normal"] < 1e-6


def test_batch_norm_holds_what_a_layer_is_given(tmp_path: Path) -> None:
    found = variants(tmp_path, "covariate_shift", 3)
    moved = means(found, "train", "z_mean/4")
    assert abs(moved["batch_norm=false"]) > 1 > 0.3 > abs(moved["batch_norm=true"])
    accuracy = means(found, "dev", "accuracy")
    assert accuracy["batch_norm=true"] > accuracy["batch_norm=false"] + 0.03


def test_the_four_cases_of_bias_and_variance(tmp_path: Path) -> None:
    found = variants(tmp_path, "bias_variance", 5)
    train, dev = (means(found, split, "error") for split in ("train", "dev"))
    (path,) = (tmp_path / "bias_variance").iterdir()
    named = {
        each["variant"]: {finding["name"] for finding in each["findings"]}
        for each in api.diagnose_ablation(api.Ablation(path))
    }
    gaps = {"high_bias", "high_variance"}
    few, many = "limit=60", "limit=1200"
    assert named[f"hidden=[6] {few}"] & gaps == gaps
    assert named[f"hidden=[6] {many}"] & gaps == {"high_bias"}
    assert named[f"hidden=[64,64] {few}"] & gaps == {"high_variance"}
    assert named[f"hidden=[64,64] {many}"] == set()
    assert train[f"hidden=[6] {many}"] > 0.15 > train[f"hidden=[64,64] {few}"]
    assert dev[f"hidden=[64,64] {many}"] < 0.02 < 0.08 < dev[f"hidden=[64,64] {few}"]


def test_rows_of_another_kind_are_a_mismatch_and_not_variance(tmp_path: Path) -> None:
    run = api.train(shipped()["mismatch"], [], runs_dir=tmp_path)
    named = {finding["name"] for finding in api.diagnose_run(run)["findings"]}
    assert "data_mismatch" in named and "high_variance" not in named
    assert run.path / "figures" / "curves.png" in api.figures(run)


def test_dropout_acts_while_training_alone(tmp_path: Path) -> None:
    found = variants(tmp_path, "dropout", 3, "log.points=20")
    steps, evaluated = (means(found, "train", name) for name in ("running/cost", "cost"))
    assert steps["dropout=0.5"] > 2 * evaluated["dropout=0.5"]
    assert steps["dropout=0"] < 2 * evaluated["dropout=0"]
    accuracy = means(found, "dev", "accuracy")
    assert accuracy["dropout=0.5"] > accuracy["dropout=0"] + 0.01


def test_a_hidden_layer_is_worth_more_on_some_data_than_on_others(tmp_path: Path) -> None:
    accuracy = means(variants(tmp_path, "data_sets", 3), "dev", "accuracy")
    layer = "standardize=true hidden="
    worth = {
        data: accuracy[f"data={data} {layer}[32]"] - accuracy[f"data={data} {layer}[]"]
        for data in ("iris", "moons", "digits")
    }
    assert worth["iris"] > 0.1 and worth["moons"] > 0.05 > worth["digits"]


def test_more_rows_close_the_gap(tmp_path: Path) -> None:
    few = "ablation.vary={data.limit: [50, 1000], model.dropout: [0.0, 0.3]}"
    baseline = "ablation.baseline={data.limit: 50, model.dropout: 0.0}"
    found = variants(tmp_path, "overfitting", 3, few, baseline)
    train, dev = (means(found, split, "accuracy") for split in ("train", "dev"))
    assert min(train.values()) > 0.99
    assert dev["limit=1000 dropout=0"] > dev["limit=50 dropout=0"] + 0.1


@NEEDS_MNIST
def test_on_mnist_the_start_matters_more_than_layers(tmp_path: Path) -> None:
    found = variants(tmp_path, "mnist_labs", 2, *FEW_ROWS)
    accuracy = means(found, "dev", "accuracy")
    assert accuracy["256-256 Xavier"] > accuracy["256-256 N(0 1) start"] + 0.02
    assert abs(accuracy["4 x 512 Xavier"] - accuracy["256-256 Xavier"]) < 0.02


@NEEDS_MNIST
def test_the_ladder_leads_down_by_dropout_on_sigmoid(tmp_path: Path) -> None:
    accuracy = means(
        variants(tmp_path, "ladder", 2, *FEW_ROWS, "optimizer.lr=0.1"), "dev", "accuracy"
    )
    assert accuracy["2 dropout"] < accuracy["1 sigmoid"] < accuracy["3 ReLU"] - 0.03
    assert accuracy["3 ReLU"] < accuracy["4 batch norm"] + 0.01


@NEEDS_MNIST
def test_one_knob_at_a_time_weights_of_zero_guess(tmp_path: Path) -> None:
    accuracy = means(variants(tmp_path, "ablations/mnist_knobs", 2, *FEW_ROWS), "dev", "accuracy")
    assert accuracy["init=zeros"] < 0.2
    assert accuracy["activation=sigmoid"] < accuracy["base"] - 0.01
    assert abs(accuracy["activation=leaky_relu"] - accuracy["base"]) < 0.01


@NEEDS_MNIST
def test_with_its_own_rate_no_optimizer_is_far_from_sgd(tmp_path: Path) -> None:
    few = ["ablation.vary={optimizer.name: [sgd, adam, radam]}", "ablation.tune_seeds=1"]
    rates = "ablation.tune={optimizer.lr: [0.003, 0.3]}"
    found = variants(tmp_path, "optimizers", 2, *FEW_ROWS, *few, rates, "train.epochs=20")
    accuracy = means(found, "dev", "accuracy")
    assert min(accuracy.values()) > 0.88 and max(accuracy.values()) - min(accuracy.values()) < 0.03


@NEEDS_MNIST
def test_masked_inputs_make_better_codes(tmp_path: Path) -> None:
    two = "ablation.vary={model.corruption: [null, {name: masking, rate: 0.5}]}"
    changes = [two, "data.limit=3000", "data.split={dev: 1500}", "train.epochs=10"]
    changes += ["optimizer.lr=0.003", "probe.fine_tune=null", "ablation.also=[]"]
    accuracy = means(variants(tmp_path, "denoising", 3, *changes), "dev", "probe_accuracy")
    assert accuracy["corruption=masking(rate=0.5)"] > accuracy["corruption=null"] + 0.003


@NEEDS_MNIST
def test_pretraining_helps_where_labels_are_few(tmp_path: Path) -> None:
    few = "ablation.vary={pretrain.method: [none, rbm], data.labels: [200, 3000]}"
    changes = ["train.steps=500", "pretrain.epochs=10", "data.limit=3000", "data.split={dev: 2000}"]
    accuracy = means(variants(tmp_path, "pretraining", 3, few, *changes), "dev", "accuracy")
    assert accuracy["method=rbm labels=200"] > accuracy["method=none labels=200"] + 0.01
