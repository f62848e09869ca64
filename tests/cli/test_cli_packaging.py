"""What `pip install .` brings: the package with the shipped configs and the libraries inside."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dlx.config.shipped import shipped
from dlx.native.build import LIBRARIES

ROOT = Path(__file__).parents[2]
# The libraries of this checkout are copied where they would be compiled once more.
BUILDING = """\
import shutil, sys
from dlx.native import build
build.build = lambda folder: shutil.copytree(build.LIBRARIES, folder, dirs_exist_ok=True)
import setuptools.build_meta as backend
print(backend.build_wheel(sys.argv[1]))
"""


def test_configs_and_libraries_travel_in_the_wheel(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", reason="needs setuptools, which pip brings when it builds")
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "configs", "dlx"):
        (source / name).symlink_to(ROOT / name)
    answer = subprocess.run(
        [sys.executable, "-c", BUILDING, str(tmp_path)], cwd=source, capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        files = set(archive.namelist())
        archive.extractall(tmp_path / "site")
    assert files >= {f"dlx/configs/{name}.yaml" for name in shipped()}
    assert files >= {"dlx/configs/table.csv", "dlx/configs/course/questions.yaml"}
    libraries = {f"dlx/native/libraries/{path.name}" for path in LIBRARIES.iterdir()}
    assert libraries and files >= libraries
    packages = {path.parent.relative_to(ROOT) for path in (ROOT / "dlx").rglob("*.py")}
    assert files >= {f"{package}/__init__.py" for package in packages}
    code = "import dlx, dlx.config.shipped as s; print(dlx.__file__, *s.shipped())"
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "site", capture_output=True, text=True
    )
    where, *names = answer.stdout.split()
    assert Path(where).is_relative_to(tmp_path / "site")
    assert names == list(shipped())
