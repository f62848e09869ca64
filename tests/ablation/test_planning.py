"""Runs, cohorts and what is checked before anything is trained."""

from pathlib import Path
from typing import Any

import pytest

from dlx.ablation import planning
from dlx.ablation.plan import Plan, runs_by_path
from dlx.config.load import load
from dlx.errors import ConfigError, DataError, RunError
from dlx.texts import folded


def plan_of(vary: Any, tmp_path: Path, jobs: int = 1, **config: Any) -> Plan:
    ablation = {"vary": vary, "seeds": 3, **config.pop("ablation", {})}
    train = {"steps": 5, "batch_size": "all"}
    base = {"data": "xor", "train": train, "model": {"hidden": [4]}, **config}
    return planning.make(load(base | {"name": "test", "ablation": ablation}), tmp_path, jobs)


def test_what_may_differ_in_a_cohort_makes_one(tmp_path):
    vary = {
        "model.activation": ["relu", "tanh"],
        "model.batch_norm": [False, True],
        "optimizer": ["sgd", "adam"],
        "model.dropout": [0, 0.3],
    }
    plan = plan_of(vary, tmp_path)
    [cohort] = plan.cohorts
    assert len(cohort.runs) == len(set(cohort.runs)) == 16 * 3
    assert set(cohort.runs) == set(runs_by_path(plan))


def test_what_changes_shapes_makes_several(tmp_path):
    plan = plan_of({"model.hidden": [[4], [5], [4, 4]]}, tmp_path)
    assert [len(cohort.runs) for cohort in plan.cohorts] == [3, 3, 3]
    assert [cohort.shape for cohort in plan.cohorts] == [
        "2-4-1, batch 4, xor",
        "2-5-1, batch 4, xor",
        "2-4-4-1, batch 4, xor",
    ]
    plan = plan_of({"data.name": ["xor", "and"]}, tmp_path)
    assert len(plan.cohorts) == 2


def test_default_batch_sizes_fit_the_rows_of_each_variant(tmp_path):
    plan = plan_of({"data.limit": [60, 100, 500]}, tmp_path, data="digits", train={"epochs": 1})
    jobs = [plan.job(run) for run in plan.runs("comparison")][::3]
    assert [job.batch_size for job in jobs] == [60, 100, 128]
    assert [job.config.train.batch_size for job in jobs] == [60, 100, 128]
    assert [len(cohort.runs) for cohort in plan.cohorts] == [3, 3, 3]
    assert plan.remarks == [
        "limit=60: train.batch_size is 60, all training rows (default 128)",
        "limit=100: train.batch_size is 100, all training rows (default 128)",
    ]
    plan = plan_of({"optimizer": ["sgd", "adam"]}, tmp_path, data="xor", train={"steps": 1})
    assert plan.remarks == ["train.batch_size is 4, all training rows (default 128)"]
    message = r"variant 'limit=60': train\.batch_size: received 64, but"
    with pytest.raises(ConfigError, match=message):
        plan_of({"data.limit": [60, 70]}, tmp_path, data="digits", train={"batch_size": 64})


def test_runs_of_other_lengths_share_a_cohort(tmp_path):
    plan = plan_of({"train.steps": [5, 9]}, tmp_path)
    assert [len(cohort.runs) for cohort in plan.cohorts] == [6]


def test_several_processes_have_a_cohort_each(tmp_path):
    plan = plan_of({"model.activation": ["relu", "tanh"]}, tmp_path, jobs=2)
    assert [len(cohort.runs) for cohort in plan.cohorts] == [3, 3]
    by_activation = [{path.split("/")[0] for path in cohort.runs} for cohort in plan.cohorts]
    assert by_activation == [{"activation=relu"}, {"activation=tanh"}]


def test_equal_seeds_start_equal_in_every_variant(tmp_path):
    plan = plan_of({"optimizer": ["sgd", "adam"]}, tmp_path)
    jobs = [plan.job(run) for run in plan.runs("comparison")]
    assert [job.member.seed for job in jobs] == [0, 1, 2, 0, 1, 2]
    assert all(
        job.splits.train.selection.base is jobs[0].splits.train.selection.base for job in jobs
    )
    assert [job.config.seed for job in jobs] == [0, 1, 2, 0, 1, 2]


def test_tuning_takes_seeds_that_are_not_compared(tmp_path):
    tune = {"tune": {"optimizer.lr": [0.1, 0.2]}, "tune_seeds": 2, "seeds": [4, 7]}
    plan = plan_of({"optimizer": ["sgd", "adam"]}, tmp_path, ablation=tune)
    assert plan.tuning_seeds == [1_000_000, 1_000_001]
    assert [cohort.phase for cohort in plan.cohorts] == ["tuning"]
    assert len(plan.cohorts[0].runs) == 2 * 2 * 2
    assert sorted(plan.cohorts[0].runs)[0] == "tuning/optimizer=adam/lr=0.1/seed=1000000"


def test_compared_runs_are_numbered_from_1_in_the_order_of_the_table(tmp_path):
    tune = {"tune": {"optimizer.lr": [0.1, 0.2]}, "tune_seeds": 2, "seeds": 2}
    plan = plan_of({"optimizer": ["sgd", "adam"]}, tmp_path, ablation=tune)
    [cohort] = plan.cohorts
    assert sorted(cohort.numbers) == list(range(5, 13)), "those of tuning come after the compared"
    plan.choose({"optimizer=sgd": {"optimizer.lr": 0.1}, "optimizer=adam": {"optimizer.lr": 0.2}})
    compared = plan.runs("comparison")
    planning.add_cohorts(plan, "comparison", compared)
    numbers = {
        p: n for cohort in plan.cohorts for p, n in zip(cohort.runs, cohort.numbers, strict=True)
    }
    assert [numbers[run.path] for run in compared] == [1, 2, 3, 4]
    assert sorted(numbers.values()) == list(range(1, 13))
    assert all(cohort.number_of(p) == numbers[p] for cohort in plan.cohorts for p in cohort.runs)


def test_folds_stand_beside_seeds(tmp_path):
    plan = plan_of(
        {"model.activation": ["relu"]}, tmp_path, data="iris", ablation={"folds": 3, "seeds": 2}
    )
    assert list(runs_by_path(plan)) == [
        f"activation=relu/seed={seed} fold={fold}" for seed in (0, 1) for fold in (1, 2, 3)
    ]
    assert len(plan.cohorts) == 1, "folds have as many rows"
    config = plan.job(plan.runs("comparison")[1]).config
    assert config.data.fold is not None
    assert (config.data.fold.number, config.data.fold.of) == (2, 3)


@pytest.mark.parametrize(
    ("vary", "config", "message"),
    [
        (
            {"model.activation": ["relu", "step"]},
            {},
            r"variant 'activation=step': model\.activation: no gradient passes through step",
        ),
        (
            {"train.batch_size": [2, 9]},
            {},
            r"variant 'batch_size=9': train\.batch_size: received 9, but there are 4 training rows",
        ),
        (
            {"model.activation": ["relu"]},
            {"ablation": {"metric": "dev.acuracy"}},
            r"ablation\.metric: received dev\.acuracy; did you mean 'dev\.accuracy'\?",
        ),
        (
            {"model.activation": ["relu"]},
            {"ablation": {"show": ["train.gradient_norm/3"]}},
            r"ablation\.show\.0: received train\.gradient_norm/3; did you mean "
            r"'train\.gradient_norm/[12]'\? \(allowed: train\.cost, train\.accuracy, dev\.cost, "
            r"dev\.accuracy, test\.cost, test\.accuracy, train\.running/cost, "
            r"train\.gradient_norm/1, train\.gradient_norm/2, "
            r"train\.between_rows/1, .*train\.z_std/2\)",
        ),
        (
            {"model.activation": ["relu"]},
            {"ablation": {"show": ["train.gradient_norm/1"]}, "log": {"level": "minimal"}},
            r"ablation\.show\.0: .*; set log\.level to standard, which logs it",
        ),
        (
            {"model.activation": ["relu"]},
            {"ablation": {"show": ["test.accuracy"]}},
            r"ablation\.show\.0: .* nothing is judged by test rows.*\(show_test shows",
        ),
        (
            {"model.activation": ["relu"]},
            {"ablation": {"metric": "success"}},
            r"success is judged, but ablation\.success does not say what counts as one",
        ),
        (
            {"model.activation": ["relu"]},
            {"ablation": {"steps_to": {"dev.r2": 0.5}}},
            r"ablation\.steps_to\.dev\.r2: received dev\.r2 \(allowed: train\.cost, train\.acc",
        ),
        (
            {"model.activation": ["relu"]},
            {"data": {"name": "iris", "split": {"dev": 0}}},
            r"ablation\.metric: received dev\.accuracy.*; give data\.split some dev rows",
        ),
        (
            {"model.activation": ["relu"]},
            {"ablation": {"seeds": [1, 2, 1]}},
            r"ablation\.seeds: the list \[1, 2, 1\] has a seed twice; remove one",
        ),
        (
            {"optimizer": ["sgd", "adam"]},
            {"ablation": {"tune": {"optimizer.momentum": [0.5]}}},
            r"optimizer\.momentum: unknown key",
        ),
        (
            {"train.steps": "1..300"},
            {"ablation": {"seeds": 400}},
            r"300 of train\.steps x 400 seeds are 120,000 runs, more than 100,000; name fewer",
        ),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_trained(vary, config, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        plan_of(vary, tmp_path, **config)


def test_a_plan_is_the_same_when_it_is_read_back(tmp_path):
    plan = plan_of({"model.hidden": [[4], [5]], "optimizer": ["sgd", "adam"]}, tmp_path, jobs=3)
    again = planning.read(plan.document(), plan.config, tmp_path)
    assert again.document() == plan.document()


def test_a_plan_that_does_not_fit_its_config_is_refused(tmp_path):
    plan = plan_of({"optimizer": ["sgd", "adam"]}, tmp_path)
    other = plan_of({"optimizer": ["sgd", "rmsprop"]}, tmp_path)
    with pytest.raises(RunError, match=r"plan\.json has other variants than ablation\.yaml"):
        planning.read(plan.document(), other.config, tmp_path)
    document = plan.document()
    document["cohorts"][0]["runs"][0] = "optimizer=sgd/seed=9"
    with pytest.raises(RunError, match=r"names the run 'optimizer=sgd/seed=9', which"):
        planning.read(document, plan.config, tmp_path)


@pytest.mark.parametrize("name", ["a/b", "figures", "tuning", "..", "x" * 300, "ünïcode ✓"])
def test_any_name_of_a_variant_has_a_folder_of_its_own(name, tmp_path):
    vary = [{"name": name, "optimizer.lr": 0.1}, {"name": f"{name}b", "optimizer.lr": 0.2}]
    plan = plan_of(vary, tmp_path, ablation={"design": "list"})
    folders = [arm.folder for arm in plan.arms("comparison")]
    assert len(set(folders)) == 2
    for folder in folders:
        assert "/" not in folder and folder not in ("figures", "tuning", "..", "")
        (tmp_path / folder).mkdir()


ACTIVATIONS = {"model.activation": ["relu", "tanh"]}


def test_no_two_variants_share_a_folder_or_take_one_of_dlx(tmp_path):
    called = [
        "x/y",
        "x_y #1",
        "A",
        "a",
        "run.json",
        "plan.json",
        "cohorts",
        "train",
        "é" * 99,
        "..",
        "caf\u00e9",
        "cafe\u0301",
        "STRASSE",
        "straße",
        "__proto__",
        "toString",
    ]
    vary = [{"name": name, "optimizer.lr": 0.1 + n} for n, name in enumerate(called)]
    plan = plan_of(vary, tmp_path, ablation={"design": "list"})
    folders = [arm.folder for arm in plan.arms("comparison")]
    assert len({*map(folded, folders)}) == len(called)
    assert not set(folders) & {
        "run.json",
        "plan.json",
        "cohorts",
        "train",
        "",
        "__proto__",
        "toString",
    }
    assert all(len(folder.encode()) < 130 for folder in folders)


def test_long_choices_that_are_tried_have_a_folder_each(tmp_path):
    tune = {"model.hidden": [[4] * 70, [4] * 71]}
    plan = plan_of(ACTIVATIONS, tmp_path, ablation={"tune": tune})
    assert len(runs_by_path(plan)) == 2 * 2 * 3


@pytest.mark.parametrize("tuned", ["model.activation", "model.activation.name", "model"])
def test_what_varies_is_not_tuned(tuned, tmp_path):
    with pytest.raises(ConfigError, match=rf"ablation\.tune\.{tuned}: model\.activation varies"):
        plan_of(ACTIVATIONS, tmp_path, ablation={"tune": {tuned: ["relu"]}})


def test_the_seed_is_not_tuned(tmp_path):
    with pytest.raises(ConfigError, match=r"ablation\.tune\.seed: seeds are no factor"):
        plan_of(ACTIVATIONS, tmp_path, ablation={"tune": {"seed": [1, 2]}})


def test_tuned_values_that_cannot_be_are_all_named(tmp_path):
    with pytest.raises(ConfigError) as caught:
        plan_of(ACTIVATIONS, tmp_path, ablation={"tune": {"optimizer.lr": [0.1, -1]}})
    assert str(caught.value).split("\n") == [
        f"ablation.tune: variant 'activation={name}': optimizer.lr: received -1 "
        "(allowed: a number > 0)"
        for name in ("relu", "tanh")
    ]


@pytest.mark.parametrize(
    "section",
    [
        {"metric": "test.accuracy"},
        {"success": {"test.accuracy": 1.0}},
        {"steps_to": {"test.accuracy": 1.0}},
    ],
)
def test_nothing_is_judged_by_test_rows(section, tmp_path):
    with pytest.raises(ConfigError, match=r"received test\.accuracy, but .*; use dev\.accuracy"):
        plan_of(ACTIVATIONS, tmp_path, ablation=section)


def test_a_plan_is_not_read_with_other_data(tmp_path):
    plan = plan_of(ACTIVATIONS, tmp_path, data="iris")
    document = plan.document()
    document["cohorts"][0]["data"] = "0" * 64
    with pytest.raises(DataError, match=r"data 'iris' have changed since .* put them back"):
        planning.read(document, plan.config, tmp_path)


def test_a_plan_of_runs_without_numbers_is_read(tmp_path):
    plan = plan_of(ACTIVATIONS, tmp_path)
    document = plan.document()
    for cohort in document["cohorts"]:
        del cohort["numbers"]
    again = planning.read(document, plan.config, tmp_path)
    assert [cohort.numbers for cohort in again.cohorts] == [
        cohort.numbers for cohort in plan.cohorts
    ]


def test_a_plan_keeps_its_own_seeds(tmp_path):
    tune = {"tune": {"optimizer.lr": [0.1, 0.2]}, "seeds": 2}
    plan = plan_of(ACTIVATIONS, tmp_path, ablation=tune)
    config = plan_of(ACTIVATIONS, tmp_path, ablation=tune | {"seeds": [0, 1, 2_000_000]}).config
    again = planning.read(plan.document(), config, tmp_path)
    assert (again.seeds, again.tuning_seeds) == (plan.seeds, plan.tuning_seeds)
