"""The same optimizers as classes of `torch.optim`, to compare with."""

import inspect
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from dlx.config.types import Choice


class Lion(torch.optim.Optimizer):
    """Lion as its paper's listing has it."""

    def __init__(
        self, params: Any, lr: float, betas: list[float], weight_decay: float, **options: Any
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            lr, (beta1, beta2) = group["lr"], group["betas"]
            for w in group["params"]:
                m = self.state[w].setdefault("exp_avg", torch.zeros_like(w))
                update = torch.sign(beta1 * m + (1 - beta1) * w.grad)
                w *= 1 - lr * group["weight_decay"]
                w -= lr * update
                m.copy_(beta2 * m + (1 - beta2) * w.grad)


class Muon(torch.optim.AdamW):
    """Muon for matrices (O, I), by the loop of its post, and AdamW for all else."""

    def __init__(
        self, params: Any, momentum: float, nesterov: bool, scale: str, **options: Any
    ) -> None:
        super().__init__(params, **options)
        self.nesterov, self.momentum, self.scale = nesterov, momentum, scale

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for w in group["params"]:
                if w.dim() == 2:
                    self.step_matrix(w, group["lr"], group["weight_decay"])
                    w.grad = None
        super().step()  # of what still has a gradient

    @torch.no_grad()
    def step_matrix(self, w: Tensor, lr: float, weight_decay: float) -> None:
        assert w.grad is not None
        m = self.state[w].setdefault("muon_momentum", torch.zeros_like(w))
        m.copy_(self.momentum * m + (1 - self.momentum) * w.grad)
        x = (1 - self.momentum) * w.grad + self.momentum * m if self.nesterov else m
        x = x / x.norm().clamp_min(1e-7)
        turned = x.shape[0] > x.shape[1]
        x = x.T if turned else x
        for _ in range(5):
            gram = x @ x.T
            x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
        x = x.T if turned else x
        rows, columns = w.shape
        rms = self.scale == "match_rms_adamw"
        factor = 0.2 * max(rows, columns) ** 0.5 if rms else max(1, rows / columns) ** 0.5
        w *= 1 - lr * weight_decay
        w -= lr * factor * x


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
    "lion": (Lion, {}),
    "muon": (Muon, {}),
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
    parameters = list(parameters)
    if chosen.traits.searches:
        return torch.optim.LBFGS(parameters, **chosen().settings)
    settings = chosen.arguments()
    torch_class, fixed = CLASSES[chosen.name]
    groups: list[Any] = parameters
    if chosen.decay == "weights":
        vectors = [parameter for parameter in parameters if parameter.dim() < 2]
        groups = [
            {"params": [parameter for parameter in parameters if parameter.dim() == 2]},
            {"params": vectors, "weight_decay": 0.0},
        ]
    return torch_class(groups, **settings, **fixed, **options)  # type: ignore[arg-type]


def can_be_fused(chosen: Choice) -> bool:
    """Say whether torch has a fused kernel of an optimizer."""
    return "fused" in inspect.signature(CLASSES[chosen.name][0]).parameters
