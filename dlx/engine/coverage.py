"""Which runs the native engine trains, and why it does not train the others."""

from typing import Any, Literal

import torch

from dlx.cohort import Member
from dlx.config.types import Choice
from dlx.engine.optimizers import RULES
from dlx.engine.structures import ACTIVATIONS, LOSSES, SPARSITIES
from dlx.errors import ConfigError
from dlx.native import library
from dlx.nn.layers.boltzmann import HiddenSpec, VisibleSpec
from dlx.nn.layers.branch import BranchSpec
from dlx.nn.layers.code import CodeSpec
from dlx.nn.layers.dense import DenseSpec
from dlx.nn.layers.residual import ResidualSpec
from dlx.registry import is_own

Reason = tuple[str, str]
"""The key of a config, and what under it the engine does not cover."""


def engine_of(
    wanted: str, member: Member, device: torch.device, precision: str
) -> tuple[Literal["native", "torch"], str | None]:
    """Return the engine that trains a run, and why it is torch's where that was not asked for.

    Args:
        wanted: native, torch or auto
        precision: of torch's matrix products

    Raises:
        ConfigError: native is wanted, but it does not cover what the run asks for, or the library
            is not there
    """
    if wanted == "torch":
        return "torch", None
    reason, here = _reason(member, device, precision), library.absence()
    if wanted == "auto":
        if reason is None and here is None:
            return "native", None
        return "torch", here if reason is None else f"{reason[0]}: {reason[1]}"
    if reason is not None:
        key, what = reason
        raise ConfigError(
            f"train.engine: received native, which does not cover {key}: {what}; use engine: torch"
        )
    if here is not None:
        raise ConfigError(f"train.engine: received native, but {here}; or use engine: torch")
    return "native", None


def _reason(member: Member, device: torch.device, precision: str) -> Reason | None:
    reason = not_covered(member)
    if device.type != "cpu":
        reason = "train.device", f"{device.type}: it computes on the CPU alone"
    if precision != "highest":
        reason = "train.matmul_precision", f"{precision}: its products have full precision"
    return reason


def not_covered(member: Member) -> Reason | None:
    """Return why the native engine does not train a run; None where it does."""
    if member.accumulate > 1:
        return "train.accumulate", "a batch in parts"
    reasons = (
        _of_optimizer(member.optimizer),
        _of_head(member),
        *(_of_layer(layer) for layer in member.design.layers),
    )
    return next((reason for reason in reasons if reason is not None), None)


def _of_optimizer(optimizer: Choice) -> Reason | None:
    if optimizer.name in RULES and is_own("optimizer", optimizer.name):
        return None
    return "optimizer", optimizer.name


def _of_head(member: Member) -> Reason | None:
    head = member.design.head
    if head.loss.name not in LOSSES or not is_own("loss", head.loss.name):
        return "model.loss", head.loss.name
    if isinstance(head.output, str):
        return None if head.loss.name == "cross_entropy" else ("model.output", head.output)
    return _of_activation(head.output, "model.output")


def _of_activation(activation: Choice, key: str = "model.activation") -> Reason | None:
    if activation.name in ACTIVATIONS and is_own("activation", activation.name):
        return None
    return key, activation.name


def _of_layer(layer: Any) -> Reason | None:
    if isinstance(layer, (HiddenSpec, VisibleSpec)):  # which are dense layers, too
        return "model", "Boltzmann machines"
    if type(layer) is DenseSpec:
        if layer.contraction is not None:
            return "model.contractive", "the contractive penalty"
        return _of_activation(layer.activation)
    if isinstance(layer, ResidualSpec):
        inside = (_of_layer(spec) for stack in layer.inside for spec in stack)
        return next(filter(None, inside), _of_activation(layer.activation))
    if isinstance(layer, BranchSpec):
        inside = (_of_layer(spec) for stack in layer.inside for spec in stack)
        return next(filter(None, inside), None)
    if isinstance(layer, CodeSpec) and not layer.is_drawn:
        penalty = layer.sparsity
        if penalty is None or (penalty.name in SPARSITIES and is_own("sparsity", penalty.name)):
            return None
        return "model.sparsity", penalty.name
    return "model", f"{layer.kind} layers"
