"""`dlx search`: what it prints, writes and refuses."""

from pathlib import Path

import pytest

from dlx.config.schema import RunConfig
from tests.cli.conftest import Command

SPACE = ["--space", "optimizer.lr=1e-3..1e-1 log", "--space", "model.hidden=[4],[8]"]
SMALL = ["--trials", "6", "--batch", "3", "--seeds", "2", "search.judge_seeds=3", "train.epochs=3"]


def test_a_table_an_answer_and_two_files(dlx: Command, tmp_path: Path) -> None:
    ended = dlx("search", "iris", *SPACE, *SMALL, "--quiet")
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[0].split() == ["trial", "dev", "accuracy", "parameters", "lr", "hidden"]
    assert any(
        line.startswith(("Tuned, but not better: on 24 rows", "Tuned, and better"))
        for line in lines
    )
    assert "test" not in ended.out
    assert "which is why other rows judge it" in ended.out
    best, page = (tmp_path / line for line in lines[-2:])
    assert (best.name, page.name) == ("best.yaml", "report.html")
    assert dlx("train", best, "train.steps=3", "--quiet").code == 0
    text = page.read_text()
    assert text.index("class='answer'") < text.index("<figure>") < text.index("<table>")
    assert "http" not in text.replace("http://www.w3.org", "")
    listed = dlx("runs", "iris")
    assert "6 trials: " in listed.out
    assert dlx("report", page.parent).out.strip().endswith("report.html")
    resumed = dlx("resume", page.parent, "--test", "--quiet")
    assert "On the test rows, looked at once: accuracy the best values" in resumed.out


def test_what_was_found_is_told_though_trials_failed(
    dlx: Command, tmp_path: Path, forgotten: None
) -> None:
    (tmp_path / "wave.py").write_text(
        "import dlx\n\n@dlx.register('activation')\ndef wave(z):\n    'Breaks on wide layers.'\n"
        "    if z.shape[-1] == 8:\n        raise RuntimeError('too wide')\n    return z.sin()\n"
    )
    words = ("search", "iris", *SPACE, *SMALL, "model.activation=wave", "--quiet")
    for command in (words, ("resume", "iris", "--quiet")):
        ended = dlx("--plugin", "wave.py", *command)
        assert ended.code == 8 and "trials could not be trained" in ended.err
        assert ended.out.splitlines()[0].startswith("trial ") and "best.yaml" in ended.out


def test_json(dlx: Command) -> None:
    ended = dlx("search", "iris", *SPACE, *SMALL, "--json", "--quiet", "--metric", "dev.cost")
    document = ended.json
    assert document["objectives"] == ["dev.cost"] and document["rising"] == [False]
    assert document["states"] == {"completed": 6} and document["status"] == "completed"
    costs = [trial["values"][0] for trial in document["trials"]]
    assert document["best"]["values"] == [min(costs)]
    assert document["verdict"]["answer"] in ("tuned, and better", "tuned, but not better")
    assert document["verdict"]["values"]["best"]["test"] is None
    assert Path(document["best_config"]).exists()


def test_a_dry_run_shows_the_first_batch_and_writes_nothing(dlx: Command, tmp_path: Path) -> None:
    ended = dlx("search", "iris", *SPACE, *SMALL, "--dry-run")
    assert ended.code == 0
    assert ended.out.startswith("iris: 6 trials of 2 seeds, in batches of 3, then 2 configs at 3")
    assert ended.out.rstrip().endswith("nothing was written")
    assert list(tmp_path.iterdir()) == []
    document = dlx("search", "iris", *SPACE, *SMALL, "--dry-run", "--json").json
    trained = dlx("search", "iris", *SPACE, *SMALL, "--quiet", "--json").json
    first = [trial["settings"] for trial in trained["trials"][:3]]
    assert [trial["settings"] for trial in document["first"]] == first


def test_the_section_of_a_config_says_the_same(dlx: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "data: {name: iris}\ntrain: {epochs: 3}\nsearch:\n"
        "  space: {optimizer.lr: 1e-3..1e-1 log, model.hidden: [[4], [8]]}\n"
        "  trials: 6\n  batch: 3\n  seeds: 2\n  judge_seeds: 3\n"
    )
    ended = dlx("search", "mine.yaml", "--json", "--quiet")
    assert ended.json["planned"] == 6
    assert dlx("train", "mine.yaml", "--quiet").code == 0
    assert RunConfig.model_fields["search"].default is None


LR = ["--space", "optimizer.lr=0.1,1"]
BAD = [
    ([], 2, "search.space: nothing to look for"),
    (["--space", "optimizer.lrr=1,2"], 2, "did you mean 'optimizer.lr'?"),
    (["--space", "seed=1,2"], 2, "search.space.seed: a seed is luck"),
    (
        ["--space", "optimizer.lr=1,2", "--space", "optimizer.lr=3,4"],
        2,
        "--space: optimizer.lr is given twice",
    ),
    (["--space", "data.limit=50,100"], 2, "search.space.data.limit: trials on different rows"),
    (["--space", "optimizer.lr=2..1"], 2, "search.space.optimizer.lr: received '2..1'"),
    (["--space", "model.dropout=2,3"], 2, "search.space.model.dropout: 2 cannot be trained: "),
    (["--space", "model.dropout=0.0..1.5"], 2, "model.dropout: 1.5 cannot be trained: "),
    (["--space", "model.activation=relu,rleu"], 2, "model.activation: 'rleu' cannot be trained"),
    (
        ["--space", "optimizer.lr=0.1,1", "--metric", "dev.acuracy"],
        2,
        "did you mean 'dev.accuracy'?",
    ),
    (
        ["--space", "optimizer.lr=0.1,1", "--metric", "test.accuracy"],
        2,
        "nothing is chosen by test",
    ),
    ([*LR, "--metric", "parameters"], 2, "the smallest network wins"),
    ([*LR, "--sampler", "tpee"], 2, "--sampler tpee"),
    ([*LR, "--sampler", "cmaes"], 2, "cmaes needs a range of numbers"),
    (["--space", "optimizer.lr=0.1..1", "--sampler", "grid"], 2, "counted: add how many"),
    ([*LR, "--constraint", "parameters <"], 2, "a bound"),
    (
        ["--space", "optimizer.lr=0.1,1", "--constraint", "params < 3"],
        2,
        "did you mean 'parameters'?",
    ),
    (
        ["--space", "optimizer.lr=0.1,1", "--pruner", "wilcoxon", "--seeds", "3"],
        2,
        "set search.seeds to 4",
    ),
    (
        ["--space", "optimizer.lr=0.1,1", "search.judge=119"],
        3,
        "data.split.judge: the 119 rows leave",
    ),
    ([*LR, "search.judge=120"], 3, "takes 120 of the 120 rows"),
    (["--space", "optimizer.lr"], 2, "--space 'optimizer.lr': write KEY=LOW..HIGH"),
    (["--space", "optimizer.lr=1e-4..1e-1 lin"], 2, "received '1e-4..1e-1 lin', which is no range"),
    (["--space", "optimizer.lr=1e-4...1"], 2, "received '1e-4...1', which is no range"),
    (["--space", "name=a,b"], 2, "search.space.name: unknown key of a run: name is of all"),
    (["--space", "search.seeds=1,2"], 2, "unknown key of a run: search is of all runs together"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), BAD)
def test_bad_input(
    dlx: Command, arguments: list[str], code: int, message: str, tmp_path: Path
) -> None:
    ended = dlx("search", "iris", *arguments, "--quiet")
    assert message in ended.err
    assert ended.code == code
    assert ended.err.count("error:") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_grid_of_a_billion_points_is_refused_at_once(dlx: Command) -> None:
    keys = ["train.batch_size", "train.epochs", "log.points"]
    space = [word for key in keys for word in ("--space", f"{key}=1..1000")]
    ended = dlx("search", "iris", *space, "--sampler", "grid")
    assert ended.code == 2 and "has 1,000,000,000 points, more than 100,000" in ended.err


def test_several_objectives_and_what_cannot_go_with_them(dlx: Command) -> None:
    two = ["--metric", "dev.accuracy", "--metric", "parameters"]
    refused = dlx("search", "iris", *SPACE, *two, "--pruner", "asha")
    assert refused.code == 2 and "asha prunes by one objective" in refused.err
    refused = dlx("search", "iris", *SPACE, *two, "--sampler", "cmaes")
    assert refused.code == 2 and "cmaes knows one objective" in refused.err


def test_what_a_search_is_no_run_for(dlx: Command) -> None:
    path = dlx("search", "iris", *SPACE, *SMALL, "--json", "--quiet").json["search"]
    refused = dlx("resume", path, "train.epochs=9")
    assert refused.code == 2 and "is a search, which goes on as it began" in refused.err
    for command in ("evaluate", "diagnose", "export"):
        refused = dlx(command, path)
        assert refused.code == 4 and "is a search; name one of its runs, such as" in refused.err
    refused = dlx("compare", path)
    assert refused.code == 4 and "has judged its best trial itself" in refused.err
    refused = dlx("table", path)
    assert refused.code == 4 and "is a search, not an ablation" in refused.err
    assert dlx("evaluate", f"{path}#1").code == 0
    verified = dlx("verify", path, "--runs", "2", "--json").json["verified"]
    assert [own["identical"] for own in verified] == [True, True]
    assert dlx("resume", f"{path}#1", "--test").code == 2


def test_optuna_is_an_extra(dlx: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "optuna", None)
    ended = dlx("search", "iris", *SPACE)
    assert ended.code == 2 and "pip install 'dlx[optuna]'" in ended.err


WIDE = ["--space", "model.hidden=[4],[40]", "--constraint", "parameters<=60"]


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        (
            ["--space", "model.init={name: normal, std: 2e38},{name: normal, std: 1e38}"],
            5,
            "error: all 6 trials that were trained diverged (the training cost was not finite",
        ),
        (
            ["--space", "model.hidden=[8],[40]", "--constraint", "parameters<=50"],
            2,
            "error: search.constraints: no trial keeps parameters<=50 (at best by 17 too much)",
        ),
    ],
)
def test_a_dry_run_of_trials_that_make_no_step_ends_as_the_search_does(
    asked: list[str], code: int, said: str, dlx: Command
) -> None:
    dry = dlx("search", "iris", *asked, *SMALL, "--dry-run")
    trained = dlx("search", "iris", *asked, *SMALL, "--quiet")
    assert (dry.code, trained.code, dry.out) == (code, code, "")
    error = dry.err.splitlines()[-1]
    assert error.startswith(said)
    assert error in trained.err


def test_a_dry_run_goes_on_to_the_first_batch_that_trains(dlx: Command) -> None:
    asked = ["search", "iris", *WIDE, *SMALL[:2], "--batch", "1", *SMALL[4:], "--seed", "3"]
    dry = dlx(*asked, "--dry-run", "--json").json
    trials = dlx(*asked, "--quiet", "--json").json["trials"]
    [first] = dry["first"]
    assert first["number"] > 1 and first["state"] is None
    assert first["settings"] == trials[first["number"] - 1]["settings"]
    states = [trial["state"] for trial in trials[: first["number"]]]
    assert states == ["infeasible"] * (len(states) - 1) + ["completed"]
    words = dlx(*asked, "--dry-run").out
    assert f"no trial before {first['number']} makes a step" in words


def test_a_dry_run_names_trials_that_diverge_at_once(dlx: Command) -> None:
    space = ["--space", "model.init={name: normal, std: 2e38},{name: normal, std: 0.1}"]
    ended = dlx("search", "iris", *space, *SMALL[:2], "--batch", "6", *SMALL[4:], "--dry-run")
    assert ended.code == 0
    assert "diverged" in ended.out and ": the training cost was not finite after 0" in ended.out
    rows = [line.split() for line in ended.out.splitlines() if "std=" in line or "std:" in line]
    assert len(rows) == 6 and len({(("2e+38" in " ".join(row)), row[-1]) for row in rows}) == 2


@pytest.mark.parametrize(
    ("data", "space", "said"),
    [
        ("iris", "optimizer.lr=0.1,0.2", "which is why other seeds judge it"),
        ("xor", "optimizer.lr=0.5,0.6", "which is why other seeds judge it"),
        ("xor", "optimizer.lr=0.01,1e-9", "which new rows may not reach"),
    ],
)
def test_what_judges_the_best_value_is_said(data: str, space: str, said: str, dlx: Command) -> None:
    small = ["--trials", "6", "--seeds", "1", "--metric", "train.cost", "train.steps=3"]
    ended = dlx("search", data, "--space", space, *small, "-q")
    assert ended.code == 0, ended.err
    assert said in ended.out
    assert "that no trial has seen" not in ended.out
