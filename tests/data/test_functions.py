"""A user's functions: executed where allowed, found from the working directory, blamed by line."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dlx.data import functions
from dlx.errors import ConfigError, DataError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory, in which code is allowed."""
    before = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    functions.allow_code()
    yield tmp_path
    functions.allow_code(False)
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(
            sys.modules[name].__file__
        ):
            del sys.modules[name]


def write(text: str, path: str = "made.py") -> None:
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text(text)


def test_nothing_is_executed_unless_it_is_allowed() -> None:
    write("import pathlib; pathlib.Path('executed').touch()\ndef f(): ...\n")
    functions.allow_code(False)
    with pytest.raises(ConfigError, match=r"made:f is code, .* write: dlx --allow-code … \(in P"):
        functions.call("made:f", {})
    assert not Path("executed").exists()
    functions.allow_code()
    functions.call("made:f", {})
    assert Path("executed").exists()


def test_the_working_directory_comes_first_and_goes_again(capsys: Any) -> None:
    write("HERE = 5\n", "helper.py")
    write(
        "def f(*, n):\n    import helper\n    print('loud')\n    return n * helper.HERE\n",
        "inside/made.py",
    )
    before = list(sys.path)
    assert functions.call("inside.made:f", {"n": 2}) == 10
    assert sys.path == before
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "loud\n")  # stdout is --json's


def test_an_installed_function() -> None:
    assert functions.call("math:hypot", {}) == 0


ABSENT = {
    "mode:f": r"no module 'mode' in .*, nor among those that are .*; did you mean 'made'",
    "made.inner:f": r"no module 'made.inner' in",
    "made:rowss": r"made.py has no function 'rowss'; did you mean 'rows'",
    "made:number": r"made.py has no function 'number'",
    "random:rows": r"random.py has no function 'rows'",
}


@pytest.mark.parametrize("name", ABSENT)
def test_what_is_not_there(name: str) -> None:
    write("number = 3\ndef rows(): ...\n")
    with pytest.raises(ConfigError, match=f"data.function: {name}: .*{ABSENT[name]}"):
        functions.find(name)


def test_options_that_it_does_not_take() -> None:
    write("def f(*, rows, noise=0.1): ...\n")
    with pytest.raises(
        ConfigError, match=r"made:f takes \(\*, rows, noise=0.1\); .* given are: row \(.*'rows'"
    ):
        functions.call("made:f", {"row": 3})


RAISING = {
    "def f(): \n    x = []\n    return x[0]\n": "3: IndexError: list index out of range",
    "import sys\ndef f():\n    sys.exit('enough')\n": "3: SystemExit: enough",
    "def f(:\n": "1: invalid syntax",
    "1 / 0\ndef f(): ...\n": "1: ZeroDivisionError: division by zero",
    "import nowhere_at_all\n": "1: ModuleNotFoundError: No module named 'nowhere_at_all'",
    "import json\ndef f():\n    return json.loads('{')\n": "3: JSONDecodeError: ",
    "from dlx.errors import ConfigError\ndef f():\n    raise ConfigError('mine')\n": "3: mine",
}


@pytest.mark.parametrize("text", RAISING)
def test_what_it_raises_is_told_by_its_line(text: str, folder: Path) -> None:
    write(text)
    with pytest.raises(DataError) as caught:
        functions.call("made:f", {})
    assert f"data.function: made:f: {folder / 'made.py'}:{RAISING[text]}" in str(caught.value)


def test_memory_that_is_not_there_stays_what_it_is() -> None:
    write("def f():\n    raise MemoryError\n")
    with pytest.raises(MemoryError):
        functions.call("made:f", {})
