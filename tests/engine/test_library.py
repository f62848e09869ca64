"""Building the library, and what is said where there is none."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("content", [b"", b"no library at all", None])
def test_a_damaged_library_is_said(libraries: Path, content: bytes | None) -> None:
    for path in build.LIBRARIES.iterdir():
        shutil.copy(path, libraries)
    for path in libraries.glob("dlx-*"):  # a part of the true one would crash the process
        path.write_bytes(path.read_bytes()[:5000] if content is None else content)
    with pytest.raises(library.Unavailable, match="is not what was built; install dlx again"):
        library.load()


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
