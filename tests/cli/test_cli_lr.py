"""`dlx lr`: the suggested rate trains better than one far below and one far above it."""

import re
from pathlib import Path

import pytest

from dlx import api
from dlx.api.rate_scan import Rate, RateScan
from dlx.training.records import Outcome
from dlx.training.session import Observer, Session
from dlx.training.store import Store
from dlx.training.trainer import Trainer
from tests.cli.conftest import Command


class Last(Observer):
    """The cost of dev rows at the end of each run."""

    def __init__(self) -> None:
        self.costs: list[float] = []

    def ended(self, trainer: Trainer, outcomes: dict[int, Outcome]) -> None:
        self.costs += [outcome.metrics["dev"]["cost"] for outcome in outcomes.values()]


def test_a_table_a_picture_and_both_rates(dlx: Command, tmp_path: Path) -> None:
    ended = dlx("lr", "xor", "--rates", "12", "--quiet")
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[0].split() == ["adam", "cost", "after", "100", "steps"]
    assert sum("suggested" in line for line in lines[:13]) == 1
    assert lines[-1].startswith("suggested rate ") and "(the config has 0.01)" in lines[-1]
    assert (tmp_path / "runs/xor/lr.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in (tmp_path / "runs/xor").iterdir()] == ["lr.png"]
    ended = dlx("lr", "xor", "name=XOR", "--rates", "3", "--steps", "2", "--quiet")
    assert ended.code == 2 and "'XOR' and 'xor', which is in runs, are one name" in ended.err


def test_json_and_what_diverges(dlx: Command, tmp_path: Path) -> None:
    options = ["--range", "1e-3..1e38", "--rates", "8", "--steps", "30", "--seeds", "2"]
    ended = dlx("lr", "iris", "optimizer=sgd", *options, "--plot", "p.png", "--json", "--quiet")
    document = ended.json
    assert document["picture"] == "p.png" and (tmp_path / "p.png").exists()
    assert (document["steps"], document["seeds"], document["optimizer"]) == (30, [0, 1], "sgd")
    last = document["rates"][-1]
    assert last["lr"] == 1e38 and last["diverged"] == 2 and last["cost"] is None
    first = document["rates"][0]
    assert first["cost"] < document["start"] and first["lowers"]
    assert first["lr"] <= document["suggested"] <= document["largest_safe"] < 1e38


@pytest.mark.parametrize(
    ("config", "more"),
    [
        ("xor", ["train.steps=100"]),
        ("digits", ["train.epochs=5"]),
        pytest.param(
            "mnist",
            ["data.limit=2000", "model.hidden=[64]", "train.epochs=5"],
            marks=pytest.mark.slow("dlx/api/rate_scan.py"),
        ),
    ],
)
def test_the_suggested_rate_beats_a_thirtieth_and_thirty_times_it(
    config: str, more: list[str], request: pytest.FixtureRequest
) -> None:
    data_dir = request.getfixturevalue("mnist") if config == "mnist" else None
    read = api.read_config(config, [*more, "seed=7"])
    scan = api.scan_rates(read, ends=(1e-5, 10), num_rates=16, seeds=2, data_dir=data_dir)
    assert scan.suggested is not None

    def cost(lr: float) -> float:
        """Return the mean cost of dev rows at seeds that the scan has not seen."""
        costs = []
        for seed in (20, 21):
            job = api.prepare(read, [f"optimizer.lr={lr}", f"seed={seed}"], data_dir=data_dir)
            last = Last()
            Session([job], Store(), [last]).train()
            costs += last.costs
        return sum(costs) / len(costs)

    suggested = cost(scan.suggested)
    assert suggested < 0.7 * cost(scan.suggested / 30)
    assert suggested < 0.7 * cost(scan.suggested * 30)


def scan_of(*costs: float | None) -> RateScan:
    rates = [Rate(10.0**place, (cost,), (1.0,)) for place, cost in enumerate(costs)]
    return RateScan(api.read_config("xor"), 10, (0,), tuple(rates))


def test_which_rates_are_named() -> None:
    scan = scan_of(0.9, 0.08, 0.05, 0.04, 0.3, 0.7, 0.1, None)
    assert scan.suggested == 10  # within 5 % of the fall by the best
    assert scan.largest_safe == 1e4  # the last before half the fall is lost
    assert scan.remarks == []
    assert "even 10 is safe" in scan_of(0.9, 0.1).remarks[0]
    assert "the range begins with the best rate" in scan_of(0.1, 0.9).remarks[0]
    lost = scan_of(1.5, 1.2, None)
    assert (lost.suggested, lost.largest_safe, lost.remarks) == (None, None, [])


def test_what_learns_nothing_is_said() -> None:
    """Where the lowest cost is that of the same answer to all, of classes and of numbers."""

    def remarks(data: str, low: float, steps: int) -> str:
        read = api.read_config("moons", [f"data={data}", "train={batch_size: 16}"])
        ends = (low, 10 * low)
        return " ".join(api.scan_rates(read, ends=ends, num_rates=3, steps=steps, seeds=1).remarks)

    said = r"nothing was learned at any rate: the lowest cost is \S+, and .* the same answer is"
    assert re.search(rf"{said} 1\.09\d;", remarks("iris", 1e-6, 2))  # ln 3
    assert re.search(rf"{said} 1;", remarks("diabetes", 1e-6, 2))
    assert "nothing was learned" not in remarks("iris", 1e-2, 40)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["xor", "--range", "1..0.1"], 2, "--range: received '1..0.1'; write two rates above 0"),
        (["xor", "--range", "0..1"], 2, "--range: received '0..1'"),
        (["xor", "--range", "1e-300..1"], 2, "they lie between 1e-37 and 3e+38"),
        (["xor", "--range", "1..1e300"], 2, "--range: received '1..1e300'"),
        (
            ["xor", "seed=9223372036854775807"],
            2,
            "seed: received 9223372036854775807; the last of 3",
        ),
        (["xor", "--range", "a..1"], 2, "--range: received 'a..1'"),
        (["xor", "--range", "0.1..0.10001"], 2, "too near for 30 rates"),
        (["xor", "train.steps=0"], 2, "train.steps: received 0, and no rate shows"),
        (["digits", "optimizer=sgd", "--range", "1e30..1e31"], 5, "all 90 runs diverged"),
        (["nothing.yaml"], 2, "nothing.yaml: no such file"),
        (["xor", "optimizer.lrr=1"], 2, "optimizer.lrr"),
    ],
)
def test_bad_input(dlx: Command, arguments: list[str], code: int, message: str) -> None:
    ended = dlx("lr", *arguments, "--quiet")
    assert ended.code == code
    assert message in ended.err
    assert ended.err.count("error:") == 1
