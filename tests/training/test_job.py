"""What a config is refused for before training: choices that do not go together."""

from pathlib import Path

import pytest

import dlx
from dlx import api
from dlx.errors import ConfigError
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
    drawn, first_batch = [], Job.first_batch

    def counted(self: Job, examples: tuple) -> tuple:
        drawn.append(self.design.layers[0].init.name)
        return first_batch(self, examples)

    monkeypatch.setattr(Job, "first_batch", counted)
    for init in ("he_normal", "lsuv"):
        api.prepare("configs/iris.yaml", [f"model.init={init}"]).trainer()
    assert drawn == ["lsuv"]
