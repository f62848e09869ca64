"""What an ablation says to data and seeds that can show little or nothing."""

from pathlib import Path

import pytest

from tests.cli.conftest import Command

VARIED = ["--vary", "model.activation=relu,tanh", "train.epochs=2", "--quiet"]
TABLE = "data={{name: csv, path: rows.csv, target: label, {}}}"


def write(folder: Path, rows: list[str]) -> None:
    (folder / "rows.csv").write_text("\n".join(["x,y,label,group", *rows]))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A table of two classes, and groups of two rows."""
    write(tmp_path, [f"{n % 7},{n % 5},{'ab'[n % 2]},{n // 2}" for n in range(40)])
    return tmp_path


def test_an_option_of_thousands_of_digits_is_cut_in_the_message(dlx: Command) -> None:
    ended = dlx("ablate", "xor", "--seeds", "9" * 5000)
    assert ended.code == 2 and "--seeds 999" in ended.err
    assert max(map(len, ended.err.splitlines())) < 300


def test_one_seed(dlx: Command, tmp_path: Path) -> None:
    ended = dlx("ablate", "iris", *VARIED, "--seeds", 1)
    assert (ended.code, ended.out) == (2, "")
    assert "error: ablation.seeds: 1 seed can decide nothing" in ended.err
    assert not (tmp_path / "runs").exists()
    ended = dlx("ablate", "iris", *VARIED, "--seeds", 1, "--anyway", "--json")
    assert ended.code == 0, ended.err
    versus = [variant["vs_baseline"] for variant in ended.json["variants"]]
    [conclusion] = [own["conclusion"] for own in versus if own]
    assert conclusion == "too few seeds"


def test_one_dev_row(dlx: Command, rows: Path) -> None:
    table = TABLE.format("ignore: [group], split: {dev: 1, test: 8}")
    command = ["ablate", "xor", table, "train.batch_size=8", *VARIED, "--seeds", 3]
    ended = dlx(*command)
    assert (ended.code, ended.out) == (2, "")
    assert "error: data.split: dev has 1 row, and fewer than 6 show nothing of other" in ended.err
    assert not (rows / "runs").exists()
    ended = dlx(*command, "--anyway", "--json")
    assert ended.code == 0, ended.err
    assert [variant["n"] for variant in ended.json["variants"]] == [3, 3]


def test_dev_rows_of_one_class(dlx: Command, tmp_path: Path) -> None:
    """All rows of class b are one group, which is drawn for train."""
    classes = [("a", n) for n in range(60)] + [("b", 99)] * 10
    write(tmp_path, [f"{n % 7},{n % 5},{c},{g}" for n, (c, g) in enumerate(classes)])
    table = TABLE.format("group: group, split_seed: 4")
    ended = dlx("ablate", "xor", table, "train.batch_size=8", *VARIED, "--seeds", 3)
    assert ended.code == 0, ended.err
    assert (
        "warning: all dev rows of 'rows.csv' have one class, so that accuracy there is only how "
        "often it is predicted; give the part rows of every class\n"
    ) in ended.err


def test_a_split_that_leaves_a_variant_without_a_class(dlx: Command, tmp_path: Path) -> None:
    ended = dlx("ablate", "iris", "--vary", "data.limit=30,2", *VARIED[2:], "--seeds", 3)
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.count("error: ") == 1
    assert "error: variant 'limit=2': data.limit: 2 training rows leave none of class" in ended.err
    assert not (tmp_path / "runs").exists()


def test_seeds_are_not_removed(dlx: Command, tmp_path: Path) -> None:
    assert dlx("ablate", "iris", *VARIED, "--seeds", 4).code == 0
    [path] = (tmp_path / "runs" / "iris").iterdir()
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    for option, words in (
        ("--seeds=3", "--seeds 3: seed 3 has been trained; name all of [0, 1, 2, 3] and more"),
        ("ablation.seeds=3", "ablation.seeds=3: an ablation that has begun keeps its config"),
    ):
        ended = dlx("resume", path, option)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.startswith(f"error: {words}")
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before
