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

X, T = np.zeros((9, 2), np.float32), np.arange(9) % 2

@dlx.register("{kind}")
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
}
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
}


@pytest.mark.parametrize(
    ("kind", "result", "message"),
    [
        ("activation", "z[:, :1]", r"a Tensor of shape \(1, 1, 10\) .* of the same shape and"),
        ("activation", "z.double()", r"type torch.float64 for a Tensor .* torch.float32; return"),
        ("activation", "None", "None for a Tensor"),
        ("activation", "z.tanh().detach()", "a tensor that no gradient passes through"),
        ("loss", "(a - targets).abs()", r"return the mean cost of each run, \(K,\)"),
        ("loss", "(a - targets).abs().mean()", r"a Tensor of shape \(\) "),
        ("loss", "a.detach().mean((1, 2))", "a tensor that no gradient passes through"),
        ("schedule", "'half'", "an object of type str; return the factor on the rate, a number"),
        ("data", "(X, T)", r"an object of type tuple; return a dlx\.data\.dataset\.Dataset"),
        ("data", "Dataset('d', X.tolist(), T, ('a', 'b'))", "inputs that are an object of type li"),
        ("data", "Dataset('d', X, T / 2, ('a', 'b'))", "targets that are .* of whole numbers"),
        ("block", "torch.nn.Linear(2, 2)", r"type Linear; return a dlx\.nn\.layers\.Spec"),
        ("model", "None", r"None; return a dlx\.models\.design\.Design"),
        ("optimizer", "torch.optim.SGD", r"return a dlx\.optimizers\.rule\.Rule"),
        ("dropout", "0.5", r"type float; return a dlx\.nn\.dropout\.DropoutRule"),
        ("corruption", "{}", r"type dict; return a dlx\.nn\.corruption\.CorruptionRule"),
    ],
)
def test_a_wrong_result_is_told_by_the_functions_line(
    kind: str, result: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(FUNCTION.format(kind=kind, parameters=PARAMETERS[kind], result=result))
    plugins.load(path)
    where = rf"plug-in .*mine\.py:8: {kind} 'mine' returned .*"
    with pytest.raises(ConfigError, match=where + message):
        dlx.train("configs/xor.yaml", [USES[kind], "train.steps=3"], runs_dir=tmp_path)
