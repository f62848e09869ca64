"""The binding of torch's threads, each case in a process of its own."""

import json
import os
import subprocess
import sys

import pytest

PROBE = """
import json, os
from dlx.cli.threads import import_torch
before = os.sched_getaffinity(0)
import_torch()
import torch
torch.randn(300, 300) @ torch.randn(300, 300)
torch.randn(1000000).relu()
tasks = [int(task) for task in os.listdir('/proc/self/task')]
print(json.dumps({
    'threads': torch.get_num_threads(),
    'main': sorted(os.sched_getaffinity(0)) == sorted(before),
    'bound': sum(len(os.sched_getaffinity(task)) == 1 for task in tasks),
    'variable': os.environ.get('OMP_PROC_BIND'),
}))
"""

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="Linux alone can bind"),
    pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core needs no binding"),
]


def probe(**variables: str) -> dict[str, object]:
    names = ("OMP_NUM_THREADS", "OMP_PROC_BIND", "OMP_PLACES")
    environment = {k: v for k, v in os.environ.items() if k not in names} | variables
    command = [sys.executable, "-c", PROBE]
    done = subprocess.run(command, env=environment, check=True, capture_output=True)
    return json.loads(done.stdout)


def cores() -> int:
    return len(os.sched_getaffinity(0))


@pytest.mark.parametrize("variables", [{}, {"OMP_NUM_THREADS": str(cores())}])
def test_workers_are_bound_and_the_main_thread_is_not(variables: dict[str, str]) -> None:
    found = probe(**variables)
    assert found == {"threads": cores(), "main": True, "bound": cores() - 1, "variable": None}


@pytest.mark.parametrize(
    "variables", [{"OMP_NUM_THREADS": "1"}, {"OMP_PROC_BIND": "false"}, {"OMP_PLACES": "cores"}]
)
def test_a_choice_of_the_users_stands(variables: dict[str, str]) -> None:
    found = probe(**variables)
    assert found["main"] == ("OMP_PLACES" not in variables)
    assert found["variable"] == variables.get("OMP_PROC_BIND")
    if "OMP_PLACES" not in variables:
        assert found["bound"] == 0
