import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from dlx.ablation import overview
from dlx.ablation.bands import bands
from dlx.ablation.results import RunResult
from dlx.tracking.evaluations import Curve
from dlx.tracking.protos import HParamsPluginData, Layout
from tests.tracking.event_files import accumulate, scalars

SETTINGS = {
    "activation=relu": {"model.activation": "relu"},
    "activation=tanh": {"model.activation": "tanh"},
}


FOLDERS = {name: name.replace("=", "-") for name in SETTINGS}


def result(variant: str, seed: int, count: int = 6) -> RunResult:
    generator = np.random.default_rng([seed, len(variant)])
    values = {
        split: {
            tag: tuple(generator.random(count).tolist())
            for tag in ("cost", "accuracy", "gradient_norm/1")
        }
        for split in ("train", "dev", "test")
    }
    return RunResult(
        variant,
        seed,
        "completed",
        100,
        curve=Curve(tuple(range(count)), values),
        path=f"{variant.replace('=', '-')}/seed={seed}",
    )


def charts(directory: Path) -> list[str]:
    (event,) = accumulate(directory).Tensors("custom_scalars__config__")
    layout = Layout.FromString(event.tensor_proto.string_val[0])
    return [chart.title for chart in reversed(layout.category[0].chart)]


def columns(directory: Path) -> list[str]:
    content = accumulate(directory).PluginTagToContent("hparams")["_hparams_/experiment"]
    infos = HParamsPluginData.FromString(content).experiment.metric_infos
    return [info.display_name for info in infos]


def test_the_judged_metric_comes_first_and_test_only_where_it_is_shown(tmp_path: Path) -> None:
    results = [result(variant, seed) for variant in SETTINGS for seed in range(3)]
    metrics = ["dev.accuracy", "dev.cost", "train.accuracy", "train.cost"]
    for show_test in (False, True):
        overview.write(
            tmp_path,
            name="demo",
            metric="dev.accuracy",
            settings=SETTINGS,
            folders=FOLDERS,
            results=results,
            show_test=show_test,
        )
        shown = metrics + (["test.accuracy", "test.cost"] if show_test else [])
        assert charts(tmp_path) == shown
        assert columns(tmp_path) == shown


def test_what_codes_are_worth_has_a_column_but_no_curve(tmp_path: Path) -> None:
    worth = {"dev": {"probe_accuracy": 0.9, "cost": 1.0}, "test": {"probe_accuracy": 0.8}}
    results = [replace(result(variant, 0), metrics=worth) for variant in SETTINGS]
    overview.write(
        tmp_path,
        name="demo",
        metric="dev.probe_accuracy",
        settings=SETTINGS,
        folders=FOLDERS,
        results=results,
    )
    expected = ["dev.accuracy", "dev.cost", "train.accuracy", "train.cost"]
    assert sorted(charts(tmp_path)) == expected
    assert columns(tmp_path)[0] == "dev.probe_accuracy"
    assert sorted(columns(tmp_path)[1:]) == expected
    for folder in FOLDERS.values():
        value = np.float32(0.9).item()
        assert scalars(tmp_path / folder, "last/dev.probe_accuracy") == ([100], [value])


def test_the_hparams_page_has_the_mean_of_the_last_values_of_all_runs(tmp_path: Path) -> None:
    """A run that ended early counts, though the curve of the mean goes on without it."""
    results = [result("activation=relu", seed, 6 - 4 * (seed == 0)) for seed in range(3)]
    results.append(replace(result("activation=relu", 3), status="diverged", metrics={}))
    results.append(RunResult("activation=relu", 4, "failed", 0))
    overview.write(
        tmp_path,
        name="demo",
        metric="dev.cost",
        settings=SETTINGS,
        folders=FOLDERS,
        results=results,
    )
    last = np.mean([run.curve.of("dev.cost")[-1] for run in results[:4]])
    folder = tmp_path / FOLDERS["activation=relu"]
    assert scalars(folder, "last/dev.cost") == ([100], [np.float32(last).item()])
    assert scalars(folder, "runs/dev.cost")[1] == [3, 3, 2, 2, 2, 2]
    assert (tmp_path / FOLDERS["activation=tanh"]).is_dir(), "without a run it has a row"


def test_each_variant_has_its_band_in_its_folder(tmp_path: Path) -> None:
    results = [result(variant, seed, 6 - seed) for variant in SETTINGS for seed in range(4)]
    overview.write(
        tmp_path, name="demo", metric="success", settings=SETTINGS, folders=FOLDERS, results=results
    )
    for metric in ("dev.cost", "train.accuracy"):
        for variant, band in bands(results, metric, 0.95).items():
            folder = tmp_path / variant.replace("=", "-")
            assert scalars(folder, f"mean/{metric}") == (
                band.steps.tolist(),
                band.mean.astype(np.float32).tolist(),
            )
            low = band.low.astype(np.float32).tolist()
            assert not any(map(math.isnan, low))
            assert scalars(folder, f"interval/{metric}/low")[1] == low
            assert scalars(folder, f"runs/{metric}")[1] == band.runs.tolist()
