"""`--seeds '{until: …}'`: what is refused, what is said before training and after it."""

import re
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.guarded import ABLATIONS

VARIED = ["--vary", "model.activation=relu,tanh", "train.epochs=2"]


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        (
            "{until: decided}",
            "ablation.seeds.max: required, but not given (allowed: an integer > 0",
        ),
        ("{max: 60}", "ablation.seeds.until: required, but not given (allowed: decided, a number"),
        ("{until: soon, max: 60}", "ablation.seeds.until: received 'soon' (allowed: decided, a nu"),
        ("{until: 0pp, max: 60}", "ablation.seeds.until: received '0pp'; did you mean '0.3pp'?"),
        (
            "{until: -0.1, max: 60}",
            "ablation.seeds.until: received -0.1 (allowed: decided, a number",
        ),
        (
            "{until: .nan, max: 60}",
            "ablation.seeds.until: received NaN (allowed: decided, a number",
        ),
        (
            "{until: 2, max: 60}",
            "ablation.seeds.until: received 2.0, but dev.accuracy lies between",
        ),
        ("{until: 1.0e+9, max: 60}", "any interval is as narrow; give less than 100pp"),
        ("{until: 200pp, max: 60}", "any interval is as narrow; give less than 100pp"),
        ("{until: decided, max: 0}", "ablation.seeds.max: received 0 (allowed: an integer > 0)"),
        ("{until: decided, max: 4}", "ablation.seeds.max: received 4, but the first look is at 5"),
        ("{until: decided, max: 60.5}", "ablation.seeds.max: received 60.5 (allowed: an integer"),
        (
            "{until: decided, max: 60, every: 5}",
            "ablation.seeds.every: unknown key (allowed: until",
        ),
        ("{until: decided, max: 10000000}", "at most 100,000 can be used here"),
        (
            "decided",
            "ablation.seeds: received 'decided' (allowed: an integer > 0, a non-empty list",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(
    seeds: str, message: str, dlx: Command, tmp_path: Path
) -> None:
    ended = dlx("ablate", "iris", *VARIED, "--seeds", seeds)
    assert (ended.code, ended.out) == (2, "")
    [error] = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    assert message in error
    assert not (tmp_path / "runs").exists()


def test_what_does_not_go_with_until_is_refused(dlx: Command) -> None:
    command = ["ablate", "iris", *VARIED, "--seeds", "{until: decided, max: 9}"]
    ended = dlx(*command, "ablation.folds=3")
    assert ended.code == 2
    assert (
        "error: ablation.seeds.until: received decided, but the folds of a cross-validation are "
        "fixed, and more seeds do not make more of them; leave out ablation.folds, or give a number"
    ) in ended.err
    command[-1] = "{until: 0.3pp, max: 9}"
    ended = dlx(*command, "ablation.metric=dev.cost")
    assert ended.code == 2
    assert "received 0.3pp, but dev.cost is not measured in percentage points; give" in ended.err
    ended = dlx(*command, "--pilot", 9)
    assert ended.code == 2
    assert "--pilot 9: the ablation has 9 seeds, which leaves none for after" in ended.err


def test_a_dry_run_says_how_long_it_may_grow(dlx: Command, tmp_path: Path) -> None:
    command = ["ablate", "iris", *VARIED, "--seeds", "{until: decided, max: 20}", "--dry-run"]
    ended = dlx(*command)
    assert ended.code == 0, ended.err
    assert "2 variants x 5 to 20 seeds = 10 to 40 runs; judged by dev.accuracy" in ended.out
    assert "looked at after 5 seeds, and 9 times at most" in ended.out
    assert re.search(r"about \d+ s for the first seeds \(.*\); nothing was written", ended.out)
    assert not (tmp_path / "runs").exists()
    document = dlx(*command, "--json").json
    assert (document["runs"], document["most_runs"], document["most_seeds"]) == (10, 40, 20)
    assert document["looks"][0] == 5 and document["looks"][-1] == 20


@pytest.mark.slow(*ABLATIONS)
def test_it_is_trained_and_told(dlx: Command) -> None:
    command = ["ablate", "iris", *VARIED, "--seeds", "{until: 40pp, max: 8}", "--json"]
    ended = dlx(*command)
    assert ended.code == 0, ended.err
    growing = ended.json["sequential"]
    assert (growing["until"], growing["max"]) == (0.4, 8)
    assert ended.json["runs"] == sum(variant["n"] for variant in ended.json["variants"])
    again = dlx("resume", "latest", "--json")
    assert again.json["sequential"] == growing
    refused = dlx("resume", "latest", "--seeds", 20)
    assert refused.code == 2
    assert "error: --seeds 20: the ablation adds seeds until a verdict, at most 8" in refused.err
    table = dlx("table", "latest", "--format", "markdown")
    assert table.code == 0, table.err
    assert "Seeds were added in batches (alpha spending, Slud and Wei, at most 8)" in table.out
