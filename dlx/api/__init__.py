"""What the command line and Python users call: train, resume, load, evaluate, predict, export.

>>> import dlx
>>> run = dlx.train("digits", ["optimizer.lr=0.01"])
>>> run.metrics["test"]["accuracy"]
>>> dlx.load(run.path).predict(x)

A name's module is imported when the name is asked for: a single run needs nothing of ablations.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlx.api.ablation import (
        Ablation,
        ablate,
        foresee_ablation,
        plan_ablation,
        preview_ablation,
        resume_ablation,
        train_plan,
    )
    from dlx.api.ablation_config import read_ablation
    from dlx.api.ablation_runs import members, run_config
    from dlx.api.attribution import Why, plan_why, why
    from dlx.api.clusters import cluster
    from dlx.api.diagnosis import diagnose_ablation, diagnose_run, more_data
    from dlx.api.drawing import ablation_figures, figures, report
    from dlx.api.inputs import RUNS_DIR, read_config
    from dlx.api.probing import Probe, probe
    from dlx.api.rate_scan import RateScan, parse_range, scan_rates
    from dlx.api.run import Run, load
    from dlx.api.searching import (
        Search,
        plan_search,
        preview_search,
        read_search,
        resume_search,
        search,
    )
    from dlx.api.training import Training, new_training, prepare, resume, resumed_training, train
    from dlx.api.verification import verify

_MODULES = {
    "ablation": (
        *("Ablation", "ablate", "foresee_ablation", "plan_ablation", "preview_ablation"),
        *("resume_ablation", "train_plan"),
    ),
    "ablation_config": ("read_ablation",),
    "ablation_runs": ("members", "run_config"),
    "clusters": ("cluster",),
    "drawing": ("ablation_figures", "figures", "report"),
    "inputs": ("RUNS_DIR", "read_config"),
    "rate_scan": ("RateScan", "parse_range", "scan_rates"),
    "probing": ("Probe", "probe"),
    "diagnosis": ("diagnose_ablation", "diagnose_run", "more_data"),
    "run": ("Run", "load"),
    "searching": (
        *("Search", "plan_search", "preview_search", "read_search", "resume_search", "search"),
    ),
    "training": ("Training", "new_training", "prepare", "resume", "resumed_training", "train"),
    "verification": ("verify",),
    "attribution": ("Why", "plan_why", "why"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "RUNS_DIR",
    "Ablation",
    "Probe",
    "RateScan",
    "Run",
    "Search",
    "Training",
    "Why",
    "ablate",
    "ablation_figures",
    "cluster",
    "diagnose_ablation",
    "diagnose_run",
    "figures",
    "foresee_ablation",
    "load",
    "members",
    "more_data",
    "new_training",
    "parse_range",
    "plan_ablation",
    "plan_search",
    "plan_why",
    "prepare",
    "preview_ablation",
    "preview_search",
    "probe",
    "read_ablation",
    "read_config",
    "read_search",
    "report",
    "resume",
    "resume_ablation",
    "resume_search",
    "resumed_training",
    "run_config",
    "scan_rates",
    "search",
    "train",
    "train_plan",
    "verify",
    "why",
]


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'dlx.api' has no attribute {name!r}")
    return getattr(importlib.import_module(f"dlx.api.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
