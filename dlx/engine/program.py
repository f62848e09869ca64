"""The program of a run: its layers as operations on slots (see dlx/native/program.h).

# B batch, I inputs, O outputs
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from dlx.config.types import Choice
from dlx.engine import structures as c
from dlx.nn.corruption import InputCorruption
from dlx.nn.dropout import is_on_weights, mask_of
from dlx.nn.layers.branch import BranchSpec
from dlx.nn.layers.code import CodeSpec
from dlx.nn.layers.dense import DenseSpec
from dlx.nn.layers.protocol import Blueprint
from dlx.nn.layers.residual import ResidualSpec
from dlx.nn.network import InputChanges
from dlx.nn.normalization import BatchNorm, LayerNorm

_LANES = 16


def padded(width: int) -> int:
    """Return the numbers that a row takes whose vectors are whole."""
    return -(-width // _LANES) * _LANES


@dataclass(frozen=True)
class Source:
    """Random numbers that a run draws in every step: what `Draws` is given, and how many."""

    stream: str
    layer: str
    is_normal: bool  # normal numbers; else 16 random bits
    width: int  # of a row
    rows: int | None = None  # None: those of a batch


@dataclass
class _Step:
    """An operation, before it is one of C's."""

    kind: str
    reads: list[int]  # slots
    writes: int
    inputs: int
    outputs: int
    weight: int = -1
    bias: int = -1
    scratch: int = -1
    option: int = 0
    flags: int = 0
    numbers: tuple[float, ...] = ()
    statistics: tuple[int, int] = (0, 0)
    draws: tuple[int, int] = (-1, -1)  # sources of bits and of normal numbers
    flops: int = 0  # of a row of the batch, forward


@dataclass
class Program:
    """The operations of a run.

    It is the same for all runs of a cohort that have equal layers.
    """

    steps: list[_Step] = field(default_factory=list)
    widths: list[int] = field(default_factory=list)  # of the slots
    scratches: list[int] = field(default_factory=list)  # sizes
    output: int = 0  # slot of the output layer's z
    sources: list[Source] = field(default_factory=list)  # of random numbers
    emphasizes: int = -1  # the step that weighs the costs of the outputs; -1: none does
    kept: list[Tensor] = field(default_factory=list)  # what operations point to
    # Steps up to the end of a layer, and the slot of its outputs, by the name of the layer.
    layers: dict[str, tuple[int, int]] = field(default_factory=dict)
    # Slots of the outputs of every layer, those inside of others included, and of what the
    # activation of a dense one is applied to and gives.
    outputs: dict[str, int] = field(default_factory=dict)
    activated: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def signals(self) -> list[int]:
        """The slots that are looked into: outputs, then before and after each activation."""
        return [*self.outputs.values(), *itertools.chain(*self.activated.values())]

    @property
    def signal_widths(self) -> tuple[int, ...]:
        """The units of each of these."""
        return tuple(self.widths[slot] for slot in self.signals)

    @property
    def flops(self) -> int:
        """Multiplications of a row of the batch, forward and backward."""
        return 3 * sum(step.flops for step in self.steps)

    def operations(self) -> tuple[Any, list[Any]]:
        """Return the operations as a C array, and what it points to."""
        kept: list[Any] = []
        written: set[int] = set()
        adds: list[int] = [0] * len(self.steps)
        for place, step in reversed(list(enumerate(self.steps))):
            if step.kind in ("sparsity", "weight_norm", "drop_connect"):
                continue
            for bit, slot in enumerate(step.reads):
                adds[place] |= (slot in written) << bit
                written.add(slot)
        operations = []
        for step, added in zip(self.steps, adds, strict=True):
            operation = c.Operation(
                kind=c.KINDS.index(step.kind),
                in_slot=step.reads[0] if step.reads else 0,
                out_slot=step.writes,
                adds=added,
                inputs=step.inputs,
                outputs=step.outputs,
                weight=step.weight,
                bias=step.bias,
                scratch=step.scratch,
                option=step.option,
                flags=step.flags,
            )
            operation.numbers[: len(step.numbers)] = step.numbers
            operation.statistics[:], operation.draws[:] = step.statistics, step.draws
            if step.kind in ("sum", "concat"):
                more = step.reads[1:] if step.kind == "sum" else step.reads
                slots = c.array(c.c_int64, more)
                operation.option, operation.second = len(more), slots
                kept.append(slots)
            operations.append(operation)
        return c.array(c.Operation, operations), kept


def program(
    layers: Blueprint,
    changes: InputChanges | None,
    num_inputs: int,
    columns: Mapping[str, slice],
    statistics: Mapping[str, Tensor],
    dtype: torch.dtype,
) -> Program:
    """Return the program of a run's steps, or of its evaluations.

    Args:
        layers: of the run
        changes: what happens to its inputs in training; None: it is evaluated, so that nothing is
            drawn, and running statistics normalize
        num_inputs: I
        columns: of a run's row, by the name of the parameter
        statistics: of batch norm, (K, O) of all runs, by name
        dtype: of the run's numbers
    """
    builder = _Builder(columns, statistics, output=layers[-1].name, evaluates=changes is None)
    slot = builder.inputs(changes or InputChanges(), num_inputs, dtype)
    for layer in layers:
        slot = builder.stack([layer], slot)
        builder.program.layers[layer.name] = len(builder.program.steps), slot
    builder.program.output = slot
    return builder.program


class _Builder:
    def __init__(
        self,
        columns: Mapping[str, slice],
        statistics: Mapping[str, Tensor],
        output: str,
        evaluates: bool,
    ) -> None:
        self.program = Program()
        self._evaluates = evaluates
        self._columns, self._statistics = columns, statistics
        self._output = output
        self._owners: dict[str, _Step] = {}  # affine maps by the name of their layer
        self._changed: set[int] = set()  # slots of inputs, changed or not

    def slot(self, width: int) -> int:
        self.program.widths.append(width)
        return len(self.program.widths) - 1

    def inputs(self, changes: InputChanges, width: int, dtype: torch.dtype) -> int:
        """Add what happens to the inputs: corruption, then noise, then dropout."""
        slot = self.slot(width)
        self._changed = {slot}
        if changes.corruption is not None:
            slot = self._corruption(changes.corruption, slot, width, dtype)
        slot = self._noise("input", changes.noise, slot, width)
        return self._dropout("input", changes.dropout, changes.dropout_kind, slot, width)

    def _corruption(
        self, corruption: InputCorruption, slot: int, width: int, dtype: torch.dtype
    ) -> int:
        rule, emphasis = corruption.rule, corruption.emphasis
        step = _Step("corruption", [slot], self.slot(width), width, width)
        thresholds = corruption.thresholds
        if corruption.is_masked:
            bits = Source("corruption", "input/training", False, width)
            step.draws = (self._source(bits), -1)
        if rule.std:
            normal = Source("corruption", "input/training/noise", True, width)
            step.draws = (step.draws[0], self._source(normal))
        step.numbers = (*thresholds, rule.std, *(emphasis or (1.0, 1.0)))
        bounds = [
            torch.tensor(values or (default,) * width, dtype=dtype)
            for values, default in ((corruption.lowest, 0.0), (corruption.highest, 1.0))
        ]
        self.program.kept += bounds
        step.statistics = (bounds[0].data_ptr(), bounds[1].data_ptr())
        if emphasis is not None:
            self.program.emphasizes = len(self.program.steps)
        self._changed.add(step.writes)
        return self._add(step)

    def _noise(self, layer: str, std: float, slot: int, width: int) -> int:
        if not std or self._evaluates:
            return slot
        step = _Step("noise", [slot], self.slot(width), width, width)
        step.draws = (-1, self._source(Source("noise", layer, True, width)))
        step.numbers = (0.0, 0.0, 0.0, std)
        return self._change(step)

    def _dropout(self, layer: str, rate: float, kind: str, slot: int, width: int) -> int:
        if not rate or is_on_weights(kind) or self._evaluates:
            return slot
        step = _Step("dropout", [slot], self.slot(width), width, width)
        self._set_dropout(step, rate, kind, layer, width)
        return self._change(step)

    def _set_dropout(
        self, step: _Step, rate: float, kind: str, layer: str, width: int, rows: int | None = None
    ) -> None:
        rule, threshold = mask_of(kind, rate)
        source = self._source(Source("dropout", layer, rule.std is not None, width, rows))
        step.draws = (source, -1) if rule.std is None else (-1, source)
        step.numbers = (rule.scale, rule.kept, rule.dropped, rule.std or 0.0, float(threshold))

    def _change(self, step: _Step) -> int:
        """Add a step; a changed input is one too."""
        if step.reads[0] in self._changed:
            self._changed.add(step.writes)
        return self._add(step)

    def _source(self, source: Source) -> int:
        self.program.sources.append(source)
        return len(self.program.sources) - 1

    def stack(self, layers: Sequence[Any], slot: int) -> int:
        for layer in layers:
            slot = self._layer(layer, slot)
        return slot

    def _layer(self, layer: Any, slot: int) -> int:
        match layer:
            case DenseSpec():
                return self._dense(layer, slot)
            case ResidualSpec():
                inner, around = self.stack(layer.inner, slot), self.stack(layer.shortcut, slot)
                joined = self._sum([inner, around], layer.outputs)
                slot = self._activation(layer.activation, layer.name, joined, layer.outputs)
            case BranchSpec():
                slot = self._branch(layer, slot)
            case CodeSpec():
                slot = self._code(layer, slot)
            case _:
                raise AssertionError(f"see `not_covered`: {layer}")
        self.program.outputs[layer.name] = slot
        return slot

    def _add(self, step: _Step) -> int:
        self.program.steps.append(step)
        return step.writes

    def _start(self, name: str) -> int:
        columns = self._columns.get(name)
        return -1 if columns is None else columns.start

    def _scratch(self, size: int) -> int:
        self.program.scratches.append(size)
        return len(self.program.scratches) - 1

    def _dense(self, layer: DenseSpec, slot: int) -> int:
        name, inputs, width = layer.name, layer.inputs, layer.width
        owner = layer.name if layer.tied_to is None else layer.tied_to
        affine = _Step(
            "affine",
            [slot],
            self.slot(width),
            inputs,
            width,
            weight=self._start(f"{owner}.weight"),
            bias=self._start(f"{name}.bias") if layer.has_bias else -1,
            flops=inputs * width,
        )
        if layer.tied_to is not None:
            affine.flags |= c.TRANSPOSED
            self._owners[layer.tied_to].flags |= c.SHARED
            affine.option = self._scratch(inputs * padded(width))
        else:
            self._owners[name] = affine
            affine.option = self._scratch(width * padded(inputs))
            if name != self._output:
                affine.flags |= c.BOUNDED
        if layer.weight_norm:
            affine.scratch = self._scratch(inputs * width + width)
            magnitude = self._start(f"{name}.magnitude")
            norm = _Step("weight_norm", [], 0, inputs, width, affine.weight, magnitude)
            norm.scratch = affine.scratch
            self._add(norm)
        if layer.dropout and is_on_weights(layer.dropout_kind) and not self._evaluates:
            drop = _Step("drop_connect", [], 0, inputs, width, affine.weight)
            drop.option = affine.scratch
            affine.scratch = drop.scratch = self._scratch(2 * padded(inputs * width))
            self._set_dropout(drop, layer.dropout, layer.dropout_kind, name, width, inputs)
            self._add(drop)
        if slot in self._changed:
            affine.flags |= c.FROM_INPUTS
        slot = self._add(affine)
        if layer.pieces > 1:
            largest = _Step("maxout", [slot], self.slot(layer.outputs), width, layer.outputs)
            largest.option = layer.pieces
            slot = self._add(largest)
        if layer.norm and layer.norm.position == "before":
            slot = self._norm(layer.norm, name, slot, layer.outputs)
        z, slot = slot, self._activation(layer.activation, name, slot, layer.outputs)
        self.program.activated[name] = z, slot
        if layer.norm and layer.norm.position == "after":
            slot = self._norm(layer.norm, name, slot, layer.outputs)
        self.program.outputs[name] = slot
        slot = self._noise(name, layer.noise, slot, layer.outputs)
        return self._dropout(name, layer.dropout, layer.dropout_kind, slot, layer.outputs)

    def _norm(self, norm: BatchNorm | LayerNorm, name: str, slot: int, units: int) -> int:
        step = _Step("layer_norm", [slot], self.slot(units), units, units)
        step.weight, step.bias = self._start(f"{name}.gain"), self._start(f"{name}.shift")
        step.numbers = (0.0, norm.epsilon)
        if isinstance(norm, BatchNorm):
            step.kind = "running_norm" if self._evaluates else "batch_norm"
            step.numbers = (norm.momentum, norm.epsilon)
            running = [self._statistics[f"{name}.running_{what}"] for what in ("mean", "variance")]
            step.statistics = (running[0].data_ptr(), running[1].data_ptr())
        return self._add(step)

    def _activation(self, activation: Choice, name: str, slot: int, units: int) -> int:
        if activation.name == "identity":
            return slot
        step = _Step("activation", [slot], self.slot(units), units, units)
        step.option = c.ACTIVATIONS.index(activation.name)
        step.numbers = (number_of(activation),)
        step.weight = self._start(f"{name}.slope")
        return self._add(step)

    def _sum(self, slots: list[int], width: int, factor: float = 1.0) -> int:
        return self._add(_Step("sum", slots, self.slot(width), width, width, numbers=(factor,)))

    def _branch(self, layer: BranchSpec, slot: int) -> int:
        slots = [self.stack(stack, slot) for stack in layer.branches]
        if layer.join == "concat":
            step = _Step("concat", slots, self.slot(layer.outputs), layer.outputs, layer.outputs)
            return self._add(step)
        factor = 1 / len(slots) if layer.join == "mean" else 1.0
        return self._sum(slots, layer.outputs, factor)

    def _code(self, layer: CodeSpec, slot: int) -> int:
        units = layer.outputs
        if layer.kept is not None:
            step = _Step("largest", [slot], self.slot(units), units, units)
            step.option = layer.kept.evaluation if self._evaluates else layer.kept.training
            slot = self._add(step)
        penalty = layer.sparsity
        if penalty is not None:
            step = _Step("sparsity", [slot], slot, units, units)
            step.option = c.SPARSITIES.index(penalty.name)
            # An evaluation measures the penalty without its weight, too.
            weight = 1.0 if self._evaluates else penalty.weight
            step.numbers = (weight, penalty.arguments().get("rate", 0.0))
            self._add(step)
        if self._evaluates:
            count = _Step("active", [slot], slot, units, units, numbers=(layer.threshold,))
            self._add(count)
        return slot


def number_of(activation: Choice) -> float:
    """Return the option of an activation that is a number; 0 if it has none."""
    return next((float(value) for value in activation.arguments().values()), 0.0)
