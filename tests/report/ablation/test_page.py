import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from dlx.errors import StorageError
from dlx.report.ablation.page import write
from dlx.report.ablation.verdict_table import best_group
from tests.report.ablation import synthetic
from tests.report.ablation.conftest import Synthetic


class Reader(HTMLParser):
    """What a browser would show and load, and whether every element is closed."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text, self.loaded, self.narrow, self.open, self.tags = "", [], [], [], []
        self.feed(path.read_text())
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "link", "source"):
            self.open.append(tag)
        self.loaded += [value for key, value in attrs if key == "src" or tag == "link"]
        self.narrow += [value for key, value in attrs if key == "srcset"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data + "\n"


LABELS = {"label": "a", "numeric": False}
CONFIG = "name: made\ndata: {name: digits}\n"


def test_the_page_answers_first_and_holds_all_pictures_itself(
    two: Synthetic, tmp_path: Path
) -> None:
    page = write(tmp_path, *two, CONFIG)
    reader = Reader(page)
    places = [
        reader.text.index(part)
        for part in (
            "Does model.activation change",
            "Yes. The baseline",
            "The mean difference of each variant",  # below the picture
            "conclusion",
            "Learning curves",
        )
    ]
    assert places == sorted(places)
    assert all(s.startswith("data:image/png;base64,") for s in [*reader.loaded, *reader.narrow])
    assert len(reader.narrow) == 1, "of the first picture"
    files = sorted((tmp_path / "figures").glob("*.png"))
    shown = [imread(io.BytesIO(base64.b64decode(s.partition(",")[2]))) for s in reader.loaded]
    assert len(shown) == len(files)
    for path in files:  # with their captions, which the page has as text
        whole = imread(path)
        [picture] = [
            p for p in shown if np.array_equal(whole[: p.shape[0], : p.shape[1]], p[..., :3])
        ]
        assert whole.shape[1] == picture.shape[1]
    assert "@import" not in page.read_text() and "url(" not in page.read_text()
    for words in ("dlx ablate made.yaml", "name: made", "Holm", "better in 4 of 4 seeds"):
        assert words in reader.text


def test_nothing_of_the_user_s_is_read_as_html(two: Synthetic, tmp_path: Path) -> None:
    summary, runs = two
    evil = "<script>alert('x')</script>&\"'"

    def poisoned(value: object) -> object:
        if isinstance(value, dict):
            return {key: poisoned(item) for key, item in value.items()}
        if isinstance(value, list):
            return [poisoned(item) for item in value]
        return value + evil if isinstance(value, str) else value

    kept = {key: summary[key] for key in ("metric", "baseline", "design", "variants")}
    kept["factors"] = summary["factors"] * 2
    bad = {"variant": "v", "seed": 0, "fold": 2, "status": "failed", "step": None, "reason": "r"}
    extra = {
        "warnings": ["w"],
        "failures": [bad],
        "tuning": {
            "v": {"optimizer.lr": "l", "tried": {"a": 0.9}, "runs": 3, "steps": 9, "edges": {}}
        },
        "per_data": {"d": {"v": summary["variants"][1]["vs_baseline"] | {"conclusion": "better"}}},
        "effects": {
            "main": [{"factor": "f", "level": "l", "effect": 0.1, "low": 0.0, "high": 0.2}],
            "interactions": [],
        },
    }
    whole = poisoned(summary | extra)
    assert isinstance(whole, dict)
    for variant in kept["variants"]:
        variant["name"] += evil
        variant["settings"] = {key: value + evil for key, value in variant["settings"].items()}
        if variant["vs_baseline"]:
            variant["vs_baseline"]["why"] += evil
    kept["baseline"] += evil
    runs = [replace(run, variant=run.variant + evil) for run in runs]
    reader = Reader(write(tmp_path, whole | kept, runs, CONFIG + evil))
    assert [tag for tag, _ in reader.tags].count("script") == 1
    assert reader.text.count(evil) > 15


def test_a_long_page_has_a_list_of_contents(lossy: Synthetic, tmp_path: Path) -> None:
    tags = Reader(write(tmp_path, *lossy, CONFIG)).tags
    headings = [attrs["id"] for tag, attrs in tags if tag == "h2"]
    links = [attrs["href"] for tag, attrs in tags if tag == "a" and attrs["href"][0] == "#"]
    assert links == ["#warnings", *(f"#{place}" for place in headings)] and "#lost" in links


def test_cells_carry_what_they_are_sorted_by(two: Synthetic, tmp_path: Path) -> None:
    summary, _ = two
    cells = [attrs for tag, attrs in Reader(write(tmp_path, *two, CONFIG)).tags if tag == "td"]
    keys = [attrs.get("data-key") for attrs in cells]
    assert str(summary["variants"][1]["vs_baseline"]["difference"]) in keys
    assert {attrs.get("class") for attrs in cells} >= {"verdict better", "verdict baseline"}


def test_what_was_lost_is_listed_with_the_reason(lossy: Synthetic, tmp_path: Path) -> None:
    text = Reader(write(tmp_path, *lossy, CONFIG)).text
    assert text.count("the cost was not finite at step 142") == 9
    assert "Lost runs" in text and "9 runs diverged or failed" in text


def test_parts_without_content_are_left_out(two: Synthetic, tmp_path: Path) -> None:
    text = Reader(write(tmp_path, *two, CONFIG)).text
    for heading in ("Keep in mind", "Tuning", "Lost runs", "Effects", "each data set"):
        assert heading not in text


def test_effects_tuning_and_data_sets_have_tables(two: Synthetic, tmp_path: Path) -> None:
    summary, runs = two
    numbers = {"effect": 0.0123, "low": 0.01, "high": 0.02}
    summary |= {
        "factors": [{"key": key, "values": [1, 2]} | LABELS for key in ("a.init", "a.act")],
        "effects": {
            "main": [{"factor": "init", "level": "he_normal", **numbers}],
            "interactions": [
                {"factors": ["init", "activation"], "levels": ["he", "relu"], "p": 0.04, **numbers}
            ],
        },
        "tuning": {
            "activation=relu": {
                "optimizer.lr": 0.01,
                "tried": {"0.01": 0.95, "0.1": 0.9},
                "runs": 6,
                "steps": 6000,
                "edges": {"optimizer.lr": "smallest"},
            }
        },
        "per_data": {"iris": {"activation=relu": summary["variants"][1]["vs_baseline"]}},
        "warnings": ["The variants differ in parameters."],
    }
    text = re.sub(r"\s+", " ", Reader(write(tmp_path, summary, runs, CONFIG)).text)
    assert "init he_normal +1.23 [+1.00, +2.00]" in text
    assert "init × activation he × relu +1.23 [+1.00, +2.00] 0.040" in text
    assert (
        "activation=relu optimizer.lr=0.01 (smallest) 0.01: 95.00 %, 0.1: 90.00 % 6 6,000" in text
    )
    assert "iris variant difference interval p conclusion activation=relu +3.50" in text
    assert "Keep in mind The variants differ in parameters." in text


def test_verdicts_over_all_data_sets_have_a_table(two: Synthetic, tmp_path: Path) -> None:
    summary, runs = two
    versus = summary["variants"][1]["vs_baseline"]
    summary["per_data"] = {"iris": {"activation=relu": versus}}
    relative = versus | {"difference": -0.1, "low": -0.2, "high": -0.05, "is_relative": True}
    summary["overall"] = {"activation=relu": relative | {"why": "All agree."}}
    summary["metric"] = "dev.cost"
    text = re.sub(r"\s+", " ", Reader(write(tmp_path, summary, runs, CONFIG)).text)
    assert "Over all data sets variant difference, % of the baseline" in text
    assert "activation=relu −10.00 [−20.00, −5.00]" in text
    assert "All agree." in text


def test_the_chosen_variant_alone_shows_test_rows(two: Synthetic, tmp_path: Path) -> None:
    summary, runs = two
    mean = {"mean": 0.9, "low": 0.88, "high": 0.92}
    summary["chosen"] = {"name": "activation=relu", "test": {"accuracy": mean}}
    text = Reader(write(tmp_path, summary, runs, CONFIG)).text
    assert (
        "On the test rows the best variant, activation=relu, has accuracy 90.00 % [88.00, 92.00]."
        in text
    )
    again = Reader(write(tmp_path, summary | {"chosen": None}, runs, CONFIG)).text
    assert "On the test rows" not in again


def test_a_page_that_cannot_be_written_is_a_storage_error(two: Synthetic, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StorageError, match="taken"):
        write(tmp_path / "taken", *two, CONFIG)


def test_verdicts_by_another_metric_have_a_table_and_a_picture(
    two: Synthetic, tmp_path: Path
) -> None:
    summary, runs = two
    comparisons = [variant["vs_baseline"] for variant in summary["variants"]]
    other = comparisons[1] | {
        "difference": -0.5,
        "low": -0.6,
        "high": -0.4,
        "verdict": "worse",
        "conclusion": "worse",
    }
    names = [variant["name"] for variant in summary["variants"]]
    variants = {names[0]: {"n": 4, "vs_baseline": None}, names[1]: {"n": 4, "vs_baseline": other}}
    also = {"dev.probe_accuracy": {"rising": True, "margin": 0.005, "variants": variants}}
    reader = Reader(write(tmp_path, summary | {"also": also}, runs, CONFIG))
    assert "judged by dev accuracy and dev probe accuracy" in reader.text
    verdicts, _, others = reader.text.rpartition("Judged by dev probe accuracy\n")
    assert "−50.00 [−60.00, −40.00]" in others and "−50.00" not in verdicts
    assert "The probability of any false better or worse on this page, by any metric" in reader.text
    assert (tmp_path / "figures" / "forest_dev_probe_accuracy.png").is_file()
    assert (tmp_path / "figures" / "forest.png").is_file()


def test_all_pairs_and_the_best_group_are_on_the_page(tmp_path: Path) -> None:
    variants = synthetic.grid(model__activation=["relu", "tanh", "elu"])
    runs = synthetic.results(variants, 5, lambda s, seed: 0.9 + 0.001 * seed * len(str(s)))
    summary = synthetic.summary(variants, runs, comparisons="all")
    text = Reader(write(tmp_path, summary, runs, CONFIG)).text
    assert "All pairs of variants without the baseline (1)" in text
    assert best_group(summary) in text
