"""Calls of the kernels, recorded with all the memory that they read and write (see driver.c)."""

import ctypes
from collections.abc import Callable
from ctypes import c_int64
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from dlx.engine import structures as c
from dlx.engine.evaluation import NativeEvaluation
from dlx.engine.native import NativeEngine

_ACTIVATION = c.KINDS.index("activation")
_MATRICES = [c.KINDS.index(name) for name in ("affine", "weight_norm")]
_BATCH_NORMS = [c.KINDS.index(name) for name in ("batch_norm", "running_norm")]
_JOINS = [c.KINDS.index(name) for name in ("sum", "concat")]
_DRAWN_BITS = 2  # bytes


@dataclass
class Memory:
    """Pieces of this process's memory, and where pointers lie in them."""

    pieces: list[tuple[int, int]] = field(default_factory=list)  # addresses and sizes
    pointers: list[int] = field(default_factory=list)  # addresses

    def add(self, address: int, size: int) -> None:
        self.pieces.append((address, size))

    def point(self, holder: ctypes.Structure, name: str, size: int, index: int = 0) -> int:
        """Add what a pointer of a structure points to; return its address, 0 if there is none."""
        place = ctypes.addressof(holder) + getattr(type(holder), name).offset + 8 * index
        address = c_int64.from_address(place).value
        if address:
            self.pointers.append(place)
            self.add(address, size)
        return address

    def joined(self) -> list[tuple[int, int]]:
        """Return the pieces, of which none overlaps another."""
        joined: list[tuple[int, int]] = []
        for address, size in sorted(self.pieces):
            if joined and address <= sum(joined[-1]):
                start = joined[-1][0]
                joined[-1] = start, max(sum(joined[-1]), address + size) - start
            else:
                joined.append((address, size))
        return joined


class Image:
    """What a memory holds, in one piece of bytes in which pointers are 0."""

    def __init__(self, memory: Memory) -> None:
        self._pieces = memory.joined()
        self._starts, self.size = {}, 0
        for address, size in self._pieces:
            self._starts[address] = self.size
            self.size += -(-size // 64) * 64
        self._pointers = sorted(set(memory.pointers))

    def offset(self, address: int) -> int:
        start = max(own for own in self._starts if own <= address)
        return self._starts[start] + address - start

    def pointers(self) -> list[int]:
        """Return pairs: where a pointer lies, and what it points to."""
        pairs = ((p, c_int64.from_address(p).value) for p in self._pointers)
        return [self.offset(address) for pair in pairs for address in pair]

    def content(self) -> bytes:
        content = bytearray(self.size)
        for address, size in self._pieces:
            start = self._starts[address]
            content[start : start + size] = ctypes.string_at(address, size)
        for pointer in self._pointers:
            start = self.offset(pointer)
            content[start : start + 8] = bytes(8)
        return bytes(content)


def _numbers(address: int, number: int) -> np.ndarray:
    return np.ctypeslib.as_array((c_int64 * number).from_address(address))


def _add_program(memory: Memory, run: c.Run, real: int) -> None:
    size = ctypes.sizeof(c.Operation)
    memory.point(run, "operations", size * run.num_operations)
    memory.point(run, "widths", 8 * run.num_slots)
    memory.point(run, "scratch_sizes", 8 * max(run.num_scratches, 1))
    for operation in run.operations[: run.num_operations]:
        rows = run.number + 1 if operation.kind in _BATCH_NORMS else 1
        for index in range(2):
            memory.point(operation, "statistics", rows * operation.outputs * real, index)
        if operation.kind in _JOINS:
            memory.point(operation, "second", 8 * max(operation.option, 1))
    weights = 2 if c.LOSSES[run.loss] == "binary_cross_entropy" else 1
    memory.point(run, "class_weights", weights * run.num_targets * real)


def _add_rows(memory: Memory, of: c.Run | c.Part, inputs: int, targets: int, number: int) -> None:
    """Add inputs and targets of so many rows."""
    widths = {"inputs": (inputs, 8 if of.inputs_are_double else 4)}
    if targets:
        widths["targets"] = targets, 4 if of.targets_are == c.FLOAT else 8
    for name, numbers in (("inputs", "rows"), ("targets", "target_rows")):
        if name not in widths or not getattr(of, name):
            continue
        rows, address = number, memory.point(of, numbers, 8 * number)
        if address:
            rows = int(_numbers(address, number).max()) + 1
        columns, size = widths[name]
        if of.targets_are == c.INTEGER and name == "targets":
            columns = 1
        memory.point(of, name, rows * columns * size)
    for name in ("fill", "shift", "scale"):
        memory.point(of, name, 8 * inputs)


def _of_steps(run: c.Run, number: int, real: int) -> Memory:
    memory = Memory()
    memory.add(ctypes.addressof(run), ctypes.sizeof(c.Run))
    _add_program(memory, run, real)
    per_epoch = -(-run.num_rows // run.batch_size)
    until = run.step + number
    epochs = (until - 1) // per_epoch - run.first_epoch + 1 if per_epoch > 1 else 1
    targets = 0 if run.reconstructs else run.num_targets
    _add_rows(memory, run, run.num_inputs, targets, epochs * run.num_rows)
    steps, row = until - run.first_step, run.num_parameters * real
    for name in ("values", "gradients", "unclipped"):
        memory.point(run, name, row)
    for index in range(3):
        memory.point(run, "state", row, index)
    for name in ("rates", "momenta", "shares"):
        memory.point(run, name, 8 * steps)
    memory.point(run, "trained", ctypes.sizeof(c.Stretch) * run.num_trained)
    memory.point(run, "averages", ctypes.sizeof(c.Averaged) * max(run.num_averages, 1))
    for average in run.averages[: run.num_averages]:
        for name in ("newest", "mean"):
            memory.point(average, name, average.length * real)
    sources = {}  # bytes of a number, by the place of the source
    for operation in run.operations[: run.num_operations]:
        for index, size in enumerate((_DRAWN_BITS, real)):
            if operation.draws[index] >= 0:
                sources[operation.draws[index]] = size
    if sources:
        memory.point(run, "draws", ctypes.sizeof(c.Drawn) * (max(sources) + 1))
    for place, size in sources.items():
        drawn = run.draws[place]
        memory.point(drawn, "numbers", steps * drawn.of_a_step * size)
    return memory


def _of_evaluation(asked: c.Evaluation, num_runs: int, real: int) -> Memory:
    memory = Memory()
    memory.add(ctypes.addressof(asked), ctypes.sizeof(c.Evaluation))
    memory.point(asked, "runs", ctypes.sizeof(c.Run) * num_runs)
    memory.point(asked, "parts", ctypes.sizeof(c.Part) * num_runs)
    for run, part in zip(asked.runs[:num_runs], asked.parts[:num_runs], strict=True):
        _add_program(memory, run, real)
        end = 1
        for o in run.operations[: run.num_operations]:
            weight = o.inputs * o.outputs if o.kind in _MATRICES else o.outputs
            weight = 1 if o.kind == _ACTIVATION else weight
            end = max(end, o.weight + weight if o.weight >= 0 else 0, o.bias + o.outputs)
        memory.point(run, "values", end * real)
        _add_rows(memory, part, run.num_inputs, run.num_targets, asked.first_row + asked.num_rows)
        units = run.widths[run.output]
    sums = -(-asked.num_rows // c.ROWS_OF_A_SUM)
    pieces = -(-asked.num_rows // asked.piece_rows)
    for names, size in (
        (("costs", "correct"), 8 * sums),
        (("penalties", "active"), 8 * pieces),
        (("row_costs",), 8 * asked.num_rows),
        (("z", "outputs"), real * asked.num_rows * units),
    ):
        for name in names:
            memory.point(asked, name, size * num_runs)
    return memory


@dataclass
class Calls:
    """What was called, as the driver reads it, and what the memory held afterwards."""

    given: list[bytes] = field(default_factory=list)
    after: list[bytes] = field(default_factory=list)

    def record(
        self, memory: Memory, real: int, start: int, number: int, is_evaluation: bool
    ) -> Image:
        image = Image(memory)
        pointers = image.pointers()
        head = [real == 8, is_evaluation, image.offset(start), number, image.size]
        words = np.array([*head, len(pointers) // 2, *pointers], np.int64)
        self.given.append(words.tobytes() + image.content())
        return image


def recorded(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Record the calls of steps and evaluations that one thread makes from now on."""
    calls = Calls()
    call = NativeEngine._call
    go_through: Callable[..., bool] = NativeEvaluation._go_through

    def steps(self: NativeEngine, run: c.Run, number: int, *others: Any) -> None:
        real = self._cohort.network.buffer.values.element_size()
        start = ctypes.addressof(run)
        image = calls.record(_of_steps(run, number, real), real, start, number, False)
        call(self, run, number, *others)
        calls.after.append(image.content())

    def evaluation(self: NativeEvaluation, asked: c.Evaluation, stop: Any) -> bool:
        real, num_runs = self._buffer.values.element_size(), len(self._layers)
        own = self._evaluate

        def evaluate(reference: Any, address: int) -> None:
            memory = _of_evaluation(asked, num_runs, real)
            image = calls.record(memory, real, ctypes.addressof(asked), num_runs, True)
            own(reference, address)
            calls.after.append(image.content())

        monkeypatch.setattr(self, "_evaluate", evaluate)
        done = go_through(self, asked, stop)
        monkeypatch.setattr(self, "_evaluate", own)
        return done

    monkeypatch.setattr(NativeEngine, "_call", steps)
    monkeypatch.setattr(NativeEvaluation, "_go_through", evaluation)
    return calls
