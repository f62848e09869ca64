"""Building the library, and what is said where there is none."""

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from dlx import api
from dlx.errors import ConfigError
from dlx.native import build, library


@pytest.fixture
def libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of libraries of one's own, empty at first."""
    monkeypatch.setattr(library, "LIBRARIES", tmp_path)
    library.forget()
    yield tmp_path
    library.forget()


def test_a_library_that_was_not_built_is_said(libraries: Path) -> None:
    with pytest.raises(library.Unavailable, match="was not built when dlx was installed"):
        library.load()


def _copied(
    folder: Path,
    change: Callable[[bytes], bytes] | None = None,
    digests: Mapping[str, str] | None = None,
) -> None:
    """Copy the libraries of this checkout, changed; digests are those of what they were."""
    for path in build.LIBRARIES.iterdir():
        content = path.read_bytes()
        is_library = path.name != build.DIGESTS
        (folder / path.name).write_bytes(change(content) if change and is_library else content)
    known = json.loads((folder / build.DIGESTS).read_text())
    (folder / build.DIGESTS).write_text(json.dumps(known | dict(digests or {})))


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "another file": lambda content: b"no library at all",
    "a part": lambda content: content[:5000],  # which would crash the process
    "a bit": lambda content: content[:9000] + bytes([content[9000] ^ 1]) + content[9001:],
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_library_is_said(libraries: Path, kind: str) -> None:
    _copied(libraries, DAMAGE[kind])
    with pytest.raises(library.Unavailable, match="is not what was built; install dlx again"):
        library.load()


def test_a_library_of_other_sources_is_said(libraries: Path) -> None:
    _copied(libraries, digests={build.SOURCES_NAME: "0" * 64})
    with pytest.raises(library.Unavailable, match="from the sources of another version"):
        library.load()


def test_a_library_that_the_system_does_not_load_is_said(libraries: Path) -> None:
    def of_another_architecture(content: bytes) -> bytes:
        return content[:18] + b"\xff\xff" + content[20:]

    _copied(libraries, of_another_architecture)
    digests = {path.name: build.digest(path) for path in libraries.glob("dlx-*")}
    _copied(libraries, of_another_architecture, digests)
    with pytest.raises(library.Unavailable, match="cannot be loaded here"):
        library.load()


def test_a_library_that_cannot_be_read_is_said(libraries: Path) -> None:
    for path in build.LIBRARIES.glob("dlx-*"):
        (libraries / path.name).mkdir()
    with pytest.raises(library.Unavailable, match="cannot be loaded here"):
        library.load()


def test_a_run_that_the_library_could_train_says_once_why_torch_does(libraries: Path) -> None:
    _copied(libraries, DAMAGE["empty"])
    config = {"data": {"name": "xor"}, "model": {"hidden": [2]}, "train": {"steps": 1}}
    job = api.prepare(config)
    assert job.member.engine == "torch"
    [said] = [remark for remark in job.remarks if "native" in remark]
    assert "train.engine: torch trains what the native engine could, since dlx-" in said
    assert "is not what was built; install dlx again" in said
    by_torch = api.prepare(config | {"train": {"steps": 1, "engine": "torch"}})
    assert not any("native" in remark for remark in by_torch.remarks)


def test_a_library_that_is_built_again_stays_what_a_running_process_has_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The former file is not written over, which would end processes that use it."""

    def fails(*arguments: object, **options: object) -> object:
        return subprocess.CompletedProcess([], 1, "", "no space left")

    [level, *_] = library.levels()
    name = build.file_name(level, build.architecture(), platform.system())
    shutil.copy(build.LIBRARIES / name, tmp_path)
    before = (tmp_path / name).stat().st_ino
    with monkeypatch.context() as patch:
        patch.setattr(build.subprocess, "run", fails)
        with pytest.raises(OSError, match="the compiler failed: no space left"):
            build.build(tmp_path)
    assert (tmp_path / name).read_bytes() == (build.LIBRARIES / name).read_bytes()

    def writes(command: list[str], **options: object) -> object:
        Path(command[command.index("-o") + 1]).write_bytes(b"new")
        return subprocess.CompletedProcess(command, 0, "", "")

    with monkeypatch.context() as patch:
        patch.setattr(build.subprocess, "run", writes)
        build.build(tmp_path)
    assert (tmp_path / name).read_bytes() == b"new"
    assert (tmp_path / name).stat().st_ino != before


def test_it_asks_the_c_library_for_no_mathematics() -> None:
    """Products with a sum and square roots are the processor's or dlx's: others may round else."""
    for path in build.LIBRARIES.glob("dlx-*"):
        names = path.read_bytes()
        for function in (b"fma", b"fmaf", b"sqrt", b"sqrtf", b"exp", b"log", b"pow", b"tanh"):
            assert b"\0" + function + b"\0" not in names, (path.name, function)


def test_a_level_that_the_processor_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(library.LEVEL_VARIABLE, "v9")
    with pytest.raises(ConfigError, match="DLX_NATIVE_LEVEL: received 'v9', but"):
        library.load()


def test_without_a_compiler_it_is_not_built(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(build.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(OSError, match="ziglang, is not installed"):
        build.build(tmp_path)


def test_for_other_machines_it_is_not_built(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no library is made for Linux on riscv64"):
        build.build(tmp_path, "riscv64", "Linux")


@pytest.mark.slow("dlx/native/", "setup.py")
@pytest.mark.parametrize(
    ("machine", "system"), [("aarch64", "Linux"), ("aarch64", "Darwin"), ("x86_64", "Windows")]
)
def test_it_compiles_for_other_machines(
    tmp_path: Path, machine: str, system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The highest level, which says the same of the sources as all do."""
    *_, highest = build.LEVELS[machine].items()
    monkeypatch.setitem(build.LEVELS, machine, dict([highest]))
    made = build.build(tmp_path, machine, system)
    assert [path.stat().st_size > 100_000 for path in made] == [True] * len(made)


@pytest.mark.slow("dlx/native/", "setup.py")
def test_a_package_without_a_compiler_trains_with_torch(tmp_path: Path) -> None:
    """`pip install --no-build-isolation` where there is no ziglang."""
    checkout, environment = Path(build.__file__).parents[2], tmp_path / "environment"
    copy = tmp_path / "dlx"
    kept = ("dlx", "configs", "setup.py", "pyproject.toml", "README.md", "LICENSE")
    for name in kept:
        source = checkout / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("libraries"))
        else:
            copy.mkdir(exist_ok=True)
            shutil.copy(source, copy / name)
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "-q"]
    subprocess.run([*pip, "setuptools>=77", "wheel"], check=True)
    subprocess.run([*pip, "--no-build-isolation", "--no-deps", str(copy)], check=True)
    code = "from dlx.native import library; library.level()"
    asked = subprocess.run(
        [str(environment / "bin" / "python"), "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert "the native library was not built" in asked.stderr
