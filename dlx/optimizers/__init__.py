"""Optimizers: the rules by which parameters are updated, applied to slabs of the run axis."""

from dlx.optimizers.slabs import SlabOptimizer

__all__ = ["SlabOptimizer"]
