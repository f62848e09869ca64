import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from dlx.config.load import load
from dlx.errors import ConfigError, DlxWarning, RunError, RunInUseError, StorageError
from dlx.report.run_list import summaries
from dlx.runs import AppendFile, RunDirectory, check_name, list_runs, remove, timestamp, weights
from dlx.runs import directory as module
from dlx.runs.directory import check_case, find
from dlx.runs.documents import sha256

CREATOR = """
import sys
from pathlib import Path
from dlx.runs import RunDirectory
for _ in range(10):
    RunDirectory.create(Path(sys.argv[1]), "xor")
"""
TRAINER = """
import sys, time
from pathlib import Path
from dlx.runs import RunDirectory
with RunDirectory.open(Path(sys.argv[1])).lock():
    print("held", flush=True)
    time.sleep(60)
"""
REWRITER = """
import sys
from pathlib import Path
from dlx.runs import RunDirectory
run = RunDirectory.open(Path(sys.argv[1]))
for number in range(1_000_000):
    content = str(number).encode() * 10_000
    run.write_files({"config.yaml": content, "table.json": content}, steps=number)
    print(number, flush=True)
"""
BAD_NAMES = ["", ".", "..", "../out", "a/b", "/tmp/out", "a\\b", "..", ".hidden", "a\nb", "a\x00b"]
BAD_NAMES += ["\x1b[2J", "a\udc80", "가" * 67, "latest", "Latest"]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_create(tmp_path: Path) -> None:
    runs_dir = tmp_path / "deep" / "runs"
    run = RunDirectory.create(runs_dir, "xor 한글", config="seed: 3\n", seed=3)
    assert run.path.parent == runs_dir / "xor 한글"
    assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{4}", run.path.name)
    assert run.config_path.read_text() == "seed: 3\n"
    info = run.read_info()
    assert (info["kind"], info["status"], info["sequence"], info["seed"]) == (
        "run",
        "running",
        1,
        3,
    )
    assert info["versions"]["python"] == sys.version.split()[0]
    assert info["versions"].keys() == {"dlx", "torch", "python", "numpy"}
    assert info["created"] <= timestamp()
    empty = {"started", "ended", "seconds", "data_fingerprint", "parameters", "device", "threads"}
    assert {key for key, value in info.items() if value is None} - {"git_commit"} == empty
    assert RunDirectory.create(runs_dir, "xor 한글").read_info()["sequence"] == 2
    assert RunDirectory.create(runs_dir, "and").read_info()["sequence"] == 1


def test_two_ways_to_write_a_letter_are_one_name(tmp_path: Path) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    assert load({"data": "xor", "name": decomposed}).name == composed
    run = RunDirectory.create(tmp_path, composed)
    assert find(decomposed, tmp_path).path == run.path
    assert find(f"{decomposed}/{run.path.name}", tmp_path).path == run.path


def test_names_that_differ_by_capital_letters_alone(tmp_path: Path) -> None:
    """On some systems they would be one folder, so they are one name on none."""
    runs = tmp_path / "runs"
    check_case("xor", runs)  # there is no folder
    RunDirectory.create(runs, "xor")
    RunDirectory.create(runs, "xor")
    RunDirectory.create(runs, "xor2")
    said = r"'XoR' and 'xor', which is in .* are one name on systems that do not tell capital"
    with pytest.raises(ConfigError, match=said):
        RunDirectory.create(runs, "XoR")
    assert {path.name for path in runs.iterdir()} == {".lock", ".count", "xor", "xor2"}
    (runs / "XoR").mkdir()  # of an earlier version
    RunDirectory.create(runs, "XoR")


def test_the_git_commit_is_that_of_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert RunDirectory.create(tmp_path, "x").read_info()["git_commit"] is None
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for arguments in (["init", "-q"], [*who, "commit", "-q", "--allow-empty", "-m", "one"]):
        subprocess.run(["git", *arguments], check=True)
    commit = RunDirectory.create(tmp_path, "x").read_info()["git_commit"]
    assert re.fullmatch("[0-9a-f]{40}", commit)


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_never_leads_out(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"name: .* choose a plain name"):
        RunDirectory.create(tmp_path / "runs", name)
    assert names(tmp_path) == set()


NOT_EVERYWHERE = {
    "CON": "is a device of Windows",
    "aux": "is a device of Windows",
    "nul.txt": "is a device of Windows",
    "com1": "is a device of Windows",
    "LPT9.a.b": "is a device of Windows",
    "conin$": "is a device of Windows",
    "x.": "ends with '.', which Windows leaves out",
    "x ": "ends with ' ', which Windows leaves out",
    "a:b": "may not hold : * ?",
    "what?": "may not hold : * ?",
    "a|b": "may not hold : * ?",
    "aux .txt": "is a device of Windows",
    "-x": "starts with '-', as options of commands do",
    "--json": "starts with '-'",
    "y" * 255: "is longer than 200 bytes",
    "한" * 67: "is longer than 200 bytes",
    "latest": "stands for the newest run",
}


@pytest.mark.parametrize("name", NOT_EVERYWHERE)
def test_a_name_is_one_on_every_system_and_no_option(name: str, tmp_path: Path) -> None:
    said = rf"name: .* {re.escape(NOT_EVERYWHERE[name])}"
    with pytest.raises(ConfigError, match=said):
        check_name(name)
    if len(name) <= 100:  # the schema bounds characters
        with pytest.raises(ConfigError, match=r"name: " if name[-1] == " " else said):
            load({"data": "xor", "name": name})
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", ["console", "auxiliary", "com", "com10", "nulls", "x-", "a.con"])
def test_names_that_are_nearly_devices(name: str) -> None:
    check_name(name)
    assert load({"data": "xor", "name": name}).name == name


@pytest.mark.parametrize("name", ["x", "MNIST relu, 0.2", "한글", "a.b", "-", "x" * 200])
def test_plain_names(name: str) -> None:
    check_name(name)


def test_a_link_does_not_lead_out(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "runs" / "xor").symlink_to(tmp_path / "out")
    with pytest.raises(ConfigError, match="is a link out of"):
        RunDirectory.create(tmp_path / "runs", "xor")
    assert names(tmp_path / "out") == set()


def test_a_runs_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for runs_dir in (tmp_path / "file", tmp_path / "file" / "runs", Path("/proc/runs")):
        with pytest.raises(StorageError, match=f"cannot make {runs_dir}") as got:
            RunDirectory.create(runs_dir, "xor")
        assert got.value.exit_code == 9


def test_a_full_disk_leaves_no_run_and_lets_runs_be_removed(full_disk: Path) -> None:
    runs_dir = full_disk / "runs"
    kept = RunDirectory.create(runs_dir, "kept")
    with pytest.raises(StorageError, match="No space left"):
        RunDirectory.create(runs_dir, "xor", config="x" * 1_000_000)
    assert names(runs_dir) == {".count", ".lock", "kept"}
    filler = AppendFile(full_disk / "filler")
    with pytest.raises(StorageError):
        while True:
            filler.append(bytes(4096))
    filler.close()
    remove(kept)
    assert names(runs_dir) == {".count", ".lock"}


def test_processes_that_create_at_once_share_no_sequence_number(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CREATOR, str(tmp_path)]
    processes = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    runs, warnings = list_runs(tmp_path)
    assert warnings == []
    assert [run.read_info()["sequence"] for run in runs] == list(range(20, 0, -1))
    assert [run.read_info()["ordinal"] for run in runs] == list(range(20, 0, -1))


def test_what_is_not_finite_is_null(tmp_path: Path) -> None:
    """R² of a single row has no value."""
    run = RunDirectory.create(tmp_path, "xor", config="", seed=0)
    run.write_info(metrics={"dev": {"r2": float("nan"), "mse": 1.5}})
    assert run.read_info()["metrics"] == {"dev": {"r2": None, "mse": 1.5}}


def test_write_info_changes_only_what_it_names(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "xor")
    before = run.read_info()
    run.write_info(status="completed", seconds=1.5)
    assert run.read_info() == before | {"status": "completed", "seconds": 1.5}
    assert run.status() == "completed"


FILES = {
    "config.yaml": b"seed: 3\n",
    "table.json": b'{"columns": []}\n',
    "preprocessing.safetensors": weights.encode({"shift": torch.ones(4)}, {}),
    "weights.safetensors": weights.encode({"0.weight": torch.ones(3, 2)}, {"step": 7}),
}


def test_files_are_read_back_and_run_json_holds_their_digests(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "xor", config="seed: 0\n")
    assert run.read_info()["digests"] == {"config.yaml": sha256(b"seed: 0\n")}
    run.write_files(FILES, seed=3)
    info = run.read_info()
    assert info["seed"] == 3
    assert info["digests"] == {name: sha256(content) for name, content in FILES.items()}
    assert {name: run.read_file(name) for name in FILES} == FILES
    run.write_files({"more": b"x"})
    assert run.read_info()["digests"] == info["digests"] | {"more": sha256(b"x")}


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte_of_a_file_is_noticed(name: str, tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "xor")
    run.write_files(FILES)
    content = FILES[name]
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 1 << position % 8
        (run.path / name).write_bytes(damaged)
        with pytest.raises(RunError, match=rf"{name} is damaged, or was changed.*put it back"):
            run.read_file(name)
    for damage in (content[:-1], content + b"\n", b""):
        (run.path / name).write_bytes(damage)
        with pytest.raises(RunError, match=f"{name} is damaged"):
            run.read_file(name)
    (run.path / name).write_bytes(content)
    assert run.read_file(name) == content


def test_a_file_that_is_missing_or_in_the_way(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "xor")
    run.write_files(FILES)
    run.weights_path.unlink()
    with pytest.raises(
        RunError, match=r"weights\.safetensors is missing: not saved yet, or deleted; resume"
    ):
        run.read_file("weights.safetensors")
    run.weights_path.mkdir()
    with pytest.raises(RunError, match=r"cannot read .*Is a directory"):
        run.read_file("weights.safetensors")
    with pytest.raises(StorageError, match=r"cannot write .*weights\.safetensors"):
        run.write_files({"weights.safetensors": b"new"})


def test_files_of_runs_without_digests_are_read(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "xor", config="seed: 0\n")
    info = json.loads(run.info_path.read_text())
    old = {key: value for key, value in info.items() if key not in ("schema", "digest", "digests")}
    run.info_path.write_text(json.dumps(old))
    run.config_path.write_text("seed: 1\n")
    assert run.read_file("config.yaml") == b"seed: 1\n"
    run.write_files({"config.yaml": b"seed: 2\n"})
    assert run.read_info() == old | {"schema": 2, "digests": {"config.yaml": sha256(b"seed: 2\n")}}


@pytest.mark.parametrize("calls", range(5))
def test_killed_between_files_either_digest_is_right(
    calls: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two files replaced, one new: run.json, the three files, run.json again."""
    run = RunDirectory.create(tmp_path, "xor")
    old = {"config.yaml": b"seed: 0\n", "table.json": b"{}"}
    new = {"config.yaml": b"seed: 1\n", "table.json": b"[]", "more": b"x"}
    run.write_files(old, steps=1)
    write, made = module.write_atomic, []

    def killed(path: Path, content: bytes) -> None:
        if len(made) == calls:
            raise KeyboardInterrupt
        made.append(path)
        write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_atomic", killed)
        patch.setattr("dlx.runs.documents.write_atomic", killed)
        with pytest.raises(KeyboardInterrupt):
            run.write_files(new, steps=2)
    assert len(made) == calls
    assert run.read_info()["steps"] == 1
    for name, content in new.items():
        if run.path / name in made:
            assert run.read_file(name) == content
        elif name in old:
            assert run.read_file(name) == old[name]
    if calls:
        (run.path / "config.yaml").write_bytes(b"seed: 2\n")
        with pytest.raises(RunError, match=r"config\.yaml is damaged"):
            run.read_file("config.yaml")
    run.write_files(new, steps=2)
    assert {name: run.read_file(name) for name in new} == new
    assert run.read_info()["digests"] == {name: sha256(content) for name, content in new.items()}
    (run.path / "config.yaml").write_bytes(old["config.yaml"])
    with pytest.raises(RunError, match=r"config\.yaml is damaged"):  # no longer
        run.read_file("config.yaml")


@pytest.mark.parametrize("delay", [0.0, 0.007, 0.019])
def test_a_process_that_is_killed_leaves_files_that_fit(tmp_path: Path, delay: float) -> None:
    run = RunDirectory.create(tmp_path, "xor", config="seed: 0\n")
    command = [sys.executable, "-c", REWRITER, str(run.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        for _ in range(5):
            writer.stdout.readline()
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
    config, table = (
        int(content[: len(content) // 10_000])
        for content in (run.read_file("config.yaml"), run.read_file("table.json"))
    )
    steps = run.read_info()["steps"]
    assert steps >= 4
    assert steps <= table <= config <= steps + 1


def test_open_what_is_no_run(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "xor")
    assert RunDirectory.open(run.path) == run
    with pytest.raises(RunError, match=r"there is no run at .*missing") as got:
        RunDirectory.open(tmp_path / "missing")
    assert got.value.exit_code == 4
    with pytest.raises(RunError, match=r"xor is not a run: it has no run\.json"):
        RunDirectory.open(tmp_path / "xor")
    with pytest.raises(RunError, match="is not a run"):
        RunDirectory.open(run.info_path)
    for damage in ("", "{", "[]", "{}", "\udcff"):
        run.info_path.write_text(damage, errors="surrogateescape")
        with pytest.raises(RunError, match=r"run\.json is damaged"):
            RunDirectory.open(run.path)


def test_status_while_another_process_trains_and_after_it_is_killed(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "xor")
    assert run.status() == "interrupted"
    command = [sys.executable, "-c", TRAINER, str(run.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as trainer:
        try:
            assert trainer.stdout is not None
            trainer.stdout.readline()
            assert run.status() == "running"
            with pytest.raises(RunInUseError, match=f"process {trainer.pid}"), run.lock():
                pass
            with pytest.raises(RunInUseError, match=f"process {trainer.pid}"):
                remove(run)
            assert run.info_path.exists()
        finally:
            trainer.kill()
    assert run.status() == "interrupted"
    with run.lock():
        assert run.status() == "running"


def test_a_file_is_no_folder_of_runs(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"file is a file, and no folder of runs; name one by --run"):
        list_runs(tmp_path / "file")
    with pytest.raises(RunError, match="is a file, and no folder of runs"):
        find("xor", tmp_path / "file")


def test_list_newest_first_with_a_warning_for_what_is_damaged(tmp_path: Path) -> None:
    assert list_runs(tmp_path / "missing") == ([], [])
    made = [RunDirectory.create(tmp_path, name) for name in ("b", "a", "b", "c")]
    half_made = tmp_path / "a" / "20260101-000000-abcd"
    half_made.mkdir()
    made[3].info_path.write_text("{")
    (tmp_path / ".cache" / "stage").mkdir(parents=True)
    (tmp_path / "a" / "notes.txt").write_text("not a run")
    (tmp_path / "a" / ".hidden").mkdir()
    runs, warnings = list_runs(tmp_path)
    assert runs == [made[2], made[1], made[0]]
    assert len(warnings) == 2
    assert any(f"{half_made} is not a run" in warning for warning in warnings)
    assert any(f"{made[3].info_path} is damaged" in warning for warning in warnings)


def test_find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs_dir = tmp_path / "runs"
    first, second, other = (RunDirectory.create(runs_dir, name) for name in ("xor", "xor", "mnist"))
    assert find(first.path, runs_dir) == first
    assert find("xor", runs_dir) == second
    assert find(first.path.name, runs_dir) == first
    assert find(f"xor/{first.path.name}", runs_dir) == first
    assert find("latest", runs_dir) == other
    assert find(runs_dir / "xor", runs_dir) == second
    assert find(runs_dir / "xor", tmp_path / "elsewhere") == second
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mnist").mkdir()  # a directory of the user's own hides no run
    assert find("mnist", runs_dir) == other

    member = first.path / "relu" / "seed=1"
    member.mkdir(parents=True)
    (member / "run.json").write_text(json.dumps({"kind": "run", "status": "completed"}))
    assert find(f"xor/{first.path.name}/relu/seed=1", runs_dir).path == member


def test_a_name_that_may_mean_a_run_that_cannot_be_read(tmp_path: Path) -> None:
    first, second, other = (RunDirectory.create(tmp_path, name) for name in ("xor", "xor", "moon"))
    (tmp_path / "moon" / "20260101-000000-abcd").mkdir()  # a run that was never made
    second.info_path.write_text("{")
    for wanted in ("xor", str(tmp_path / "xor")):
        with pytest.warns(
            DlxWarning, match=rf"xor may mean another .*{second.path}/run\.json is d"
        ):
            assert find(wanted, tmp_path) == first
    with pytest.warns(DlxWarning, match=rf"latest may mean another run than {other.path}, since"):
        assert find("latest", tmp_path) == other
    assert find("moon", tmp_path) == other
    assert find(first.path.name, tmp_path) == first
    for run in (first, other):
        run.info_path.write_text("{")
    with pytest.raises(RunError, match=r"no run 'latest' can be read: .*run\.json is damaged"):
        find("latest", tmp_path)


def test_of_a_run_and_its_copies_a_name_means_the_run(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "a", config="")
    copies = [run.path.with_name(run.path.name + end) for end in ("-copy", " (2)", "0")]
    for copy in copies:
        shutil.copytree(run.path, copy)
    assert find("a", tmp_path).path == find("latest", tmp_path).path == run.path
    assert summaries(tmp_path).runs[0]["run"] == str(run.path)


def test_find_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no run 'xor': there are no runs in .*--runs-dir"):
        find("xor", tmp_path)
    run = RunDirectory.create(tmp_path, "mnist")
    with pytest.raises(RunError, match=r"no run 'mnst' .*; did you mean 'mnist'\?.*`dlx runs`"):
        find("mnst", tmp_path)
    with pytest.raises(RunError, match="is not a run and holds none"):
        find(tmp_path, tmp_path)
    run.info_path.write_text("{")
    with pytest.raises(RunError, match="damaged"):
        find(run.path, tmp_path)


def test_remove(tmp_path: Path) -> None:
    first, second = (RunDirectory.create(tmp_path / "runs", "xor") for _ in range(2))
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    (first.path / "link").symlink_to(outside)
    first.checkpoints.mkdir()
    (first.checkpoints / "file").write_bytes(b"x")
    remove(first)
    assert names(tmp_path / "runs" / "xor") == {second.path.name}
    remove(second)
    assert names(tmp_path / "runs") == {".count", ".lock"}
    assert names(outside) == {"precious"}


def test_remove_refuses_what_is_no_run_or_a_link(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run"):
        remove(RunDirectory(tmp_path))
    run = RunDirectory.create(tmp_path / "elsewhere", "xor")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "xor").symlink_to(run.path.parent)
    (tmp_path / "link").symlink_to(run.path)
    for path in (tmp_path / "link", tmp_path / "runs" / "xor" / run.path.name):
        with pytest.raises(RunError, match="is reached through a link"):
            remove(RunDirectory(path))
    assert run.info_path.exists()


def test_the_files_of_a_run(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    paths = [run.config_path, run.metrics_path, run.checkpoints, run.weights_path]
    expected = ["config.yaml", "metrics.jsonl", "checkpoints", "weights.safetensors"]
    assert [path.name for path in paths] == expected


def test_neither_runs_nor_tracking_import_torch() -> None:
    code = """
import importlib, pkgutil, sys
import dlx.runs, dlx.tracking
for package in (dlx.runs, dlx.tracking):
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
sys.exit("torch" in sys.modules or "dlx.runs.ablations" not in sys.modules)
"""
    assert subprocess.run([sys.executable, "-W", "error", "-c", code]).returncode == 0


def test_what_has_not_ended_is_waited_for_or_resumed(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "some", config="")
    run.write_info(status="running")
    assert run.how_it_goes_on() == f"`dlx resume {run.path}` goes on with it"
    with run.lock():
        assert run.how_it_goes_on() == "it is being trained: wait until it has ended"
