"""Every key of train and log, changed on a run that has begun: honoured, or refused."""

import os
import shutil
import signal
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dlx import api
from dlx.config.schema import LogConfig, TrainConfig
from dlx.errors import ConfigError, DlxWarning, Interrupted, RunError
from dlx.runs import checkpoints

pytestmark = pytest.mark.usefixtures("without_pictures")

CONFIG: dict[str, Any] = {
    "name": "begun",
    "data": {"name": "digits", "limit": 90},
    "model": {"hidden": [5]},
    "train": {"epochs": 2, "batch_size": 30, "checkpoint_seconds": 0, "engine": "torch"},
}
LONGER = "train.epochs=4"
# By key: its new value, and the reason why it is refused (empty: it is honoured).
CHANGES: dict[str, tuple[str, str]] = {
    "train.epochs": ("4", ""),
    "train.steps": ("12", ""),
    "train.batch_size": ("15", r"keeps its train\.batch_size"),
    "train.device": ("cpu", ""),
    "train.engine": ("native", r"train\.engine: the steps of this run so far are those of torch"),
    "train.accumulate": ("2", r"train\.accumulate: a run that has begun keeps it"),
    "train.matmul_precision": ("high", ""),
    "train.clip_norm": ("0.01", ""),
    "train.clip_value": ("0.001", ""),
    "train.penalty": ("{l2: 0.5}", ""),
    "train.max_norm": ("0.1", ""),
    "train.average": ("ema", r"train\.average: the mean is taken over all steps"),
    "train.early_stopping": (
        "{metric: dev.cost, patience: 3}",
        r"train\.early_stopping: this run has watched no metric so far",
    ),
    "train.checkpoint_seconds": ("100", ""),
    "log.level": ("full", ""),
    "log.points": ("2", ""),
    "log.metrics": ("[accuracy, f1]", ""),
    "log.every": ("2", ""),
}


def test_every_key_is_tried() -> None:
    keys = {f"train.{key}" for key in TrainConfig.model_fields}
    assert keys | {f"log.{key}" for key in LogConfig.model_fields} == CHANGES.keys()


@pytest.mark.parametrize("key", CHANGES)
def test_a_changed_key_is_honoured_or_refused(key: str, tmp_path: Path, one_thread: None) -> None:
    value, refusal = CHANGES[key]
    run = api.train(CONFIG, runs_dir=tmp_path)
    before = (run.path / "config.yaml").read_bytes(), (run.path / "run.json").read_bytes()
    changes = [f"{key}={value}", *([] if key in ("train.epochs", "train.steps") else [LONGER])]
    if refusal:
        with pytest.raises(ConfigError, match=refusal):
            api.resume(run.path, changes)
        after = (run.path / "config.yaml").read_bytes(), (run.path / "run.json").read_bytes()
        assert before == after
        assert api.load(run.path).status == "completed"
        return
    longer = api.resume(run.path, changes)
    assert (longer.status, longer.info["steps"]) == ("completed", 12)
    unchanged = api.resume(api.train(CONFIG, runs_dir=tmp_path).path, [LONGER])
    ours, others = longer.tensors, unchanged.tensors
    is_same = all(ours[name].equal(others[name]) for name in others)
    changes_training = key in (
        *("train.clip_norm", "train.clip_value", "train.penalty", "train.max_norm"),
    )
    assert is_same != changes_training
    new, old = longer.history, unchanged.history
    if key == "log.every":
        assert [line["step"] for line in new] == [0, 3, 6, 8, 10, 12]
    elif key == "log.metrics":
        assert "f1" in new[-1]["dev"] and "f1" not in new[0]["dev"]
    elif key == "log.level":
        shown = EventAccumulator(str(longer.path / "train")).Reload()
        steps = [histogram.step for histogram in shown.Histograms("activations/1")]
        assert steps and steps[0] >= 8  # from where it was resumed
    elif key == "log.points":
        assert [line["step"] for line in new] == [0, 3, 6, 12]
    elif key == "train.steps":  # with steps, evaluations come at any step
        assert [line["step"] for line in new] == [0, 3, *range(6, 13)]
    else:
        assert [line["step"] for line in new] == [line["step"] for line in old]


@pytest.mark.parametrize(
    ("change", "steps"),
    [
        ("train.early_stopping.patience=1", 6),
        ("train.early_stopping={metric: dev.cost, patience: 4}", 15),
        ("train.early_stopping=null", 30),
    ],
)
def test_a_changed_patience_is_that_of_a_run_that_always_had_it(
    change: str, steps: int, tmp_path: Path, one_thread: None
) -> None:
    """The rate is so high that the watched cost is never again what it was at the start."""
    stopping = "train.early_stopping={metric: dev.cost, patience: 8}"
    run = api.train(CONFIG, [stopping, "train.epochs=2", "optimizer.lr=3"], runs_dir=tmp_path)
    best = min(run.history, key=lambda line: line["stop"]["cost"])["step"]
    longer = api.resume(run.path, [change, "train.epochs=10"])
    always = api.train(
        CONFIG, [stopping, change, "train.epochs=10", "optimizer.lr=3"], runs_dir=tmp_path
    )
    if change.endswith("null"):
        assert (longer.info["weights"], longer.info["steps"]) == ("last", steps)
    else:
        assert longer.info["weights"] == "best"
    if always.info["steps"] >= 6:  # else it would have stopped before it was resumed
        assert longer.info["steps"] == always.info["steps"]
        assert all(longer.tensors[name].equal(always.tensors[name]) for name in always.tensors)
    assert best == 0 or longer.info["steps"] >= best


def test_another_watched_metric_is_refused(tmp_path: Path) -> None:
    stopping = "train.early_stopping={metric: dev.cost, patience: 3}"
    run = api.train(CONFIG, [stopping], runs_dir=tmp_path)
    with pytest.raises(
        ConfigError, match=r"has watched stop\.cost so far .*best by stop\.accuracy"
    ):
        api.resume(run.path, ["train.early_stopping.metric=dev.accuracy", LONGER])


def test_fewer_steps_than_taken_are_refused(tmp_path: Path) -> None:
    run = api.train(CONFIG, runs_dir=tmp_path)
    with pytest.raises(ConfigError, match=r"3 steps are asked for, but the run has taken 6"):
        api.resume(run.path, ["train.epochs=1"])


def test_fewer_epochs_than_a_killed_run_has_taken_are_refused(tmp_path: Path) -> None:
    """run.json of a run that was killed does not say how far it came; its checkpoints do."""
    run = api.train(CONFIG, runs_dir=tmp_path)
    run.directory.write_info(status="running", steps=None, metrics=None)
    before = (run.path / "config.yaml").read_bytes()
    with pytest.raises(ConfigError, match=r"3 steps are asked for, but the run has taken 6"):
        api.resume(run.path, ["train.epochs=1"])
    assert (run.path / "config.yaml").read_bytes() == before


@pytest.mark.parametrize(
    "change", ["seed=1", "model.activation=tanh", "optimizer.lr=0.3", "data.noise=0.4", "name=b"]
)
def test_a_checkpoint_of_another_run_is_refused(change: str, tmp_path: Path) -> None:
    """Its digest is right, and it may fit; runs of one config and seed have the same bits."""
    own, other = (
        api.train(CONFIG | {"data": "moons", "name": "a"}, changes, runs_dir=tmp_path).path
        for changes in ([], [change])
    )
    shutil.rmtree(own / "checkpoints")
    shutil.copytree(other / "checkpoints", own / "checkpoints")
    before = (own / "run.json").read_bytes()
    with pytest.raises(RunError, match=r"safetensors is a checkpoint of another run.*delete it"):
        api.resume(own, [LONGER])
    assert (own / "run.json").read_bytes() == before


@pytest.mark.parametrize(
    ("fields", "tensors", "said"),
    [
        ({"members": True}, {}, "its trainer.members is True; put it back"),
        ({"summed_from": ["x"]}, {}, r"its trainer.summed_from\[0\] is 'x'"),
        ({}, {"sums": None}, r"what it holds does not fit the run \('sums'\); delete it to go on"),
        ({}, {"gradients": torch.zeros(3, 2)}, "what it holds does not fit the run .*; delete it"),
    ],
)
def test_a_checkpoint_of_another_shape_whose_digest_is_right_is_refused(
    fields: dict[str, Any], tensors: dict[str, Any], said: str, tmp_path: Path
) -> None:
    folder = api.train(CONFIG, runs_dir=tmp_path).path / "checkpoints"
    saved = checkpoints.load_newest(folder)
    assert saved is not None
    trainer = saved.metadata["trainer"] | fields
    whole = {k: v for k, v in (saved.tensors | tensors).items() if v is not None}
    checkpoints.save(folder, saved.step, whole, saved.metadata | {"trainer": trainer})
    with pytest.raises(RunError, match=f"safetensors is damaged: {said}"):
        api.resume(folder.parent, [LONGER])


def test_changed_lines_get_no_new_digest(tmp_path: Path) -> None:
    """Each line has a right CRC, and one ends where the checkpoint stood."""
    run = api.train(CONFIG, runs_dir=tmp_path)
    path = run.path / "metrics.jsonl"
    content = path.read_bytes()
    path.write_bytes(b"".join(reversed(content.splitlines(keepends=True))))
    with pytest.raises(
        RunError, match=r"metrics\.jsonl is damaged, or was changed after dlx wrote"
    ):
        api.resume(run.path, [LONGER])
    path.write_bytes(content)
    assert api.resume(run.path, [LONGER]).status == "completed"


def test_a_checkpoint_whose_name_says_another_step_is_refused(tmp_path: Path) -> None:
    run = api.train(CONFIG, runs_dir=tmp_path)
    newest = max((run.path / "checkpoints").iterdir())
    newest.rename(newest.with_name(newest.name.replace("step=0000000", "step=0000001")))
    with pytest.raises(RunError, match=r"or of another step than its name says; delete it"):
        api.resume(run.path, ["train.epochs=9"])
    max((run.path / "checkpoints").iterdir()).unlink()
    assert api.resume(run.path, [LONGER]).status == "completed"


def test_without_a_checkpoint_a_run_does_not_begin_anew_under_another_config(
    tmp_path: Path,
) -> None:
    run = api.train(CONFIG, runs_dir=tmp_path)
    before = (run.path / "config.yaml").read_bytes()
    [*files] = (run.path / "checkpoints").iterdir()
    contents = [file.read_bytes() for file in files]
    for file in files:
        file.write_bytes(b"damaged")
    with pytest.raises(RunError, match=r"no checkpoint in .* can be used; train the run again"):
        api.resume(run.path, [LONGER])
    for file in files:
        file.unlink()
    with pytest.raises(RunError, match="has no checkpoint to go on from; train a new run"):
        api.resume(run.path, [LONGER])
    assert (run.path / "config.yaml").read_bytes() == before
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    assert api.resume(run.path, [LONGER]).info["steps"] == 12


SCHEDULES = {
    "cosine": True,
    "one_cycle": True,
    "constant": False,
    "exponential": False,
    "{name: step, every: 2}": False,
    "reduce_on_plateau": False,
}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_stretched_schedule_is_said_and_recorded(schedule: str, tmp_path: Path) -> None:
    run = api.train(CONFIG, [f"optimizer.schedule={schedule}"], runs_dir=tmp_path)
    training = api.resumed_training(run.path, [LONGER])
    assert training is not None and len(training.remarks) == SCHEDULES[schedule]
    longer = training.train()
    [entry] = longer.info["resumed"]
    assert longer.result()["resumed"] == [entry]
    assert {key: entry[key] for key in ("step", "changes", "num_steps", "stretched")} == {
        "step": 6,
        "changes": [LONGER],
        "num_steps": [6, 12],
        "stretched": SCHEDULES[schedule],
    }
    if SCHEDULES[schedule]:
        assert (
            "was planned for 6 steps, of which 6 are taken, and is stretched to 12: the rate"
            in (training.remarks[0])
        )
    assert api.verify(run.path)["verified"][0]["identical"]
    again = api.resumed_training(run.path, ["train.epochs=6", "log.points=3"])
    assert again is not None
    assert [len(entry["changes"]) for entry in again.train().info["resumed"]] == [1, 2]


CHANGED = (
    ["train.clip_norm=0.1", "train.epochs=6"],
    ["train.penalty={l2: 0.1}", "log.every=2", "train.clip_norm=null", "train.epochs=8"],
)


def test_verify_repeats_what_was_changed_on_resume(tmp_path: Path, one_thread: None) -> None:
    run = api.resume(api.train(CONFIG, runs_dir=tmp_path).path, [LONGER])
    for changes in CHANGED:
        run = api.resume(run.path, changes)
        assert api.verify(run.path)["verified"][0]["identical"]
    entries = run.info["resumed"]
    assert [entry["step"] for entry in entries] == [6, 12, 18]
    assert entries[1]["replaced"] == {"train.clip_norm": None, "train.epochs": 4}
    told = [{**entry, "replaced": {}} for entry in entries]
    run.directory.write_info(resumed=told)  # as if the run had been so from the start
    assert not api.verify(run.path)["verified"][0]["identical"]


def test_verify_repeats_a_change_of_a_run_that_was_stopped(
    tmp_path: Path, one_thread: None
) -> None:
    """Where it stopped in an epoch, and where only a checkpoint before the evaluation is left."""
    job = api.prepare(CONFIG, ["train.epochs=6", "log.every=1"])
    training = api.new_training(job, runs_dir=tmp_path)
    with pytest.raises(Interrupted):
        training.train(lambda p: os.kill(os.getpid(), signal.SIGINT) if p.step == 7 else None)
    newest, before = sorted((training.path / "checkpoints").iterdir(), reverse=True)
    changes = ["train.clip_norm=0.1", "log.every=4"]
    kept = tmp_path / "kept"
    shutil.copytree(training.path, kept / "begun" / "other")
    for folder in (training.path, kept / "begun" / "other"):
        run = api.resume(folder, changes)
        assert run.info["steps"] == 18
        assert api.verify(run.path)["verified"][0]["identical"]
        [entry] = run.info["resumed"]
        (kept / "begun" / "other" / "checkpoints" / newest.name).unlink(missing_ok=True)
    assert (entry["step"], entry["evaluated"]) == (6, False)
    assert before.name.startswith("step=00000006")


def test_what_earlier_versions_did_not_record_is_not_verified(tmp_path: Path) -> None:
    run = api.resume(api.train(CONFIG, runs_dir=tmp_path).path, ["train.clip_norm=1", LONGER])
    [entry] = run.info["resumed"]
    entry = {key: value for key, value in entry.items() if key not in ("replaced", "evaluated")}
    run.directory.write_info(resumed=[entry])
    message = r"it went on at step 6 with train\.clip_norm=1 train\.epochs=4; verify a run"
    with pytest.raises(RunError, match=message):
        api.verify(run.path)


def test_the_config_of_a_run_that_was_changed_is_not_its_whole_story(tmp_path: Path) -> None:
    run = api.train(CONFIG, runs_dir=tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        api.prepare(run.path / "config.yaml")
    api.resume(run.path, [LONGER])
    told = (
        r"config\.yaml is not the whole story of its run: it went on at step 6 with train\.epochs=4"
    )
    with pytest.warns(DlxWarning, match=told):
        api.prepare(run.path / "config.yaml")


def test_a_cut_config_of_a_run_is_told_when_it_is_trained(tmp_path: Path) -> None:
    """Without its last lines it is the config of another seed, as valid as before."""
    path = api.train(CONFIG, ["seed=7"], runs_dir=tmp_path).path / "config.yaml"
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"\nseed:") + 1])
    with pytest.warns(DlxWarning, match=r"config\.yaml was cut or changed after dlx wrote it, and"):
        assert api.prepare(path).config.seed == 0


def test_what_fails_before_it_goes_on_leaves_a_finished_run_as_it_was(tmp_path: Path) -> None:
    run = api.train(CONFIG, runs_dir=tmp_path)
    metrics = run.path / "metrics.jsonl"
    metrics.write_bytes(metrics.read_bytes()[:-3])
    before = {path.name: path.read_bytes() for path in run.path.iterdir() if path.is_file()}
    with pytest.raises(RunError, match="is not the file that the checkpoint was saved with"):
        api.resume(run.path, [LONGER])
    assert api.load(run.path).status == "completed"
    after = {path.name: path.read_bytes() for path in run.path.iterdir() if path.is_file()}
    assert {k: v for k, v in before.items() if k != ".lock"} == {
        k: v for k, v in after.items() if k != ".lock"
    }


def test_a_change_that_is_none_is_not_recorded(tmp_path: Path) -> None:
    run = api.train(CONFIG, runs_dir=tmp_path)
    assert "resumed" not in api.resume(run.path, ["train.epochs=2"]).info


def test_a_run_of_an_ablation_stays_as_it_is_and_becomes_a_new_one(tmp_path: Path) -> None:
    ablation = api.ablate(CONFIG, varied=["model.activation=relu,tanh"], seeds=1, runs_dir=tmp_path)
    run = api.load(f"{ablation.path}#2")
    assert api.resume(run.path).path == run.path
    longer = api.resume(run.path, [LONGER], runs_dir=tmp_path)
    assert (longer.path.parent, longer.info["steps"]) == (tmp_path / "begun", 12)
    assert longer.config.model.activation.name == "tanh"
    assert run.info == api.load(run.path).info
