"""Memory that is truly not there: cohorts are halved; one run that does not fit ends with 6."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.api.test_ablation import assert_same_runs
from tests.cli.conftest import Ended, environment
from tests.guarded import MEMORY

pytestmark = [
    pytest.mark.slow(*MEMORY),
    pytest.mark.skipif(sys.platform != "linux", reason="reads its size from /proc"),
]

# Whatever is imported on the way, and BLAS's buffers, are there before the limit is set.
LIMITED = """
import resource, sys
from pathlib import Path
import matplotlib.backends.backend_agg, numpy, scipy.linalg, scipy.stats, sklearn.datasets
import dlx.api, dlx.report.ablation.derived_files
from dlx.cli import main

# NumPy and SciPy have a BLAS each, which waits for ever where there is no memory for its buffer.
numpy.ones((300, 300)) @ numpy.ones((300, 300))
scipy.linalg.cholesky(numpy.eye(300))
pages = int(Path("/proc/self/statm").read_text().split()[0])
bound = pages * resource.getpagesize() + int(sys.argv[1]) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
sys.exit(main(sys.argv[2:]))
"""
SHORT = ["data.limit=200", "train.steps=2", "train.batch_size=32", "optimizer=adam"]
TWO = ["--vary", "model.activation=relu,tanh"]


def limited(folder: Path, mebibytes: int, *arguments: str) -> Ended:
    """Run a command line that may take so much memory beyond what its start takes."""
    command = [sys.executable, "-c", LIMITED, str(mebibytes), *arguments]
    ended = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=120
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def only_ablation(folder: Path, name: str) -> Path:
    (path,) = (folder / "runs" / name).iterdir()
    return path


def test_a_cohort_is_halved_and_its_runs_are_the_same(tmp_path: Path) -> None:
    # A run takes 17 MiB: 1.1 million parameters, their gradients and Adam's two moments.
    asked = ["ablate", "digits", *SHORT, *TWO, "--seeds", "4", "model.hidden=[1000,1000]"]
    whole = limited(tmp_path, 2000, *asked, "name=whole")
    assert (whole.code, "halves" in whole.err) == (0, False), whole.err
    ended = limited(tmp_path, 190, *asked, "name=halved")
    assert ended.code == 0, ended.err
    remark = "cohort 1: 8 runs did not fit into memory; trained in halves"
    assert f"note: {remark}" in ended.err
    halved = only_ablation(tmp_path, "halved")
    info = json.loads((halved / "run.json").read_text())
    assert (info["status"], info["failed"], remark in info["remarks"]) == ("completed", 0, True)
    assert_same_runs(halved, only_ablation(tmp_path, "whole"))


@pytest.mark.parametrize("command", [["train"], ["ablate", *TWO, "--seeds", "1", "--anyway"]])
def test_not_even_one_run_fits(command: list[str], tmp_path: Path) -> None:
    # A step keeps z and a of 1,437 rows and makes a gradient: 66 MiB.
    large = ["model.hidden=[4000]", "train.batch_size=all", "train.steps=2"]
    ended = limited(tmp_path, 50, command[0], "digits", *large, *command[1:], "name=large")
    assert ended.code == 6, ended.err
    assert "error: out of memory" in ended.err
    assert "raise train.accumulate: n, which computes a batch's gradient in n parts" in ended.err
    assert "or lower train.batch_size or the layers' widths" in ended.err
    info = json.loads((only_ablation(tmp_path, "large") / "run.json").read_text())
    assert info["status"] == "failed"


def test_not_even_the_plan_fits(tmp_path: Path) -> None:
    # Parameters, gradients and Adam's moments: 66 MiB.
    wide = ["model.hidden=[2000,2000]", "optimizer=adam"]
    ended = limited(tmp_path, 30, "ablate", "digits", *wide, *TWO, "--seeds", "1", "--anyway")
    assert ended.code == 6, ended.err
    assert "smaller layers, batches or data need less" in ended.err
    assert not (tmp_path / "runs").exists()


def test_a_batch_in_parts_fits_where_the_whole_one_does_not(tmp_path: Path) -> None:
    large = ["model.hidden=[4000]", "train.batch_size=all", "train.steps=2", "name=large"]
    whole = limited(tmp_path, 90, "train", "digits", *large, "--no-figures")
    assert whole.code == 6, whole.err
    parts = limited(tmp_path, 90, "train", "digits", *large, "train.accumulate=8", "--no-figures")
    assert parts.code == 0, parts.err
