"""What `pip install .` brings: the package with the shipped configs inside."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dlx.config.shipped import shipped

ROOT = Path(__file__).parents[2]


def test_the_configs_travel_in_the_wheel(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", reason="needs setuptools, which pip brings when it builds")
    script = (
        "import setuptools.build_meta as backend, sys\nprint(backend.build_wheel(sys.argv[1]))\n"
    )
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "configs", "dlx"):
        (source / name).symlink_to(ROOT / name)
    answer = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], cwd=source, capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        files = set(archive.namelist())
        archive.extractall(tmp_path / "site")
    assert files >= {f"dlx/configs/{name}.yaml" for name in shipped()}
    assert files >= {"dlx/configs/table.csv", "dlx/configs/course/questions.yaml"}
    packages = {path.parent.relative_to(ROOT) for path in (ROOT / "dlx").rglob("*.py")}
    assert files >= {f"{package}/__init__.py" for package in packages}
    code = "import dlx, dlx.config.shipped as s; print(dlx.__file__, *s.shipped())"
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "site", capture_output=True, text=True
    )
    where, *names = answer.stdout.split()
    assert Path(where).is_relative_to(tmp_path / "site")
    assert names == list(shipped())
