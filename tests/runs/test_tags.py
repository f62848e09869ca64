"""Tags: names that pin a run."""

import shutil
from pathlib import Path

import pytest

from dlx.errors import ConfigError, RunError
from dlx.report.run_list import summaries
from dlx.runs import RunDirectory, remove
from dlx.runs.tags import is_tag, read_tags, remove_tag, set_tag, tagged, tags_of
from dlx.training.finding import find, find_run, which


@pytest.fixture
def runs(tmp_path: Path) -> list[RunDirectory]:
    """Two runs called churn, and an ablation of the same name that is the newest."""
    kinds = ("run", "run", "ablation")
    return [RunDirectory.create(tmp_path, "churn", kind=kind) for kind in kinds]


def test_a_tag_stays_with_its_run_until_another_gets_it(
    runs: list[RunDirectory], tmp_path: Path
) -> None:
    first, second, _ = runs
    assert read_tags(tmp_path) == {}
    assert set_tag(first.path, "churn@production", tmp_path) is None
    assert set_tag(first.path, "shop@v1.2-b", tmp_path) is None
    assert find_run("churn@production", tmp_path).path == first.path
    assert find_run("churn", tmp_path) == second
    assert tags_of(first.path, tmp_path) == ["churn@production", "shop@v1.2-b"]
    assert set_tag(second.path, "churn@production", tmp_path) == first.path
    assert tagged("churn@production", tmp_path) == second.path
    assert remove_tag("churn@production", tmp_path) == second.path
    assert read_tags(tmp_path) == {"shop@v1.2-b": first.path}
    message = (
        r"is tagged churn@prodction; did you mean .*|is tagged churn@production \(the tags are"
    )
    with pytest.raises(RunError, match=message):
        find("churn@production", tmp_path)
    with pytest.raises(RunError, match=r"`dlx runs tag RUN churn@production` gives it to one"):
        remove_tag("churn@production", tmp_path)


def test_a_tagged_run_is_not_deleted(runs: list[RunDirectory], tmp_path: Path) -> None:
    set_tag(runs[0].path, "churn@production", tmp_path)
    with pytest.raises(RunError, match=r"is tagged churn@production: `dlx runs untag churn@produc"):
        remove(runs[0])
    assert runs[0].info_path.exists()
    shutil.rmtree(runs[0].path)
    with pytest.raises(RunError, match=r"churn@production is the tag of .*, which cannot be used"):
        find("churn@production", tmp_path)
    remove_tag("churn@production", tmp_path)
    remove(runs[1])


def test_a_folder_on_the_way_to_a_run_is_not_taken_for_an_ablation(
    runs: list[RunDirectory], tmp_path: Path
) -> None:
    """Nor is a damaged run told that lies beside the way."""
    shutil.move(runs[2].path, tmp_path / "alone")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "run.json").write_text("{")
    shutil.rmtree(runs[0].path)
    with pytest.raises(RunError, match="no run"):
        find(runs[0].path, tmp_path)


def test_another_way_to_a_tagged_run_leads_to_its_tag(
    runs: list[RunDirectory], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = runs[0].path
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    ways = (
        own.parent / own.name / ".." / own.name,
        tmp_path / ".." / tmp_path.name / "churn" / own.name,
        tmp_path / "link" / "churn" / own.name,
    )
    set_tag(ways[0], "churn@production", tmp_path)
    assert read_tags(tmp_path.resolve()) == {"churn@production": own.resolve()}
    monkeypatch.chdir(own)
    for way in (*ways, Path(), Path("..") / own.name):
        with pytest.raises(RunError, match=r"is tagged churn@production"):
            remove(RunDirectory(way))
    assert runs[0].info_path.exists()


@pytest.mark.parametrize("folder", ["/etc", "../other/run", "churn/../../run"])
def test_a_tag_that_leads_out_of_the_folder_is_damage(
    folder: str, runs: list[RunDirectory], tmp_path: Path
) -> None:
    (tmp_path / ".tags.json").write_text(f'{{"tags": {{"churn@production": "{folder}"}}}}')
    with pytest.raises(RunError, match=r"tags.json is damaged: churn@production leads out of the"):
        summaries(tmp_path)


@pytest.mark.parametrize(
    "text", ["churn", "churn@3", "@a", "a@", "a/b@c", "a@b@c", "a#1@b", "a@b/c"]
)
def test_what_is_no_tag(text: str, runs: list[RunDirectory], tmp_path: Path) -> None:
    assert not is_tag(text)
    with pytest.raises(ConfigError, match="is no tag; write NAME@TAG, where TAG begins with a let"):
        set_tag(runs[0].path, text, tmp_path)


def test_a_name_of_runs_is_no_tag(runs: list[RunDirectory], tmp_path: Path) -> None:
    named = RunDirectory.create(tmp_path, "churn@home")
    assert find("churn@home", tmp_path) == named
    with pytest.raises(ConfigError, match="'churn@home' is the name of runs"):
        set_tag(runs[0].path, "churn@home", tmp_path)
    with pytest.raises(ConfigError, match="'churn@Home' is the name of runs"):
        set_tag(runs[0].path, "churn@Home", tmp_path)
    with pytest.raises(RunError, match="lies outside"):
        set_tag(runs[0].path, "churn@out", tmp_path / "runs")


def test_a_damaged_file_of_tags(runs: list[RunDirectory], tmp_path: Path) -> None:
    set_tag(runs[0].path, "churn@production", tmp_path)
    (tmp_path / ".tags.json").write_text('{"tags": 3}')
    with pytest.raises(RunError, match=r"\.tags\.json is damaged: .*; delete it and tag the runs"):
        find("churn@production", tmp_path)


def test_a_name_means_a_run_where_one_is_wanted(runs: list[RunDirectory], tmp_path: Path) -> None:
    first, second, ablation = runs
    assert find("churn", tmp_path) == ablation == find("latest", tmp_path)
    for wanted in ("churn", "latest", tmp_path / "churn"):
        assert find_run(wanted, tmp_path) == second
    for wanted in (ablation.path, ablation.path.name):
        with pytest.raises(
            RunError, match=r"is an ablation; name one of its runs, such as .*#1 or"
        ):
            find_run(wanted, tmp_path)
    for run in (first, second):
        remove(run)
    with pytest.raises(RunError, match="is an ablation; name one of its runs"):
        find_run("churn", tmp_path)
    assert find("churn", tmp_path, prefer="run") == ablation


def test_which_run_answers_is_said(runs: list[RunDirectory], tmp_path: Path) -> None:
    first, second, _ = runs
    set_tag(first.path, "churn@production", tmp_path)
    set_tag(first.path, "churn@best", tmp_path)
    assert which("churn", second) == f"{second.path}, the newest of 2 runs called 'churn'"
    assert which(second.path, second) == str(second.path)
    assert which("churn@production", first) == (
        f"{first.path}, tagged churn@production, churn@best"
    )
    assert which("latest", RunDirectory.create(tmp_path, "alone")).count(",") == 0
