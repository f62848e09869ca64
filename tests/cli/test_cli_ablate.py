"""`dlx ablate` and what resumes, repeats and verifies it."""

import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import time
from pathlib import Path

import pytest

from dlx.cli import main
from tests.cli.conftest import Command, start
from tests.guarded import ABLATIONS, SAVING

SHORT = ["train.steps=30", "log.every=10"]
TWO = ["--vary", "model.activation=relu,tanh", "--seeds", "2", "--anyway", "--quiet"]


def only_ablation(folder: Path) -> Path:
    [path] = (folder / "runs" / "xor").iterdir()
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of runs of an ablation that has ended."""
    folder = tmp_path_factory.mktemp("whole") / "runs"
    assert main(["ablate", "xor", *SHORT, *TWO, "--runs-dir", str(folder)]) == 0
    return folder


@pytest.fixture
def ablation(whole: Path, tmp_path: Path) -> Path:
    """A copy of it in the test's own folder of runs."""
    shutil.copytree(whole, tmp_path / "runs")
    return only_ablation(tmp_path)


def test_one_json_object_and_nothing_else(dlx: Command, tmp_path: Path) -> None:
    ended = dlx("ablate", "xor", *SHORT, *TWO, "--json")
    assert (ended.code, ended.err) == (0, "")
    result = ended.json
    path = only_ablation(tmp_path)
    assert result["ablation"] == str(path.relative_to(tmp_path))
    assert (result["status"], result["runs"]) == ("completed", 4)
    assert [variant["name"] for variant in result["variants"]] == [
        "activation=relu",
        "activation=tanh",
    ]
    resumed = dlx("resume", path, "--json", "--quiet")
    assert resumed.code == 0
    assert resumed.json["variants"] == result["variants"]
    verified = dlx("verify", path, "--runs", 2, "--json", "--quiet")
    assert verified.code == 0
    assert verified.json["variants"] == result["variants"]
    assert len(verified.json["verified"]) == 2
    _, *rows = dlx("verify", path, "--runs", 4, "--quiet").out.splitlines()
    assert [row.partition("  ")[0] for row in rows[:-1]] == [
        f"{path}#{number} (activation={name}@{seed})"
        for number, (name, seed) in enumerate(itertools.product(("relu", "tanh"), range(2)), 1)
    ]


def test_the_table_of_verdicts_and_where_the_report_is(dlx: Command, tmp_path: Path) -> None:
    ended = dlx("ablate", "xor", *SHORT, *TWO)
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[0].split()[:2] == ["variant", "n"]
    assert {line.split()[0] for line in lines[1:3]} == {"activation=relu", "activation=tanh"}
    assert lines[-1].endswith("report.html")
    assert (tmp_path / lines[-1]).exists()


def test_progress_is_told_in_lines_on_stderr(dlx: Command) -> None:
    ended = dlx("ablate", "xor", *SHORT, *TWO[:-1])
    first, second, third, *others = ended.err.splitlines()
    assert (
        first == "note: the baseline 'activation=tanh' is the variant with the values of the config"
    )
    assert second == "note: 1 comparison: nothing can be decided; it takes at least 3 seeds"
    assert third.startswith("comparison: 4 runs in 1 cohort, runs/xor/")
    assert others[-1].startswith("4/4 runs  cohort 1/1  step 30/30  ")


def test_a_dry_run_says_what_the_seeds_can_decide(dlx: Command) -> None:
    vary = ["ablate", "digits", "--vary", "model.activation=relu,tanh", "--dry-run"]
    few = dlx(*vary, "--seeds", 2)
    assert "the baseline 'activation=relu' is the variant with the values of the config" in few.out
    assert "1 comparison: nothing can be decided; it takes at least 3 seeds" in few.out
    assert few.err.startswith("warning: this is trained by --anyway alone: ablation.seeds: 2 seeds")
    assert "this is trained" not in dlx(*vary, "--seeds", 2, "--anyway").err
    enough = dlx(*vary, "--seeds", 10)
    assert "a difference of 1.0 times its standard deviation over the seeds" in enough.out
    document = dlx(*vary, "--seeds", 10, "--json").json
    assert (document["comparisons"], document["baseline_differs"]) == (1, 0)
    assert document["fewest_seeds"] == 3 and 0.9 < document["smallest_effect"] < 1.1
    also = ["ablation.also=[dev.cost]", "ablation.steps_to={dev.accuracy: 0.9}"]
    more = dlx(*vary, *also, "--seeds", 10, "--json").json
    assert more["comparisons"] == 3 and more["smallest_effect"] > document["smallest_effect"]
    assert document["smallest_p"] == {} and more["smallest_p"] == {"steps_to": 3 * 2 / 2**10}
    said = dlx(*vary, *also, "--seeds", 10).out
    assert "the smallest p that 10 seeds reach is 0.0059, of steps_to, adjusted for 3" in said
    folds = dlx(*vary, "ablation.folds=10", "--seeds", 1, "--json").json
    assert folds["smallest_effect"] == pytest.approx(
        (1 + 10 / 9) ** 0.5 * document["smallest_effect"]
    )
    other = dlx("ablate", "digits", "--vary", "optimizer.lr=0.1,0.2", "--dry-run", "--seeds", 2).out
    assert "'lr=0.1' differs from the config in 1 value, as few as any variant" in other


def test_what_can_decide_nothing_is_refused_unless_anyway(dlx: Command, tmp_path: Path) -> None:
    few = [argument for argument in TWO if argument != "--anyway"]
    ended = dlx("ablate", "xor", *SHORT, *few)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "error: ablation.seeds: 2 seeds can decide nothing, since 1 comparison takes at least 3; "
        "use --seeds 3 or more, or train without verdicts by --anyway\n"
    )
    assert not (tmp_path / "runs").exists()
    assert dlx("ablate", "xor", *SHORT, *TWO, "model.hidden=[]", "--dry-run").err == (
        "warning: 'activation=relu' and 'activation=tanh' train alike: their runs do not use what "
        "differs; leave all but one of them out\n"
    )


@pytest.mark.slow(*ABLATIONS)
def test_a_pilot_says_what_all_seeds_will_find(dlx: Command, tmp_path: Path) -> None:
    metric = "ablation.metric=dev.cost"
    wanted = ["ablate", "iris", "train.epochs=3", metric, *TWO[:2], "--seeds", 4, "-q"]
    dry = dlx(*wanted, "--pilot", 3, "--dry-run")
    said = "as differences vary in the pilot (3 seeds); 4 seeds find one of "
    assert dry.code == 0 and said in dry.out
    assert not (tmp_path / "runs").exists()
    ended = dlx(*wanted, "--pilot", 3)
    assert ended.code == 0, ended.err
    [path] = (tmp_path / "runs" / "iris").iterdir()
    folder = path.relative_to(tmp_path)
    assert ended.out.splitlines()[-1] == (
        f"`dlx resume {folder}` trains the other seeds; with --seeds N so many in all"
    )
    assert said in ended.out and ended.out.splitlines()[-2] in dry.out, "the same runs"
    warning = "warning: This is a pilot of 3 of 4 planned seeds; `dlx resume` trains the others"
    assert warning in ended.err
    document = dlx(*wanted, "--dry-run", "--json").json["variances"]
    assert document["ablation"] == str(folder)
    assert document["variants"]["activation=relu"]["deviation"] > 0
    ended = dlx("resume", "iris", "-q", "--json")
    assert [variant["n"] for variant in ended.json["variants"]] == [4, 4]
    ended = dlx(*wanted, "--pilot", 4)
    assert ended.code == 2
    assert "--pilot 4: the ablation has 4 seeds, which leaves none for after" in ended.err


def test_a_dry_run_builds_all_and_writes_nothing(dlx: Command, tmp_path: Path) -> None:
    arguments = ["--vary", "model.hidden=[3],[4,4]", "--seeds", "[5, 7]", "--dry-run"]
    ended = dlx("ablate", "xor", *SHORT, *arguments)
    assert ended.code == 0
    assert "xor: 2 variants x 2 seeds = 4 runs; judged by dev.accuracy against" in ended.out
    assert "2-4-4-1, batch 4, xor" in ended.out
    assert "nothing was written" in ended.out
    document = dlx("ablate", "xor", *SHORT, *arguments, "--json").json
    assert document["seeds"] == [5, 7]
    assert [variant["parameters"] for variant in document["variants"]] == [13, 37]
    assert [cohort["runs"] for cohort in document["cohorts"]] == [2, 2]
    assert all(cohort["seconds"] > 0 and cohort["bytes"] > 0 for cohort in document["cohorts"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["xor"], r"the config has no such section; say what varies with --vary KEY=a,b,c"),
        (["xor", "--vary", "model.activation"], r"write KEY=a,b,c"),
        (["xor", "--vary", "model.activaton=relu"], r"did you mean 'model\.activation'\?"),
        (["xor", "--vary", "model.activation=relu,relu"], r"the list has 'relu' twice; remove one"),
        (
            ["xor", "--vary", "optimizer.lr=0.1", "--vary", "optimizer.lr=0.2"],
            r"--vary: optimizer\.lr is given twice.* write all of its values in one",
        ),
        (
            ["xor", *TWO, "--design", "gird"],
            r"error: --design gird: ablation\.design: received 'gird'; did you mean 'grid'\?",
        ),
        (
            ["xor", *TWO, "--seeds", "0"],
            r"error: --seeds 0: ablation\.seeds: received 0 \(allowed: an integer > 0",
        ),
        (["xor", *TWO, "--seeds", "[1"], r"error: --seeds \[1: while parsing a flow sequence"),
        (
            ["xor", *TWO, "ablation.baseline=sigmoid"],
            r"ablation\.baseline: 'sigmoid' is no variant",
        ),
        (["xor", *TWO, "--jobs", "0"], r"invalid value for '--jobs'"),
        (["xor", *TWO, "--vary", "log.points=1..200000"], r"are 800,000 runs, more than 100,000"),
        (["moons", *TWO, "data.split={dev: 0}"], r"give data\.split some dev rows"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_written(
    arguments: list[str], message: str, dlx: Command, tmp_path: Path
) -> None:
    ended = dlx("ablate", *arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert re.search(message, ended.err), ended.err
    assert ended.err.startswith("error: ")
    assert not (tmp_path / "runs").exists()


def test_one_run_of_an_ablation_is_trained_alone(dlx: Command, ablation: Path) -> None:
    chosen = ["--from", ablation, "--variant", "activation=tanh", "--seed", 1, "name=alone"]
    ended = dlx("train", *chosen, "--json", "--quiet")
    assert ended.code == 0, ended.err
    names = ["--metric", "accuracy"]
    run = dlx("evaluate", f"{ablation}/activation=tanh@1", *names, "--json").json
    assert ended.json["metrics"] == run["metrics"]
    info = json.loads((ablation / "runs" / "4" / "run.json").read_text())
    assert ended.json["metrics"] == info["metrics"]
    assert ended.json["run"].startswith("runs/alone/")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--variant: received nothing (allowed: 'activation=relu', 'activation=tanh')"),
        (["--variant", "activation=rel"], "did you mean 'activation=relu'?"),
        (["--variant", "activation=relu", "--seed", "9"], "--seed: received 9 (allowed: 0, 1)"),
        (["--variant", "activation=relu", "--fold", "1"], "the ablation has no folds"),
    ],
)
def test_a_run_that_is_not_in_the_ablation_is_refused(
    arguments: list[str], message: str, dlx: Command, ablation: Path
) -> None:
    ended = dlx("train", "--from", ablation, *arguments)
    assert ended.code == 2
    assert message in ended.err


def test_what_only_ablations_can_be_asked_is_refused_of_runs(dlx: Command) -> None:
    dlx("train", "xor", *SHORT, "--quiet")
    ended = dlx("resume", "latest", "--only", "failed")
    assert ended.code == 2
    assert "is a run: --only, --seeds and --jobs are for ablations" in ended.err
    ended = dlx("train", "--from", "latest")
    assert ended.code == 4
    assert "is a run, not an ablation" in ended.err


def test_an_ablation_keeps_its_config(dlx: Command, ablation: Path) -> None:
    ended = dlx("resume", ablation, "train.steps=50")
    assert ended.code == 2
    assert "train.steps=50: an ablation that has begun keeps its config" in ended.err
    ended = dlx("resume", ablation, "--only", "diverged")
    assert (ended.code, "--only: received 'diverged'; allowed: failed" in ended.err) == (2, True)
    for command in ("evaluate", "export", "inspect"):
        ended = dlx(command, ablation)
        assert ended.code == 4
        assert "is an ablation; name one of its runs, such as" in ended.err, ended.err


@pytest.mark.slow(*SAVING)
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.usefixtures("one_thread")
def test_killed_and_resumed_is_as_never_killed(jobs: int, dlx: Command, tmp_path: Path) -> None:
    """Twice kill -9, at whatever it is doing, and once SIGTERM."""
    long = ["train.steps=100000", "train.checkpoint_seconds=0.1", "log.every=5000"]
    varied = ["--vary", "model.activation=relu,tanh", "--vary", "model.dropout=0,0.2"]
    command = ["ablate", "xor", *long, *varied, "--seeds", "8", "--jobs", jobs, "--quiet"]
    whole = dlx(*command, "name=whole", "--json")
    assert whole.code == 0, whole.err
    for number in range(3):
        arguments = (
            ["resume", "killed", "--jobs", jobs, "--quiet"] if number else [*command, "name=killed"]
        )
        started = start(*arguments, cwd=tmp_path)
        before = set(tmp_path.glob("runs/killed/*/cohorts/*/checkpoints/step*"))
        while not set(tmp_path.glob("runs/killed/*/cohorts/*/checkpoints/step*")) - before:
            assert started.poll() is None, started.communicate()
            time.sleep(0.01)
        started.send_signal(signal.SIGTERM if number == 2 else signal.SIGKILL)
        _, err = started.communicate(timeout=60)
        assert started.returncode == (143 if number == 2 else -9), err
    ended = dlx("resume", "killed", "--quiet", "--json")
    assert ended.code == 0, ended.err
    for resumed, expected in zip(ended.json["variants"], whole.json["variants"], strict=True):
        assert resumed == expected
    (killed,), (other,) = ((tmp_path / "runs" / name).iterdir() for name in ("killed", "whole"))
    weights = sorted(other.rglob("weights.safetensors"))
    assert weights
    for path in weights:
        twin = killed / path.relative_to(other)
        assert twin.read_bytes() == path.read_bytes()


@pytest.mark.slow(*SAVING)
@pytest.mark.parametrize("kills", [1, 2])
def test_a_killed_worker_takes_its_own_cohort_alone(kills: int, tmp_path: Path) -> None:
    """Another process goes on with the cohort; killed again, it has failed, and no other has."""
    command = ["ablate", "xor", "train.steps=600000", "--vary", "model.hidden=[8],[9]"]
    started = start(*command, "--seeds", "6", "--jobs", "2", "--quiet", cwd=tmp_path)

    def workers() -> list[int]:
        children = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
        commands = {int(child): Path(f"/proc/{child}/cmdline").read_bytes() for child in children}
        return [child for child, words in commands.items() if b"ablate" in words]

    others: set[int] = set()  # that train the other cohort, or were killed
    for _ in range(kills):
        while len(workers()) < 2 or not (alive := set(workers()) - others):
            assert started.poll() is None, started.communicate()
            time.sleep(0.05)
        time.sleep(1)
        victim = min(alive)
        os.kill(victim, signal.SIGKILL)
        others |= alive
    _, err = started.communicate(timeout=120)
    [path] = (tmp_path / "runs" / "xor").iterdir()
    summary = json.loads((path / "summary.json").read_text())
    failed = sorted(variant["failed"] for variant in summary["variants"])
    assert "a process that trained it died, and another one went on" in err
    if kills == 1:
        assert (started.returncode, failed) == (0, [0, 0]), err
    else:
        assert (started.returncode, failed) == (8, [0, 6]), err
        assert "its process was ended by SIGKILL" in err


def test_an_ablation_that_could_not_be_tuned_says_so(dlx: Command) -> None:
    tune = "ablation.tune={optimizer.lr: [1e+28, 1e+30]}"
    arguments = ["train.steps=5", "model.activation=relu", "data.limit=50"]
    ended = dlx("ablate", "moons", *arguments, tune, "--vary", "optimizer=sgd", *TWO[2:])
    assert ended.code == 5
    assert ended.out == ""
    assert "error: ablation.tune: every tuned value made runs of variant" in ended.err


def test_values_of_vary_in_any_script(dlx: Command) -> None:
    ended = dlx("ablate", "xor", "--vary", "model.activation=😀", "--dry-run")
    assert ended.code == 2
    assert "variant 'activation=😀': model.activation: received" in ended.err


@pytest.mark.slow(*SAVING)
@pytest.mark.parametrize("emptied", [False, True])
@pytest.mark.parametrize(
    "file",
    [
        *(f"cohorts/1/{name}" for name in ("cohort.json", "metrics.jsonl")),
        *(f"cohorts/1/{name}.safetensors" for name in ("weights", "preprocessing")),
        *("index.json", "summary.json", "results.csv", "report.html"),
    ],
)
def test_resuming_makes_what_was_lost_anew(
    dlx: Command, ablation: Path, file: str, emptied: bool, request: pytest.FixtureRequest
) -> None:
    if file.startswith("cohorts/"):
        request.getfixturevalue("without_pictures")
    path = ablation / file
    content = path.read_bytes()
    path.write_bytes(b"") if emptied else path.unlink()
    resumed = dlx("resume", "xor", "--quiet")
    assert resumed.code == 0
    assert ("are trained again" in resumed.err) == file.startswith("cohorts/")
    if path.suffix == ".safetensors":
        assert path.read_bytes() == content
    assert path.stat().st_size
    summary = json.loads((ablation / "summary.json").read_text())
    assert [variant["n"] for variant in summary["variants"]] == [2, 2]


def test_a_plan_that_was_lost_is_made_again(dlx: Command, ablation: Path) -> None:
    path = ablation / "plan.json"
    content = path.read_bytes()
    path.unlink()
    assert dlx("resume", "xor", "--quiet").code == 0
    assert path.read_bytes() == content


@pytest.mark.parametrize("file", ["plan.json", "ablation.yaml"])
def test_nothing_is_resumed_under_other_terms(dlx: Command, ablation: Path, file: str) -> None:
    path = ablation / file
    path.write_text(path.read_text() + "\n")
    ended = dlx("resume", "xor", "--quiet")
    assert ended.code == 4
    assert f"{file} is damaged, or was changed after dlx wrote it" in ended.err


def test_nothing_is_resumed_on_other_data(dlx: Command, tmp_path: Path) -> None:
    rows = [f"{n % 7},{n % 5},{'ab'[n % 2]}" for n in range(40)]
    (tmp_path / "rows.csv").write_text("\n".join(["x,y,label", *rows]))
    table = ["data={name: csv, path: rows.csv, target: label}", "name=xor", "train.batch_size=8"]
    assert dlx("ablate", "xor", *SHORT, *TWO, *table).code == 0
    (tmp_path / "rows.csv").write_text("\n".join(["x,y,label", *rows[1:]]))
    ended = dlx("resume", "xor", "--quiet")
    assert ended.code == 3
    assert "have changed since the ablation began" in ended.err


@pytest.mark.slow(*SAVING)
def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    command = ["ablate", "xor", "train.steps=50000000", "--vary", "model.hidden=[8],[9]"]
    started = start(*command, "--seeds", "3", "--jobs", "2", "--quiet", cwd=tmp_path)

    def workers() -> list[Path]:
        folders = []
        for file in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                is_worker = (file.parent / "cwd").resolve() == tmp_path
                if is_worker and file.parent.name != str(started.pid):
                    folders.append(file.parent)
        return folders

    while len(workers()) < 2:
        assert started.poll() is None, started.communicate()
        time.sleep(0.05)
    time.sleep(1)
    started.kill()
    started.communicate()
    until = time.monotonic() + 20
    while workers() and time.monotonic() < until:
        time.sleep(0.05)
    assert not workers()
    assert not (only_ablation(tmp_path) / "index.json").exists()  # no run is said to fail
