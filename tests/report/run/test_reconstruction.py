"""What a network makes of rows that are shown: the bits of evaluations and predictions."""

from pathlib import Path

import numpy as np
import pytest
import torch

import dlx
from dlx.nn.passes import Pass
from dlx.report.run.reconstruction import STEPS, Sample
from dlx.training.evaluation import evaluate, predict

pytestmark = pytest.mark.usefixtures("one_thread")

DENOISING = ["model.corruption={name: masking, rate: 0.4}", "train.epochs=2"]


def trained(overrides: list[str], tmp_path: Path) -> tuple[dlx.Run, Sample]:
    overrides = ["log.level=minimal", *overrides]
    run = dlx.train("configs/autoencoder.yaml", overrides, runs_dir=tmp_path)
    return run, Sample(run.splits(), run.labelled_splits(), run.design)


def test_two_rows_of_each_class_are_shown(tmp_path: Path) -> None:
    run, sample = trained(["train.epochs=0"], tmp_path)
    labels = run.labelled_splits().part("dev").targets.numpy()
    assert labels[sample.shown].tolist() == [*range(10), *range(10)]
    assert len(set(sample.shown.tolist())) == 20
    assert sample.shown[0] == np.flatnonzero(labels == 0)[0]


def test_without_classes_rows_at_even_distances_are_shown(tmp_path: Path) -> None:
    data = ["data={name: diabetes, scale: true}", "model.encoder=[2]", "train.epochs=1"]
    run, sample = trained(data, tmp_path)
    count = len(run.splits().part("dev").inputs)
    assert sample.classes == () and sample.shown[0] == 0 and sample.shown[-1] == count - 1
    assert run.task.input_shape == (10,) and len(sample.shown) == min(count, 200)


def test_what_the_data_say_is_in_their_own_units(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("a,b,price\n" + "".join(f"{n},{n % 7},{1000 + n}\n" for n in range(60)))
    data = [f"data={{name: csv, path: {table}, target: price}}", "model.encoder=[2]"]
    run, sample = trained([*data, "train={epochs: 1, batch_size: all}"], tmp_path)
    rows = run.labelled_splits().part("dev").rows
    assert sample.labels(5)["target"] == [f"{1000 + row}" for row in rows[:5]]


def test_what_is_shown_has_the_bits_of_predictions(tmp_path: Path) -> None:
    run, sample = trained(["train.epochs=2"], tmp_path)
    part = run.splits().part("dev")
    look = sample.look(run.cohort)
    in_units = run.task.in_units
    assert look.corrupted is None
    assert np.array_equal(look.inputs, in_units(part.inputs.numpy())[sample.shown])
    outputs = predict(run.cohort, part.inputs)[0].numpy()
    assert np.array_equal(look.outputs, in_units(outputs)[sample.shown])
    assert np.array_equal(look.codes, run.encode_split("dev").values)


def test_what_is_shown_has_the_bits_of_evaluations_on_corrupted_inputs(tmp_path: Path) -> None:
    run, sample = trained(DENOISING, tmp_path)
    part = run.splits().part("dev")
    look = sample.look(run.cohort)
    seen: list[torch.Tensor] = []
    corruption = run.cohort.network.corruption
    forward = corruption.forward

    def record(x: torch.Tensor, pass_: Pass) -> torch.Tensor:
        seen.append(forward(x, pass_))
        return seen[-1]

    corruption.forward = record  # type: ignore[method-assign]
    evaluate(run.cohort, part.inputs, part.targets)
    corruption.forward = forward  # type: ignore[method-assign]
    corrupted = seen[-1][0]
    assert corrupted.shape == part.inputs.shape and not torch.equal(corrupted, part.inputs)
    assert look.corrupted is not None
    in_units = run.task.in_units
    assert np.array_equal(look.corrupted, in_units(corrupted.numpy())[sample.shown])
    outputs = predict(run.cohort, corrupted)[0].numpy()
    assert np.array_equal(look.outputs, in_units(outputs)[sample.shown])


def test_errors_of_classes_average_to_the_metric(tmp_path: Path) -> None:
    run, sample = trained(["train.epochs=1"], tmp_path)
    errors = sample.error_per_class(run.cohort)
    labels = run.labelled_splits().part("dev").targets
    assert [len(its) for its in errors] == labels.bincount().tolist()
    expected = run.metrics["dev"]["squared_error_per_row"]
    assert np.concatenate(errors).mean() == pytest.approx(expected, rel=1e-6)
    found = run.error_per_class()
    assert list(found) == ["train", "dev", "test"]
    for split, by_class in found.items():
        assert list(by_class) == [str(number) for number in range(10)]
        rows, means = zip(*(each.values() for each in by_class.values()), strict=True)
        expected = run.metrics[split]["squared_error_per_row"]
        assert np.average(means, weights=rows) == pytest.approx(expected, rel=1e-6)
    assert found["dev"]["3"]["squared_error_per_row"] == errors[3].mean()


def test_data_without_classes_have_no_errors_of_classes(tmp_path: Path) -> None:
    run, _ = trained(["data={name: diabetes, scale: true}", "train.epochs=0"], tmp_path)
    assert run.error_per_class() == {}


def test_one_unit_is_moved_at_a_time(tmp_path: Path) -> None:
    run, sample = trained(["train.epochs=1", "model.encoder=[12]"], tmp_path)
    codes = sample.codes(run.cohort, 2000)
    units, values, decoded = sample.traversals(run.cohort, codes)
    assert values.shape == (10, STEPS) and decoded.shape == (10, STEPS, 64)
    spread = codes.values.std(0)
    assert spread[units].tolist() == sorted(spread.tolist(), reverse=True)[:10]
    low, high = codes.values.min(0)[units], codes.values.max(0)[units]
    assert (values[:, 0] >= low - 1e-6).all() and (values[:, -1] <= high + 1e-6).all()
    code = np.tile(codes.values[sample.shown[0]], (STEPS, 1))
    code[:, units[3]] = values[3]
    assert np.allclose(run.decode(code), decoded[3], atol=1e-6)


def test_a_variational_code_goes_as_far_as_its_prior(tmp_path: Path) -> None:
    options = ["model.variational={}", "model.tied=false", "model.encoder=[2]", "train.epochs=1"]
    run, sample = trained(options, tmp_path)
    codes = sample.codes(run.cohort, 2000)
    assert codes.divergence is not None
    assert codes.divergence.sum() == pytest.approx(run.metrics["dev"]["kl"], rel=1e-5)
    _, values, _ = sample.traversals(run.cohort, codes)
    assert values[:, 0].tolist() == [-3, -3] and values[:, -1].tolist() == [3, 3]
    ends, decoded = sample.manifold(run.cohort, codes)
    assert ends.tolist() == [[-3, 3], [-3, 3]]
    assert np.allclose(decoded[0, -1], run.decode([3, -3])[0], atol=1e-6)  # right, at the bottom


def test_active_shares_average_to_the_measure(tmp_path: Path) -> None:
    options = ["model.k_sparse=3", "model.tied=false", "model.encoder=[9]", "train.epochs=1"]
    run, sample = trained(options, tmp_path)
    active = sample.codes(run.cohort, 2000).active
    assert active is not None
    assert active.mean() == pytest.approx(run.metrics["dev"]["active_units"], rel=1e-5)


def test_looking_changes_nothing(tmp_path: Path) -> None:
    run, sample = trained(DENOISING, tmp_path)
    before = run.cohort.network.buffer.values.clone()
    first, second = (sample.look(run.cohort) for _ in range(2))
    assert torch.equal(run.cohort.network.buffer.values, before)
    assert np.array_equal(first.outputs, second.outputs)
    assert first.corrupted is not None and second.corrupted is not None
    assert np.array_equal(first.corrupted, second.corrupted)
