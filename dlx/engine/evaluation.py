"""Evaluations in C: what a cohort's runs make of rows, through threads.

# K runs, N rows, B rows of a stretch, I inputs, C outputs, O outputs of a layer

Every row is computed by itself, and costs are added up in float64 in one order, so that a run's
numbers have the same bits whatever is evaluated beside it, by however many threads. Penalties on
codes, which look at many rows at once, are taken over 1,024 rows.
"""

import ctypes
import time
import weakref
from collections.abc import Callable, Sequence
from ctypes import byref, c_int64, c_void_p
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlx.cohort import Cohort
from dlx.data.selection import Examples, Selection
from dlx.engine import structures as c
from dlx.engine.native import PRECISIONS, set_head
from dlx.engine.program import Program, program
from dlx.engine.threads import Threads
from dlx.native import library
from dlx.nn.head import Head
from dlx.nn.layers.code import CodeSpec
from dlx.nn.network import Network
from dlx.segments import segments

Array = NDArray[np.float64]
Stop = Callable[[], bool]

# Rows that are computed together, so that what they become stays in the cache; of runs with a
# penalty on the code, as many as `dlx.training.evaluation.CHUNK`.
_PIECE, _PENALIZED = 128, 1024
# Somebody is asked whether to stop about as often as this.
_BLOCK_SECONDS = 0.1
# Less is done by one thread.
_WORTH_SHARING_SECONDS = 0.0002


class RowResults(NamedTuple):
    """What was made of each row of a stretch."""

    costs: Tensor  # (K, B) float64
    z: Tensor  # (K, B, C)
    outputs: Tensor  # after the output function, (K, B, C)


@dataclass
class Sums:
    """What was added up over a stretch of rows, and what was made of each of them."""

    costs: Array  # of 128 rows each, (K, B / 128)
    correct: Tensor  # right answers, (K,) int64
    penalties: Array  # on the code, of 1,024 rows each, (K, B / 1024)
    active: Array  # units of the code that are on, (K,)
    rows: RowResults | None = None


class Signals(NamedTuple):
    """What rows become in layers, by name: (K, B, O) each."""

    outputs: dict[str, Tensor]
    # What an activation is applied to, and its outputs. The former is the same tensor as the
    # layer's outputs where the layer is linear in all runs.
    activated: dict[str, tuple[Tensor, Tensor]]


_known: "weakref.WeakKeyDictionary[Network, NativeEvaluation]" = weakref.WeakKeyDictionary()


def native_evaluation(cohort: Cohort) -> "NativeEvaluation | None":
    """Return what evaluates a cohort in C, made at the first call; None: torch evaluates it."""
    if cohort.engine != "native":
        return None
    if cohort.network not in _known:
        _known[cohort.network] = NativeEvaluation(cohort.network, cohort.head)
    return _known[cohort.network]


class NativeEvaluation:
    """The evaluations of networks, by the weights that their buffer holds when they are made.

    Without a head, they can encode and nothing else.
    """

    def __init__(self, network: Network, head: Head | None = None) -> None:
        # Not the network itself, which would never be forgotten.
        self._buffer, self._statistics = network.buffer, network.statistics()
        self._layers, self._known_head = network.blueprints, head
        self._dtype = network.buffer.values.dtype
        loaded, precision = library.load(), PRECISIONS[self._dtype]
        self._evaluate = getattr(loaded, f"dlx_evaluate_{precision}")
        self._evaluate.argtypes, self._evaluate.restype = [c_void_p, c_void_p], None
        self._memory_size = getattr(loaded, f"dlx_evaluation_memory_{precision}")
        self._memory_size.argtypes, self._memory_size.restype = [c_void_p, c_int64], c_int64
        self._threads = Threads()
        self._memories: dict[int, NDArray[np.uint8]] = {}
        self._kept: list[Any] = []  # what C points to
        self._programs = self._new_programs()
        self._runs: dict[tuple[str, str], Any] = {}
        self._parts: weakref.WeakKeyDictionary[Selection, tuple[Any, Any, list[Any]]]
        self._parts = weakref.WeakKeyDictionary()
        self._seconds_per_row = 0.0
        codes = [[s for s in own if isinstance(s, CodeSpec)] for own in self._layers]
        self._units_of_code = codes[0][0].outputs if codes[0] else 1
        weights = [sum(s.sparsity.weight for s in own if s.sparsity) for own in codes]
        self._weights = np.array(weights, np.float64)  # of the penalties, (K,)
        self._piece_rows = _PENALIZED if self._weights.any() else _PIECE

    @property
    def _head(self) -> Head:
        assert self._known_head is not None
        return self._known_head

    @property
    def _terms(self) -> int:
        """The numbers that the cost of a row is the sum of."""
        loss = self._head.loss.name
        is_of_rows = loss == "cross_entropy" or (loss == "hinge" and self._head.takes_numbers)
        return 1 if is_of_rows else self._head.num_outputs

    def measure(
        self, rows: Examples, first: int, number: int, stop: Stop, *, keeps_rows: bool = False
    ) -> Sums | None:
        """Return what the runs make of some neighbouring rows; None: `stop` said so.

        Args:
            rows: inputs and targets; the same object where these are the inputs
            first: the first of the rows, 0 or a multiple of 1,024
            number: B
            stop: is asked about ten times a second
            keeps_rows: whether it is kept what is made of each row
        """
        inputs, targets = rows
        num_runs, units = len(self._layers), self._head.num_outputs
        costs, correct = np.zeros((2, num_runs, -(-number // c.ROWS_OF_A_SUM)))
        penalties, active = np.zeros((2, num_runs, -(-number // self._piece_rows)))
        asked = c.Evaluation(
            runs=self._runs_of("whole", ""),
            parts=self._parts_of(inputs, None if targets is inputs else targets),
            first_row=first,
            num_rows=number,
            costs=costs.ctypes.data,
            correct=correct.ctypes.data,
            penalties=penalties.ctypes.data,
            active=active.ctypes.data,
        )
        kept = None
        if keeps_rows:
            row_costs = torch.empty(num_runs, number, dtype=torch.float64)
            answers = torch.empty(2, num_runs, number, units, dtype=self._dtype)
            kept = RowResults(row_costs, *answers)
            asked.row_costs, asked.z, asked.outputs = (own.data_ptr() for own in kept)
        if not self._go_through(asked, stop):
            return None
        # Sums of whole numbers, which are exact in any order.
        counts = torch.from_numpy(correct.sum(1)).long()
        if kept is not None:
            kept = kept._replace(costs=kept.costs / self._terms)
        return Sums(costs, counts, penalties, active.sum(1), kept)

    def costs(self, stretches: Sequence[Sums], number: int) -> Tensor:
        """Return the mean cost of all rows, the penalty on the code included: (K,) float64."""
        costs = _in_order([own.costs for own in stretches]) / (number * self._terms)
        penalties = self.penalties(stretches, number).numpy()
        return torch.from_numpy(costs + penalties * self._weights)

    def penalties(self, stretches: Sequence[Sums], number: int) -> Tensor:
        """Return the mean penalty on the code, without its weight: (K,) float64."""
        return torch.from_numpy(_in_order([own.penalties for own in stretches]) / number)

    def active_units(self, stretches: Sequence[Sums], number: int) -> Tensor:
        """Return the share of the code's units that are on: (K,) float64."""
        total = np.sum([own.active for own in stretches], 0)
        return torch.from_numpy(total / (number * self._units_of_code))

    def answers(self, inputs: Selection, first: int, number: int) -> tuple[Tensor, Tensor]:
        """Return z of some neighbouring rows, and the output function of it: (K, B, C) each."""
        size = len(self._layers), number, self._head.num_outputs
        z, outputs = torch.empty(2, *size, dtype=self._dtype)
        self._compute("whole", "", inputs, first, z=z, outputs=outputs)
        return z, outputs

    def signals(self, inputs: Selection, number: int) -> Signals:
        """Return what the first rows become in every layer, B of them."""
        [shape] = {own.signal_widths for _, own in self._programs}
        values = torch.empty(len(self._layers), number, sum(shape), dtype=self._dtype)
        self._compute("whole", "", inputs, 0, signals=values)
        parts = iter(values.split(shape, 2))
        _, first = self._programs[0]
        outputs = {name: next(parts) for name in first.outputs}
        activated = {name: (next(parts), next(parts)) for name in first.activated}
        for name, (_, a) in activated.items():
            if all(own.activated[name][0] == own.outputs[name] for _, own in self._programs):
                activated[name] = outputs[name], a  # a linear layer
        return Signals(outputs, activated)

    def encode(self, inputs: Selection, layer: str) -> Tensor:
        """Return the outputs of a layer: (K, N, O)."""
        own = self._programs[0][1]
        width = own.widths[own.layers[layer][1]]
        values = torch.empty(len(self._layers), inputs.num_rows, width, dtype=self._dtype)
        self._compute("encode", layer, inputs, 0, z=values)
        return values

    def decode(self, codes: Selection, layer: str) -> Tensor:
        """Return the outputs of the network, given those of a layer, N × O: (K, N, C)."""
        size = len(self._layers), codes.num_rows, self._head.num_outputs
        outputs = torch.empty(size, dtype=self._dtype)
        self._compute("decode", layer, codes, 0, outputs=outputs)
        return outputs

    def _compute(
        self, way: str, layer: str, rows: Selection, first: int, **results: Tensor
    ) -> None:
        """Fill results (K, B, …) with what is made of B rows."""
        [number] = {len(own[0]) for own in results.values()}
        asked = c.Evaluation(
            runs=self._runs_of(way, layer),
            parts=self._parts_of(rows, None),
            first_row=first,
            num_rows=number,
            signal_units=results["signals"].shape[2] if "signals" in results else 0,
            **{name: own.data_ptr() for name, own in results.items()},
        )
        self._go_through(asked, lambda: False)

    # What C is told

    def _new_programs(self) -> list[tuple[slice, Program]]:
        columns = {p.name: p.columns for p in self._buffer.parameters}
        width = self._layers[0][0].inputs
        return [
            (rows, program(layers, None, width, columns, self._statistics, self._dtype))
            for rows, layers in segments(self._layers)
        ]

    def _runs_of(self, way: str, layer: str) -> Any:
        """Return the runs from inputs to outputs ("whole"), to a layer ("encode"), or from one."""
        if (way, layer) in self._runs:
            return self._runs[way, layer]
        runs: list[c.Run] = []
        for rows, own in self._programs:
            operations, kept = own.operations()
            widths, scratches = c.array(c_int64, own.widths), c.array(c_int64, own.scratches)
            looked_into = c.array(c_int64, own.signals)
            self._kept += [own, operations, kept, widths, scratches, looked_into]
            first, last, entry, output = 0, len(own.steps), 0, own.output
            if way == "encode":
                last, output = own.layers[layer]
            elif way == "decode":
                first, entry = own.layers[layer]
            address = ctypes.addressof(operations) + first * ctypes.sizeof(c.Operation)
            for row in range(rows.start, rows.stop):
                run = c.Run(
                    number=row,
                    operations=ctypes.cast(address, ctypes.POINTER(c.Operation)),
                    widths=widths,
                    scratch_sizes=scratches,
                    num_operations=last - first,
                    num_slots=len(own.widths),
                    num_scratches=len(own.scratches),
                    output=output,
                    emphasizes=-1,
                    entry=entry,
                    signals=looked_into,
                    num_signals=len(own.signals),
                    num_inputs=own.widths[entry],
                    values=self._buffer.values[row].data_ptr(),
                )
                runs.append(run)
        if self._known_head is not None:
            self._kept += set_head(runs, self._known_head)
        self._runs[way, layer] = c.array(c.Run, runs)
        return self._runs[way, layer]

    def _parts_of(self, inputs: Selection, targets: Selection | None) -> Any:
        """Return each run's rows, made once while the selection is there."""
        known = self._parts.get(inputs)
        if known is None or known[1] is not targets:
            known = self._parts[inputs] = self._new_parts(inputs, targets)
        return known[0]

    def _new_parts(
        self, inputs: Selection, targets: Selection | None
    ) -> tuple[Any, Selection | None, list[Any]]:
        kept: list[Any] = []

        def address(tensor: Tensor | None) -> int | None:
            if tensor is None:
                return None
            kept.append(tensor.contiguous())
            return kept[-1].data_ptr()

        kinds = {torch.float32: c.FLOAT, torch.float64: c.DOUBLE, torch.int64: c.INTEGER}
        base = address(inputs.base)
        of_targets = {} if targets is None else {"targets": address(targets.base)}
        if targets is not None:
            assert targets.change is None
            of_targets["targets_are"] = kinds[targets.base.dtype]
        distinct: dict[tuple[int, int], c.Part] = {}
        parts = []
        for run in range(len(self._layers)):
            places = inputs.place_of(run), 0 if targets is None else targets.place_of(run)
            if places not in distinct:
                change = inputs.change_of(run)
                distinct[places] = own = c.Part(
                    inputs=base,
                    inputs_are_double=kinds[inputs.base.dtype],
                    rows=address(inputs.numbers_of(run)),
                    target_rows=targets and address(targets.numbers_of(run)),
                    rounds=change is not None,
                    **of_targets,
                )
                if change is not None:
                    own.fill, own.shift, own.scale = map(
                        address, (change.fill, change.shift, change.scale)
                    )
            parts.append(distinct[places])
        return c.array(c.Part, parts), targets, kept

    # Threads

    def _go_through(self, asked: c.Evaluation, stop: Stop) -> bool:
        """Let threads take pieces, in blocks between which `stop` is asked; False if it said so."""
        asked.piece_rows = self._piece_rows
        rows = min(asked.num_rows, self._piece_rows)
        pieces = len(self._layers) * -(-asked.num_rows // self._piece_rows)
        size = self._memory_size(byref(asked), len(self._layers))
        itemsize = self._buffer.values.element_size()

        def work(place: int) -> None:
            if place not in self._memories or len(self._memories[place]) < size * itemsize + 64:
                self._memories[place] = np.zeros(size * itemsize + 64, np.uint8)
            address = -(-self._memories[place].ctypes.data // 64) * 64
            self._evaluate(byref(asked), address)

        done = 0
        while done < pieces:
            if stop():
                return False
            seconds = self._seconds_per_row * rows  # of a piece
            block = int(_BLOCK_SECONDS / seconds) if seconds else self._threads.number
            block = max(1, min(block, pieces - done))
            is_worth_sharing = block * seconds >= _WORTH_SHARING_SECONDS or not seconds
            asked.next, asked.until = done, done + block
            start = time.perf_counter()
            self._threads.run(min(self._threads.number, block) if is_worth_sharing else 1, work)
            self._seconds_per_row = (time.perf_counter() - start) / (block * rows)
            done += block
        return True


def _in_order(stretches: Sequence[Array]) -> Array:
    """Return the sums over all stretches' numbers of each run, from the first on: (K,)."""
    return np.add.accumulate(np.concatenate(stretches, 1), 1)[:, -1]
