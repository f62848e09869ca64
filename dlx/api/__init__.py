"""What the command line and Python users call: train, resume, load, evaluate, predict, export.

>>> import dlx
>>> run = dlx.train("configs/digits.yaml", ["optimizer.lr=0.01"])
>>> run.metrics["test"]["accuracy"]
>>> dlx.load(run.path).predict(x)
"""

from dlx.api.inputs import RUNS_DIR, read_config
from dlx.api.run import Run, load
from dlx.api.training import prepare, resume, train, train_job

__all__ = ["RUNS_DIR", "Run", "load", "prepare", "read_config", "resume", "train", "train_job"]
