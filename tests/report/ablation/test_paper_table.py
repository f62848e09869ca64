import csv
import io
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dlx import api
from dlx.report.ablation.paper_table import FORMATS, written
from dlx.texts import printable

EVIL = r"""relu_x & y% a\b{c}~^#$ [10,10] <x>|"q" −1 × 2 *a* `b` @c"""


def mean(value: float | None, standing: str | None) -> dict[str, Any]:
    ends = (None, None) if value is None else (value - 0.01, value + 0.01)
    return dict(zip(("low", "high"), ends, strict=True)) | {
        "mean": value,
        "n": 3,
        "standing": standing,
    }


def document(*names: str) -> dict[str, Any]:
    return {
        "name": EVIL,
        "caption": f"Mean and 95 % interval of {EVIL}. †: x_y",
        "metrics": ["dev.accuracy", "dev.cost"],
        "variants": [
            {"number": number, "name": name, "n": 3, "rows": 10, "chosen": {"optimizer.lr": 0.01}}
            | {
                "metrics": {
                    "dev.accuracy": mean(0.97, "tied" if number else "best"),
                    "dev.cost": mean(None, None),
                }
            }
            for number, name in enumerate(names)
        ],
    }


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> api.Ablation:
    """Two optimizers with tuned rates, judged by two metrics."""
    config = {
        "name": "tuned",
        "data": "iris",
        "model": {"hidden": [4]},
        "train": {"steps": 40},
        "ablation": {
            "vary": {"optimizer": ["sgd", "adam"]},
            "tune": {"optimizer.lr": [0.01, 0.1]},
            "also": ["dev.cost"],
            "seeds": 6,
            "tune_seeds": 2,
        },
    }
    return api.ablate(config, runs_dir=tmp_path_factory.mktemp("runs"))


def test_the_table_has_means_intervals_chosen_rates_and_standing(tuned: api.Ablation) -> None:
    table, summary = tuned.table(), tuned.summary
    assert table["metrics"] == ["dev.accuracy", "dev.cost"]
    for words in ("95 % interval (t interval", "6 seeds", "dev rows", "†", "2 other seeds"):
        assert words in table["caption"]
    by_name = {variant["name"]: variant for variant in summary["variants"]}
    for variant in table["variants"]:
        before = by_name[variant["name"]]["metrics"]["dev"]["accuracy"]
        own = variant["metrics"]["dev.accuracy"]
        assert {key: own[key] for key in ("mean", "low", "high")} == {
            key: before[key] for key in ("mean", "low", "high")
        }
        assert variant["chosen"]["optimizer.lr"] in (0.01, 0.1)
    best, other = table["variants"]
    assert best["metrics"]["dev.accuracy"]["standing"] == "best"
    # With two variants, all pairs are the comparison with the baseline.
    verdict = next(v["vs_baseline"] for v in summary["variants"] if v["vs_baseline"])["verdict"]
    expected = "worse" if verdict in ("better", "worse") else "tied"
    assert other["metrics"]["dev.accuracy"]["standing"] == expected


@pytest.mark.parametrize("form", FORMATS)
def test_every_language_writes_every_variant(tuned: api.Ablation, form: str) -> None:
    text = written(tuned.table(), form)
    assert "adam" in text and "sgd" in text


def test_latex_escapes_all_of_its_signs() -> None:
    text = written(document(EVIL, "한글"), "latex")
    assert text.startswith("% needs booktabs; XeLaTeX or LuaLaTeX")
    for part in (r"relu\_x \& y\%", r"a\textbackslash{}b\{c\}", "한글", r"\textbf{97.00}"):
        assert part in text
    lines = [line.strip() for line in text.splitlines()[1:]]
    rows = [line for line in lines if line.endswith(r"\\")]
    assert len(rows) == 3  # heading and variants
    for row in rows:
        cells = re.split(r"(?<!\\)&", row.removesuffix(r"\\"))
        assert len(cells) == 5
    bare = re.sub(r"\\[&%$#_{}]|\$-\$|\$\\times\$|\$\^\\dagger\$", "", text.split("\n", 1)[1])
    assert not re.search(r"[%#$^~_]", bare)


@pytest.mark.slow("dlx/report/ablation/paper_table.py")
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no LaTeX")
def test_latex_compiles_with_booktabs_alone(tmp_path: Path) -> None:
    table = written(document(EVIL, "plain"), "latex")
    head = "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n"
    (tmp_path / "paper.tex").write_text(f"{head}{table}\\end{{document}}\n")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout[-2000:]


def test_typst_keeps_names_in_strings() -> None:
    text = written(document(EVIL), "typst")
    quoted = EVIL.replace("\\", "\\\\").replace('"', '\\"')
    assert f'"{quoted}", "0.01", "3", strong("97.00") + " [96.00, 98.00]", "–",' in text


def test_csv_has_plain_numbers_and_empty_cells() -> None:
    rows = list(csv.DictReader(io.StringIO(written(document(EVIL, "other"), "csv"))))
    assert [row["variant"] for row in rows] == [EVIL, "other"]
    first = rows[0]
    assert (first["dev.accuracy"], first["dev.accuracy.standing"]) == ("0.97", "best")
    assert (first["dev.cost"], first["optimizer.lr"]) == ("", "0.01")


def test_markdown_bolds_the_best_and_marks_ties() -> None:
    text = written(document("one", "two"), "markdown")
    assert r"| one | 0.01 | 3 | **97.00** \[96.00, 98.00\] | – |" in text
    assert r"97.00 \[96.00, 98.00\]† |" in text


@pytest.mark.parametrize("form", ["latex", "typst", "markdown"])
def test_a_name_stays_in_its_line_and_commands_nothing(form: str) -> None:
    text = written(document("a\n\nb\x1b\u202e", "other"), form)
    assert text == printable(text)
    shown = {
        "latex": r"a\textbackslash{}n\textbackslash{}nb\textbackslash{}x1b\textbackslash{}u202e &",
        "typst": r'"a\\n\\nb\\x1b\\u202e"',
        "markdown": r"| a\\n\\nb\\x1b\\u202e |",
    }
    assert shown[form] in text


def test_latex_of_other_letters_says_so() -> None:
    assert "XeLaTeX" in written(document("α"), "latex").partition("\n")[0]
    assert "XeLaTeX" not in written(document("é…"), "latex").partition("\n")[0]
