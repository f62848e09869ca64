"""Optimizers: names and defaults of `torch.optim`, applied to slabs of the parameter buffer.

Each registered function's keyword-only parameters are the optimizer's settings; it returns the
torch class and the settings by torch's names. A *slab* is the rows `start:end` of the buffer whose
runs share optimizer and settings: one parameter group of one tensor. The updates are elementwise,
so a slab is as good as separate runs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt, Len, Lt
from torch import Tensor

from dlx.config.types import Choice
from dlx.registry import get, register
from dlx.segments import Segment, segments

Settings = tuple[type[torch.optim.Optimizer], dict[str, Any]]
Rate = Annotated[float, Gt(0)]
Decay = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Lt(1)]
Betas = Annotated[list[Share], Len(2, 2)]

_FUSED = {
    torch.optim.SGD: ("cpu", "cuda"),
    torch.optim.Adagrad: ("cpu",),  # on CUDA only in newer torch than 2.10
    torch.optim.Adam: ("cpu", "cuda"),
    torch.optim.AdamW: ("cpu", "cuda"),
}


def _register(function: Callable[..., Settings]) -> Callable[..., Settings]:
    return register("optimizer")(function)


@_register
def sgd(*, lr: Rate = 0.01, weight_decay: Decay = 0.0) -> Settings:
    """Gradient descent: w <- w - lr g.

    Args:
        lr: learning rate
        weight_decay: L2 penalty; weight_decay w is added to the gradient

    Reference:
        Robbins and Monro (1951), A stochastic approximation method
    """
    return torch.optim.SGD, {"lr": lr, "weight_decay": weight_decay}


@_register
def momentum(
    *, lr: Rate = 0.01, momentum: Share = 0.9, dampening: Share = 0.0, weight_decay: Decay = 0.0
) -> Settings:
    """Gradient descent with momentum: v <- momentum v + (1 - dampening) g, w <- w - lr v.

    Args:
        lr: learning rate
        momentum: share of the velocity that is kept
        dampening: share of the gradient that is left out of the velocity; set it to `momentum` for
            the exponentially weighted mean of the gradients
        weight_decay: L2 penalty; weight_decay w is added to the gradient

    Reference:
        Polyak (1964), Some methods of speeding up the convergence of iteration methods
    """
    return torch.optim.SGD, {
        "lr": lr,
        "momentum": momentum,
        "dampening": dampening,
        "weight_decay": weight_decay,
    }


@_register
def nesterov(*, lr: Rate = 0.01, momentum: Share = 0.9, weight_decay: Decay = 0.0) -> Settings:
    """Nesterov's accelerated gradient: v <- momentum v + g, w <- w - lr (g + momentum v).

    Args:
        lr: learning rate
        momentum: share of the velocity that is kept; above 0
        weight_decay: L2 penalty; weight_decay w is added to the gradient

    Reference:
        Sutskever, Martens, Dahl and Hinton (2013), On the importance of initialization and momentum
    """
    return torch.optim.SGD, {
        "lr": lr,
        "momentum": momentum,
        "nesterov": True,
        "weight_decay": weight_decay,
    }


@_register
def adagrad(
    *,
    lr: Rate = 0.01,
    lr_decay: Decay = 0.0,
    weight_decay: Decay = 0.0,
    initial_accumulator_value: Decay = 0.0,
    eps: Rate = 1e-10,
) -> Settings:
    """Adagrad: s <- s + g^2, w <- w - lr g / (sqrt(s) + eps).

    Args:
        lr: learning rate
        lr_decay: the rate is divided by 1 + lr_decay times the steps made
        weight_decay: L2 penalty; weight_decay w is added to the gradient
        initial_accumulator_value: s at the start
        eps: keeps the division finite

    Reference:
        Duchi, Hazan and Singer (2011), Adaptive subgradient methods
    """
    return torch.optim.Adagrad, {
        "lr": lr,
        "lr_decay": lr_decay,
        "weight_decay": weight_decay,
        "initial_accumulator_value": initial_accumulator_value,
        "eps": eps,
    }


@_register
def rmsprop(
    *,
    lr: Rate = 0.001,
    alpha: Share = 0.9,
    eps: Rate = 1e-8,
    momentum: Share = 0.0,
    centered: bool = False,
    weight_decay: Decay = 0.0,
) -> Settings:
    """RMSprop: s <- alpha s + (1 - alpha) g^2, w <- w - lr g / (sqrt(s) + eps).

    Args:
        lr: learning rate
        alpha: share of s that is kept (torch's own default is 0.99, the lecture's 0.9)
        eps: keeps the division finite
        momentum: share of the velocity that is kept
        centered: subtract the squared mean gradient from s
        weight_decay: L2 penalty; weight_decay w is added to the gradient

    Reference:
        Tieleman and Hinton (2012), Neural networks for machine learning, lecture 6e
    """
    return torch.optim.RMSprop, {
        "lr": lr,
        "alpha": alpha,
        "eps": eps,
        "momentum": momentum,
        "centered": centered,
        "weight_decay": weight_decay,
    }


@_register
def adadelta(
    *, lr: Rate = 1.0, rho: Share = 0.9, eps: Rate = 1e-6, weight_decay: Decay = 0.0
) -> Settings:
    """Adadelta: the step is the gradient times the ratio of root mean squares of steps and g.

    Args:
        lr: factor on the step
        rho: share of the running means that is kept
        eps: added under both roots
        weight_decay: L2 penalty; weight_decay w is added to the gradient

    Reference:
        Zeiler (2012), Adadelta: an adaptive learning rate method
    """
    return torch.optim.Adadelta, {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay}


def _adam_settings(lr: float, betas: Betas, eps: float, weight_decay: float) -> dict[str, Any]:
    return {"lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay}


@_register
def adam(
    *, lr: Rate = 0.001, betas: Betas = [0.9, 0.999], eps: Rate = 1e-8, weight_decay: Decay = 0.0
) -> Settings:
    """Adam: w <- w - lr m / (sqrt(s) + eps), with bias-corrected means m of g and s of g^2.

    Args:
        lr: learning rate
        betas: shares of m and of s that are kept
        eps: keeps the division finite
        weight_decay: L2 penalty; weight_decay w is added to the gradient

    Reference:
        Kingma and Ba (2015), Adam: a method for stochastic optimization
    """
    return torch.optim.Adam, _adam_settings(lr, betas, eps, weight_decay)


@_register
def adamw(
    *, lr: Rate = 0.001, betas: Betas = [0.9, 0.999], eps: Rate = 1e-8, weight_decay: Decay = 0.01
) -> Settings:
    """Adam with decoupled weight decay: w <- (1 - lr weight_decay) w before Adam's step.

    Args:
        lr: learning rate
        betas: shares of m and of s that are kept
        eps: keeps the division finite
        weight_decay: share of the weights that is taken away, times lr

    Reference:
        Loshchilov and Hutter (2019), Decoupled weight decay regularization
    """
    return torch.optim.AdamW, _adam_settings(lr, betas, eps, weight_decay)


@_register
def nadam(
    *,
    lr: Rate = 0.002,
    betas: Betas = [0.9, 0.999],
    eps: Rate = 1e-8,
    weight_decay: Decay = 0.0,
    momentum_decay: Decay = 0.004,
) -> Settings:
    """Adam with Nesterov's momentum.

    Args:
        lr: learning rate
        betas: shares of m and of s that are kept
        eps: keeps the division finite
        weight_decay: L2 penalty; weight_decay w is added to the gradient
        momentum_decay: how slowly the momentum warms up

    Reference:
        Dozat (2016), Incorporating Nesterov momentum into Adam
    """
    settings = _adam_settings(lr, betas, eps, weight_decay)
    return torch.optim.NAdam, settings | {"momentum_decay": momentum_decay}


@_register
def radam(
    *, lr: Rate = 0.001, betas: Betas = [0.9, 0.999], eps: Rate = 1e-8, weight_decay: Decay = 0.0
) -> Settings:
    """Adam whose step is not divided by sqrt(s) until the variance of s is tractable.

    Args:
        lr: learning rate
        betas: shares of m and of s that are kept
        eps: keeps the division finite
        weight_decay: L2 penalty; weight_decay w is added to the gradient

    Reference:
        Liu, Jiang, He, Chen, Liu, Gao and Han (2020), On the variance of the adaptive learning rate
    """
    return torch.optim.RAdam, _adam_settings(lr, betas, eps, weight_decay)


@_register
def adamax(
    *, lr: Rate = 0.002, betas: Betas = [0.9, 0.999], eps: Rate = 1e-8, weight_decay: Decay = 0.0
) -> Settings:
    """Adam with the infinity norm: s <- max(beta2 s, |g| + eps).

    Args:
        lr: learning rate
        betas: shares of m and of s that are kept
        eps: keeps the division finite
        weight_decay: L2 penalty; weight_decay w is added to the gradient

    Reference:
        Kingma and Ba (2015), Adam: a method for stochastic optimization, section 7
    """
    return torch.optim.Adamax, _adam_settings(lr, betas, eps, weight_decay)


_Key = tuple[Choice, int]


@dataclass(frozen=True)
class _Slab:
    """The tensor that an optimizer updates, and its parameter group."""

    rows: slice
    key: _Key
    tensor: Tensor
    optimizer: torch.optim.Optimizer
    group: dict[str, Any]

    def places(self, rows: Sequence[int]) -> list[int]:
        """Return the places within the slab of those of the rows that it holds."""
        start, stop = self.rows.start, self.rows.stop
        return [row - start for row in rows if start <= row < stop]


class SlabOptimizer:
    """The optimizers of a cohort over the rows of its parameter buffer.

    Args:
        choices: the optimizer of each run, neighbours equal where they can be
        num_steps: of each run; runs of different lengths follow different schedules
        values: (K, P)
        gradients: (K, P), read by every step
    """

    def __init__(
        self,
        choices: Sequence[Choice],
        num_steps: Sequence[int],
        values: Tensor,
        gradients: Tensor,
    ) -> None:
        by_class: dict[type[torch.optim.Optimizer], list[tuple[Segment[_Key], dict]]] = {}
        for segment in segments(list(zip(choices, num_steps, strict=True))):
            choice, _ = segment.choice
            options = {k: v for k, v in choice.options().items() if k != "schedule"}
            torch_class, settings = get("optimizer", choice.name).function(**options)
            by_class.setdefault(torch_class, []).append((segment, settings))
        self._slabs: list[_Slab] = []
        self._optimizers: list[torch.optim.Optimizer] = []
        for torch_class, members in by_class.items():
            groups = []
            for segment, settings in members:
                tensor = values[segment.rows].detach().requires_grad_()
                tensor.grad = gradients[segment.rows]
                groups.append({"params": [tensor], **settings})
            fused = {"fused": True} if values.device.type in _FUSED.get(torch_class, ()) else {}
            optimizer = torch_class(groups, **fused)  # type: ignore[call-arg]
            self._optimizers.append(optimizer)
            for (segment, _), group in zip(members, optimizer.param_groups, strict=True):
                tensor = group["params"][0]
                if torch_class is torch.optim.Adagrad:
                    # torch starts all groups at the value that the optimizer itself is given.
                    optimizer.state[tensor]["sum"].fill_(group["initial_accumulator_value"])
                self._slabs.append(_Slab(segment.rows, segment.choice, tensor, optimizer, group))
        self._slabs.sort(key=lambda slab: slab.rows.start)
        self._base_rates = [slab.group["lr"] for slab in self._slabs]

    def set_rates(self, factors: Sequence[float]) -> None:
        """Set each slab's learning rate to its own times its factor."""
        for slab, base, factor in zip(self._slabs, self._base_rates, factors, strict=True):
            slab.group["lr"] = base * factor

    @property
    def slabs(self) -> list[tuple[Choice, int]]:
        """The optimizer and the number of steps of each slab, first rows first."""
        return [slab.key for slab in self._slabs]

    def rates(self, num_runs: int) -> list[float]:
        """Return the present learning rate of every run."""
        rates = [0.0] * num_runs
        for slab in self._slabs:
            for run in range(slab.rows.start, slab.rows.stop):
                rates[run] = slab.group["lr"]
        return rates

    def step(self) -> None:
        """Update every run's parameters from its gradients."""
        for optimizer in self._optimizers:
            optimizer.step()

    def state(self) -> dict[str, Tensor]:
        """Return the state of all optimizers: `<slab>.<name>`, (rows of the slab, P) or scalars."""
        return {
            f"{index}.{name}": value
            for index, slab in enumerate(self._slabs)
            for name, value in slab.optimizer.state[slab.tensor].items()
            if isinstance(value, Tensor)
        }

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Restore the state that `state` gave for the same runs in the same order."""
        for key, value in state.items():
            index, name = key.split(".")
            slab = self._slabs[int(index)]
            # torch counts steps on the CPU, unless the optimizer is fused.
            on_device = value.shape == slab.tensor.shape or slab.group.get("fused")
            device = slab.tensor.device if on_device else value.device
            slab.optimizer.state[slab.tensor][name] = value.to(device, copy=True)

    def take_state(
        self, source: "SlabOptimizer", rows: Sequence[int], columns: Sequence[tuple[slice, slice]]
    ) -> None:
        """Take over the state of the runs that stay.

        Args:
            source: the optimizers before
            rows: for each of the runs here, its row there, ascending
            columns: pairs of columns (there, here) of every parameter
        """
        start = 0
        for slab in self._slabs:
            end = start + slab.tensor.shape[0]
            # Several slabs there are one here, if the runs between them have left.
            found = [(s, s.places(rows[start:end])) for s in source._slabs]
            origins = [(s.optimizer.state[s.tensor], own) for s, own in found if own]
            for name, value in origins[0][0].items():
                if isinstance(value, Tensor) and value.dim() == 2:
                    kept = torch.cat([state[name][own] for state, own in origins])
                    moved = torch.zeros_like(slab.tensor, requires_grad=False)
                    for there, here in columns:
                        moved[:, here] = kept[:, there]
                    slab.optimizer.state[slab.tensor][name] = moved
                elif isinstance(value, Tensor):
                    slab.optimizer.state[slab.tensor][name] = value.clone()
                else:
                    slab.optimizer.state[slab.tensor][name] = value
            start = end
