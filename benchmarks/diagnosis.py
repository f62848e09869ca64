"""Measures how often a diagnosis names what was made wrong on purpose.

    python -m benchmarks.diagnosis [--zoo second] [--seeds 5] [--only NAME]

Each sick network is trained at several seeds. It counts as told if an expected name is the first or
the second finding. Of healthy ones no finding may be of high severity. The thresholds of the rules
were chosen on the first zoo, below; the second one is that of zoo.py, which was written before the
rules were read.
"""

import argparse
import contextlib
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import zoo
from dlx import api
from dlx.errors import DivergedError

Case = tuple[str, tuple[str, ...], tuple[str, ...]]
"""A config, what is changed in it, and which findings name what is wrong; none: it is healthy.
Without a name the config is an empty one."""

_DEEP = "[10,10,10,10,10,10,10,10,10]"
_TABLE = ("data={name: breast_cancer, standardize: true}", "train.epochs=30")
_MOONS = ("train.epochs=100",)

SICK: Mapping[str, Case] = {
    "nine sigmoid layers on XOR": (
        "course/deep_sigmoid",
        (),
        ("dying_signal", "vanishing_gradient"),
    ),
    "nine sigmoid layers on digits": (
        "digits",
        ("model.activation=sigmoid", f"model.hidden={_DEEP}", "train.epochs=10"),
        ("dying_signal", "vanishing_gradient"),
    ),
    "tiny normal start, deep": (
        "digits",
        (
            f"model.hidden={_DEEP}",
            "model.init={name: normal, std: 0.001}",
            "train.epochs=5",
            "optimizer={name: sgd, lr: 0.01}",
        ),
        ("dying_signal", "vanishing_gradient"),
    ),
    "tiny tanh start, deep": (
        "digits",
        (
            f"model.hidden={_DEEP}",
            "model.activation=tanh",
            "model.init={name: normal, std: 0.01}",
            "optimizer={name: sgd, lr: 0.01}",
            "train.epochs=5",
        ),
        ("dying_signal", "vanishing_gradient"),
    ),
    "huge normal start, deep": (
        "digits",
        (f"model.hidden={_DEEP}", "model.init={name: normal, std: 3}", "train.epochs=5"),
        ("exploding_gradient", "rate_too_high"),
    ),
    "huge start, sgd": (
        "digits",
        (
            "model.hidden=[64,64,64,64]",
            "model.init={name: normal, std: 1}",
            "optimizer={name: sgd, lr: 0.1}",
            "train.epochs=5",
        ),
        ("exploding_gradient", "rate_too_high", "dead_units"),
    ),
    "zero start": (
        "digits",
        ("model.init=zeros", "train.epochs=5"),
        ("symmetry", "dead_units", "dying_signal", "constant_outputs"),
    ),
    "constant start": (
        "digits",
        ("model.init={name: constant, value: 0.1}", "train.epochs=10"),
        ("symmetry",),
    ),
    "constant start, tanh": (
        "moons",
        ("model.init={name: constant, value: 0.3}", "model.activation=tanh", *_MOONS),
        ("symmetry",),
    ),
    "constant start, sigmoid": (
        "breast_cancer",
        ("model.init={name: constant, value: 0.1}", "model.activation=sigmoid", "train.epochs=20"),
        ("symmetry",),
    ),
    "rate 1e9": ("digits", ("optimizer={name: sgd, lr: 1.0e9}",), ("rate_too_high",)),
    "sgd at 50": (
        "digits",
        ("optimizer={name: sgd, lr: 50}", "train.epochs=10"),
        ("rate_too_high", "dead_units"),
    ),
    "adam at 1": (
        "digits",
        ("optimizer={name: adam, lr: 1}", "train.epochs=10"),
        ("rate_too_high", "dead_units"),
    ),
    "adam at 10 on moons": (
        "moons",
        ("optimizer={name: adam, lr: 10}", *_MOONS),
        ("rate_too_high", "dead_units"),
    ),
    "rate 1e-6": (
        "digits",
        ("optimizer={name: sgd, lr: 1.0e-6}", "train.epochs=20"),
        ("rate_too_low",),
    ),
    "adam at 1e-6": (
        "digits",
        ("optimizer={name: adam, lr: 1.0e-6}", "train.epochs=20"),
        ("rate_too_low",),
    ),
    "rate 1e-5 on moons": (
        "moons",
        ("optimizer={name: sgd, lr: 1.0e-5}", *_MOONS),
        ("rate_too_low",),
    ),
    "two epochs": (
        "digits",
        ("train.epochs=2", "optimizer={name: sgd, lr: 0.01}"),
        ("still_improving", "rate_too_low"),
    ),
    "one epoch of adam": (
        "digits",
        ("train.epochs=2", "optimizer.lr=0.0005", "log.points=20"),
        ("still_improving", "rate_too_low"),
    ),
    "60 digits": (
        "digits",
        ("data.limit=60", "train.batch_size=all", "train.epochs=300"),
        ("high_variance",),
    ),
    "120 digits, large network": (
        "digits",
        ("data.limit=120", "model.hidden=[256,256]", "train.batch_size=32", "train.epochs=100"),
        ("high_variance",),
    ),
    "noise learned by heart": (
        "digits",
        ("data.label_noise=0.3", "model.hidden=[256,256]", "train.epochs=100"),
        ("high_variance",),
    ),
    "moons by heart": (
        "moons",
        (
            "data.limit=40",
            "data.label_noise=0.3",
            "train.batch_size=all",
            "model.hidden=[64,64]",
            "optimizer.lr=0.01",
            "train.epochs=1000",
        ),
        ("high_variance",),
    ),
    "a line for spirals": ("spirals", ("model.hidden=[]", "train.epochs=100"), ("high_bias",)),
    "two units for digits": (
        "digits",
        ("model.hidden=[2]", "train.epochs=30"),
        ("high_bias", "still_improving"),
    ),
    "a penalty too strong": (
        "digits",
        ("train.penalty={l2: 1.0}", "train.epochs=20"),
        ("high_bias", "dying_signal", "constant_outputs"),
    ),
    "dropout 0.95": (
        "digits",
        ("model.dropout=0.95", "train.epochs=20"),
        ("high_bias", "still_improving"),
    ),
    "people's error is 0, a line for digits": (
        "moons",
        ("model.hidden=[]", "data.human_error=0", *_MOONS),
        ("high_bias",),
    ),
    "inputs in thousands": (
        "breast_cancer",
        ("data.standardize=false", "train.epochs=20"),
        ("unscaled_inputs",),
    ),
    "inputs divided by 10,000": (
        "digits",
        ("data.standardize=false", "data.scale=100000.0", "train.epochs=20"),
        ("unscaled_inputs", "rate_too_low", "dying_signal", "still_improving", "high_bias"),
    ),
    "large sigmoid start": (
        "digits",
        ("model.activation=sigmoid", "model.init={name: normal, std: 10}", "train.epochs=10"),
        ("saturation",),
    ),
    "large tanh start": (
        "digits",
        (
            "model.activation=tanh",
            "model.init={name: normal, std: 10}",
            "optimizer={name: sgd, lr: 0.01}",
            "train.epochs=10",
        ),
        ("saturation",),
    ),
    "dead from a bias": (
        "digits",
        ("model.bias={name: constant, value: -20}", "train.epochs=5"),
        ("dead_units", "constant_outputs"),
    ),
    "other dev rows": ("mismatch", (), ("data_mismatch",)),
}
HEALTHY: Mapping[str, Case] = {
    "digits": ("digits", (), ()),
    "digits, sgd": ("digits", ("optimizer={name: sgd, lr: 0.1}",), ()),
    "iris": ("iris", (), ()),
    "breast_cancer": ("breast_cancer", (), ()),
    "moons": ("moons", (), ()),
    "xor": ("xor", ("model.hidden=[10]",), ()),
    "digits, batch norm": ("digits", ("model.batch_norm=true",), ()),
    "digits, tanh": ("digits", ("model.activation=tanh", "model.init=xavier_normal"), ()),
    "moons, a tenth wrong": ("moons", ("data.label_noise=0.2", "train.epochs=50"), ()),
    "digits, a tenth wrong": (
        "digits",
        ("data.label_noise=0.11", "model.dropout=0.5", "train.epochs=15"),
        (),
    ),
    "moons, far too noisy": ("moons", ("data.noise=0.45", "train.epochs=50"), ()),
    "a line, noisy": ("moons", ("data.noise=0.5", "model.hidden=[4]", "train.epochs=50"), ()),
    "circles, noisy": (
        "moons",
        ("data={name: circles, noise: 0.25, standardize: true}", "train.epochs=50"),
        (),
    ),
    "diabetes": (
        "moons",
        (
            "data={name: diabetes, standardize: true}",
            "model.hidden=[8]",
            "train.epochs=30",
            "log.metrics=auto",
        ),
        (),
    ),
    "breast_cancer, a tenth wrong": (
        "breast_cancer",
        ("data.label_noise=0.2", "model.hidden=[8]", "train.epochs=20", "train.penalty={l2: 0.01}"),
        (),
    ),
}

ZOOS = {
    "first": {"sick": SICK, "healthy": HEALTHY},
    "second": {
        "sick": {
            name: ("", zoo.overrides_of(case.overrides), tuple(case.expected.split()))
            for name, case in zoo.SICK.items()
        },
        "healthy": {name: ("", zoo.overrides_of(text), ()) for name, text in zoo.HEALTHY.items()},
    },
}
"""By name and by health: the second one reads tables of the folder that one is in."""


def examine(case: Case, seed: int, folder: Path) -> list[dict[str, Any]]:
    """Train a case and return its findings."""
    config, changes, _ = case
    changes = [*changes, f"seed={seed}"]
    try:
        run = api.train(_config(config), changes, runs_dir=folder)
    except DivergedError as error:
        assert error.run is not None
        run = api.load(error.run)
    return api.diagnose_run(run)["findings"]


def _config(name: str) -> Path | dict[str, str]:
    if not name:
        return {"name": "zoo"}
    return Path(__file__).parents[1] / "configs" / f"{name}.yaml"


def is_told(case: Case, findings: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a diagnosis is right: see the module."""
    if not case[2]:
        return all(finding["severity"] != "high" for finding in findings)
    return any(finding["name"] in case[2] for finding in findings[:2])


def run_as_printed(findings: Sequence[Mapping[str, Any]]) -> None:
    """Prepare the runs of the commands that findings name, which raises where one cannot run."""
    for finding in findings:
        command, path, *changes = shlex.split(finding["try"])[1:]
        if command == "train":
            api.prepare(path, changes)


def main() -> None:
    """Print every case with how often its diagnosis was right."""
    parser = argparse.ArgumentParser(description="Measures how often diagnoses are right.")
    parser.add_argument("--zoo", choices=list(ZOOS), default="first")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    arguments = parser.parse_args()
    for heading, cases in ZOOS[arguments.zoo].items():
        right = count = 0
        for name, case in cases.items():
            if arguments.only not in name:
                continue
            told = []
            with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
                zoo.write_tables(Path(folder))
                for seed in range(arguments.seeds):
                    findings = examine(case, seed, Path(folder))
                    run_as_printed(findings)
                    told.append(is_told(case, findings))
                    if not told[-1]:
                        short = [f"{f['name']} ({f['severity']})" for f in findings]
                        print(f"    seed {seed}: {', '.join(short) or 'nothing found'}")
            right, count = right + sum(told), count + len(told)
            print(f"{heading}: {name}: {sum(told)} of {len(told)}", flush=True)
        print(f"{heading}: {right} of {count} right")


if __name__ == "__main__":
    main()
