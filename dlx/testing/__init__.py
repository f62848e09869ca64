"""Checks of registered names, such as those of a plug-in, against dlx's laws.

A check takes the registered name or function, and options as in YAML. What is wrong raises an
AssertionError that says where, and by how much; a name or an option that is not there, a
ConfigError.

>>> from dlx.testing import check_activation
>>> check_activation("hardswish")
"""

from dlx.testing.activations import check_activation
from dlx.testing.corruption import check_corruption
from dlx.testing.data_sources import check_data_source
from dlx.testing.dropout import check_dropout
from dlx.testing.initializers import check_initializer
from dlx.testing.layers import check_block, check_model
from dlx.testing.losses import check_loss
from dlx.testing.metrics import check_metric
from dlx.testing.optimizers import check_optimizer
from dlx.testing.schedules import check_schedule
from dlx.testing.sparsity import check_sparsity

__all__ = [
    "check_activation",
    "check_block",
    "check_corruption",
    "check_data_source",
    "check_dropout",
    "check_initializer",
    "check_loss",
    "check_metric",
    "check_model",
    "check_optimizer",
    "check_schedule",
    "check_sparsity",
]
