"""Every option that takes an integer: absurd ones are refused at once, in a line that names it."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dlx.cli.app import _command, main
from tests.cli.conftest import Command

ABLATE = ["ablate", "moons", "--vary", "model.hidden=[4],[3]", "train.steps=1", "--dry-run"]
SEARCH = ["search", "moons", "--space", "optimizer.lr=1e-3..1e-1 log", "train.steps=1", "--dry-run"]
# Commands by their path, with what else they need; those that would go on at once are not run.
ASKED: dict[tuple[str, ...], list[str] | None] = {
    ("train",): ["train", "moons", "train.steps=1", "--dry-run"],
    ("ablate",): ABLATE,
    ("search",): SEARCH,
    ("lr",): ["lr", "moons", "train.steps=1"],
    ("evaluate",): ["evaluate", "run", "--importance"],
    ("inspect",): ["inspect", "moons"],
    ("sample",): ["sample", "rbm"],
    ("probe",): ["probe", "rbm"],
    ("board",): ["board", "run"],
    ("why",): ["why", "run", "run"],
    ("resume",): None,  # has --jobs of ablate
    ("verify",): None,  # trains at most as many runs as there are
}
HUGE = 10**25
# Options that any number fits, or that are bounded by what there is.
UNBOUNDED = {"--jobs", "--top"}


def integer_options() -> Iterator[tuple[tuple[str, ...], str]]:
    waiting: list[tuple[tuple[str, ...], Any]] = [((), _command)]
    while waiting:
        path, command = waiting.pop()
        inner = getattr(command, "commands", {})
        waiting += [((*path, name), child) for name, child in inner.items()]
        for option in () if inner else command.params:
            described = getattr(option, "type_descriptor", None)
            if described is not None and described.annotation is int:
                yield path, option.opts[0]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, before = tmp_path_factory.mktemp("trained"), Path.cwd()
    os.chdir(folder)
    quick = ["train.steps=1", "--quiet", "--no-figures"]
    try:
        assert main(["train", "moons", "name=run", *quick]) == 0
        assert main(["train", "moons", "name=rbm", "model={name: rbm, hidden: 2}", *quick]) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.mark.slow("dlx/cli/", "dlx/api/")
def test_every_integer_option_refuses_absurd_ones(
    trained: Path, dlx: Command, tmp_path: Path
) -> None:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    options = list(integer_options())
    assert len(options) >= 10
    assert {path for path, _ in options} <= ASKED.keys()
    for path, option in options:
        asked = ASKED[path]
        if asked is None:
            continue
        for value in (HUGE, -1):
            if value == HUGE and option in UNBOUNDED:
                continue
            began = time.process_time()
            ended = dlx(*asked, option, value)
            assert ended.code == 2, (path, option, value, ended)
            assert "Traceback" not in ended.err
            assert sum(line.startswith("error: ") for line in ended.err.splitlines()) == 1
            assert str(value) in ended.err or option in ended.err, (path, option, ended.err)
            assert time.process_time() - began < 2, (path, option, value)


@pytest.mark.parametrize("option", ["--variant", "--fold"])
def test_an_option_that_would_be_ignored_is_refused(option: str, dlx: Command) -> None:
    ended = dlx("train", "moons", option, 3, "--dry-run")
    assert ended.code == 2
    assert f"{option} 3: it goes with --from ABLATION; leave it out" in ended.err


@pytest.mark.parametrize("path", ["", ".", "..", "/"])
def test_a_path_without_a_name_is_no_file_to_write(path: str, trained: Path, dlx: Command) -> None:
    run = next((trained / "runs" / "run").iterdir())
    ended = dlx("predict", run, "--split", "test", "--output", path)
    assert ended.code == 9
    assert "a directory is in the way: name a file" in ended.err
