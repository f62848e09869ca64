"""`train.engine`: what the native engine trains, and what it refuses with the key and the cure."""

from pathlib import Path

import pytest

from dlx.native import library
from tests.cli.conftest import Command
from tests.guarded import TOGETHER

pytestmark = pytest.mark.usefixtures("without_pictures")

REFUSED = {
    "train.accumulate=2": "train.accumulate: a batch in parts",
    "optimizer.name=lbfgs": "optimizer: lbfgs",
    "optimizer.name=muon": "optimizer: muon",
    "train.matmul_precision=medium": "train.matmul_precision: medium",
    "model={name: recurrent}": "model: recurrent layers",
    "model={name: rbm, hidden: 20}": "model: Boltzmann machines",
    "model={name: autoencoder, encoder: [4], contractive: 0.1}": "model.contractive",
    "model={name: autoencoder, encoder: [4], variational: {beta: 1}}": "model: code layers",
    "model={output: softmax, loss: mse}": "model.output: softmax",
}


@pytest.mark.parametrize("override", REFUSED)
def test_what_is_not_covered_is_refused(override: str, dlx: Command) -> None:
    plain = ["train.steps=2", "train.engine=native"]
    for command in (["train"], ["train", "--dry-run"]):
        ended = dlx(*command, "digits", *plain, override)
        assert ended.code == 2, ended.err
        expected = f"error: train.engine: received native, which does not cover {REFUSED[override]}"
        assert ended.err.startswith(expected), ended.err
        assert ended.err.rstrip().endswith("use engine: torch")
    assert not Path("runs").exists()


COVERED = [
    "model.dropout={input: 0.1, hidden: 0.3}",
    "model.dropout={name: drop_connect, hidden: 0.2}",
    "model.dropout={name: gaussian_dropout, hidden: 0.2}",
    "model.noise=0.1",
    "data.augment={noise: 0.1}",
    "data.augment={shift: 0.1, rotation: 10, elastic: 0.5}",
    "model={name: autoencoder, encoder: [16], corruption: masking, emphasis: {clean: 0.5}}",
    "model.hidden=[{name: maxout, units: 6}]",
    "model.hidden=[{name: residual, layers: [8, 64]}, {name: branch, branches: [[3], []]}]",
    "model={name: autoencoder, encoder: [16, 8], tied: true}",
    "model={name: autoencoder, encoder: [16], k_sparse: 4, code_activation: sigmoid}",
    "model.batch_norm=true",
    "train.average=ema",
    "optimizer={name: radam, weight_decay: 0.01, decay: weights}",
    "train.early_stopping={patience: 1}",
    "optimizer.schedule={name: reduce_on_plateau, patience: 0}",
]


@pytest.mark.slow(*TOGETHER)
@pytest.mark.parametrize("override", COVERED)
def test_what_is_covered_trains_resumes_and_is_verified(override: str, dlx: Command) -> None:
    plain = ["train.epochs=3", "train.engine=native", "name=run"]
    ended = dlx("train", "digits", *plain, override, "--quiet")
    assert ended.code == 0, ended.err
    more = dlx("resume", "run", "train.epochs=4", "--quiet")
    assert more.code == 0, more.err
    again = dlx("verify", "run", "--json")
    assert again.code == 0, again.err
    [run] = again.json["verified"]
    assert run["identical"]


def test_an_ablation_trains_on_both_engines(dlx: Command) -> None:
    vary = ["--vary", "train.engine=torch,native", "--seeds", "3"]
    ended = dlx("ablate", "digits", "train.epochs=3", *vary, "--json")
    assert ended.code == 0, ended.err


def test_a_run_keeps_its_engine(dlx: Command) -> None:
    short = ["train.epochs=1", "name=run", "train.engine=torch"]
    assert dlx("train", "digits", *short, "--quiet").code == 0
    ended = dlx("resume", "run", "train.engine=native", "train.epochs=2")
    assert ended.code == 2
    assert "train.engine: the steps of this run so far are those of torch" in ended.err


def test_a_library_that_was_not_built_is_said(
    dlx: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(library, "LIBRARIES", tmp_path / "none")
    library.forget()
    ended = dlx("train", "digits", "train.engine=native")
    library.forget()
    assert ended.code == 2
    assert "train.engine: received native, but the native library was not built" in ended.err
    assert ended.err.rstrip().endswith("or use engine: torch")


@pytest.mark.parametrize(
    "override", ["model.batch_norm=true", "train.early_stopping={patience: 1}"]
)
def test_what_is_said_of_a_run_is_what_its_training_measured(override: str, dlx: Command) -> None:
    plain = ["train.epochs=3", "train.engine=native", "name=run", "log.metrics=[accuracy, f1, auc]"]
    ended = dlx("train", "digits", *plain, override, "--json")
    assert ended.code == 0, ended.err
    said = dlx("evaluate", "run", "--json")
    assert said.code == 0, said.err
    assert {"train", "dev"} <= set(ended.json["metrics"])
    for split, values in ended.json["metrics"].items():
        for name, value in values.items():
            assert said.json["metrics"][split][name] == value, (split, name)


def test_another_level_verifies_a_run(dlx: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = ["train.epochs=3", "train.engine=native", "name=run"]
    watching = "optimizer.schedule={name: reduce_on_plateau, patience: 0}"
    assert dlx("train", "digits", *plain, watching, "--quiet").code == 0
    monkeypatch.setenv(library.LEVEL_VARIABLE, library.levels()[0])
    again = dlx("verify", "run", "--json")
    assert again.code == 0, again.err
    [run] = again.json["verified"]
    assert run["identical"]
