"""What surrounds a native run changes no bit of it: the C library, NumPy's and torch's kernels, …

Runs are trained in processes that differ in all of that at once, and what came of each is compared:
data, evaluations, weights. Where something differs, it is told with its first evaluation.
"""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from numpy._core._multiarray_umath import __cpu_dispatch__  # type: ignore[import-not-found]

from dlx import registry
from dlx.config.load import load
from dlx.errors import DlxError
from dlx.native import library
from tests.battery.conftest import Record
from tests.battery.test_whole_configs import drawn
from tests.battery.whole_configs import crossed

Configs = dict[str, dict[str, Any]]
CHECKOUT = Path(__file__).parents[2]

# Kernels of an old processor, other threads, another locale, another order of sets.
OTHER_KERNELS = {
    "NPY_DISABLE_CPU_FEATURES": " ".join(__cpu_dispatch__),
    "ATEN_CPU_CAPABILITY": "default",
    "OPENBLAS_CORETYPE": "Prescott",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    "LC_ALL": "tr_TR.UTF-8",
    "PYTHONHASHSEED": "7",
    "TZ": "Asia/Kathmandu",
}


@pytest.fixture(scope="module")
def other_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A C library whose functions are off by a unit in the last place."""
    target = tmp_path_factory.mktemp("libm") / "libm.so"
    command = [sys.executable, "-m", "ziglang", "cc", "-shared", "-fPIC", "-O1", "-ldl"]
    subprocess.run(
        [*command, "-o", str(target), str(CHECKOUT / "tests/battery/libm.c")], check=True
    )
    return target


def digests(configs: Configs, threads: int, **environment: str) -> dict[str, dict[str, str]]:
    """Train what the native engine trains; return digests by the name of the config."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.battery.bits_of", str(threads)],
        input=json.dumps(configs),
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
        env=os.environ | environment,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


def differences(configs: Configs, other_library: Path) -> tuple[list[str], int]:
    """Return what differs between two processes, and how many runs were compared."""
    here = digests(configs, 1, PYTHONHASHSEED="0")
    other = {**OTHER_KERNELS, "LD_PRELOAD": str(other_library)}
    other[library.LEVEL_VARIABLE] = library.levels()[-2:][0]
    elsewhere = digests(configs, 2, **other)
    assert here.keys() == elsewhere.keys()
    told = []
    for name, own in here.items():
        keys = [key for key in own | elsewhere[name] if own.get(key) != elsewhere[name].get(key)]
        if keys:
            told.append(f"{name}: {len(keys)} of {len(own)}, {keys[:3]}: {configs[name]}")
    trained = [own for own in here.values() if "refused" not in own]
    return told, len(trained)


def written_out(folder: Path) -> Configs:
    """Return configs of every kind of data, of model, of optimizer and of what changes a run."""
    table, numbers = folder / "table.csv", folder / "numbers.csv"
    random = np.random.default_rng(1)
    lines = ["city,price,size,sold,weight,target"]
    for _ in range(200):
        city = random.choice(["Seoul", "Busan", "Łódź", ""])
        price = f"{random.normal(3e5, 5e4):.2f}" if random.random() > 0.1 else ""
        sold = f"{random.integers(2000, 2024)}-{random.integers(1, 13):02d}-03"
        size, weight = random.gamma(2, 30), random.lognormal(0, 3)
        lines.append(
            f"{city},{price},{size:.7f},{sold},{weight:.5g},{random.choice(['yes', 'no'])}"
        )
    table.write_text("\n".join(lines) + "\n")
    targets = [
        lines[0],
        *(f"{line.rpartition(',')[0]},{random.normal(5, 2):.4f}" for line in lines[1:]),
    ]
    numbers.write_text("\n".join(targets) + "\n")
    np.save(folder / "x.npy", random.normal(size=(150, 6)) * [1, 1e-3, 1e6, 1, 1, 0])
    np.save(folder / "y.npy", random.normal(size=(150, 2)) * 1e5 + 1e7)
    csv = {"name": "csv", "target": "target", "missing": "impute", "dates": {"sold": "auto"}}
    data: list[dict[str, Any]] = [
        {**csv, "path": str(table), "standardize": True},
        {**csv, "path": str(numbers), "standardize": True},
        {"name": "npy", "inputs": str(folder / "x.npy"), "targets": str(folder / "y.npy")},
        {"name": "digits", "label_noise": 0.2, "bagging": True},
        {"name": "digits", "fold": {"of": 5, "number": 1}, "standardize": True},
        {"name": "digits", "augment": {"noise": 0.1}},
        {"name": "digits", "split": {"dev": 0.2, "stop": 0.2}, "scale": 0.37},
        *({"name": name, "standardize": True} for name in ("wine", "diabetes", "breast_cancer")),
        *({"name": name} for name in ("moons", "circles", "blobs", "spirals")),
        *({"name": name} for name in ("regression", "classification")),
    ]
    if "DLX_DATA" in os.environ:
        data.append({"name": "mnist", "limit": 500, "standardize": True})
    images = {"name": "autoencoder", "encoder": [20, 5]}
    dropouts = ["dropout", "alpha_dropout", "gaussian_dropout", "drop_connect"]
    models: list[dict[str, Any]] = [
        *({"hidden": [12, 7], norm: True} for norm in ("batch_norm", "layer_norm", "weight_norm")),
        *({"hidden": [12], "dropout": {"name": name, "hidden": 0.3}} for name in dropouts),
        *({"hidden": [9], "activation": name} for name in registry.names("activation")),
        *({"hidden": [9], "loss": loss} for loss in ("hinge", "binary_cross_entropy")),
        *({"hidden": [9, 9], "init": name} for name in ("orthogonal", "truncated_normal")),
        {"hidden": [9], "loss": {"name": "cross_entropy", "label_smoothing": 0.13}},
        {**images, "tied": True, "corruption": "salt_and_pepper"},
        {**images, "code_activation": "sigmoid", "sparsity": {"name": "kl", "weight": 0.1}},
        {**images, "corruption": "masking", "emphasis": {"corrupted": 1.0, "clean": 0.5}},
        {**images, "k_sparse": 3, "loss": "binary_cross_entropy"},
    ]
    watched = {"metric": "dev.f1", "patience": 2}
    others: list[dict[str, Any]] = [
        *({"optimizer": {"name": name}} for name in registry.names("optimizer")),
        *(
            {"optimizer": {"name": "nadam", "lr": 0.013, "schedule": {"name": name}}}
            for name in registry.names("schedule")
        ),
        {"train": {"average": {"name": "ema", "decay": 0.9}, "clip_norm": 0.3}},
        {"train": {"early_stopping": watched, "steps": 60}, "log": {"metrics": ["f1", "auc"]}},
        {"pretrain": {"method": "autoencoder", "epochs": 1}},
        {"log": {"metrics": ["balanced_accuracy", {"name": "top_k", "k": 3}], "every": 5}},
    ]
    configs = [{"data": own} for own in data]
    configs += [{"data": {"name": "digits"}, "model": own} for own in models]
    configs += [{"data": {"name": "digits"}, **own} for own in others]
    return {str(place): {"name": "bits", **short(own)} for place, own in enumerate(configs)}


def short(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config of few steps, of which gradients and layers are not looked at."""
    log = {"level": "minimal", "every": 5} | (config.get("log") or {})
    train = {"steps": 15, "batch_size": 32} | (config.get("train") or {})
    return config | {"log": log, "train": train}


@pytest.mark.slow("dlx/native/", "dlx/engine/", "dlx/data/", "dlx/arithmetic.py", "dlx/nn/")
def test_every_kind_of_run_has_the_same_bits(tmp_path: Path, other_library: Path) -> None:
    told, number = differences(written_out(tmp_path), other_library)
    assert not told, "\n".join(told)
    assert number > 60


@pytest.mark.battery
@pytest.mark.parametrize("draw", range(5))
def test_300_drawn_runs_have_the_same_bits(
    draw: int, tmp_path: Path, other_library: Path, record_property: Record
) -> None:
    random, whole = Random(draw), drawn(60, draw)
    known = list(written_out(tmp_path).values())
    configs: Configs = {}
    while len(configs) < 300:
        config = crossed(random.choice([whole, known, whole + known]), random)
        config = {key: own for key, own in config.items() if key not in ("ablation", "search")}
        train = config.get("train")
        train = dict(train) if isinstance(train, dict) else {}
        kept = {key: own for key, own in train.items() if key not in ("epochs", "engine", "steps")}
        config["train"] = kept | {"steps": random.choice([3, 12, 30])}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                load(config)
            except DlxError:
                continue
        configs[str(len(configs))] = config | {"name": "bits"}
    told, number = differences(configs, other_library)
    record_property("counts", {"compared": number, "other bits": len(told)})
    assert not told, "\n".join(told)
