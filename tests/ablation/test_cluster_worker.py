"""What travels to a worker of a cluster and back, without a cluster."""

import dataclasses
import importlib.util
import os
import pickle
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from dlx import api
from dlx.ablation.cluster import Cluster, _Node, asked_of, order_of
from dlx.ablation.cluster_worker import (
    Asked,
    _scratch,
    difference,
    facts,
    news,
    write_ended,
    write_saved,
)
from dlx.ablation.execution import Work
from dlx.ablation.ledger import Ledger
from dlx.ablation.plan import source_of
from dlx.ablation.relay import _task
from dlx.ablation.session import _pretrain, train
from dlx.config.dump import to_plain
from dlx.config.load import dump
from dlx.data.pipeline import Pool
from dlx.errors import ConfigError, DlxError
from dlx.runs import RunDirectory, checkpoints, documents, locks, make_directory
from dlx.runs.ablations import cohort_folder
from dlx.runs.info import describe
from dlx.training.exactness import InexactError
from tests.same_folders import assert_same

CONFIG: dict[str, Any] = {
    "name": "sent",
    "data": {"name": "digits", "limit": 90},
    "model": {"hidden": [4]},
    "train": {"epochs": 3, "batch_size": 30, "checkpoint_seconds": 0},
}
TABLE = "x,color,y\n" + "".join(f"{n % 7},{'rgb'[n % 3]},{n % 2}\n" for n in range(60))
CASES: dict[str, list[str]] = {
    "the native engine": [],
    "torch's engine": ["train.engine=torch"],
    "a table": ["data={name: csv, path: table.csv, target: y}"],
    "stages of pre-training": ["pretrain={epochs: 1}"],
    "folds": ["ablation.folds=2"],
}


class Sent:
    """An ablation of one cohort, which a worker trains that gets and gives nothing but bytes."""

    def __init__(self, folder: Path, overrides: list[str]) -> None:
        read = api.read_ablation(CONFIG, overrides, varied=["train.clip_norm=null,1"], seeds=2)
        self.plan = api.plan_ablation(read)
        text, told = dump(self.plan.config), describe() | {"plugins": []}
        local, self.run = (
            RunDirectory.create(
                folder / name, "sent", config=text, config_name="ablation.yaml", kind="ablation"
            )
            for name in ("local", "sent")
        )
        self.local = local.path
        train(self.plan, local, told, lambda progress: None, lambda: False)
        self.work = Work(self.plan, self.run.path, told, lambda progress: None, lambda: False)
        [self.cohort] = self.plan.cohorts
        self.folder = cohort_folder(self.run.path, 1)
        self.ledger = Ledger(self.plan, self.run.path)

    def asked(self) -> Asked:
        runs = self.ledger.unfinished(self.cohort.runs)
        return asked_of(self.work, to_plain(self.plan.config), self.cohort, runs)

    def news(self, asked: Asked, *, stop: bool = False) -> Iterator[tuple[str, Any]]:
        """Give the news of a worker, which are written."""
        order = order_of(self.work, to_plain(self.plan.config), list, 0.2)
        configs = [run.arm.config for run in self.plan.runs("comparison")]
        datasets = {source_of(config): self.plan.dataset(config) for config in configs}
        order, asked, datasets = pickle.loads(pickle.dumps((order, asked, datasets)))
        pools = {source: Pool(dataset) for source, dataset in datasets.items()}
        for piece in news(order, asked, pools, lambda: stop):
            kind, content = pickle.loads(pickle.dumps(piece))
            if kind == "saved":
                write_saved(self.folder, content)
            elif kind == "ended":
                write_ended(self.folder, content)
            yield kind, content


@pytest.mark.parametrize("case", CASES)
def test_a_worker_that_dies_and_one_that_goes_on_give_the_bytes_of_this_machine(
    case: str, tmp_path: Path, one_thread: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("table.csv").write_text(TABLE)
    sent = Sent(tmp_path, CASES[case])
    if "pre-training" in case:
        observer: Any = type("Observer", (), {"hear_stage": lambda self, stage: None})()
        _pretrain(sent.plan, sent.run, sent.plan.cohorts, observer, sent.ledger, lambda: False)
    for kind, _ in sent.news(sent.asked()):
        if kind == "saved":
            break  # nothing more is heard of this worker
    assert checkpoints.newest_step(sent.folder / "checkpoints")
    asked = sent.asked()
    assert any(name.startswith("checkpoints/") for name in asked.files)
    kinds = [kind for kind, _ in sent.news(asked)]
    assert kinds[-2:] == ["ended", "done"]
    sent.ledger.add(sent.cohort)
    assert_same(sent.run.path, sent.local)
    assert not (sent.folder / "checkpoints").exists()


def test_a_worker_that_is_told_to_stop_saves(tmp_path: Path, one_thread: None) -> None:
    sent = Sent(tmp_path, ["train.epochs=6"])
    kinds = [kind for kind, _ in sent.news(sent.asked(), stop=True)]
    assert kinds[-2:] == ["saved", "stopped"]
    assert [kind for kind, _ in sent.news(sent.asked())][-1] == "done"
    sent.ledger.add(sent.cohort)
    assert_same(sent.run.path, sent.local)


def test_folders_of_workers_that_were_killed_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    killed, trains, begins = (tmp_path / f"dlx-cohort-{name}" for name in ("a", "b", "c"))
    for folder in (killed, trains, begins):
        folder.mkdir()
        (folder / ".lock").touch()
    with locks.hold(trains / ".lock"):
        for folder in (killed, trains):
            os.utime(folder / ".lock", (0, 0))
        with _scratch() as own:
            assert {path.name for path in tmp_path.iterdir()} == {
                own.name,
                trains.name,
                begins.name,
            }
    assert not own.exists()


def test_what_a_host_cannot_train_is_said_with_its_name(tmp_path: Path, one_thread: None) -> None:
    sent = Sent(tmp_path, ["train.engine=torch"])
    asked = sent.asked()

    def refusal(changed: Asked) -> DlxError:
        [(kind, error)] = sent.news(changed)
        assert kind == "broken"
        assert str(error).startswith(f"{socket.gethostname()}: ")
        return error

    error = refusal(dataclasses.replace(asked, data="0" * 64))
    assert isinstance(error, ConfigError) and "have another digest there" in str(error)
    native = dataclasses.replace(asked.cohort, engine="native")
    error = refusal(dataclasses.replace(asked, cohort=native))
    assert "was planned for the native engine, but there it would be trained by torch" in str(error)
    model = to_plain(sent.plan.config.model) | {"from_run": str(tmp_path / "elsewhere")}
    arms = tuple(
        dataclasses.replace(arm, differences={**arm.differences, "model": model})
        for arm in asked.arms
    )
    error = refusal(dataclasses.replace(asked, arms=arms))
    assert isinstance(error, ConfigError)
    assert "elsewhere" in str(error) and "have the same files on all nodes" in str(error)

    for kind, _ in sent.news(asked):
        if kind == "saved":
            break
    saved = checkpoints.load_newest(sent.folder / "checkpoints")
    assert saved is not None
    saved.path.unlink()
    other = saved.metadata | {"processor": "Z80"}
    checkpoints.save(sent.folder / "checkpoints", saved.step, saved.tensors, other)
    error = refusal(sent.asked())
    assert isinstance(error, InexactError) and "was saved with Z80" in str(error)


def test_another_dlx_is_a_difference() -> None:
    ours = facts("cpu") | {"dlx": "0.1.0"}
    assert difference(ours, ours | {"host": "other", "processor": "Z80"}) is None
    assert difference(ours, ours | {"dlx": "0.0.9"}) == "it has dlx 0.0.9, and this machine 0.1.0"
    assert "other files (SHA-256 000000000000…)" in str(difference(ours, ours | {"code": "0" * 64}))


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs dlx[ray]")
def test_an_object_store_that_is_full_is_said(
    tmp_path: Path, one_thread: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray
    from ray.exceptions import ObjectStoreFullError, OutOfDiskError

    sent = Sent(tmp_path, [])
    cluster = Cluster(("head", 1), None, 0.0, list)
    runs = sent.plan.runs("comparison")
    for kind in (ObjectStoreFullError, OutOfDiskError):
        full = Mock(side_effect=kind(b"\x1c\xff"))
        monkeypatch.setattr(ray, "put", full)
        with pytest.raises(ConfigError, match=r"^digits: the data fit neither into Ray's object"):
            cluster.put(sent.plan, [run.arm.config for run in runs])
        monkeypatch.setattr("dlx.ablation.relay._pool", full)
        order = order_of(sent.work, to_plain(sent.plan.config), list, 0.2)
        [(news, error)] = _task(order, sent.asked(), {"cpu": None}, Mock())
        assert news == "broken" and isinstance(error, ConfigError)
        assert str(error).startswith(f"{socket.gethostname()}: the data fit neither into Ray's")
        assert "ray start --object-store-memory BYTES" in str(error)


def test_runs_of_torchs_engine_go_to_one_kind_of_host(tmp_path: Path, one_thread: None) -> None:
    many, few = ("Z80", "2.10.0"), ("6502", "2.10.0")
    cluster = Cluster(("head", 1), None, 0.0, list)
    cluster._nodes = {"a": _Node("a", "a", 4, kind=many), "b": _Node("b", "b", 2, kind=few)}
    by_torch, native = Sent(tmp_path / "1", ["train.engine=torch"]), Sent(tmp_path / "2", [])
    cluster.choose_kind(by_torch.run.path, by_torch.plan)
    assert cluster.kind == many
    taken = []
    while (node := cluster.free()) is not None:
        node.busy += 1
        taken.append(node.name)
    assert taken == ["a"] * 4
    make_directory(by_torch.folder)
    begun = {"runs": [], "shared": [], "metrics_bytes": 0, "digests": {}, "versions": {}}
    begun |= {
        "command": None,
        "git_commit": None,
        "plugins": [],
        "host": {"name": "b", "processor": "6502"},
    }
    documents.write(by_torch.folder / "cohort.json", begun)
    cluster.choose_kind(by_torch.run.path, by_torch.plan)  # where it began
    assert cluster.kind == few
    cluster.choose_kind(native.run.path, native.plan)
    node = cluster.free()
    assert cluster.kind is None and node is not None and node.name == "b"
