"""The same optimizers as classes of `torch.optim`, to compare with."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from dlx.config.types import Choice

CLASSES: dict[str, tuple[type[torch.optim.Optimizer], dict[str, Any]]] = {
    "sgd": (torch.optim.SGD, {}),
    "momentum": (torch.optim.SGD, {}),
    "nesterov": (torch.optim.SGD, {"nesterov": True}),
    "adagrad": (torch.optim.Adagrad, {}),
    "rmsprop": (torch.optim.RMSprop, {}),
    "adadelta": (torch.optim.Adadelta, {}),
    "adam": (torch.optim.Adam, {}),
    "adamw": (torch.optim.AdamW, {}),
    "nadam": (torch.optim.NAdam, {}),
    "radam": (torch.optim.RAdam, {}),
    "adamax": (torch.optim.Adamax, {}),
}
"""By the name in YAML: the class, and the settings that the name stands for."""

STATE = {
    "momentum_buffer_list": "momentum_buffer",
    "state_sums": "sum",
    "state_steps": "step",
    "square_avgs": "square_avg",
    "grad_avgs": "grad_avg",
    "acc_deltas": "acc_delta",
    "exp_avgs": "exp_avg",
    "exp_avg_sqs": "exp_avg_sq",
    "exp_infs": "exp_inf",
    "mu_products": "mu_product",
}
"""By the functional form's name of a tensor: the classes' name of it."""


def torch_optimizer(
    chosen: Choice, parameters: Iterable[Tensor], **options: Any
) -> torch.optim.Optimizer:
    """Return torch's own optimizer with the settings of a config's choice."""
    settings = {k: v for k, v in chosen.options().items() if k != "schedule"}
    torch_class, fixed = CLASSES[chosen.name]
    return torch_class(parameters, **settings, **fixed, **options)  # type: ignore[arg-type]
