"""What a config is refused for before training: choices that do not go together."""

from collections.abc import Sequence
from pathlib import Path

import pytest

import dlx
from dlx import api
from dlx.cohort import Member
from dlx.data.targets import Examples
from dlx.errors import ConfigError
from dlx.training import job
from dlx.training.job import Job


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["optimizer.schedule={name: reduce_on_plateau, metric: dev.loss}"],
            r"optimizer\.schedule\.metric: received dev\.loss; allowed: train\.cost, ",
        ),
        (
            ["train.max_norm=1", "model.weight_norm=true"],
            r"train\.max_norm: .* would do nothing; keep one of them",
        ),
        (
            ["optimizer.name=sgd", "optimizer.schedule={name: one_cycle, momentum: [0.8, 0.9]}"],
            r"optimizer\.schedule\.momentum: received \[0\.8, 0\.9\], but sgd has no momentum",
        ),
        (
            ["optimizer.name=adam", "optimizer.schedule={name: one_cycle, momentum: [0.9, 0.8]}"],
            r"optimizer\.schedule\.momentum: .*; the lowest comes first: \[0\.8, 0\.9\]",
        ),
        (
            ["optimizer={name: nesterov, momentum: 0}"],
            r"optimizer\.momentum: received 0 \(allowed: a number > 0 and < 1\)",
        ),
        (
            ["train.device=cuda:99999999999999999999"],
            r"train\.device: received cuda:9+, but this machine has cpu",
        ),
    ],
)
def test_what_does_not_go_together(overrides: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        dlx.train("configs/iris.yaml", overrides, runs_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_first_batch_is_drawn_for_a_start_that_looks_at_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn, first_batch = [], job.first_batch

    def counted(members: Sequence[Member], examples: Examples, batch_size: int) -> Examples:
        drawn.append(members[0].design.layers[0].init.name)
        return first_batch(members, examples, batch_size)

    monkeypatch.setattr(job, "first_batch", counted)
    for init in ("he_normal", "lsuv"):
        Job.trainer([api.prepare("configs/iris.yaml", [f"model.init={init}"])], is_new=True)
    assert drawn == ["lsuv"]


def test_rows_outside_the_range_of_cross_entropy_are_told_of() -> None:
    model = ["model={name: autoencoder, encoder: [3]}", "data.standardize=false", "data.scale=true"]
    job = api.prepare("configs/iris.yaml", model)
    assert job.design.head.loss.name == "binary_cross_entropy"
    (dev, low, high) = ("dev", *(each.item() for each in job.splits.part("dev").inputs.aminmax()))
    assert low < 0 or high > 1
    (warning,) = [each for each in job.splits.warnings if f"inputs of {dev} rows" in each]
    assert f"between {low:.4g} and {high:.4g}; outside [0, 1] binary_cross_entropy" in warning
    assert api.prepare("configs/iris.yaml", [*model, "model.loss=mse"]).splits.warnings == ()
