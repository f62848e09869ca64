"""The names and exit codes that the documents list are those that there are."""

import importlib
import pkgutil
import re
import signal
from pathlib import Path

import pytest
from typer.main import get_command

import dlx
from dlx import registry
from dlx.cli.app import app
from dlx.errors import DlxError
from tests.data.made import MADE

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
FILES = [ROOT / "README.md", ROOT / "README.ko.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMES = {kind: set(registry.names(kind)) for kind in registry.MODULES}
NAME = r"`[a-z][a-z0-9_]*`"
# The kinds of which each row of the README's table "What there is" lists every name.
ROWS = {
    "data": ("data",),
    "networks": ("model", "block", "corruption"),
    "activations": ("activation",),
    "initializers": ("initializer",),
    "regularization": ("dropout", "average"),
    "optimizers": ("optimizer",),
    "schedules": ("schedule",),
    "metrics": ("metric",),
    "outputs and losses": ("loss",),
}


def text_of(path: Path) -> str:
    """Return a document with links replaced by their words."""
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", path.read_text())


def lists() -> list[tuple[str, list[str]]]:
    """Return the lists of names in backticks: `relu`, `tanh` and `elu`."""
    separator = r"(?:,? and |,? or |, )"
    pattern = re.compile(rf"{NAME}(?:{separator}{NAME})+")
    return [
        (path.name, re.findall(r"\w+", re.sub(r" and | or ", ", ", match.group())))
        for path in FILES
        for match in pattern.finditer(" ".join(text_of(path).split()))
    ]


@pytest.mark.parametrize("row", ROWS)
def test_the_readme_lists_every_name_of_a_kind(row: str) -> None:
    (line,) = re.findall(rf"^\| {row} \| (.*) \|$", text_of(ROOT / "README.md"), re.MULTILINE)
    mentioned = set(re.findall(r"`(\w+)`", line))
    for kind in ROWS[row]:
        # A model and a kind of dropout are there under the words before and after them.
        assert NAMES[kind] - mentioned <= {"mlp"}, kind


def test_lists_of_names_hold_no_name_that_is_not_there() -> None:
    checked = 0
    for file, names in lists():
        kind = max(NAMES, key=lambda kind: len(NAMES[kind].intersection(names)))
        if len(NAMES[kind].intersection(names)) > len(names) / 2:
            assert set(names) <= NAMES[kind], f"{file}: {kind}s {', '.join(names)}"
            checked += 1
    assert checked > 10


def test_the_readme_lists_every_command() -> None:
    (table,) = re.findall(r"\| command \| does \|\n\|---\|---\|\n((?:\|.*\n)+)", README)
    listed = {
        name
        for row in table.splitlines()
        for names in re.findall(r"`dlx ([^` ]+(?: [a-z\\|]+)?)", row.split(" | ")[0])
        for name in names.split()[:1]
    }
    assert listed == set(get_command(app).commands)  # type: ignore[attr-defined]


def test_the_document_on_data_names_every_source() -> None:
    text = text_of(ROOT / "docs" / "data.md")
    assert NAMES["data"] <= set(re.findall(r"`(\w+)`", text + README))
    assert set(MADE) <= set(re.findall(r"`(\w+)`", text)), "made-up sets are listed in docs/data.md"


def subclasses(error: type[DlxError]) -> set[type[DlxError]]:
    return {error}.union(*(subclasses(subclass) for subclass in error.__subclasses__()))


def test_the_readme_lists_the_exit_codes() -> None:
    for module in pkgutil.walk_packages(dlx.__path__, "dlx."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    errors = {error for error in subclasses(DlxError) if error.__module__.startswith("dlx.")}
    (listed,) = re.findall(r"Exit codes: (.*?)\.\n", README, re.DOTALL)
    by_signal = {128 + number for number in (1, signal.SIGINT, signal.SIGTERM)}  # 1: SIGHUP
    codes = {0, *by_signal, *(error.exit_code for error in errors)}
    assert sorted(map(int, re.findall(r"\b\d+\b", listed))) == sorted(codes)
