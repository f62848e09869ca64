import re
import urllib.parse
from pathlib import Path

import pytest

from dlx.errors import RunError
from dlx.report import board
from dlx.runs import RunDirectory
from tests.report.ablation_folder import make_ablation

MEANS = {"relu": 0.9, "tanh": 0.95, "a/b": 0.5, "step": None, "sigmoid": 0.2}


@pytest.fixture
def ablation(tmp_path: Path) -> Path:
    return make_ablation(tmp_path / "runs", MEANS)


def test_the_best_are_linked_with_all_their_runs(ablation: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    links.mkdir()
    best = board.link_best(ablation, 3, links)
    assert best == board.Best(
        "dev accuracy", ["tanh", "relu", "a/b"], ["sigmoid (20.00 %)", "step (–)"]
    )
    assert {path.name for path in links.iterdir()} == {
        *("tanh", "relu", "a_b", "events.out.tfevents.0000000001.dlx")
    }
    for folder in ("tanh", "a_b"):
        for seed in (0, 1):
            file = links / folder / f"seed={seed}/dev/events.out.tfevents.0000000001.dlx"
            assert file.read_bytes() == (ablation / file.relative_to(links)).read_bytes()


def test_more_than_there_are(ablation: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    links.mkdir()
    best = board.link_best(ablation, 99, links)
    assert (len(best.shown), best.left_out) == (5, [])


def test_a_metric_that_falls(ablation: Path, tmp_path: Path) -> None:
    text = (ablation / "summary.json").read_text()
    (ablation / "summary.json").write_text(text.replace('"rising": true', '"rising": false'))
    links = tmp_path / "links"
    links.mkdir()
    assert board.link_best(ablation, 1, links).shown == ["sigmoid"]


def test_what_has_no_best(ablation: Path, tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "runs", "digits")
    with pytest.raises(RunError, match=r"--top: .*digits.* is a run, not an ablation"):
        board.link_best(run.path, 3, tmp_path)
    (ablation / "summary.json").write_text("{")
    with pytest.raises(RunError, match=r"summary\.json is damaged"):
        board.link_best(ablation, 3, tmp_path)
    (ablation / "summary.json").unlink()
    with pytest.raises(
        RunError, match=r"has no summary\.json, since it has not ended; `dlx resume"
    ):
        board.link_best(ablation, 3, tmp_path)


def test_the_page_of_means_shows_variants_alone(ablation: Path) -> None:
    address = board.means_page("http://localhost:6006/")
    assert address.startswith(
        "http://localhost:6006/#custom_scalars&_smoothingWeight=0&regexInput="
    )
    pattern = re.compile(urllib.parse.unquote(address.partition("regexInput=")[2]))
    folders = {str(path.parent.relative_to(ablation)) for path in ablation.rglob("events*")}
    assert len(folders) == board.num_event_folders(ablation) == 1 + 5 * 5
    shown = {folder for folder in folders if pattern.search(folder)}
    assert shown == {"relu", "tanh", "a_b", "step", "sigmoid"}


def test_what_is_an_ablation(ablation: Path, tmp_path: Path) -> None:
    assert board.is_ablation(ablation)
    assert not board.is_ablation(ablation / "relu" / "seed=0")
    assert not board.is_ablation(RunDirectory.create(tmp_path / "runs", "digits").path)
