"""What slow tests guard: folders whose change makes `.ci/run` run them."""

_MODELS = ("dlx/models/", "dlx/nn/", "dlx/optimizers/")
LEARNING = ("configs/", "dlx/data/", "dlx/training/", *_MODELS)
SAVING = ("dlx/ablation/", "dlx/runs/", "dlx/tracking/", "dlx/training/")
MEMORY = ("dlx/ablation/", "dlx/errors.py", "dlx/training/")
TOGETHER = ("dlx/ablation/", "dlx/cohort.py", "dlx/training/", *_MODELS)
STATISTICS = ("benchmarks/calibration.py", "benchmarks/sequential.py", "dlx/ablation/statistics/")
DOCUMENTS = ("CONTRIBUTING.md", "README.md", "configs/", "docs/", "dlx/")
