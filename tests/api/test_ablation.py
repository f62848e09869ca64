"""An ablation in its directory: trained, stopped, resumed, widened, repeated."""

import csv
import json
import os
import signal
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from dlx import api
from dlx.ablation.session import Progress
from dlx.ablation.statistics.intervals import spread_of
from dlx.ablation.statistics.rows import difference, with_rows
from dlx.api.ablation import CrashedError
from dlx.errors import ConfigError, Interrupted, RunError
from dlx.runs.ablations import read_index
from dlx.training.finding import materialise
from dlx.training.job import Job
from tests.guarded import ABLATIONS

CONFIG = {
    "name": "small",
    "data": "xor",
    "model": {"hidden": [4]},
    "optimizer": {"name": "sgd", "lr": 0.5},
    "train": {"steps": 40, "batch_size": "all", "checkpoint_seconds": 0},
    "log": {"every": 5},
}
VARIED = ["model.activation=relu,tanh", "optimizer=sgd,adam"]
CLOCKS = ("seconds", "time", "crc")


def ablate(folder: Path, *overrides: str, **options: Any) -> api.Ablation:
    settings = {"varied": VARIED, "seeds": 3, "runs_dir": folder} | options
    return api.ablate(CONFIG, list(overrides), **settings)


def runs_of(path: Path) -> dict[str, api.Run]:
    """Return the runs of an ablation that have weights, by name, tuning included."""
    ended = read_index(path).values()
    scored = [run for run in ended if run.status in ("completed", "stopped_early")]
    return {run.name: api.load(materialise(path, run).path) for run in scored}


def assert_same_runs(one: Path, other: Path) -> None:
    """Compare all but clocks: weights, metrics and how each run ended."""
    these, those = runs_of(one), runs_of(other)
    assert these.keys() == those.keys() and these
    for name, run in these.items():
        ours, others = (load_file(r.path / "weights.safetensors") for r in (run, those[name]))
        assert all(ours[key].equal(others[key]) for key in others), name
        lines = [
            [{k: v for k, v in line.items() if k not in CLOCKS} for line in each.history]
            for each in (run, those[name])
        ]
        assert lines[0] == lines[1], name
        assert run.metrics == those[name].metrics


@pytest.mark.usefixtures("without_pictures")
def test_every_run_is_an_ordinary_run(tmp_path: Path, one_thread: None) -> None:
    ended = ablate(tmp_path)
    assert ended.status == "completed"
    runs = runs_of(ended.path)
    assert len(runs) == 4 * 3
    run = runs["activation=tanh optimizer=adam/seed=2"]
    assert run.path == api.load(f"{ended.path}#12").path
    assert run.path == api.load(f"{ended.path}/activation=tanh optimizer=adam@2").path
    assert (
        run.path == api.load("small/activation=tanh optimizer=adam/seed=2", runs_dir=tmp_path).path
    )
    assert run.config.model.activation.name == "tanh"
    assert (run.config.optimizer.name, run.config.seed, run.status) == ("adam", 2, "completed")
    assert run.evaluate()["dev"] == run.metrics["dev"]
    assert run.predict(np.array([[0.0, 1.0]])).shape == (1, 1)
    assert [line["step"] for line in run.history] == list(range(0, 41, 5))
    alone = api.train(run.config, runs_dir=tmp_path / "alone")
    mine, theirs = (load_file(each.path / "weights.safetensors") for each in (run, alone))
    assert all(mine[name].equal(theirs[name]) for name in theirs)
    assert alone.metrics == run.metrics


def test_what_it_came_to_is_told_as_an_object(tmp_path: Path) -> None:
    ended = ablate(tmp_path)
    found = ended.result()
    assert found["ablation"] == str(ended.path)
    assert (found["status"], found["runs"], found["cohorts"]) == ("completed", 12, 1)
    assert found["seconds"] > 0
    names = [each["name"] for each in found["variants"]]
    assert names == [
        f"activation={activation} optimizer={optimizer}"
        for activation in ("relu", "tanh")
        for optimizer in ("sgd", "adam")
    ]
    first, second = found["variants"][:2]
    assert second["settings"] == {"model.activation": "relu", "optimizer": "adam"}
    assert (second["n"], second["diverged"], second["failed"]) == (3, 0, 0)
    assert len(second["metrics"]["dev"]["accuracy"]["values"]) == 3
    assert found["baseline"] == first["name"]
    assert first["vs_baseline"] is None
    words = ("better", "worse", "equivalent", "undecided")
    assert second["vs_baseline"]["verdict"] in words
    results = ended.results
    values = second["metrics"]["dev"]["accuracy"]["values"]
    assert values == [r.value("dev.accuracy") for r in results if r.variant == second["name"]]
    rows = list(csv.DictReader((ended.path / "results.csv").read_text().splitlines()))
    assert sorted(int(row["run"]) for row in rows) == [*range(1, 13)]
    for row in rows:
        config = api.load(f"{ended.path}#{row['run']}").config
        assert (config.seed, config.optimizer.name) == (int(row["seed"]), row["optimizer"])
    assert (ended.path / "report.html").stat().st_size > 10_000
    assert ended._ipython_key_completions_() == names
    assert ended[second["name"]]["vs_baseline"] == second["vs_baseline"]
    with pytest.raises(KeyError, match="no variant 'activation=rely optimizer=adam'; did you mea"):
        ended["activation=rely optimizer=adam"]
    run = ended[7]
    assert run.config.seed == int(next(row["seed"] for row in rows if row["run"] == "7"))
    assert escape(names[1]) in ended._repr_html_() and "<table>" in ended._repr_html_()
    pictures = api.ablation_figures(ended, folder=tmp_path / "pdf", form="pdf")
    assert {path.stem for path in pictures} == {
        path.stem for path in (ended.path / "figures").iterdir()
    }
    shown = run._repr_html_()
    assert f"{100 * run.metrics['dev']['accuracy']:.2f} %" in shown
    assert "<img src='data:image/png;base64," in shown
    assert [axes.get_ylabel() for axes in run.plot().axes] == ["cost", "accuracy"]


def test_one_at_a_time_the_base_is_on_every_curve_and_filled_in_every_row(tmp_path: Path) -> None:
    varied = ["model.hidden=[2],[4, 4]", "optimizer.lr=0.1"]
    ended = ablate(tmp_path, "ablation.design=one_at_a_time", varied=varied)
    curves = {each["label"]: each for each in ended.summary["curves_by_factor"]}
    assert {label: each["values"] for label, each in curves.items()} == {"lr": [0.1, 0.5]}
    assert [each["n"] for each in curves["lr"]["dev"]] == [3, 3]
    header, *rows = csv.reader((ended.path / "results.csv").read_text().splitlines())
    places = [header.index(key) for key in ("variant", "model.hidden", "optimizer.lr")]
    assert [[row[place] for place in places] for row in rows[::3]] == [
        ["base", "[4]", "0.5"],
        ["hidden=[2]", "[2]", "0.5"],
        ["hidden=[4,4]", "[4, 4]", "0.5"],
        ["lr=0.1", "[4]", "0.1"],
    ]


def stop_after(count: int) -> Any:
    """Return what sends this process SIGINT at its `count`-th progress."""
    seen = 0

    def show(progress: Progress) -> None:
        nonlocal seen
        seen += 1
        if seen == count:
            os.kill(os.getpid(), signal.SIGINT)

    return show


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize("after", [1, 4])
def test_stopped_and_resumed_is_as_never_stopped(
    after: int, tmp_path: Path, one_thread: None
) -> None:
    overrides = ["train.early_stopping={metric: dev.cost, patience: 3}", "model.dropout=0.2"]
    whole = ablate(tmp_path / "whole", *overrides)
    with pytest.raises(Interrupted, match=r"stopped by SIGINT, saved; `dlx resume"):
        ablate(tmp_path / "stopped", *overrides, show=stop_after(after))
    [path] = (tmp_path / "stopped" / "small").iterdir()
    assert api.Ablation(path).status == "interrupted"
    assert not (path / "summary.json").exists()
    ended = api.resume_ablation(path)
    assert ended.status == "completed"
    assert_same_runs(ended.path, whole.path)
    kept = ("metric", "baseline", "chosen")
    mine, theirs = ended.result(), whole.result()
    assert [mine[key] for key in kept] == [theirs[key] for key in kept]
    assert not list(path.glob("cohorts/*/checkpoints"))


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("error", [ValueError("of show"), SystemExit(3)])
def test_an_error_of_what_shows_progress_is_no_run_s(
    error: BaseException, jobs: int, tmp_path: Path, one_thread: None
) -> None:
    def show(progress: Progress) -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        ablate(tmp_path, seeds=1, jobs=jobs, show=show)
    assert raised.value is error
    [path] = (tmp_path / "small").iterdir()
    assert api.Ablation(path).status == "failed"
    ended = api.resume_ablation(path, jobs=1)
    assert ended.status == "completed" and not any(ended.info[k] for k in ("failed", "remarks"))


@pytest.mark.usefixtures("without_pictures")
def test_finished_runs_are_not_trained_again(tmp_path: Path) -> None:
    ended = ablate(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in ended.path.rglob("metrics.jsonl")}
    api.resume_ablation(ended.path)
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.usefixtures("without_pictures")
def test_more_seeds_train_the_new_ones_alone(tmp_path: Path, one_thread: None) -> None:
    whole = ablate(tmp_path / "whole", seeds=5)
    few = ablate(tmp_path / "few", seeds=2)
    before = {path: path.stat().st_mtime_ns for path in few.path.rglob("metrics.jsonl")}
    more = api.resume_ablation(few.path, seeds="5")
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert_same_runs(more.path, whole.path)
    assert more.summary["seeds"] == [0, 1, 2, 3, 4]
    assert more.info["cohorts"] == 2
    assert more.info["runs"] == 20
    with pytest.raises(ConfigError, match=r"--seeds 3: seed 3 has been trained; name all of \[0"):
        api.resume_ablation(few.path, seeds="3")


@pytest.mark.slow(*ABLATIONS)
@pytest.mark.usefixtures("without_pictures")
def test_a_pilot_is_kept_by_the_ablation(tmp_path: Path, one_thread: None) -> None:
    """With tuning, whose seeds are those of the whole ablation."""
    tune = ["ablation.tune={optimizer.lr: [0.1, 0.5]}", "ablation.tune_seeds=1"]
    whole = ablate(tmp_path / "whole", *tune, seeds=5)
    read = api.read_ablation(CONFIG, tune, varied=VARIED, seeds=5)
    few = api.train_plan(api.plan_ablation(read), runs_dir=tmp_path / "few", pilot=2)
    assert few.summary["seeds"] == [0, 1]
    before = {path: path.stat().st_mtime_ns for path in few.path.rglob("metrics.jsonl")}
    assert api.resume_ablation(few.path, only_failed=True).summary["seeds"] == [0, 1]
    more = api.resume_ablation(few.path)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert_same_runs(more.path, whole.path)
    assert more.summary["seeds"] == [0, 1, 2, 3, 4]
    kept = ("metric", "baseline", "chosen", "variants")
    assert {key: more.result()[key] for key in kept} == {key: whole.result()[key] for key in kept}


@pytest.mark.usefixtures("without_pictures")
def test_a_changed_plan_is_refused(tmp_path: Path) -> None:
    ended = ablate(tmp_path)
    plan = ended.path / "plan.json"
    plan.write_text(plan.read_text().replace('"seed=1"', '"seed=1"').replace("0,", "7,", 1))
    with pytest.raises(RunError, match=r"plan\.json is damaged, or was changed after dlx wrote it"):
        api.resume_ablation(ended.path)
    plan.write_text("{")
    with pytest.raises(RunError, match=r"plan\.json is damaged, or was changed after dlx wrote it"):
        api.resume_ablation(ended.path)


def test_a_diverged_run_is_a_result(tmp_path: Path) -> None:
    model = {"hidden": [4, 4], "activation": "identity", "loss": "mse"}
    varied = ["optimizer.lr=0.5,1e30"]
    ended = api.ablate(CONFIG | {"model": model}, varied=varied, seeds=3, runs_dir=tmp_path)
    assert ended.status == "completed"
    assert ended.info["diverged"] == 3
    good, bad = ended.result()["variants"]
    assert (good["n"], good["diverged"]) == (3, 0)
    assert (bad["n"], bad["diverged"]) == (0, 3)
    assert bad["vs_baseline"]["verdict"] in ("worse", "undecided")
    lost = [each for each in ended.results if each.status == "diverged"]
    assert len(lost) == 3
    assert all("the cost was not finite" in each.reason for each in lost)
    assert all(api.load(f"{ended.path}#{each.number}").status == "diverged" for each in lost)


class OnlyFits:
    """Makes cohorts of more than so many runs run out of memory."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.real = Job.trainer
        self.sizes: list[int] = []

    def __call__(self, ready: Any, **options: Any) -> Any:
        self.sizes.append(len(ready))
        if len(ready) > self.most:
            raise torch.OutOfMemoryError("too many")
        return self.real(ready, **options)


@pytest.mark.usefixtures("without_pictures")
def test_a_cohort_that_does_not_fit_is_halved(
    tmp_path: Path, one_thread: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ablate(tmp_path / "whole")
    limit = OnlyFits(3)
    monkeypatch.setattr(Job, "trainer", limit)
    halved = ablate(tmp_path / "halved")
    assert limit.sizes == [12, 6, 3, 3, 6, 3, 3]
    assert_same_runs(halved.path, whole.path)
    assert halved.status == "completed"


@pytest.mark.usefixtures("without_pictures")
def test_a_crashed_cohort_takes_no_other_along(
    tmp_path: Path, one_thread: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    varied = ["model.hidden=[4],[5],[6]"]
    whole = ablate(tmp_path / "whole", varied=varied)
    real = Job.trainer

    def broken(ready: Any, **options: Any) -> Any:
        if ready[0].design.layers[0].outputs == 5:
            raise RuntimeError("no luck")
        return real(ready, **options)

    monkeypatch.setattr(Job, "trainer", broken)
    with pytest.raises(CrashedError, match=r"some runs could not be trained \(cohort 2: Runtime"):
        ablate(tmp_path / "crashed", varied=varied)
    [path] = (tmp_path / "crashed" / "small").iterdir()
    crashed = api.Ablation(path)
    assert (crashed.status, crashed.info["failed"]) == ("failed", 3)
    assert [each["failed"] for each in crashed.result()["variants"]] == [0, 3, 0]
    assert len(runs_of(path)) == 6
    monkeypatch.setattr(Job, "trainer", real)
    words = r"3 of the runs could not be trained earlier.*`dlx resume .* --only failed` does that"
    with pytest.raises(CrashedError, match=words):
        api.resume_ablation(path)
    assert (crashed.status, crashed.info["failed"]) == ("failed", 3)
    repeated = api.resume_ablation(path, only_failed=True)
    assert (repeated.status, repeated.info["failed"]) == ("completed", 0)
    assert_same_runs(repeated.path, whole.path)


@pytest.mark.usefixtures("without_pictures")
def test_two_processes_give_the_same_runs_as_one(tmp_path: Path, one_thread: None) -> None:
    whole = ablate(tmp_path / "whole")
    shared = ablate(tmp_path / "shared", jobs=2)
    assert shared.info["cohorts"] == 2
    assert_same_runs(shared.path, whole.path)


@pytest.mark.usefixtures("without_pictures")
def test_each_variant_is_tuned_on_dev_before_it_is_compared(tmp_path: Path) -> None:
    tune = "ablation.tune={optimizer.lr: [0.0001, 0.5]}"
    ended = ablate(tmp_path, tune, "ablation.tune_seeds=2", "train.steps=150", seeds=2)
    plan = json.loads((ended.path / "plan.json").read_text())
    assert plan["tuning"]["seeds"] == [1_000_000, 1_000_001]
    chosen = plan["tuning"]["chosen"]
    assert chosen["activation=tanh optimizer=sgd"] == {"optimizer.lr": 0.5}
    found = ended.summary["tuning"]["activation=tanh optimizer=sgd"]
    assert found["optimizer.lr"] == 0.5
    assert set(found["tried"]) == {"0.0001", "0.5"}
    assert (found["runs"], found["steps"]) == (4, 600)
    assert found["edges"] == {"optimizer.lr": "largest"}
    [edge] = [text for text in ended.summary["warnings"] if "largest value" in text]
    assert "variants chose the largest value that was tried (0.5)" in edge
    run = api.load(f"{ended.path}/activation=tanh optimizer=sgd@0")
    assert run.config.optimizer.lr == 0.5
    tuned = [run for run in read_index(ended.path).values() if run.phase == "tuning"]
    assert [run.number for run in tuned] == list(range(9, 9 + 4 * 2 * 2))
    assert api.load(f"{ended.path}#9").config.optimizer.lr == 0.0001
    again = api.resume_ablation(ended.path)
    assert again.summary["tuning"] == ended.summary["tuning"]


@pytest.mark.usefixtures("without_pictures")
def test_success_is_tuned_on_stop_rows(tmp_path: Path) -> None:
    """It was on the dev rows that judge it."""
    config = {"name": "iris", "data": {"name": "iris"}, "model": {"hidden": [4]}}
    ended = api.ablate(
        config | {"train": {"steps": 30}},
        [
            "ablation={metric: success, success: {dev.accuracy: 0.8}, tune_seeds: 5}",
            "ablation.tune={optimizer.lr: [0.003, 0.03]}",
        ],
        varied=["model.activation=relu,tanh"],
        seeds=5,
        runs_dir=tmp_path,
    )
    tuned = [run for run in read_index(ended.path).values() if run.phase == "tuning"]
    scores = [api.load(f"{ended.path}#{run.number}").metrics for run in tuned]
    shares = {
        part: [
            np.mean([own[part]["accuracy"] >= 0.8 for own in scores[start : start + 5]])
            for start in range(0, 20, 5)
        ]
        for part in ("stop", "dev")
    }
    tried = [
        share for variant in ended.summary["tuning"].values() for share in variant["tried"].values()
    ]
    assert tried == pytest.approx(shares["stop"]) != pytest.approx(shares["dev"])


def test_folds_are_runs_of_their_own(tmp_path: Path) -> None:
    config = {"name": "folds", "data": "iris", "train": {"epochs": 2}, "model": {"hidden": [4]}}
    ended = api.ablate(
        config,
        ["ablation.folds=3", "train.batch_size=20"],
        varied=["model.activation=relu,tanh"],
        seeds=2,
        runs_dir=tmp_path,
    )
    runs = runs_of(ended.path)
    assert len(runs) == 2 * 2 * 3
    fold = runs["activation=tanh/seed=1 fold=3"].config.data.fold
    assert fold is not None and fold.number == 3
    with pytest.raises(RunError, match=r"activation=tanh@1 is several runs, .*#10 \(fold 1\), #11"):
        api.load(f"{ended.path}/activation=tanh@1")
    assert ended.info["runs"] == 12
    assert ended.summary["folds"] == 3
    [found] = api.verify(ended.path, 1)["verified"]
    assert found["identical"]


@pytest.mark.slow(*ABLATIONS)
def test_steps_to_a_threshold_and_success_are_told(tmp_path: Path) -> None:
    ended = ablate(
        tmp_path,
        "train.steps=400",
        "ablation.steps_to={dev.accuracy: 1.0}",
        "ablation.success={dev.accuracy: 1.0}",
        "ablation.metric=success",
    )
    for result in ended.results:
        curve = result.curve.of("dev.accuracy")
        first = next((s for s, v in zip(result.curve.steps, curve, strict=True) if v >= 1), None)
        assert result.steps_to == {"dev.accuracy": first}
        assert result.success == (result.value("dev.accuracy") == 1.0)
    rates = {each["name"]: each["success"]["rate"] for each in ended.summary["variants"]}
    for name, rate in rates.items():
        its = [each.success for each in ended.results if each.variant == name]
        assert rate == pytest.approx(np.mean([bool(each) for each in its]))


@pytest.mark.slow(*ABLATIONS)
def test_gradient_norms_can_stand_beside_the_judged_metric(tmp_path: Path) -> None:
    shown = "train.gradient_norm/1"
    ended = ablate(tmp_path, f"ablation.show=[{shown}]", "log.level=standard")
    assert ended.summary["show"] == [shown]
    for result in ended.results:
        assert result.value(shown) == result.curve.of(shown)[-1] > 0
    with (ended.path / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row[shown]) for row in rows] == [each.value(shown) for each in ended.results]
    first = ended.summary["variants"][0]
    its = [each.value(shown) for each in ended.results if each.variant == first["name"]]
    mean = np.mean(np.array(its, float))
    assert first["metrics"]["train"]["gradient_norm/1"]["mean"] == pytest.approx(mean)
    assert "gradient norm/1" in (ended.path / "report.html").read_text()
    assert "gradient_norm/1" not in ablate(tmp_path).summary["variants"][0]["metrics"]["train"]


@pytest.mark.usefixtures("without_pictures")
def test_what_rows_add_to_an_interval_is_kept_and_read_again(tmp_path: Path) -> None:
    """By runs that were interrupted in between, too: what has ended is in the checkpoint."""
    varied = ["model.hidden=[3],[8]"]
    base = {"name": "rows", "data": "iris", "train": {"epochs": 2}}
    made = api.ablate(base, varied=varied, seeds=4, runs_dir=tmp_path)
    results = made.results
    for result in results:
        judgement = result.judgements["dev.accuracy"]
        assert judgement.values.mean() == pytest.approx(result.metrics["dev"]["accuracy"])
        run = api.load(f"{made.path}#{result.number}")
        part = run.splits().part("dev")
        assert judgement.rows.tolist() == part.rows.tolist()
        right = run.predict(run.preprocessing.undone(part.inputs).numpy()).argmax(1)
        assert judgement.values.tolist() == (right == part.targets.numpy()).tolist()
        assert judgement.num_train == 90
    (document,) = [v for v in made.summary["variants"] if v["vs_baseline"]]
    pairs = list(zip(results[:4], results[4:], strict=True))
    name = "dev.accuracy"
    judged = [difference(b.judgements[name], a.judgements[name]) for a, b in pairs]
    means = [own.values.mean() for own in judged]
    spread = with_rows(spread_of(means), judged)
    found = document["vs_baseline"]
    assert found["high"] - found["low"] == pytest.approx(2 * spread.width())
    assert found["variance_of_rows"] == pytest.approx(spread.row_share)


@pytest.mark.usefixtures("without_pictures")
def test_every_seed_draws_its_own_rows_unless_they_are_fixed(tmp_path: Path) -> None:
    base = {"name": "splits", "data": "iris", "train": {"epochs": 1}}
    for splits, number in (({}, 3), ({"splits": "each_seed"}, 3), ({"splits": "fixed"}, 1)):
        section = {"vary": {"model.activation": ["relu", "tanh"]}, "seeds": 3} | splits
        made = api.ablate(base | {"ablation": section}, runs_dir=tmp_path)
        rows = [result.rows for result in made.results]
        assert len({own["dev"]["digest"] for own in rows}) == number
        assert len({own["test"]["digest"] for own in rows}) == 1, "test rows never move"
        digests = [own["dev"]["digest"] for own in rows]
        assert digests[:3] == digests[3:], "variants are paired"
        assert made.info["cohorts"] == 1
    alone = api.train(base, ["seed=2", "model.activation=tanh"], runs_dir=tmp_path)
    drawn = api.ablate(base, varied=["model.activation=relu,tanh"], seeds=3, runs_dir=tmp_path)
    assert drawn.results[5].metrics == alone.metrics
    fixed = base | {"data": {"name": "iris", "split_seed": 3}}
    section = {"vary": {"model.activation": ["relu", "tanh"]}, "splits": "each_seed"}
    with pytest.raises(ConfigError, match=r"splits: received each_seed, but data.split_seed is 3"):
        api.ablate(fixed | {"ablation": section}, runs_dir=tmp_path)
