"""The list of runs, and its index."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from dlx.errors import ConfigError, DlxError, RunError
from dlx.report.run_list import summaries
from dlx.runs import RunDirectory
from tests.report.ablation_folder import make_ablation
from tests.report.runs_on_disk import write_run


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    for seed, lr in enumerate((0.1, 0.01, 0.5)):
        write_run(tmp_path, f"optimizer.lr={lr}", seed=seed, accuracy=0.9 - lr / 10)
    write_run(tmp_path, "model.hidden=[3]", name="other", accuracy=None, status="failed")
    return tmp_path


def seeds(runs_dir: Path, **options: object) -> list[int]:
    return [run["seed"] for run in summaries(runs_dir, "xor", **options).runs]  # type: ignore


def test_runs_that_meet_a_condition_in_an_order(runs_dir: Path) -> None:
    assert seeds(runs_dir, where="optimizer.lr>0.01 and dev.accuracy>0.8") == [2, 0]
    assert seeds(runs_dir, sort=["dev.accuracy"]) == [2, 0, 1]
    assert seeds(runs_dir, sort=["-dev.accuracy"]) == [1, 0, 2]
    every = summaries(runs_dir, sort=["-dev.accuracy"]).runs
    assert [run["name"] for run in every][-1] == "other"  # null comes last


def test_columns_are_the_keys_in_which_runs_of_a_name_differ(runs_dir: Path) -> None:
    listed = summaries(runs_dir)
    assert listed.columns == ["optimizer.lr"]
    assert [run["columns"] for run in listed.runs][1:] == [
        {"optimizer.lr": 0.5},
        {"optimizer.lr": 0.01},
        {"optimizer.lr": 0.1},
    ]
    asked = summaries(runs_dir, "other", columns=["model.hidden", "status"])
    assert asked.runs[0]["columns"] == {"model.hidden": [3], "status": "failed"}


def test_wrong_names_are_refused(runs_dir: Path) -> None:
    with pytest.raises(RunError, match=r"no runs called 'xr'.*did you mean 'xor'"):
        summaries(runs_dir, "xr")
    with pytest.raises(ConfigError, match=r"--sort: .*'dev.acuracy'; did you mean 'dev.accuracy'"):
        summaries(runs_dir, sort=["-dev.acuracy"])
    with pytest.raises(ConfigError, match=r"--columns: no run here has 'x'; name a key"):
        summaries(runs_dir, columns=["x"])


def test_a_name_whose_runs_cannot_be_read_is_not_told_to_have_none(runs_dir: Path) -> None:
    [path] = (runs_dir / "other").iterdir()
    (path / "run.json").unlink()
    (path / "run.json").mkdir()
    with pytest.raises(RunError, match=r"no run called 'other' can be read: .*run\.json"):
        summaries(runs_dir, "other")


@pytest.mark.parametrize(
    "options",
    [{"name": "xr"}, {"sort": ["x"]}, {"columns": ["x"]}, {"where": "x > 1"}, {"where": "seed >"}],
)
def test_a_list_that_is_refused_writes_no_index(options: dict[str, Any], runs_dir: Path) -> None:
    with pytest.raises(DlxError, match=r"'x'|'xr'|--where 'seed >'"):
        summaries(runs_dir, **options)
    assert not (runs_dir / ".index.json").exists()


def test_the_index_follows_the_folders(runs_dir: Path) -> None:
    first = summaries(runs_dir)
    index = runs_dir / ".index.json"
    made = index.read_bytes()
    assert summaries(runs_dir) == first and index.read_bytes() == made
    shutil.rmtree(first.runs[0]["run"])
    changed = Path(first.runs[1]["run"])
    content = json.loads((changed / "run.json").read_text())
    (changed / "run.json").write_text("{")
    after = summaries(runs_dir)
    assert [run["id"] for run in after.runs] == [run["id"] for run in first.runs[2:]]
    assert len(after.warnings) == 1 and "run.json is damaged" in after.warnings[0]
    (changed / "run.json").write_text(json.dumps(content))
    for damaged in (b"", b"{", made[:-30] + made[-29:], b'{"runs": "[1, 2]"}'):
        index.write_bytes(damaged)
        assert summaries(runs_dir).runs == first.runs[1:]
    index.unlink()
    assert summaries(runs_dir).runs == first.runs[1:]


def test_damaged_files_of_a_run_leave_it_in_the_list(runs_dir: Path) -> None:
    run = write_run(runs_dir, accuracy=None, status="interrupted")
    run.metrics_path.write_text('{"step": 1, "ep')
    write_run(runs_dir, accuracy=None, status="running")
    (runs_dir / "xor" / "empty").mkdir()
    other = next((runs_dir / "other").iterdir())
    (other / "config.yaml").write_text("optimizer: {")
    listed = summaries(runs_dir)
    assert len(listed.runs) == 6
    assert [run["status"] for run in listed.runs][:2] == ["interrupted", "interrupted"]
    said = "\n".join(listed.warnings)
    assert "empty is not a run" in said and "the config of" in said


def test_a_damaged_config_is_told_until_it_is_put_back(runs_dir: Path) -> None:
    whole = summaries(runs_dir)
    (runs_dir / ".index.json").unlink()
    config = next((runs_dir / "other").iterdir()) / "config.yaml"
    content = config.read_bytes()
    config.write_bytes(content[:-9])
    for _ in range(2):
        [told] = summaries(runs_dir).warnings
        assert told.startswith("the config of")
    config.write_bytes(content)
    assert summaries(runs_dir, columns=["model.hidden"]).warnings == []
    assert summaries(runs_dir) == whole


@pytest.mark.parametrize("time", [0, 4_102_444_800])
def test_a_run_that_was_copied_over_another_with_the_same_time_is_read_again(
    time: int, runs_dir: Path
) -> None:
    run = RunDirectory(next((runs_dir / "other").iterdir()))
    os.utime(run.info_path, (time, time))
    assert [run["steps"] for run in summaries(runs_dir, "other").runs] == [100]
    size = run.info_path.stat().st_size
    run.write_info(steps=200)
    os.utime(run.info_path, (time, time))
    assert run.info_path.stat().st_size == size
    assert [run["steps"] for run in summaries(runs_dir, "other").runs] == [200]


def test_an_ablation_has_its_answer(tmp_path: Path) -> None:
    path = make_ablation(tmp_path, {"relu": 0.9, "tanh": 0.8})
    summary = json.loads((path / "summary.json").read_text())
    for variant, versus in zip(
        summary["variants"], ({"verdict": "better", "difference": 0.1}, None), strict=True
    ):
        variant["vs_baseline"] = versus
    (path / "summary.json").write_text(json.dumps(summary | {"baseline": "tanh"}))
    (run,) = summaries(tmp_path).runs
    assert run["answer"] == "relu is better than tanh by 10.00 points of dev accuracy"
