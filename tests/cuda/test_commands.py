"""Commands on a GPU: every shipped config, ablations, and what is done with what they leave."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.cli.conftest import Command, environment, start

CONFIGS = Path(__file__).parents[2] / "configs"
PLAIN = sorted(
    str(path.relative_to(CONFIGS).with_suffix(""))
    for path in (*CONFIGS.glob("*.yaml"), *CONFIGS.glob("gates/*.yaml"))
)
ON_GPU = "train.device=cuda"


def steps(name: str) -> list[str]:
    if name == "table":
        return ["train.epochs=2"]
    return ["train.steps=3", "train.epochs=null", "data.limit=400"] if "gates" not in name else []


@pytest.mark.parametrize("name", PLAIN)
def test_a_shipped_config_trains_and_is_used(
    name: str, dlx: Command, request: pytest.FixtureRequest
) -> None:
    if name.startswith("mnist"):
        request.getfixturevalue("mnist")
    ended = dlx("train", CONFIGS / f"{name}.yaml", ON_GPU, "log.level=full", *steps(name), "--json")
    assert ended.code == 0, ended.err
    assert "cuda" in json.loads(next(Path().glob("runs/*/*/run.json")).read_text())["device"]
    evaluated = dlx("evaluate", "latest", "--json")
    assert evaluated.code == 0, evaluated.err
    for split, values in evaluated.json["metrics"].items():
        final = ended.json["metrics"][split]
        for key, value in values.items():
            if key in final:
                assert value == pytest.approx(final[key], rel=1e-3, abs=1e-4), (split, key)
    for command in (["inspect", "latest"], ["figures", "latest"], ["export", "latest"]):
        used = dlx(*command)
        assert used.code == 0, (command, used.err)


def test_an_ablation_has_its_report_and_its_runs_are_trained_again(dlx: Command) -> None:
    vary = ["--vary", "model.activation=relu,tanh", "--vary", "model.dropout=0,0.2"]
    ended = dlx(
        "ablate", CONFIGS / "digits.yaml", ON_GPU, "train.epochs=3", *vary, "--seeds", 4, "--json"
    )
    assert ended.code == 0, ended.err
    [folder] = Path("runs/digits").iterdir()
    assert (folder / "report.html").exists()
    verified = dlx("verify", folder, "--runs", 3, "--json")
    assert verified.code == 0, verified.err
    for run in verified.json["verified"]:
        assert run["missing"] == 0 and run["metrics"] < 1e-2, run


def test_two_times_the_same_run_has_the_same_bits(dlx: Command) -> None:
    for name in ("one", "two"):
        ended = dlx(
            "train",
            CONFIGS / "digits.yaml",
            ON_GPU,
            "train.epochs=3",
            f"name={name}",
            "model.dropout=0.2",
        )
        assert ended.code == 0, ended.err
    from safetensors.torch import load_file

    [one], [two] = (list(Path(f"runs/{name}").iterdir()) for name in ("one", "two"))
    first, second = load_file(one / "weights.safetensors"), load_file(two / "weights.safetensors")
    assert [k for k in first if not torch.equal(first[k], second[k])] == []


def test_a_killed_ablation_goes_on_on_either_device(tmp_path: Path) -> None:
    command = [
        "ablate",
        CONFIGS / "digits.yaml",
        "train.epochs=60",
        "--vary",
        "model.activation=relu,tanh",
        "--seeds",
        4,
    ]
    running = start(*command, ON_GPU, "train.checkpoint_seconds=0", cwd=tmp_path)
    began = time.monotonic()
    while not list(tmp_path.glob("runs/digits/*/cohorts/*/*.safetensors")):
        assert running.poll() is None and time.monotonic() - began < 100
        time.sleep(0.05)
    time.sleep(1)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    [folder] = tmp_path.glob("runs/digits/*")
    ended = subprocess.run(
        [sys.executable, "-m", "dlx", "resume", str(folder), "--json"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads((folder / "run.json").read_text())["status"] == "completed"


def test_a_cohort_that_does_not_fit_is_trained_in_halves(dlx: Command) -> None:
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    # A run takes 64 MiB: 4.2 million parameters, their gradients and Adam's two moments.
    torch.cuda.set_per_process_memory_fraction(600 * 2**20 / total)
    try:
        ended = dlx(
            "ablate",
            CONFIGS / "digits.yaml",
            ON_GPU,
            "model.hidden=[2000,2000]",
            "train.steps=5",
            "train.epochs=null",
            "--vary",
            "model.activation=relu,tanh",
            "--seeds",
            8,
            "--json",
        )
        one = dlx(
            "train",
            CONFIGS / "digits.yaml",
            ON_GPU,
            "model.hidden=[6000,6000]",
            "train.steps=5",
            "train.epochs=null",
        )
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert ended.code == 0, ended.err
    assert "did not fit into memory; trained in halves" in ended.err
    assert one.code == 6 and "out of memory" in one.err, one.err
