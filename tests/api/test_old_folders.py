"""Folders that were written before documents had digests and cohorts their own files."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from dlx import api
from dlx.ablation.rules import MEANING, RULES
from dlx.errors import RunError
from dlx.report.run_comparison import gather

FOLDERS = Path(__file__).parents[1] / "old_folders"
VARIANTS = ["activation=relu", "activation=tanh"]


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    for number, kind in enumerate(("run", "ablation"), start=1):
        shutil.copytree(FOLDERS / kind, tmp_path / kind / f"2026010{number}-000000-00ab")
    return tmp_path


def test_a_run_opens_but_does_not_go_on(runs_dir: Path) -> None:
    run = api.load("run", runs_dir=runs_dir)
    assert run.status == "completed"
    assert [line["step"] for line in run.history] == [0, 7, 14, 20]
    assert run.evaluate()["dev"]["cost"] == pytest.approx(run.metrics["dev"]["cost"], rel=1e-5)
    assert run.predict(np.zeros((1, 2))).shape == (1, 1)
    assert run.config.train.engine == "torch"
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    with pytest.raises(RunError, match="by an earlier version of dlx, which drew other random num"):
        api.resume(run.path, ["train.epochs=30"])
    with pytest.raises(RunError, match="by an earlier version of dlx, which drew other random num"):
        api.verify(run.path)
    after = {path: path.read_bytes() for path in before}
    assert {path.name for path in before if after[path] != before[path]} <= {"run.json"}
    assert api.load(run.path).status == "completed"


def test_an_ablation_opens_and_grows(runs_dir: Path) -> None:
    ablation = api.Ablation(next((runs_dir / "ablation").iterdir()))
    assert [result.variant for result in ablation.results] == [*VARIANTS[:1] * 2, *VARIANTS[1:] * 2]
    assert all(result.curve.steps == (0, 7, 14, 20) for result in ablation.results)
    third = api.load("ablation#3", runs_dir=runs_dir)
    assert third.path == ablation.path / "activation=tanh" / "seed=0"
    assert api.load(f"{ablation.path}/activation=tanh@0").path == third.path
    assert [run.config.seed for run in api.members(ablation.path, VARIANTS[1])] == [0, 1]
    gathered = gather([str(ablation.path)], runs_dir)
    assert [variant.name for variant in gathered.variants] == VARIANTS
    more = api.resume_ablation(ablation.path, seeds="3")
    assert (more.status, more.info["cohorts"], len(more.results)) == ("completed", 2, 6)
    assert [result.number for result in more.results] == [1, 2, 5, 3, 4, 6]
    new = api.load(f"{ablation.path}#6")
    assert (new.path, new.config.seed) == (ablation.path / "runs" / "6", 2)
    assert new.config.model.activation.name == "tanh"


def test_verdicts_by_old_rules_are_kept_and_new_ones_say_that_they_changed(runs_dir: Path) -> None:
    ablation = api.Ablation(next((runs_dir / "ablation").iterdir()))
    by_old = (ablation.path / "summary.json").read_bytes()
    assert ablation.result()["rules"] == 1
    # One variant was called better: by the present rules two seeds show nothing.
    old = json.loads(by_old)
    old["variants"][1]["vs_baseline"]["verdict"] = "better"
    (ablation.path / "summary.json").write_text(json.dumps(old))
    for _ in range(2):
        judged = api.resume_ablation(ablation.path)
        assert judged.result()["rules"] == RULES > 1
        [sentence] = [text for text in judged.summary["warnings"] if "rules" in text]
        assert sentence == (
            "The rules have changed: an earlier summary, summary.rules1.json, was made by rules 1 "
            f"({MEANING[1]}); this one is by rules {RULES} ({MEANING[RULES]}). Other verdicts: "
            "activation=tanh: better, now undecided."
        )
        assert json.loads((ablation.path / "summary.rules1.json").read_bytes()) == old
        page = (ablation.path / "report.html").read_text()
        assert "The rules have changed" in page and f"Judged by rules {RULES}" in page


def test_an_ablation_that_began_under_old_rules_says_so(runs_dir: Path) -> None:
    path = next((runs_dir / "ablation").iterdir())
    (path / "summary.json").unlink()
    for seeds in (None, "3"):  # which writes the plan anew
        warnings = api.resume_ablation(path, seeds=seeds).summary["warnings"]
        said = f"This ablation began under rules 1 ({MEANING[1]}); it is judged by rules {RULES} "
        assert any(text.startswith(said) for text in warnings)


# Documents with digests, by the last version that drew other random numbers.
OTHER_NUMBERS = FOLDERS / "schema2"


@pytest.fixture
def with_digests(tmp_path: Path) -> Path:
    for number, path in enumerate(sorted(OTHER_NUMBERS.iterdir()), start=1):
        shutil.copytree(path, tmp_path / path.name / f"2026010{number}-000000-00ab")
    return tmp_path


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_with_digests_opens_but_does_not_go_on(with_digests: Path) -> None:
    run = api.load("run", runs_dir=with_digests)
    assert (run.status, run.config.train.engine) == ("completed", "torch")
    assert [line["step"] for line in run.history] == [0, 7, 14, 20]
    assert run.evaluate()["dev"]["cost"] == pytest.approx(run.metrics["dev"]["cost"], rel=1e-5)
    assert run.predict(np.zeros((1, 2))).shape == (1, 1)
    stopped = api.load("stopped", runs_dir=with_digests)
    assert (stopped.status, [line["step"] for line in stopped.history]) == (
        "interrupted",
        [0, 7, 14],
    )
    said = "by an earlier version of dlx, which drew other random num"
    for path, action in (
        (run.path, lambda path: api.resume(path, ["train.epochs=30"])),
        (run.path, api.verify),
        (stopped.path, api.resume),
    ):
        before = contents(path)
        with pytest.raises(RunError, match=said):
            action(path)
        after = contents(path)
        changed = {file.name for file in after if after[file] != before.get(file)}
        assert changed <= {"run.json", ".lock"}, changed
    assert api.load(stopped.path).status == "interrupted"


def test_an_ablation_with_digests_opens_and_grows(with_digests: Path) -> None:
    ablation = api.Ablation(next((with_digests / "ablation").iterdir()))
    assert [r.variant for r in ablation.results] == [
        f"activation={a}" for a in VARIED for _ in "01"
    ]
    assert all(result.curve.steps == (0, 7, 14, 20) for result in ablation.results)
    assert api.load("ablation#3", runs_dir=with_digests).config.model.activation.name == "tanh"
    more = api.resume_ablation(ablation.path, seeds="3")
    assert (more.status, more.info["cohorts"], len(more.results)) == ("completed", 2, 6)
    assert api.load(f"{ablation.path}#6").config.seed == 2
    with pytest.raises(RunError, match="by an earlier version of dlx, which drew other random num"):
        api.verify(ablation.path)


VARIED = ["relu", "tanh"]


def test_a_search_opens_and_is_told_of_anew(with_digests: Path) -> None:
    search = api.Search(next((with_digests / "search").iterdir()))
    best = (search.path / "best.yaml").read_bytes()
    assert search.status == "completed" and len(search.result()["trials"]) == 2
    assert api.load("search#1", runs_dir=with_digests).status == "completed"
    assert api.resume_search(search.path).status == "completed"
    assert (search.path / "best.yaml").read_bytes() == best


READERS = {
    "run": ("run.json", "config.yaml", "weights.safetensors", "metrics.jsonl"),
    "stopped": ("run.json", "config.yaml"),
    "ablation": ("run.json", "ablation.yaml", "plan.json", "cohorts/1/weights.safetensors"),
    "search": ("run.json", "search.yaml", "plan.json"),
}


@pytest.mark.parametrize(("kind", "name"), [(k, n) for k, names in READERS.items() for n in names])
def test_digests_of_old_folders_are_checked(with_digests: Path, kind: str, name: str) -> None:
    [folder] = (with_digests / kind).iterdir()
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(RunError, match=Path(name).name):
        if kind in ("run", "stopped"):
            run = api.load(folder)
            assert run.config and run.history and run.evaluate()
        elif kind == "search":
            api.resume_search(folder)
        else:
            api.load(f"{folder}#1").evaluate()
            api.resume_ablation(folder)
