"""Optimizers: update rules, which are applied to slabs of the run axis."""

# The order of the imports is that of `dlx list optimizers`.
from dlx.optimizers import rules

# isort: split
from dlx.optimizers import muon

# isort: split
from dlx.optimizers import lbfgs
from dlx.optimizers.slabs import SlabOptimizer

__all__ = ["SlabOptimizer", "lbfgs", "muon", "rules"]
