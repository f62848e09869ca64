"""Faults of the command of an ablation on a Ray cluster, and killed processes of the cluster.

Short forms are in tests/cli/test_cli_cluster.py and tests/api/test_cluster.py.
"""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.battery.conftest import Record
from tests.battery.faults import FAULTS, preloaded, why_not
from tests.battery.faulty import ON_CLUSTER
from tests.battery.test_faults import tried

_WHY_NOT = why_not() or ("" if importlib.util.find_spec("ray") else "needs dlx[ray]")
pytestmark = [pytest.mark.battery, pytest.mark.skipif(bool(_WHY_NOT), reason=_WHY_NOT)]


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray ends no worker for other programs' memory, and reports no use."""
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "0")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")


@pytest.mark.parametrize("work", ON_CLUSTER)
def test_every_fault_at_some_calls(
    work: str, share: float, tmp_path: Path, record_property: Record
) -> None:
    counts = tried(tmp_path, work, "calls", max(round(4 * share), 1), *FAULTS)
    assert all(part["tried"] > 0 for part in counts.values())
    record_property("counts", counts)


@pytest.mark.parametrize("work", ["ablate", "search"])
def test_kills_of_all_processes_of_a_cluster(
    work: str, share: float, tmp_path: Path, record_property: Record
) -> None:
    command = [sys.executable, "-m", "tests.battery.cluster_kills"]
    arguments = [tmp_path / "scene", 7, max(round(40 * share), 1), work]
    ended = subprocess.run(
        [*command, *map(str, arguments)], env=preloaded(tmp_path), capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout)
    assert result["wrong"] == []
    record_property("counts", result["counts"])
