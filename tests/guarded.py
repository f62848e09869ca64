"""What slow tests guard: the beginnings of paths whose change makes `.ci/run` run them."""

# Of an ablation, what plans and trains its runs; the rest of dlx/ablation reads how they ended.
_PARTS = ("directory", "dispatch", "execution", "leaving", "ledger", "loading", "looks", "plan")
_PARTS += ("results.py", "session", "tuning", "vary", "workers")
RUNS = tuple(f"dlx/ablation/{part}" for part in _PARTS)
CLUSTER = (*RUNS, "dlx/ablation/cluster", "dlx/ablation/flag", "dlx/ablation/relay")
CLUSTER += ("dlx/api/clusters.py", "dlx/search/", "dlx/stopping.py")
_MODELS = ("dlx/models/", "dlx/nn/", "dlx/optimizers/")
LEARNING = ("configs/", "dlx/data/", "dlx/training/", *_MODELS)
SAVING = (*RUNS, "dlx/runs/", "dlx/tracking/", "dlx/training/")
MEMORY = (*RUNS, "dlx/errors.py", "dlx/training/")
TOGETHER = (*RUNS, "dlx/cohort.py", "dlx/engine/", "dlx/native/", "dlx/training/", *_MODELS)
EXPORT = ("dlx/data/tables/", "dlx/models/", "dlx/nn/")
PICTURES = ("dlx/diagnose/", "dlx/report/", "dlx/tracking/", "dlx/training/watching.py")
ABLATIONS = ("dlx/ablation/", "dlx/api/ablation")
ENSEMBLES = ("dlx/ensembles.py", "dlx/nn/metrics.py", "dlx/nn/counts.py")
COMMANDS = ("dlx/cli/", "dlx/config/", "dlx/plugins.py", "dlx/registry.py", "dlx/stopping.py")
# What a command leaves out of a process that need not have it.
IMPORTS = (*COMMANDS, "dlx/api/", "dlx/data/", "dlx/training/")
STATISTICS = ("benchmarks/calibration.py", "benchmarks/sequential.py", "dlx/ablation/statistics/")
# What commands do is tested everywhere; here, that they can be written as they are shown.
DOCUMENTS = ("CONTRIBUTING.md", "README", "configs/", "docs/", "dlx/api/", "dlx/cli/")
DOCUMENTS += ("dlx/config/", "dlx/plugins.py", "dlx/registry.py")
