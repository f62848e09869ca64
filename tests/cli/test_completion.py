"""What the shell completes, asked as bash does."""

import os
import subprocess
import sys
from pathlib import Path

from tests.report.runs_on_disk import write_run


def completed(folder: Path, line: str) -> list[str]:
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    asked = os.environ | words | {"_DLX_COMPLETE": "complete_bash"}
    command = [sys.executable, "-c", "from dlx.cli.app import main; main()"]
    ended = subprocess.run(command, cwd=folder, env=asked, capture_output=True, text=True)
    assert not ended.stderr
    return ended.stdout.split()


def test_configs_keys_names_and_runs_are_completed(tmp_path: Path) -> None:
    write_run(tmp_path / "runs", name="mine")
    (tmp_path / "dials.yaml").write_text("data: digits\n")
    assert completed(tmp_path, "dlx train di") == ["digits", "dials.yaml"]
    keys = completed(tmp_path, "dlx train digits optimizer.")
    assert "optimizer.lr=" in keys and all(key.startswith("optimizer.") for key in keys)
    assert "model.activation=relu" in completed(tmp_path, "dlx train digits model.activation=r")
    assert completed(tmp_path, "dlx diagnose mi") == ["mine"]
    [folder] = (tmp_path / "runs" / "mine").iterdir()
    assert completed(tmp_path, "dlx evaluate runs/m") == [str(folder.relative_to(tmp_path))]
    assert completed(tmp_path, "dlx train nothing optimizer.") == []
