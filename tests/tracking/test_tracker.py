import io
import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dlx.errors import StorageError
from dlx.runs import checkpoints
from dlx.tracking.evaluations import Evaluation, Record
from dlx.tracking.histogram import Histogram
from dlx.tracking.metrics import MetricsFile, lines, read
from dlx.tracking.protos import HParamsPluginData, Status
from dlx.tracking.tracker import Tracker
from tests.guarded import SAVING
from tests.tracking.evaluated import START, of_one, series
from tests.tracking.event_files import accumulate, scalars

SPLITS = ("train", "dev", "test")

# Trains for ever, as far as the files can see: every step's numbers depend on the step alone;
# the dev split has a metric that is only logged at odd steps.
TRAINING = """
import sys
from pathlib import Path
import torch
from dlx.runs import checkpoints
from dlx.tracking.evaluations import Record
from dlx.tracking.metrics import MetricsFile, lines
from dlx.tracking.tracker import Tracker
from tests.tracking.evaluated import of_one

run, last = Path(sys.argv[1]), int(sys.argv[2])
saved = checkpoints.load_newest(run / "checkpoints")
step, position = (saved.step, saved.metadata["position"]) if saved else (-1, 0)
with Tracker(run, resume_step=step) as tracker:
    metrics = MetricsFile(run / "metrics.jsonl", position)
    for step in range(step + 1, last + 1):
        dev = {"cost": 2 / (step + 1)} | ({"odd": step} if step % 2 else {})
        measured = {"train": {"cost": 1 / (step + 1)}, "dev": dev}
        measured |= {"test": {"cost": 3 / (step + 1)}} if step > 20 else {}
        record = Record(step, step / 4, step * 8, measured)
        metrics.append(lines(of_one(record), [step / 64], step))
        tracker.log(record)
        tracker.histogram("train", "weights/1", torch.arange(step + 1.0), step)
        if step % 7 == 0:
            metrics.sync()
            metadata = {"position": metrics.size}
            checkpoints.save(run / "checkpoints", step, {"w": torch.zeros(1)}, metadata)
        print(step, flush=True)
"""


def rounded(values: list[float]) -> list[float]:
    return np.asarray(values, np.float32).tolist()


def test_tensorboard_reads_the_values_of_metrics_jsonl(tmp_path: Path, record: Record) -> None:
    generator = random.Random(0)
    metrics = MetricsFile(tmp_path / "metrics.jsonl")
    with Tracker(tmp_path) as tracker:
        for step in range(50):
            for split in SPLITS:
                for tag in record.metrics[split]:
                    record.metrics[split][tag] = generator.lognormvariate(0, 20)
            metrics.append(lines(of_one(replace(record, step=step)), [1.25], START))
            tracker.log(replace(record, step=step), START)
    metrics.close()
    records = read(tmp_path / "metrics.jsonl")
    for split in SPLITS:
        reader = accumulate(tmp_path / split)
        progress = {"epoch", "examples"} if split == "train" else set()
        assert set(reader.Tags()["scalars"]) == record.metrics[split].keys() | progress
        for tag in record.metrics[split]:
            steps, values = series(records, split, tag)
            assert steps == list(range(50))
            events = reader.Scalars(tag)
            assert [event.step for event in events] == steps
            assert [event.value for event in events] == rounded(values)
            assert {event.wall_time for event in events} == {START}
    assert scalars(tmp_path / "train", "examples") == (list(range(50)), [60_000] * 50)


def test_what_is_not_finite_is_marked_and_what_is_none_is_not_there(tmp_path: Path) -> None:
    metrics: dict[str, dict[str, list[Any]]] = {
        "train": {"a": [float("nan")], "b": [float("inf")], "c": [None]}
    }
    with Tracker(tmp_path) as tracker:
        tracker.log(Evaluation(1, 0.5, 64, [0], metrics).record(0))
    assert np.isnan(scalars(tmp_path / "train", "a")[1][0])
    assert scalars(tmp_path / "train", "b")[1] == [float("inf")]
    tags = set(accumulate(tmp_path / "train").Tags()["scalars"])
    assert tags == {"a", "b", "epoch", "examples"}


def test_every_call_has_reached_the_system_when_it_returns(tmp_path: Path, record: Record) -> None:
    threads = threading.active_count()
    tracker = Tracker(tmp_path)
    for step in (1, 2):
        tracker.log(replace(record, step=step))
        assert scalars(tmp_path / "dev", "accuracy")[0][-1] == step
    assert threading.active_count() == threads
    tracker.close()
    tracker.close()


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match=r"cannot make .*a part of the path is a file"):
        Tracker(tmp_path / "file" / "run")


def test_steps_of_pretraining_come_before_those_of_the_run(tmp_path: Path, record: Record) -> None:
    with Tracker(tmp_path, steps_before=100) as tracker:
        tracker.stage(40, {"stage": 1, "step": 40, "train": {"cost": 0.5, "penalty": None}})
        tracker.log(replace(record, step=7))
        tracker.histogram("train", "weights/1", torch.ones(2), 7)
        tracker.final(8, {"train": {"probe_accuracy": 0.9}})
    assert scalars(tmp_path / "train", "pretraining/cost") == ([40], [0.5])
    assert "pretraining/penalty" not in accumulate(tmp_path / "train").Tags()["scalars"]
    assert scalars(tmp_path / "train", "cost")[0] == [107]
    assert scalars(tmp_path / "train", "probe_accuracy") == ([108], rounded([0.9]))
    assert accumulate(tmp_path / "train").Histograms("weights/1")[0].step == 107


def test_histograms(tmp_path: Path) -> None:
    weights = torch.randn(100, 10, generator=torch.Generator().manual_seed(1))
    histogram = Histogram.of(weights)
    assert histogram is not None
    with Tracker(tmp_path) as tracker:
        tracker.histogram("train", "weights/1", weights, 5)
        tracker.histogram("train", "weights/1", weights.numpy(), 6)
        tracker.histogram("train", "weights/1", torch.full((3,), float("nan")), 7)
    first, second = accumulate(tmp_path / "train").Histograms("weights/1")
    assert (first.step, second.step) == (5, 6)
    for event in (first, second):
        value = event.histogram_value
        assert value.bucket == histogram.counts.tolist()
        assert value.bucket_limit == histogram.edges[1:].tolist()
        assert (value.min, value.max, value.num) == (weights.min(), weights.max(), 1000)
        assert value.sum == pytest.approx(weights.sum().item(), rel=1e-5)
        assert value.sum_squares == pytest.approx(weights.square().sum().item(), rel=1e-5)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images(tmp_path: Path, channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (7, 5, channels), np.uint8)
    with Tracker(tmp_path) as tracker:
        tracker.image("dev", "confusion", pixels, 3)
    (event,) = accumulate(tmp_path / "dev").Images("confusion")
    assert (event.step, event.height, event.width) == (3, 7, 5)
    decoded = np.asarray(Image.open(io.BytesIO(event.encoded_image_string)))
    np.testing.assert_array_equal(decoded.reshape(pixels.shape), pixels)


def test_a_tag_of_two_kinds_is_a_bug(tmp_path: Path) -> None:
    with Tracker(tmp_path) as tracker:
        tracker.histogram("train", "weights/1", torch.ones(2), 1)
        tracker.log(Record(1, 0.5, 64, {"dev": {"weights/1": 0.5}}))
        with pytest.raises(AssertionError, match="'weights/1' is written both as histo and as im"):
            tracker.image("train", "weights/1", np.zeros((2, 2, 3), np.uint8), 1)


def test_text(tmp_path: Path) -> None:
    with Tracker(tmp_path) as tracker:
        tracker.config("# xor\n한글\n")
    reader = accumulate(tmp_path / "train")
    (event,) = reader.Tensors("config")
    text = event.tensor_proto.string_val[0].decode()
    assert (event.step, text) == (0, "```yaml\n# xor\n한글\n```")
    assert reader.SummaryMetadata("config").plugin_data.plugin_name == "text"


def test_hparams(tmp_path: Path) -> None:
    settings = {
        "optimizer.lr": 0.1,
        "seed": 3,
        "batch_norm": True,
        "activation": "relu",
        "hidden": [10, 10],
        "clip": None,
    }
    with Tracker(tmp_path) as tracker:
        tracker.hparams(settings, group_name="relu")
        tracker.end_hparams(success=True)
    content = accumulate(tmp_path / "train").PluginTagToContent("hparams")
    start = HParamsPluginData.FromString(content["_hparams_/session_start_info"])
    end = HParamsPluginData.FromString(content["_hparams_/session_end_info"])
    assert start.session_start_info.group_name == "relu"
    written = {
        name: getattr(value, value.WhichOneof("kind"))
        for name, value in start.session_start_info.hparams.items()
    }
    assert written == settings | {"hidden": "[10, 10]", "clip": "null"}
    assert end.session_end_info.status == Status.STATUS_SUCCESS


def test_replayed_steps_appear_once(tmp_path: Path, record: Record) -> None:
    with Tracker(tmp_path) as first:
        for step in range(10):
            first.log(replace(record, step=step))
            first.histogram("train", "weights/1", torch.ones(step + 1), step)
            first.image("dev", "confusion", np.zeros((2, 2, 3), np.uint8), step)
    # It died after step 9; the checkpoint is of step 4. A split that was not logged yet begins.
    more = replace(record, metrics=record.metrics | {"extra": {"cost": 0.5}})
    with Tracker(tmp_path, resume_step=4) as second:
        for step in range(5, 8):
            second.log(replace(more, step=step))
    for split in SPLITS:
        for tag in record.metrics[split]:
            assert scalars(tmp_path / split, tag)[0] == list(range(8))
    assert scalars(tmp_path / "extra", "cost")[0] == [5, 6, 7]
    # What is not logged again is dropped too.
    histograms = accumulate(tmp_path / "train").Histograms("weights/1")
    assert [event.step for event in histograms] == list(range(5))
    assert [event.step for event in accumulate(tmp_path / "dev").Images("confusion")] == [*range(5)]


def test_a_split_that_is_not_logged_again_drops_its_steps(tmp_path: Path, record: Record) -> None:
    with Tracker(tmp_path) as first:
        for step in range(10):
            first.log(replace(record, step=step))
    Tracker(tmp_path, resume_step=4).close()
    for split in SPLITS:
        assert scalars(tmp_path / split, "cost")[0] == [0, 1, 2, 3, 4]


def test_a_run_without_a_checkpoint_starts_all_over(tmp_path: Path, record: Record) -> None:
    for _ in range(3):
        with Tracker(tmp_path, resume_step=-1) as tracker:
            for step in range(3):
                tracker.log(replace(record, step=step))
    assert scalars(tmp_path / "dev", "cost")[0] == [0, 1, 2]


def test_a_torn_event_hides_nothing_that_comes_later(tmp_path: Path, record: Record) -> None:
    with Tracker(tmp_path) as first:
        first.log(replace(record, step=1))
        first.log(replace(record, step=2))
    for path in tmp_path.glob("*/events*"):
        os.truncate(path, path.stat().st_size - 3)
    with Tracker(tmp_path, resume_step=1) as second:
        second.log(replace(record, step=2))
    for split in SPLITS:
        assert scalars(tmp_path / split, "cost")[0] == [1, 2]


@pytest.mark.slow(*SAVING)
def test_killed_and_resumed_equals_never_killed(tmp_path: Path) -> None:
    last = 60
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for delay in (0.0, 0.003, 0.011):
        command = [sys.executable, "-c", TRAINING, str(killed), "1000000"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as training:
            assert training.stdout is not None
            for _ in range(12):
                training.stdout.readline()
            time.sleep(delay)
            training.send_signal(signal.SIGKILL)
    saved = checkpoints.load_newest(killed / "checkpoints")
    assert saved is not None
    last = max(last, saved.step + 3)
    for run in (killed, whole):
        assert subprocess.run([sys.executable, "-c", TRAINING, str(run), str(last)]).returncode == 0

    assert (killed / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()
    assert len(list((killed / "train").iterdir())) == 4
    for split, tag in (("train", "cost"), ("dev", "cost"), ("dev", "odd"), ("test", "cost")):
        steps, values = series(read(killed / "metrics.jsonl"), split, tag)
        assert scalars(killed / split, tag) == (steps, rounded(values))
        assert scalars(whole / split, tag) == (steps, rounded(values))
    histograms = accumulate(killed / "train").Histograms("weights/1")
    assert [event.step for event in histograms] == list(range(last + 1))


def test_a_full_disk(tmp_path: Path, small_limit: int) -> None:
    with Tracker(tmp_path) as tracker:
        tracker.log(Record(1, 0.5, 64, {"dev": {"cost": 1.0}}))
        with pytest.raises(StorageError, match=r"cannot write .*tfevents.*: File too large"):
            tracker.config("x" * small_limit)
        tracker.config("short\n")
        tracker.log(Record(2, 1.0, 128, {"dev": {"cost": 0.5}}))
    text = accumulate(tmp_path / "train").Tensors("config")[0].tensor_proto.string_val
    assert text == [b"```yaml\nshort\n```"]
    assert scalars(tmp_path / "dev", "cost") == ([1, 2], [1.0, 0.5])


def test_logging_is_cheap(tmp_path: Path, record: Record) -> None:
    record = replace(record, metrics=dict.fromkeys(SPLITS, record.metrics["train"]))
    weights = torch.randn(270_000)
    metrics = MetricsFile(tmp_path / "metrics.jsonl")
    with Tracker(tmp_path) as tracker:
        tracker.log(replace(record, step=0))
        tracker.histogram("train", "weights/1", weights, 0)
        start = time.process_time()
        for step in range(1, 201):
            now = replace(record, step=step)
            metrics.append(lines(of_one(now), [1.25], START))
            tracker.log(now)
        logged = time.process_time()
        for step in range(1, 11):
            tracker.histogram("train", "weights/1", weights, step)
        counted = time.process_time()
    metrics.close()
    # 30 ms and 4 ms each where it was written; the margin is for slower machines.
    assert logged - start < 0.2
    assert (counted - logged) / 10 < 0.02


def test_no_text_of_a_config_ends_its_fence(tmp_path: Path) -> None:
    with Tracker(tmp_path) as tracker:
        tracker.config("name: a\n```\n![t](http://x)\u202e\n")
    [event] = accumulate(tmp_path / "train").Tensors("config")
    [text] = event.tensor_proto.string_val
    assert text.decode() == "````yaml\nname: a\n```\n![t](http://x)\\u202e\n````"
