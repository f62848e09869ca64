"""Cut and flipped files: refused by name, or passed over with a word; never taken as they are.

Every file that dlx may read back is damaged; a command then ends with a documented code and one
error that names the file, tells of it, or answers as it would have without the damage.
"""

import os
import random
import re
import shutil
import warnings
from collections import Counter
from pathlib import Path

import pytest

from dlx.errors import DlxWarning
from tests.battery import scenes
from tests.battery.damage import KINDS, Answer, ask, copied, is_named, readable, verdict

pytestmark = pytest.mark.usefixtures("one_thread")

# What a path matches, and the command that has to notice it.
READERS = (
    (r"runs/ended/.*/(config\.yaml|run\.json|.*\.safetensors|table\.json)$", "evaluate ended"),
    (r"runs/ended/.*/metrics\.jsonl$", "diagnose ended"),
    (r"runs/ended/.*/pretraining\.jsonl$", "figures ended"),
    (r"runs/other/.*/(run\.json|config\.yaml)$", "compare ended other"),
    (r"runs/stopped/.*/(config\.yaml|run\.json)$", "resume stopped"),
    (r"runs/stopped/.*/metrics\.jsonl$", "runs stopped"),
    (r"runs/many/[^/]*/(ablation\.yaml|plan\.json|run\.json|index\.json)$", "diagnose many"),
    (r"runs/many/[^/]*/summary\.json$", "compare many"),
    (r"runs/many/[^/]*/cohorts/.*", "diagnose many"),
    (r"runs/many/[^/]*/runs/1/(config|run|prepro|table|weights).*", "evaluate many#1"),
    (r"runs/many/[^/]*/runs/1/metrics\.jsonl$", "diagnose many#1"),
    (r"runs/begun/[^/]*/(ablation\.yaml|plan\.json|run\.json)$", "resume begun"),
)
COMMANDS = (
    *("evaluate ended --json", "predict ended --split test --json", "diagnose ended --json"),
    *("report ended --json", "figures ended --json", "inspect ended --json", "runs --json"),
    *("compare ended other --json", "encode ended --split test --json", "export ended --json"),
    *("ensemble ended other --json", "verify ended --json", "resume ended --json"),
    *("resume stopped --json", "evaluate stopped --json", "runs stopped --json"),
    *("resume stopped train.steps=30 --json", "report many", "table many --json"),
    *("compare many --json", "evaluate many#1 --json", "evaluate many#3 --json"),
    *("diagnose many --json", "verify many --json", "resume many --json", "resume begun --json"),
    *("ensemble many --json", "figures many --json", "probe ended other --json"),
)

SLOW = ("report ended", "figures", "probe", "resume many", "resume begun")  # drawn less often


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    before = Path.cwd()
    folder = tmp_path_factory.mktemp("scenes") / "scene"
    try:
        scenes.make(folder)
    finally:
        os.chdir(before)
    return folder


def asked(line: str, scene: Path, folder: Path, damaged: Path, content: bytes | None) -> Answer:
    """Run a command where one file has another content."""
    with copied(scene, folder):
        if content is not None:
            damaged.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("default", DlxWarning)
            return ask(line)


def test_every_kind_of_file_is_checked_by_who_reads_it(scene: Path, tmp_path: Path) -> None:
    draw = random.Random(0)
    noticed: Counter[str] = Counter()
    for number, file in enumerate(readable(scene)):
        place = file.relative_to(scene)
        for pattern, line in READERS:
            if re.match(pattern, place.as_posix()):
                kind = [*KINDS][number % 2]
                content = KINDS[kind](file.read_bytes(), draw)
                answer = asked(line, scene, tmp_path / "copy", place, content)
                assert answer.code in (0, 4), (place, kind, answer)
                assert is_named(place, answer.err), (place, kind, answer)
                assert "Traceback" not in answer.err
                noticed[pattern] += 1
                break
    assert noticed.keys() == {pattern for pattern, _ in READERS}


def test_a_cut_config_is_no_other_run(scene: Path, tmp_path: Path) -> None:
    """Without its last lines it would be the run of another seed."""
    [config] = scene.glob("runs/stopped/*/config.yaml")
    content = config.read_bytes()
    place = config.relative_to(scene)
    cut = content[: content.index(b"\nseed:") + 1]
    answer = asked("resume stopped", scene, tmp_path / "copy", place, cut)
    assert answer.code == 4
    assert "config.yaml is damaged, or was changed after dlx wrote it" in answer.err


def test_a_damaged_checkpoint_is_passed_over_with_a_word(scene: Path, tmp_path: Path) -> None:
    whole = asked("resume stopped --json", scene, tmp_path / "copy", Path(), None)
    newest = max(scene.glob("runs/stopped/*/checkpoints/*"))
    place = newest.relative_to(scene)
    flipped = KINDS["flip"](newest.read_bytes(), random.Random(1))
    answer = asked("resume stopped --json", scene, tmp_path / "copy", place, flipped)
    assert (answer.code, answer.said, answer.left) == (0, whole.said, whole.left)
    assert f"warning: passed over the damaged checkpoint {place.as_posix()}" in answer.err


def test_a_run_without_its_checkpoints_says_that_it_begins_again(
    scene: Path, tmp_path: Path
) -> None:
    whole = asked("resume stopped --json", scene, tmp_path / "copy", Path(), None)
    with copied(scene, tmp_path / "copy"):
        [folder] = Path("runs/stopped").glob("*/checkpoints")
        shutil.rmtree(folder)
        answer = ask("resume stopped --json")
    assert (answer.code, answer.left) == (0, whole.left)
    assert f"warning: {folder} has no checkpoint: the run begins again at step 0" in answer.err


def test_verify_has_a_code_of_its_own_for_a_difference(scene: Path, tmp_path: Path) -> None:
    from dlx.runs import RunDirectory

    with copied(scene, tmp_path / "copy"):
        [path] = Path("runs/ended").iterdir()
        run = RunDirectory(path)
        lines = (path / "metrics.jsonl").read_bytes().splitlines(keepends=True)
        run.write_files({"metrics.jsonl": b"".join(lines[:-1])})
        answer = ask("verify ended --json")
    assert answer.code == 11
    assert answer.said["verified"][0]["identical"] is False
    assert f"error: {path}: trained again, something else came out" in answer.err


@pytest.mark.battery
def test_a_thousand_cuts_and_a_thousand_flips(
    scene: Path, share: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = random.Random(7)
    files = [file for file in readable(scene) if file.stat().st_size]
    draw.shuffle(files)
    names = ("ended", "other", "stopped", "many", "begun")
    copy = tmp_path / "copy"
    whole = {line: asked(line, scene, copy, Path(), None) for line in COMMANDS}
    tried: Counter[str] = Counter()
    wrong: list[str] = []
    for number in range(round(2000 * share)):
        file = files[number // 2 % len(files)]
        place, kind = file.relative_to(scene), [*KINDS][number % 2]
        family = place.parts[1] if len(place.parts) > 2 else ""
        meant = [
            line
            for line in COMMANDS
            if family not in names or family in re.findall(r"\w+", line) or line == "runs --json"
        ]
        [line] = draw.choices(meant, [0.25 if line.startswith(SLOW) else 1 for line in meant])
        content = KINDS[kind](file.read_bytes(), draw)
        tried[kind] += 1
        try:
            answer = asked(line, scene, copy, place, content)
        except Exception as error:
            wrong.append(f"{kind} of {place}, {line}: {error!r}")
            continue
        if problem := verdict(whole[line], answer, place):
            wrong.append(f"{kind} of {place}, {line}: {problem}")
    with capsys.disabled():
        print(f"\ndamage: tried {dict(tried)}, failed {len(wrong)}")  # noqa: T201
    assert wrong == []
