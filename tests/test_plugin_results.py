"""What is said of a plug-in's function that returns what none of its kind returns."""

from pathlib import Path

import pytest

import dlx
from dlx import plugins
from dlx.errors import ConfigError

pytestmark = pytest.mark.usefixtures("forgotten")

FUNCTION = '''\
import numpy as np
import torch
import dlx
from dlx.data.dataset import Dataset
from dlx.nn.metrics import CLASSES, RIGHT

X, T = np.zeros((9, 2), np.float32), np.arange(9) % 2

@dlx.register("{kind}"{traits})
def mine({parameters}):
    """My own."""
    return {result}
'''
PARAMETERS = {
    "activation": "z",
    "loss": "a, targets",
    "schedule": "step, num_steps",
    "data": "data_dir",
    "block": "place",
    "model": "task",
    "optimizer": "*, lr: float = 0.1",
    "dropout": "rate",
    "corruption": "",
    "initializer": "weight, generator",
    "average": "step, num_steps",
    "metric": "total, rows",
}
TRAITS = {"metric": ", RIGHT, CLASSES, rising=True"}
USES = {
    "activation": "model.activation=mine",
    "loss": "model={output: identity, loss: mine}",
    "schedule": "optimizer.schedule=mine",
    "data": "data=mine",
    "block": "model.hidden=[mine]",
    "model": "model=mine",
    "optimizer": "optimizer=mine",
    "dropout": "model.dropout={name: mine, hidden: 0.5}",
    "corruption": "model={name: autoencoder, corruption: mine}",
    "initializer": "model.init=mine",
    "average": "train.average=mine",
    "metric": "log.metrics=[mine]",
}


@pytest.mark.parametrize(
    ("kind", "result", "message"),
    [
        ("activation", "z[:, :1]", r"a Tensor of shape \(1, 1, 10\) .* of the same shape and"),
        ("activation", "z.double()", r"type torch.float64 for a Tensor .* torch.float32; return"),
        ("activation", "None", "None for a Tensor"),
        ("activation", "z.tanh().detach()", "a tensor that no gradient passes through"),
        ("activation", "torch.nn.Parameter(z.tanh())", "a tensor that no gradient passes through"),
        ("activation", "z.to_sparse()", "of the same shape and type"),
        ("activation", "z.to('meta')", "of the same shape and type"),
        ("activation", "z.requires_grad_(False).sin()", "turns off the gradient of what it is"),
        ("loss", "a.mean((1, 2)).to(torch.complex64)", r"return the mean cost of each run, \(K,\)"),
        ("loss", "(a - targets).abs()", r"return the mean cost of each run, \(K,\)"),
        ("loss", "(a - targets).abs().mean()", r"a Tensor of shape \(\) "),
        ("loss", "a.detach().mean((1, 2))", "a tensor that no gradient passes through"),
        ("schedule", "'half'", "an object of type str; return the factor on the rate, a finite"),
        ("schedule", "float('nan')", "NaN; return the factor on the rate, a finite number"),
        ("schedule", "-0.5", "-0.5; return the factor"),
        ("schedule", "10**400", "an integer of about 401 digits; return the factor"),
        ("average", "None", "None; return the newest weights' share in the mean, from 0 to 1"),
        ("average", "2", "2; return the newest weights' share"),
        ("metric", "0.5", r"0.5; return each run's value, \(K,\) float64"),
        ("metric", "total[None] / 4", r"a Tensor of shape \(1, 1\) .*; return each run's value"),
        ("initializer", "torch.randn(2, 2)", "with numbers that are not .* filled in; fill all"),
        ("initializer", "weight.set_(torch.ones(2, 2))", "with numbers that are not .* filled in"),
        ("initializer", "weight[:1].zero_()", "with numbers that are not .* filled in; fill all"),
        ("data", "(X, T)", r"an object of type tuple; return a dlx\.data\.dataset\.Dataset"),
        ("data", "Dataset('d', X.tolist(), T, ('a', 'b'))", "inputs that are an object of type li"),
        ("data", "Dataset('d', X, T / 2, ('a', 'b'))", "targets that are .* of whole numbers"),
        (
            "data",
            "Dataset('d', X.astype('longdouble'), T, ('a', 'b'))",
            "inputs that are .*; give a",
        ),
        ("block", "torch.nn.Linear(2, 2)", r"type Linear; return a dlx\.nn\.layers\.Spec"),
        ("model", "None", r"None; return a dlx\.models\.design\.Design"),
        ("optimizer", "torch.optim.SGD", r"return a dlx\.optimizers\.rule\.Rule"),
        ("dropout", "0.5", r"0.5; return a dlx\.nn\.dropout\.DropoutRule"),
        ("corruption", "{}", r"type dict; return a dlx\.nn\.corruption\.CorruptionRule"),
    ],
)
def test_a_wrong_result_is_told_by_the_functions_line(
    kind: str, result: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.py"
    own = {"kind": kind, "traits": TRAITS.get(kind, ""), "parameters": PARAMETERS[kind]}
    path.write_text(FUNCTION.format(**own, result=result))
    plugins.load(path)
    where = rf"plug-in .*mine\.py:9: {kind} 'mine' (returned )?.*"
    with pytest.raises(ConfigError, match=where + message):
        dlx.train("configs/xor.yaml", [USES[kind], "train.steps=3"], runs_dir=tmp_path)


def test_what_a_class_makes_is_looked_at_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        'import dlx\n@dlx.register("activation")\nclass Mine:\n    """My own."""\n'
        "    def __init__(self, z, *, k: float = 1.0) -> None: ...\n"
    )
    plugins.load(path)
    said = r"mine\.py:2: activation 'Mine' returned an object of type Mine for a Tensor"
    with pytest.raises(ConfigError, match=said):
        dlx.train("configs/xor.yaml", ["model.activation.name=Mine"], runs_dir=tmp_path)
