"""What the command line and Python users call: train, resume, load, evaluate, predict, export.

>>> import dlx
>>> run = dlx.train("configs/digits.yaml", ["optimizer.lr=0.01"])
>>> run.metrics["test"]["accuracy"]
>>> dlx.load(run.path).predict(x)
"""

from dlx.api.ablation import (
    Ablation,
    ablate,
    plan_ablation,
    preview_ablation,
    resume_ablation,
    train_plan,
)
from dlx.api.ablation_config import read_ablation
from dlx.api.ablation_runs import members, run_config
from dlx.api.figures import figures
from dlx.api.inputs import RUNS_DIR, read_config
from dlx.api.probing import Probe, probe
from dlx.api.run import Run, load
from dlx.api.training import (
    Training,
    new_training,
    prepare,
    resume,
    resumed_training,
    train,
)
from dlx.api.verification import verify

__all__ = [
    "RUNS_DIR",
    "Ablation",
    "Probe",
    "Run",
    "Training",
    "ablate",
    "figures",
    "load",
    "members",
    "new_training",
    "plan_ablation",
    "prepare",
    "preview_ablation",
    "probe",
    "read_ablation",
    "read_config",
    "resume",
    "resume_ablation",
    "resumed_training",
    "run_config",
    "train",
    "train_plan",
    "verify",
]
