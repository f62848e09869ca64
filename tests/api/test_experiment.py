"""How the training of an ablation or a search breaks off."""

import os
import signal
from pathlib import Path

import pytest

from dlx.api.experiment import resumable
from dlx.errors import ClusterError, Interrupted
from dlx.runs import RunDirectory


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path, "some", config="", config_name="search.yaml")


def test_a_second_signal_breaks_it_off_and_says_how_it_goes_on(run: RunDirectory) -> None:
    message = f"stopped by SIGINT at once, without saving; `dlx resume {run.path}` goes on from the"
    with pytest.raises(Interrupted, match=message) as raised, resumable(run) as received:
        os.kill(os.getpid(), signal.SIGINT)
        assert received == [signal.SIGINT]
        os.kill(os.getpid(), signal.SIGINT)
    assert raised.value.exit_code == 130
    assert run.read_info()["status"] == "interrupted"


def test_an_interrupt_without_a_signal_is_not_taken_for_one(run: RunDirectory) -> None:
    with pytest.raises(KeyboardInterrupt), resumable(run):
        raise KeyboardInterrupt


def test_a_lost_cluster_is_noted_and_says_how_it_goes_on(run: RunDirectory) -> None:
    message = f"it is gone; `dlx resume {run.path}` goes on"
    with pytest.raises(ClusterError, match=message), resumable(run):
        raise ClusterError("it is gone")
    assert run.read_info()["status"] == "interrupted"
