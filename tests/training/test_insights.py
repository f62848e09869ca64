"""What a run shows of its inside at log level full."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import dlx
from dlx.cohort import Cohort
from dlx.data.selection import Selection
from dlx.report.run.pictures import lines_of_images
from dlx.report.run.reconstruction import Sample
from dlx.training import layer_statistics
from dlx.training.evaluation import confusion
from dlx.training.layer_statistics import probe, signals
from dlx.training.records import Progress
from tests.cohorts import design, member, rows, task
from tests.guarded import PICTURES

pytestmark = pytest.mark.usefixtures("one_thread")


def test_statistics_are_those_of_the_outputs() -> None:
    what = task(5)
    cohort = Cohort([member(str(seed), design(what), seed=seed) for seed in range(2)], 16)
    cohort.initialize()
    bias = next(p for p in cohort.network.buffer.parameters if p.name == "1.bias")
    with torch.no_grad():
        bias.value[1, 0, :3] = -100  # three of six units are always at zero
    inputs, _ = rows(what, 300)
    outputs, _ = signals(cohort, Selection(inputs))
    assert outputs["1"].shape == (2, 256, 6)
    found = {tag: values[1] for tag, values in probe(cohort, Selection(inputs)).items()}
    its = outputs["1"][1].double()
    assert found["activation_mean/1"] == pytest.approx(its.mean().item(), rel=1e-5)
    assert found["activation_std/1"] == pytest.approx(its.std(correction=0).item(), rel=1e-5)
    assert found["activation_dead/1"] == 0.5
    assert found["activation_dead/3"] == 0  # the output layer's z
    between = its.var(0, correction=0).mean().item()
    assert found["between_rows/1"] == pytest.approx(between, rel=1e-5)
    assert found["copies/1"] == 0


@pytest.mark.parametrize("few", [0, 2**30])
def test_statistics_of_all_layers_at_once_are_those_of_each(
    few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    what = task(5)
    start = {"activation": "tanh", "hidden": (6, 9, 4)}
    cohort = Cohort([member(str(seed), design(what, **start), seed=seed) for seed in range(3)], 16)
    cohort.initialize()
    first = next(p for p in cohort.network.buffer.parameters if p.name == "1.weight")
    second = next(p for p in cohort.network.buffer.parameters if p.name == "2.weight")
    with torch.no_grad():
        second.value *= 30  # at its bounds
        first.value[2, :, 1] = first.value[2, :, 0]  # two units are copies
        first.value[2, :, 3] = 0  # and one is dead
    inputs, _ = rows(what, 100)
    monkeypatch.setattr(layer_statistics, "_FEW", few)
    found = probe(cohort, Selection(inputs))
    outputs, activated = signals(cohort, Selection(inputs))
    for row in range(3):
        for layer, values in outputs.items():
            own = values[row].double()
            between = own.var(0, correction=0)
            assert found[f"between_rows/{layer}"][row] == pytest.approx(between.mean().item())
            assert found[f"activation_mean/{layer}"][row] == pytest.approx(own.mean().item())
            assert found[f"activation_std/{layer}"][row] == pytest.approx(
                own.std(correction=0).item()
            )
        for layer, (z, _) in activated.items():
            own = z[row].double()
            assert found[f"z_mean/{layer}"][row] == pytest.approx(own.mean().item())
            assert found[f"z_std/{layer}"][row] == pytest.approx(own.std(correction=0).item())
        near = (outputs["2"][row].abs() > 0.95).double().mean().item()
        assert near > 0.3
        assert found["activation_saturated/2"][row] == pytest.approx(near)
        of_inputs = inputs.double().var(0, correction=0).mean().item()
        assert found["between_rows/input"][row] == pytest.approx(of_inputs)
    assert found["copies/1"] == [0, 0, 2 / 6] and found["activation_dead/1"] == [0, 0, 1 / 6]
    assert found["between_rows/1"][2] > 0


def test_confusion_counts_every_row_once() -> None:
    what = task(5)
    cohort = Cohort([member(str(seed), design(what), seed=seed) for seed in range(2)], 16)
    cohort.initialize()
    inputs, targets = rows(what, 2000)  # more than a chunk
    counts = confusion(cohort, inputs, targets)
    assert counts.shape == (2, 3, 3)
    expected = targets.bincount()
    assert all(torch.equal(each.sum(1), expected) for each in counts)


def events(path: Path, split: str) -> EventAccumulator:
    found = EventAccumulator(str(path / split), {"images": 0, "scalars": 0, "histograms": 0})
    found.Reload()
    return found


def test_level_full_shows_statistics_and_pictures(tmp_path: Path) -> None:
    overrides = ["train.epochs=6", "log.level=full"]
    run = dlx.train("configs/digits.yaml", overrides, runs_dir=tmp_path)
    train, dev = events(run.path, "train"), events(run.path, "dev")
    assert set(train.Tags()["images"]) == {"confusion", "weight_images/1"}
    assert dev.Tags()["images"] == ["confusion"]
    for kind in ("mean", "std", "dead"):
        assert len(train.Scalars(f"activation_{kind}/1")) == len(run.history) == 7
        assert run.history[-1]["train"][f"activation_{kind}/1"] >= 0
    assert not set(train.Tags()["images"]) & set(train.Tags()["histograms"])
    (image,) = dev.Images("confusion")
    pixels = np.asarray(Image.open(io.BytesIO(image.encoded_image_string)))
    assert pixels.shape == (image.height, image.width, 3)
    assert image.step == run.info["steps"]


@pytest.mark.parametrize(
    ("config", "overrides", "images"),
    [
        ("breast_cancer", ["train.epochs=1", "log.level=full"], ["confusion"]),
        ("gates/half_adder", ["train.steps=3"], ["decision", "decision/1"]),
        (
            "gates/half_adder",
            ["train.steps=3", "log.level=full"],
            ["decision", "decision/1", "confusion"],
        ),
        ("moons", ["train.steps=3", "log.level=minimal"], []),
        ("digits", ["train.steps=3"], []),
    ],
)
def test_pictures_are_drawn_where_they_say_something(
    config: str, overrides: list[str], images: list[str], tmp_path: Path
) -> None:
    run = dlx.train(f"configs/{config}.yaml", overrides, runs_dir=tmp_path)
    assert events(run.path, "train").Tags()["images"] == images


def steps_drawn(path: Path) -> list[int]:
    return [image.step for image in events(path, "train").Images("decision")]


def test_decisions_are_drawn_at_a_handful_of_evaluations_over_the_run(tmp_path: Path) -> None:
    run = dlx.train("configs/moons.yaml", ["train.epochs=50"], runs_dir=tmp_path)
    assert len(run.history) == 51
    drawn = steps_drawn(run.path)
    assert drawn == [*range(0, 950, 133), 950]  # an epoch has 19 steps
    shown = events(run.path, "train")
    for tag in ("decision", "decision/1", "decision/2"):
        assert [image.step for image in shown.Images(tag)] == drawn
    encoded = [image.encoded_image_string for image in shown.Images("decision")]
    pixels = [np.asarray(Image.open(io.BytesIO(each))) for each in encoded]
    assert pixels[0].shape == (320, 320, 3) and (pixels[0] != pixels[-1]).any()


@pytest.mark.slow(*PICTURES)
def test_a_resumed_run_draws_each_step_once(tmp_path: Path) -> None:
    overrides = ["train.steps=400", "log.every=50", "train.checkpoint_seconds=0"]
    whole = dlx.train("configs/moons.yaml", overrides, runs_dir=tmp_path / "whole")

    def kill(progress: Progress) -> None:
        if progress.step >= 250 and progress.is_new:
            raise KeyboardInterrupt  # after the last checkpoint, at the end of an epoch

    with pytest.raises(KeyboardInterrupt):
        dlx.train("configs/moons.yaml", overrides, runs_dir=tmp_path / "stopped", show=kill)
    resumed = dlx.resume("latest", runs_dir=tmp_path / "stopped")
    assert steps_drawn(resumed.path) == steps_drawn(whole.path) == list(range(0, 401, 50))
    for name in ("decision.png", "decision_1.png"):
        files = [run.path / "figures" / name for run in (whole, resumed)]
        assert files[0].read_bytes() == files[1].read_bytes()


RECONSTRUCTION = ("reconstruction", "weight_images/1", "weight_images/2")


@pytest.mark.slow(*PICTURES)
@pytest.mark.parametrize(
    ("overrides", "over_time", "at_the_end"),
    [
        (["model.corruption=masking"], RECONSTRUCTION, ("traversal", "error_per_class", "code")),
        (
            ["model.variational={}", "model.encoder=[2]"],
            RECONSTRUCTION,
            ("traversal", "error_per_class", "code", "code_map", "manifold"),
        ),
        (["model.encoder=[1]"], RECONSTRUCTION, ("traversal", "error_per_class", "code")),
        (
            ["data={name: iris, scale: true}", "model.encoder=[2]"],
            (),
            ("reconstruction", "traversal", "error_per_class", "code", "code_map"),
        ),
        (["log.level=minimal"], (), ()),
        (["log.level=full"], RECONSTRUCTION, ("traversal", "error_per_class", "code")),
    ],
)
def test_a_run_that_reconstructs_shows_what_it_does(
    overrides: list[str], over_time: tuple[str, ...], at_the_end: tuple[str, ...], tmp_path: Path
) -> None:
    config = ["model.tied=false", "model.encoder=[9]", "train.epochs=20", *overrides]
    run = dlx.train("configs/autoencoder.yaml", config, runs_dir=tmp_path)
    train, dev = events(run.path, "train"), events(run.path, "dev")
    drawn = {*train.Tags()["images"], *dev.Tags()["images"]}
    assert drawn == {*over_time, *(f"figures/{name}" for name in at_the_end)}
    for tag in over_time:
        shown = dev if tag == "reconstruction" else train
        steps = [image.step for image in shown.Images(tag)]
        assert len(steps) == len(set(steps)) <= 10
        assert (steps[0], steps[-1]) == (0, run.info["steps"])
    for name in at_the_end:
        (image,) = dev.Images(f"figures/{name}")
        assert image.step == run.info["steps"]
    assert ("code" in dev.Tags()["histograms"]) == bool(at_the_end)
    drawn_codes = "model.variational={}" in overrides
    assert ("kl_per_unit" in dev.Tags()["histograms"]) == drawn_codes
    if drawn_codes:
        last = dev.Histograms("kl_per_unit")[-1].histogram_value
        assert last.num == 2, "units"
        assert last.sum == pytest.approx(run.metrics["dev"]["kl"], rel=0.01)
    assert (run.path / "train" / "projector_config.pbtxt").exists() == bool(at_the_end)


def test_pictures_of_reconstructions_are_those_of_predictions(tmp_path: Path) -> None:
    overrides = ["train.epochs=2", "model.corruption=masking"]
    run = dlx.train("configs/autoencoder.yaml", overrides, runs_dir=tmp_path)
    sample = Sample(run.splits(), run.labelled_splits(), run.design)
    look = sample.look(run.cohort)
    expected, _ = lines_of_images(look.lines, (8, 8))
    image = events(run.path, "dev").Images("reconstruction")[-1]
    pixels = np.asarray(Image.open(io.BytesIO(image.encoded_image_string)))
    assert np.array_equal(pixels, expected[..., 0])


def test_points_of_the_projector_are_codes_with_their_classes(tmp_path: Path) -> None:
    run = dlx.train("configs/autoencoder.yaml", ["train.epochs=1"], runs_dir=tmp_path)
    codes = run.encode_split("dev")
    points = np.loadtxt(run.path / "train" / "projector" / "code.tsv")
    assert points == pytest.approx(codes.values, rel=1e-5, abs=1e-5)
    heading, *rows = (run.path / "train" / "projector" / "metadata.tsv").read_text().splitlines()
    part = run.labelled_splits().part("dev")
    assert heading == "class\trow"
    expected = zip(part.targets.tolist(), part.rows.tolist(), strict=True)
    assert rows == [f"{number}\t{row}" for number, row in expected]


@pytest.mark.slow(*PICTURES)
def test_drawing_changes_no_byte_of_training(tmp_path: Path) -> None:
    options = ["train.epochs=3", "model.corruption=gaussian", "model.dropout=0.1"]
    runs = [
        dlx.train("configs/autoencoder.yaml", [*options, f"log.level={level}"], runs_dir=tmp_path)
        for level in ("minimal", "standard", "full")
    ]
    weights = [(run.path / "weights.safetensors").read_bytes() for run in runs]
    assert weights[0] == weights[1] == weights[2]
    assert [each["dev"] for each in runs[0].history] == [each["dev"] for each in runs[1].history]


@pytest.mark.slow(*PICTURES)
def test_a_resumed_autoencoder_draws_each_step_once(tmp_path: Path) -> None:
    overrides = ["train.epochs=8", "train.checkpoint_seconds=0", "model.corruption=masking"]
    whole = dlx.train("configs/autoencoder.yaml", overrides, runs_dir=tmp_path / "whole")

    def kill(progress: Progress) -> None:
        if progress.step >= 85 and progress.is_new:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dlx.train("configs/autoencoder.yaml", overrides, runs_dir=tmp_path / "stopped", show=kill)
    resumed = dlx.resume("latest", runs_dir=tmp_path / "stopped")
    shown = []
    for run in (whole, resumed):
        images = events(run.path, "dev").Images("reconstruction")
        shown.append([(image.step, image.encoded_image_string) for image in images])
    assert shown[0] == shown[1] and len(shown[0]) == 9
    costs = [events(run.path, "dev").Scalars("cost") for run in (whole, resumed)]
    steps = [[each.step for each in curve] for curve in costs]
    assert steps[0] == steps[1] == list(range(0, 137, 17))
