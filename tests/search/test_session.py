"""A whole search: what it leaves on disk, that it can be repeated, stopped and resumed."""

import errno
import json
import os
import shutil
import signal
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlx import api, plugins
from dlx.api.searching import CrashedError
from dlx.config import load as config_files
from dlx.errors import ConfigError, DivergedError, DlxWarning, Interrupted, RunError, StorageError
from dlx.runs import RunDirectory, documents
from dlx.runs.ablations import read_index
from dlx.search.directory import Progress
from dlx.search.session import best_of
from dlx.search.study import Study
from dlx.search.trials import Trial
from tests.cli.conftest import start
from tests.search.searches import SPACE, planned, told, trained


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> api.Search:
    return trained(tmp_path_factory.mktemp("search"))


def test_trials_are_means_over_seeds_of_ordinary_runs(ended: api.Search) -> None:
    trials = Progress.read(ended.path).trials
    runs = read_index(ended.path)
    assert [trial.number for trial in trials] == list(range(1, 9))
    assert [trial.batch for trial in trials] == [1] * 4 + [2] * 4
    for trial in trials:
        values = [runs[f"{trial.name}/seed={seed}"].metrics["dev"]["accuracy"] for seed in (0, 1)]
        assert trial.values == (np.mean(values),)
    assert len(runs) == 8 * 2 + 2 * 3
    numbers = sorted(run.number for run in runs.values())
    assert numbers == list(range(1, len(runs) + 1))


def test_a_run_of_a_trial_can_be_used(ended: api.Search) -> None:
    run = api.load(f"{ended.path}#3")
    trial = Progress.read(ended.path).trials[1]
    assert run.config.optimizer.lr == trial.settings["optimizer.lr"]
    assert run.config.search is None and run.config.ablation is None
    assert run.evaluate(split="dev")["dev"]["accuracy"] == run.metrics["dev"]["accuracy"]


def test_judge_rows_are_seen_by_no_trial_and_judge_both(ended: api.Search) -> None:
    index = read_index(ended.path)
    runs = {name: api.load(f"{ended.path}#{run.number}") for name, run in index.items()}

    def rows(name: str, part: str) -> set[int]:
        found = runs[name].splits().part(part)
        return set(found.rows.tolist())

    judges = rows("best/seed=2000000", "dev")
    assert len(judges) == round(0.2 * 120)
    for name in index:
        own = rows(name, "train") | (rows(name, "dev") if name.startswith("trial") else set())
        assert not judges & own, name
        assert not name.startswith(("best", "default")) or rows(name, "dev") == judges
    assert rows("trial 1/seed=0", "train") != rows("trial 1/seed=1", "train")


def test_the_files(ended: api.Search) -> None:
    names = {path.name for path in ended.path.iterdir()}
    assert names >= {"run.json", "search.yaml", "plan.json", "journal.log", "index.json"}
    assert names >= {"best.yaml", "trials.csv", "summary.json", "report.html", "figures"}
    assert ended.info["kind"] == "search" and ended.status == "completed"
    assert set(ended.info["digests"]) == {"search.yaml", "plan.json", "best.yaml", "summary.json"}
    best = config_files.load(ended.best)
    known = ended.summary["best"]["settings"]
    assert best.optimizer.lr == known["optimizer.lr"] and best.search is None
    assert best.data.split == "auto"  # all rows are there for the final training


def test_the_journal_is_optuna_s(ended: api.Search) -> None:
    import optuna
    from optuna.storages.journal import JournalFileBackend

    storage = optuna.storages.JournalStorage(JournalFileBackend(str(ended.path / "journal.log")))
    study = optuna.load_study(study_name="dlx", storage=storage)
    trials = Progress.read(ended.path).trials
    assert [trial.values for trial in study.trials] == [list(own.values) for own in trials]
    assert [trial.params for trial in study.trials] == [dict(own.parameters) for own in trials]
    assert b"cma:" not in (ended.path / "journal.log").read_bytes()


def test_the_same_seed_gives_the_same_trials_and_another_one_others(
    ended: api.Search, tmp_path: Path
) -> None:
    again, other = trained(tmp_path), trained(tmp_path, "seed=1")
    assert told(again.path) == told(ended.path)
    assert told(other.path)[0]["settings"] != told(ended.path)[0]["settings"]
    assert again.summary["verdict"]["versus"] == ended.summary["verdict"]["versus"]


def stop_after(count: int) -> Any:
    """Return what interrupts this process once progress was shown so many times."""
    seen = []

    def show(progress: object) -> None:
        seen.append(progress)
        if len(seen) == count:
            os.kill(os.getpid(), signal.SIGINT)

    return show


@pytest.mark.parametrize(
    ("sampler", "pruner", "count"),
    [("tpe", "none", 1), ("tpe", "asha", 20), ("cmaes", "hyperband", 33), ("gp", "none", 26)],
)
def test_stopped_and_resumed_equals_never_stopped(
    tmp_path: Path, sampler: str, pruner: str, count: int
) -> None:
    options: dict[str, Any] = {"sampler": sampler, "pruner": pruner, "trials": 12}
    space = [SPACE[0], "model.dropout=0.0..0.5"]
    whole = trained(tmp_path / "whole", "train.epochs=9", space=space, **options)
    ready = planned("train.epochs=9", space=space, **options)
    with pytest.raises(Interrupted, match="goes on") as stopped:
        api.search(ready, runs_dir=tmp_path / "parts", show=stop_after(count))
    assert stopped.value.run is not None
    resumed = api.resume_search(stopped.value.run, jobs=1)
    assert told(resumed.path) == told(whole.path)
    assert resumed.best.read_text() == whole.best.read_text()
    assert resumed.summary["verdict"]["versus"] == whole.summary["verdict"]["versus"]
    if pruner == "asha":
        assert any(trial["state"] == "pruned" for trial in told(whole.path))


@pytest.mark.slow("dlx/search/", "dlx/api/searching.py")
def test_killed_at_any_moment_and_resumed_gives_the_same_trials(tmp_path: Path) -> None:
    space = [word for key in SPACE for word in ("--space", key)]
    command = ["search", "iris", *space, "--trials", "12", "--seeds", "2", "--batch", "3"]
    command += ["--pruner", "asha", "train.epochs=60", "train.checkpoint_seconds=0", "--quiet"]
    command += ["search.judge_seeds=3"]
    whole_process = start(*command, "--runs-dir", "whole", cwd=tmp_path)
    whole_process.communicate(timeout=120)
    (whole,) = (tmp_path / "whole/iris").iterdir()
    codes = []
    for number, seconds in enumerate((0.0, 0.6, 1.5)):
        process = start(*command, "--runs-dir", f"killed{number}", cwd=tmp_path)
        plans = tmp_path / f"killed{number}" / "iris"
        while process.poll() is None and not list(plans.glob("*/plan.json")):
            time.sleep(0.02)
        time.sleep(seconds)
        process.kill()
        process.communicate(timeout=30)
        codes.append(process.returncode)
        (killed,) = plans.iterdir()
        resumed = api.resume_search(killed, jobs=1)
        assert told(resumed.path) == told(whole)
        assert resumed.best.read_bytes() == (whole / "best.yaml").read_bytes()
    assert -signal.SIGKILL in codes


def test_an_error_of_what_shows_progress_is_no_trial_s(ended: api.Search, tmp_path: Path) -> None:
    def show(progress: Any) -> None:
        if progress.phase == "batch 2":
            raise ValueError("of show")

    with pytest.raises(ValueError, match="of show"):
        api.search(planned(), runs_dir=tmp_path, show=show)
    [path] = (tmp_path / "iris").iterdir()
    again = api.resume_search(path, jobs=1)
    assert again.status == "completed" and told(path) == told(ended.path)


def test_a_search_that_has_ended_is_only_written_anew(ended: api.Search) -> None:
    (ended.path / "report.html").unlink()
    before = (ended.path / "plan.json").read_bytes()
    again = api.resume_search(ended.path, show_test=True)
    assert (ended.path / "report.html").exists()
    assert (ended.path / "plan.json").read_bytes() == before
    test = again.summary["verdict"]["values"]["best"]["test"]
    assert 0 <= test["mean"] <= 1
    api.resume_search(ended.path)
    assert "test" not in json.dumps(ended.summary["verdict"]["values"]["best"]["test"] or "")


def test_the_storage_of_another_search_is_refused(tmp_path: Path) -> None:
    first, second = trained(tmp_path / "1"), trained(tmp_path / "2", "seed=5")
    (first.path / "journal.log").write_bytes((second.path / "journal.log").read_bytes())
    with pytest.raises(RunError, match=r"journal.log is damaged, or the storage of another search"):
        api.resume_search(first.path)
    (second.path / "plan.json").write_bytes((first.path / "plan.json").read_bytes())
    with pytest.raises(RunError, match=r"plan.json is damaged, or was changed"):
        api.resume_search(second.path)


def test_a_plan_that_was_deleted_is_no_new_search(ended: api.Search, tmp_path: Path) -> None:
    path = shutil.copytree(ended.path, tmp_path / ended.path.name)
    (path / "plan.json").unlink()
    journal = (path / "journal.log").read_bytes()
    with pytest.raises(RunError, match=r"plan.json, which says what was tried, was deleted; put"):
        api.resume_search(path)
    assert (path / "journal.log").read_bytes() == journal


def test_a_cut_best_config_is_told_when_it_is_trained(ended: api.Search, tmp_path: Path) -> None:
    path = shutil.copytree(ended.path, tmp_path / ended.path.name) / "best.yaml"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        api.prepare(path)
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"\nseed:") + 1])
    with pytest.warns(
        DlxWarning, match=r"best\.yaml was cut or changed after dlx wrote it, and is"
    ):
        api.prepare(path)


def test_another_name_of_the_journal_keeps_its_content(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_bytes(b"the user's own file")
    (tmp_path / "journal.log").hardlink_to(own)
    study = Study(tmp_path, [], "tpe", 0, [True])
    study.restore(None, [])
    study.record([])
    assert own.read_bytes() == b"the user's own file"


def test_all_trials_diverged(tmp_path: Path) -> None:
    space = ["optimizer.lr=1e30..1e31 log"]
    with pytest.raises(DivergedError, match="all 4 trials that were trained diverged") as error:
        trained(tmp_path, "optimizer=sgd", config="digits", space=space, trials=4)
    assert error.value.run is not None
    assert api.Search(error.value.run).status == "diverged"


def test_a_diverged_trial_counts_as_the_worst(tmp_path: Path) -> None:
    space = ["optimizer.lr=1e-3,1e38"]
    search = trained(tmp_path, "optimizer=sgd", space=space, sampler="grid")
    states = {trial["settings"]["optimizer.lr"]: trial["state"] for trial in told(search.path)}
    assert states == {1e-3: "completed", 1e38: "diverged"}
    assert search.summary["best"]["settings"]["optimizer.lr"] == 1e-3


def test_a_repeated_trial_takes_the_result_of_the_first(tmp_path: Path) -> None:
    search = trained(tmp_path, space=["optimizer.lr=0.001,0.01"])
    trials = Progress.read(search.path).trials
    assert sum(trial.same_as is None for trial in trials) == 2
    by_number = {trial.number: trial for trial in trials}
    for trial in trials:
        if trial.same_as is not None:
            first = by_number[trial.same_as]
            assert (trial.settings, trial.values) == (first.settings, first.values)
            assert trial.steps == 0


def test_bounds_known_before_training_spare_the_training(tmp_path: Path) -> None:
    search = trained(tmp_path, space=["model.hidden=[4],[50]"], constraints=["parameters < 100"])
    trials = {tuple(trial["settings"]["model.hidden"]): trial for trial in told(search.path)}
    assert trials[50,]["state"] == "infeasible" and trials[50,]["steps"] == 0
    assert "parameters < 100: it has 403 parameters" in trials[50,]["reason"]
    assert search.summary["best"]["settings"] == {"model.hidden": [4]}
    with pytest.raises(ConfigError, match=r"no trial keeps parameters < 10 \(at best by 25 too"):
        trained(tmp_path, space=["model.hidden=[4],[50]"], constraints=["parameters < 10"])


def test_several_objectives_give_a_front(tmp_path: Path) -> None:
    space = ["model.hidden=[1],[4],[16]", SPACE[0]]
    search = trained(tmp_path, space=space, metric=["dev.cost", "parameters"], trials=12)
    summary = search.summary
    assert summary["rising"] == [False, False]
    trials = {trial["number"]: trial for trial in summary["trials"]}
    front = [trials[number]["values"] for number in summary["front"]]
    assert len(front) >= 2
    for trial in summary["trials"]:
        if trial["state"] == "completed":
            assert any(np.all(np.array(own) <= trial["values"]) for own in front)
    assert summary["best"]["values"][0] == min(own[0] for own in front)
    assert summary["best"]["number"] in summary["front"]
    assert (search.path / "figures/front.png").exists()


def test_of_equal_trials_the_one_that_no_other_beats_is_judged() -> None:
    plan = planned(metric=["dev.accuracy", "parameters"])
    values = [(0.9, 50.0), (0.9, 20.0), (0.8, 10.0), (0.9, 20.0)]
    trials = [
        Trial(number, 1, {}, {}, state="completed", values=own)
        for number, own in enumerate(values, start=1)
    ]
    best = best_of(plan, trials)
    assert best is not None and best.number == 2


def test_a_search_goes_on_whose_journal_was_half_written(tmp_path: Path) -> None:
    journal = trained(tmp_path).path / "journal.log"
    content = journal.read_bytes()
    journal.write_bytes(content + content[:100])
    api.resume_search(journal.parent)
    lines = [json.loads(line) for line in journal.read_bytes().splitlines()]
    assert lines[: content.count(b"\n")] == [json.loads(line) for line in content.splitlines()]


def test_a_journal_of_another_shape_whose_digest_is_right_is_refused(tmp_path: Path) -> None:
    search = trained(tmp_path)
    path, plan = search.path / "journal.log", documents.read(search.path / "plan.json")
    content = path.read_bytes().replace(b'"op_code"', b'"no_code"', 1)
    path.write_bytes(content)
    plan["journal"] = {"bytes": len(content), "sha256": documents.sha256(content)}
    RunDirectory(search.path).write_files({"plan.json": documents.encode(plan)})
    with pytest.raises(RunError, match=r"journal.log is damaged: Optuna cannot read it .*put it"):
        api.resume_search(search.path)


def test_a_disk_that_fails_under_the_journal_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Optuna writes to it as it opens it, too, and its errors name no file."""
    study = Study(tmp_path, [], "tpe", 0, [True])
    known = study.record([])

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    words = r"cannot write .*journal.log: Input/output error; check the disk"
    with pytest.raises(StorageError, match=words):
        study.record([])
    with pytest.raises(StorageError, match=words):
        Study(tmp_path, [], "tpe", 0, [True]).restore(known, [])


def test_a_list_of_many_values_is_planned_in_no_time() -> None:
    began = time.process_time()
    ready = planned(space=["optimizer.lr=0.1..0.2 linear 99999"])
    assert len(ready.space[0].samples) == 99_999
    assert time.process_time() - began < 20  # it took minutes


def test_the_journal_has_no_lock_that_a_kill_would_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Optuna's is a link, which dlx refuses in the folder of a search that goes on."""
    made: list[str] = []
    real = os.symlink
    monkeypatch.setattr(os, "symlink", lambda *paths: [made.append(str(paths[1])), real(*paths)])
    assert len(told(trained(tmp_path).path)) == 8
    assert made == []


@pytest.mark.parametrize("bound", ["parameters < 1e999", "dev.accuracy > -1e400"])
def test_a_bound_without_end_is_refused(bound: str) -> None:
    with pytest.raises(ConfigError, match=r"search\.constraints: received '.*without end"):
        planned(constraints=[bound])


def test_trials_that_break_are_left_out_and_how_to_search_anew_is_said(
    tmp_path: Path, forgotten: None
) -> None:
    (tmp_path / "wave.py").write_text(
        "import dlx\n\n@dlx.register('activation')\ndef wave(z):\n    'Breaks on wide layers.'\n"
        "    if z.shape[-1] == 8:\n        raise RuntimeError('too wide')\n    return z.sin()\n"
    )
    plugins.load(tmp_path / "wave.py")
    words = r"of 8 trials could not be trained \(cohort \d: plug-in .*wave\.py:7: RuntimeError: too"
    with pytest.raises(CrashedError, match=words) as broken:
        trained(tmp_path, "model.activation=wave")
    path = broken.value.run
    assert path is not None and str(broken.value).endswith(
        f"once the cause is removed, `dlx search {path / 'search.yaml'}` searches anew"
    )
    ends = {(trial["state"], *trial["settings"]["model.hidden"]) for trial in told(path)}
    assert ends == {("completed", 4), ("failed", 8)}
    with pytest.raises(CrashedError, match=r"of 8 trials could not be trained earlier; the search"):
        api.resume_search(path)
    assert api.Search(path).status == "failed"
