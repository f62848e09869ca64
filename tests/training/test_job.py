"""What a config is refused for before training: choices that do not go together."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import dlx
from dlx import api
from dlx.cohort import Member
from dlx.config import load
from dlx.data.selection import Examples
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
            ["train.early_stopping={metric: test.cost}"],
            r"train\.early_stopping\.metric: received test\.cost; allowed: train\.cost, ",
        ),
        (
            ["optimizer.schedule={name: reduce_on_plateau, metric: test.accuracy}"],
            r"optimizer\.schedule\.metric: received test\.accuracy; allowed: train\.cost, ",
        ),
        (
            ["train.early_stopping={metric: dev.cost}", "data.split={stop: 0}"],
            r"data\.split\.stop: received 0, but train\.early_stopping\.metric is dev\.cost: ",
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
            ["train.early_stopping={metric: dev.acuracy}"],
            r"metric: received dev\.acuracy; did you mean 'accuracy'\?; allowed: train\.cost, ",
        ),
        (
            ["train.accumulate=2", "model.batch_norm=true"],
            r"train\.accumulate: received 2, but batch norm looks at all rows of a batch at once",
        ),
        (
            ["train.accumulate=2", "model={name: rbm, hidden: 4, visible: gaussian}"],
            r"train\.accumulate: received 2, but an RBM looks at all rows",
        ),
        (
            [
                "train.accumulate=2",
                "model={name: autoencoder, code_activation: sigmoid, sparsity: kl}",
            ],
            r"train\.accumulate: received 2, but the sparsity kl looks at all rows",
        ),
        (
            ["train.accumulate=20", "train.batch_size=10"],
            r"train\.accumulate: received 20, but a batch has 10 rows; lower it",
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


@pytest.mark.parametrize(
    ("overrides", "stop"),
    [
        ({"early_stopping": {"metric": "dev.cost"}}, 15),
        ({"early_stopping": {"metric": "stop.cost"}}, 15),
        ({"early_stopping": {"metric": "train.cost"}}, 0),
    ],
)
def test_what_is_watched_never_judges(overrides: dict[str, Any], stop: int) -> None:
    """Half of the 30 dev rows are watched, and the others judge."""
    config = {"name": "iris", "data": {"name": "iris"}, "model": {"hidden": [4]}}
    ready = api.prepare(config | {"train": {"epochs": 1, **overrides}})
    dev, watched = ready.splits.dev, ready.splits.stop
    assert (len(watched) if watched else 0, len(dev) if dev else 0) == (stop, 30 - stop)
    if watched and dev:
        assert not set(watched.rows.tolist()) & set(dev.rows.tolist())
        assert any(
            "15 stop rows, taken from dev rows; 15 dev rows are left" in said
            for said in ready.remarks
        )
    taken = any("dev.cost is taken for stop.cost" in said for said in ready.remarks)
    assert taken == (overrides["early_stopping"]["metric"] == "dev.cost")


SMALL = {"name": "small", "data": {"name": "digits", "limit": 100}, "model": {"hidden": [4]}}


def test_a_default_batch_size_adapts_to_the_rows() -> None:
    told = ("train.batch_size is 100, all training rows (default 128)",)
    stages = {"pretrain": {"epochs": 1, "stages": [{"batch_size": 20}]}}
    for more, sizes in (({}, []), ({"pretrain": {"epochs": 1}}, [100]), (stages, [20])):
        ready = api.prepare(SMALL | more)
        assert ready.remarks == told
        assert ready.batch_size == ready.config.train.batch_size == 100
        assert [stage.batch_size for stage in ready.stages] == sizes
        again = api.prepare(ready.config)
        assert (again.remarks, again.config) == ((), ready.config)
    assert api.prepare(SMALL, ["data.limit=200"]).config.train.batch_size == 128
    assert api.prepare(SMALL, ["data.limit=200"]).remarks == ()


def test_layers_are_pretrained_in_batches_of_the_run_on_more_rows() -> None:
    more = {"pretrain": {"epochs": 1}, "data": {"name": "digits", "limit": 300, "labels": 50}}
    ready = api.prepare(SMALL | more)
    assert (ready.batch_size, [stage.batch_size for stage in ready.stages]) == (50, [50])
    assert api.prepare(ready.config).stages == ready.stages


def test_a_batch_size_that_the_user_wrote_is_refused_for_too_few_rows() -> None:
    message = "train.batch_size: received 128, but there are 100 training rows; lower it or use all"
    with pytest.raises(ConfigError, match=message):
        api.prepare(SMALL, ["train.batch_size=128"])


def test_fine_tuning_adapts_to_the_labelled_rows() -> None:
    probe = {"probe": {"labels": 40, "fine_tune": {}}}
    ready = api.prepare(SMALL | probe)
    assert ready.remarks[1:] == (
        "probe.fine_tune.batch_size is 40, all labelled rows (default 50)",
    )
    assert ready.config.probe and ready.config.probe.fine_tune
    assert ready.config.probe.fine_tune.batch_size == 40
    assert api.prepare(ready.config).config == ready.config
    enough = api.prepare(SMALL | probe, ["probe.labels=60"])
    assert len(enough.remarks) == 1 and "batch_size: 50" in load.dump(enough.config)


def test_the_first_batch_is_drawn_for_a_start_that_looks_at_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn, first_batch = [], job.first_batch

    def counted(members: Sequence[Member], examples: Examples, batch_size: int) -> Any:
        drawn.append(members[0].design.layers[0].init.name)
        return first_batch(members, examples, batch_size)

    monkeypatch.setattr(job, "first_batch", counted)
    for init in ("he_normal", "lsuv"):
        Job.trainer([api.prepare("configs/iris.yaml", [f"model.init={init}"])], is_new=True)
    assert drawn == ["lsuv"]


def test_rows_outside_the_range_of_cross_entropy_are_told_of() -> None:
    model = ["model={name: autoencoder, encoder: [3]}", "data.standardize=false"]
    model += ["data.scale=true", "seed=7"]
    job = api.prepare("configs/iris.yaml", model)
    assert job.design.head.loss.name == "binary_cross_entropy"
    (dev, low, high) = ("dev", *(each.item() for each in job.splits.part("dev").inputs.aminmax()))
    assert low < 0 or high > 1
    (warning,) = [each for each in job.splits.warnings if f"inputs of {dev} rows" in each]
    assert f"between {low:.4g} and {high:.4g}; outside [0, 1] binary_cross_entropy" in warning
    assert api.prepare("configs/iris.yaml", [*model, "model.loss=mse"]).splits.warnings == ()
