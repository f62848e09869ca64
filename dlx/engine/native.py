"""Training in C: a cohort's steps, run by run, through threads.

# K runs, P parameters of one run (padded), N training rows, T threads

A run's numbers stay where they are, in the rows of the cohort's buffers. What a step computes does
not depend on the cohort, on the block of steps or on the threads, and so neither do the bits.
"""

import ctypes
import heapq
import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from ctypes import c_int64, c_void_p
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlx.cohort import Cohort
from dlx.data.augmentation import Augmenter
from dlx.data.batches import Batches, RowNumbers, steps_per_epoch
from dlx.engine import structures as c
from dlx.engine.optimizers import RULES
from dlx.engine.program import Program, Source, number_of, program
from dlx.engine.threads import Threads
from dlx.native import library
from dlx.nn.draws import Draws
from dlx.nn.head import Head
from dlx.optimizers.slabs import Slab
from dlx.segments import segments
from dlx.streams import random_bits, standard_normal

# A block of steps takes about this long, so that a signal is heard soon.
_BLOCK_SECONDS = 0.1
# Random numbers that are drawn for a block of steps at most, so that they do not fill the memory.
_DRAWN_AT_ONCE = 1 << 24
# Threads share a run alone whose step has at least this many multiplications.
WORTH_SHARING = 8_000_000
_WORTH_THREADS = 1 << 17  # random numbers
_WORTH_DRAWING_AHEAD = 0.002  # seconds that the steps take meanwhile
PRECISIONS = {torch.float32: "float", torch.float64: "double"}


class Rates(Protocol):
    """What the learning rates of slabs are multiplied by at steps, counted from 0."""

    def of_steps(self, first: int, number: int) -> list[list[float]]:
        """Return each slab's factor at each of neighbouring steps."""
        ...

    def momenta_of_steps(self, first: int, number: int) -> list[list[float | None]] | None:
        """Return the momentum that each slab's schedule sets; None where none sets any."""
        ...


@dataclass(frozen=True)
class _Drawing:
    """What draws the random numbers of a source, and where they are looked for."""

    draws: Draws
    seeds: NDArray[np.int64]  # of each user, which of the seeds that differ is its own
    places: NDArray[np.int64]  # of each user, among what the runs of the cohort draw


class NativeEngine:
    """The steps of a cohort.

    Args:
        cohort: with initial weights, on the CPU
        batches: which rows each run sees at which step
        augment: changes the rows of a step
    """

    def __init__(self, cohort: Cohort, batches: Batches, augment: Augmenter) -> None:
        self._cohort, self._batches, self._augment = cohort, batches, augment
        loaded, precision = library.load(), PRECISIONS[cohort.dtype]
        self._steps = getattr(loaded, f"dlx_steps_{precision}")
        self._steps.argtypes = [c_void_p, c_int64, c_void_p, c_void_p, c_int64, c_int64]
        self._steps.restype = None
        self._memory_size = getattr(loaded, f"dlx_memory_{precision}")
        self._memory_size.argtypes, self._memory_size.restype = [c_void_p, c_int64], c_int64
        self._threads = Threads()
        self._memories: dict[tuple[int, int], tuple[NDArray[np.uint8], int]] = {}
        self._kept: list[Any] = []  # what C points to
        self._of_block: list[Any] = []  # likewise, during a block of steps
        self._programs: list[Program] = []
        self._runs = self._new_runs()
        self._records = c.records(self._runs)  # the same memory
        self._seen: list[RowNumbers] = []  # the rows of the epochs that the last block lay in
        self._seen_epochs = (-1, -1)
        self._seconds_per_step = 0.0
        self._num_ahead = 0  # steps after the last block whose random numbers are drawn

    def advance(
        self, step: int, number: int, rates: Rates, sums: Tensor, unclipped: Tensor | None = None
    ) -> dict[int, int]:
        """Make steps of all runs; return the step, from 0, of a cost that was not finite, by row.

        Args:
            step: the first one, from 0
            number: of steps
            rates: of the slabs
            sums: of the costs and of the right answers (2, K), which are added to
            unclipped: receives the gradients before they are clipped, (K, P); None: nobody asks
        """
        start = time.perf_counter()
        self._set_slabs(step, number, rates)
        self._set_averages(step, number)
        self._set_draws(step, number)
        self._set_rows(step, number)
        runs = self._records
        runs["cost_sum"], runs["correct_sum"] = sums.numpy()
        runs["first_step"] = runs["step"] = step
        runs["diverged"] = 0
        runs["unclipped"] = 0 if unclipped is None else _addresses(unclipped)
        self._train(number, self._ahead_of(step + number, number))
        self._take_counts()
        sums.copy_(torch.from_numpy(np.stack([runs["cost_sum"], runs["correct_sum"]])))
        self._seconds_per_step = (time.perf_counter() - start) / number
        return {int(row): int(runs["step"][row]) for row in np.flatnonzero(runs["diverged"])}

    def steps_of_a_block(self, most: int) -> int:
        """Return how many steps may be made before somebody is asked whether to stop."""
        if not self._seconds_per_step:
            return 1
        drawn = sum(len(own.places) * self._size_of(s) for s, own in self._drawings.items())
        if self._augment.active:
            drawn += len(self._runs) * self._cohort.batch_size * self._batches.num_inputs
        in_memory = _DRAWN_AT_ONCE // drawn if drawn else most
        steps = max(1, min(most, in_memory, int(_BLOCK_SECONDS / self._seconds_per_step)))
        ahead = self._num_ahead
        return ahead if ahead < steps < 2 * ahead else steps  # more would be drawn anew

    # What does not change while the cohort stays as it is

    def _new_runs(self) -> "ctypes.Array[c.Run]":
        cohort = self._cohort
        buffer, network = cohort.network.buffer, cohort.network
        columns = {p.name: p.columns for p in buffer.parameters}
        statistics = network.statistics()
        runs = (c.Run * len(cohort.members))()
        for rows, design in segments([m.design for m in cohort.members]):
            width = self._batches.num_inputs
            own = program(design.layers, design.inputs, width, columns, statistics, cohort.dtype)
            operations, kept = own.operations()
            widths, scratches = c.array(c.c_int64, own.widths), c.array(c.c_int64, own.scratches)
            self._kept += [operations, kept, widths, scratches]
            for row in range(rows.start, rows.stop):
                self._programs.append(own)
                runs[row] = c.Run(
                    number=row,
                    operations=operations,
                    widths=widths,
                    scratch_sizes=scratches,
                    num_operations=len(own.steps),
                    num_slots=len(own.widths),
                    num_scratches=len(own.scratches),
                    output=own.output,
                    emphasizes=own.emphasizes,
                )
        self._kept += set_head(runs, cohort.head)
        for slab in cohort.optimizer.members:
            _set_rule(runs[slab.rows], slab)
        for row, (run, member) in enumerate(zip(runs, cohort.members, strict=True)):
            run.values = buffer.values[row].data_ptr()
            run.gradients = buffer.gradients[row].data_ptr()
            run.num_parameters, run.weights_end = buffer.values.shape[1], buffer.weights.stop
            trained = self._trained(member.frozen)
            run.trained, run.num_trained = trained, len(trained)
            self._kept.append(trained)
            run.clip_value = math.inf if member.clip_value is None else member.clip_value
            run.clip_norm = math.inf if member.clip_norm is None else member.clip_norm
            run.max_norm = math.inf if member.max_norm is None else member.max_norm
            if member.penalty is not None:
                run.l1, run.l2 = member.penalty.l1, member.penalty.l2
            averages = [
                c.Averaged(newest.data_ptr(), mean.data_ptr(), newest.numel())
                for newest, mean in cohort.averages.of_run(row)
            ]
            own_averages = c.array(c.Averaged, averages)
            self._kept.append(own_averages)
            run.averages, run.num_averages = own_averages, len(averages)
        self._set_data(runs)
        self._drawings = self._new_draws(runs)
        return runs

    def _new_draws(self, runs: "ctypes.Array[c.Run]") -> dict[Source, _Drawing]:
        """Return what draws the random numbers of each source, and for which runs."""
        cohort = self._cohort
        drawn = (c.Drawn * max(sum(len(own.sources) for own in self._programs), 1))()
        self._drawn = c.records(drawn)
        users: dict[Source, list[tuple[int, int]]] = {}
        place = 0
        for row, own in enumerate(self._programs):
            first = ctypes.addressof(drawn) + place * ctypes.sizeof(c.Drawn)
            runs[row].draws = ctypes.cast(first, ctypes.POINTER(c.Drawn))
            for source in own.sources:
                users.setdefault(source, []).append((row, place))
                place += 1
        drawings = {}
        for source, own in users.items():
            rows, places = zip(*own, strict=True)
            seeds, active = [cohort.members[row].seed for row in rows], [True] * len(rows)
            of_source = (source.stream, source.layer, seeds, active, cohort.device)
            if source.is_normal:
                draws = Draws(*of_source, standard_normal, cohort.dtype)
            else:
                draws = Draws(*of_source, random_bits, torch.int64, torch.int16)
            seeds_drawn = np.array([draws.place_of(index) for index in range(len(rows))])
            drawings[source] = _Drawing(draws, seeds_drawn, np.array(places))
        return drawings

    def _trained(self, frozen: Sequence[str]) -> Any:
        """Return the stretches of a run's row that are trained, weights and others apart."""
        buffer = self._cohort.network.buffer
        width, end = buffer.values.shape[1], buffer.weights.stop
        stretches: list[tuple[int, int]] = []
        for parameter in sorted(buffer.parameters, key=lambda p: p.columns.start):
            start = parameter.columns.start
            stop = start + -(-(parameter.columns.stop - start) // 16) * 16
            if parameter.layer in frozen:
                continue
            if stretches and stretches[-1][1] == start and start != end:
                stretches[-1] = (stretches[-1][0], stop)
            else:
                stretches.append((start, stop))
        assert all(stop <= width for _, stop in stretches)
        return (c.Stretch * len(stretches))(*((a, b, int(b <= end)) for a, b in stretches))

    def _set_data(self, runs: Iterable[c.Run]) -> None:
        batches, kinds = self._batches, {torch.float32: c.FLOAT, torch.float64: c.DOUBLE}
        inputs, targets = (base.contiguous() for base in batches.bases)
        self._kept += [inputs, targets]
        changes: list[list[Tensor | None]] = []
        for row, run in enumerate(runs):
            given = self._cohort.dtype if self._augment.active else inputs.dtype
            run.inputs, run.inputs_are_double = inputs.data_ptr(), kinds[given]
            run.targets, run.targets_are = targets.data_ptr(), kinds.get(targets.dtype, c.INTEGER)
            run.num_inputs, run.num_rows = self._batches.num_inputs, batches.num_rows
            run.batch_size = min(self._cohort.batch_size, batches.num_rows)
            change = batches.change(row)
            run.augmented = self._augment.active
            if change is None or run.augmented:
                continue
            changes.append(
                [
                    t if t is None else t.contiguous()
                    for t in (change.fill, change.shift, change.scale)
                ]
            )
            run.rounds = 1
            run.fill, run.shift, run.scale = (t if t is None else t.data_ptr() for t in changes[-1])
        self._kept.append(changes)

    # What changes from block to block

    def _set_slabs(self, step: int, number: int, rates: Rates) -> None:
        factors = np.array(rates.of_steps(step, number), np.float64)
        cycled = rates.momenta_of_steps(step, number)
        self._of_block = []
        for place, slab in enumerate(self._cohort.optimizer.members):
            own = np.ascontiguousarray(factors[:, place]) * slab.base_rate
            moments = None
            if cycled is not None and cycled[0][place] is not None:
                moments = np.array([values[place] for values in cycled], np.float64)
            self._of_block += [own, moments]
            runs = self._records[slab.rows]
            runs["is_first"] = slab.make_state()
            runs["rates"] = _address(own)
            runs["momenta"] = 0 if moments is None else _address(moments)
            runs["count"] = float(slab.state.get("state_steps", 0.0))
            runs["product"] = float(slab.state.get("mu_products", 0.0))
            for where, name in enumerate(RULES[slab.key[0].name].state):
                state = slab.state.get(name)
                runs["state"][:, where] = 0 if state is None else _addresses(state)

    def _take_counts(self) -> None:
        """Set the slabs' counters to those of their runs."""
        for slab in self._cohort.optimizer.members:
            runs = self._records[slab.rows]
            # A run that diverged made fewer steps, and leaves.
            furthest = runs[runs["count"].argmax()]
            for name, value in (("state_steps", "count"), ("mu_products", "product")):
                if name in slab.state:
                    slab.state[name].fill_(float(furthest[value]))

    def _set_averages(self, step: int, number: int) -> None:
        for rows, function, num_steps in self._cohort.averages.members:
            shares = [function(s + 1, num_steps) for s in range(step, step + number)]
            own = np.array(shares, np.float64)
            self._of_block.append(own)
            self._records["shares"][rows] = _address(own)

    def _set_draws(self, step: int, number: int) -> None:
        sources = [(self._size_of(source), own) for source, own in self._drawings.items()]
        results: dict[int, Tensor] = {}

        def draw(place: int) -> None:
            for which in range(place, len(sources), threads):
                size, drawing = sources[which]
                results[which] = drawing.draws.of_steps(step, number, size)

        in_all = number * sum(size * (own.seeds.max() + 1) for size, own in sources)
        threads = min(self._threads.number, len(sources)) if in_all > _WORTH_THREADS else 1
        self._threads.run(threads, draw)
        for which, (size, drawing) in enumerate(sources):
            drawn = results[which]
            self._of_block.append(drawn)
            self._drawn["numbers"][drawing.places] = _addresses(drawn)[drawing.seeds]
            self._drawn["of_a_step"][drawing.places] = size

    def _ahead_of(self, step: int, number: int) -> Callable[[], None] | None:
        """Return what draws the next block, which is as long; None where that is not worth it.

        It is where a thread would have nothing to do while others make steps.
        """
        self._num_ahead = 0
        per_epoch = steps_per_epoch(self._batches.num_rows, self._cohort.batch_size)
        number = min(number, max(m.num_steps for m in self._cohort.members) - step)
        is_worth_it = self._seconds_per_step * number > _WORTH_DRAWING_AHEAD
        if not is_worth_it or self._is_shared or self._threads.number <= len(self._runs):
            return None
        if not self._drawings and per_epoch == 1:
            return None
        self._num_ahead = number

        def draw() -> None:
            for source, drawing in self._drawings.items():
                drawing.draws.draw_ahead(step, number, self._size_of(source))
            if per_epoch > 1:
                self._batches.draw_ahead(
                    range(step // per_epoch, (step + number - 1) // per_epoch + 1)
                )

        return draw

    def _size_of(self, source: Source) -> int:
        """Return how many numbers a step draws, those of a full batch."""
        return source.width * (source.rows or self._cohort.batch_size)

    def _set_rows(self, step: int, number: int) -> None:
        batches = self._batches
        per_epoch = steps_per_epoch(batches.num_rows, self._cohort.batch_size)
        first, last = step // per_epoch, (step + number - 1) // per_epoch
        if per_epoch == 1 and not self._augment.active:
            first = last = 0  # all rows come in one order
        if (first, last) != self._seen_epochs:
            self._seen_epochs, self._seen = (first, last), batches.numbers(first, last - first + 1)
            known = {id(own): (_address(own.inputs), _address(own.targets)) for own in self._seen}
            addresses = np.array([known[id(own)] for own in self._seen], np.uintp)
            self._records["rows"], self._records["target_rows"] = addresses.T
            self._records["first_epoch"] = first
        if self._augment.active:
            in_first = step % per_epoch * self._cohort.batch_size
            self._set_augmented(range(step, step + number), in_first)

    def _set_augmented(self, steps: range, start: int) -> None:
        """Let runs read the rows of steps as they are changed, in place of their numbers.

        The first of these is the row `start` of the epochs that the steps lie in.
        """
        changed = [self._augment(self._batches(step)[0], step) for step in steps]
        rows = torch.cat(changed, 1).to(self._cohort.dtype)
        self._of_block.append(rows)
        self._records["rows"] = 0
        before = start * rows.stride(1) * rows.element_size()
        self._records["inputs"] = _addresses(rows) - np.uintp(before)

    # Threads

    def _train(self, number: int, meanwhile: Callable[[], None] | None) -> None:
        runs, threads = self._runs, self._threads.number
        if self._is_shared:
            size = threads // len(runs)
            memories = [self._memory_of([run], size) for run in runs]
            teams = [np.zeros(16, np.int32) for _ in runs]

            def share(place: int) -> None:
                row, rank = divmod(place, size)
                self._call(runs[row], number, memories[row], _address(teams[row]), rank, size)

            self._threads.run(len(runs) * size, share)
            return
        # Where threads cannot have equally many runs, they take turns in parts of a block.
        parts = 1 if len(runs) % threads == 0 or len(runs) > 8 * threads else 8
        turns = _Turns(len(runs), number, -(-number // parts))

        def take_turns(place: int) -> None:
            memory = self._memory_of(runs, 1)
            while (turn := turns.take()) is not None:
                row, steps, left = turn
                self._call(runs[row], steps, memory, None, 0, 1)
                turns.give_back(row, left)

        self._threads.run(min(threads, len(runs)), take_turns, meanwhile)

    @property
    def _is_shared(self) -> bool:
        """Whether several threads make the steps of a run."""
        rows = min(self._cohort.batch_size, self._batches.num_rows)
        is_large = self._programs[0].flops * rows >= WORTH_SHARING
        return is_large and self._threads.number // len(self._runs) > 1

    def _memory_of(self, runs: Iterable[c.Run], size: int) -> int:
        """Return where memory for the steps of any of some runs begins; vectors are aligned."""
        runs = list(runs)
        key = threading.get_ident() if size == 1 else runs[0].number, size
        if key not in self._memories:
            numbers = max(self._memory_size(ctypes.byref(run), size) for run in runs)
            itemsize = self._cohort.network.buffer.values.element_size()
            memory = np.zeros(numbers * itemsize + 64, np.uint8)
            self._memories[key] = memory, -(-_address(memory) // 64) * 64
        return self._memories[key][1]

    def _call(
        self, run: c.Run, number: int, memory: int, team: int | None, rank: int, size: int
    ) -> None:
        self._steps(ctypes.byref(run), number, memory, team, rank, size)


def _address(array: NDArray[Any]) -> int:
    return array.__array_interface__["data"][0]


def _addresses(rows: Tensor) -> NDArray[np.uintp]:
    """Return where each row of a tensor begins."""
    size = rows.stride(0) * rows.element_size()
    return rows.data_ptr() + np.arange(len(rows), dtype=np.uintp) * np.uintp(size)


def set_head(runs: Iterable[c.Run], head: Head) -> list[Any]:
    """Tell runs their loss, output function and answers; return what they point to."""
    loss, options = head.loss.name, head.loss.arguments()
    output = 0 if isinstance(head.output, str) else c.ACTIVATIONS.index(head.output.name)
    number = 0.0 if isinstance(head.output, str) else number_of(head.output)
    if head.is_numeric:
        answer = c.NO_ANSWER
    elif head.takes_numbers:
        answer = c.LARGEST_OF_CLASSES
    elif head.kind != "multilabel" and head.num_outputs > 1:
        answer = c.LARGEST_OF_COLUMNS
    else:
        answer = c.EACH_COLUMN
    weights = head.constants.get("class_weights")
    weights = None if weights is None else weights.contiguous()
    for run in runs:
        run.loss, run.output_function = c.LOSSES.index(loss), output
        run.output_number, run.answer, run.middle = number, answer, head.middle
        run.loss_number = options.get("label_smoothing", options.get("delta", 0.0))
        run.class_weights = None if weights is None else weights.data_ptr()
        run.num_targets = head.num_outputs
        run.reconstructs = head.kind == "reconstruction"
    return [weights]


def _set_rule(runs: Sequence[c.Run], slab: Slab) -> None:
    """Tell runs the settings of their slab's optimizer."""
    rule, settings = RULES[slab.key[0].name], slab.settings
    for run in runs:
        run.optimizer = rule.number
        for place, name in enumerate(rule.settings):
            run.settings[place] = settings.get(name, 0.0)
        run.nesterov = settings.get("nesterov", False)
        run.decoupled = slab.rule.decoupled
        run.has_means = "grad_avgs" in slab.state
        run.has_velocity = "momentum_buffer_list" in slab.state and settings["momentum"] > 0
        run.decay_of_rest = settings.get("weight_decay", 0.0)
        run.decay_of_weights = run.decay_of_rest + slab.weight_decay


class _Turns:
    """Who trains next: of the runs that no thread has, the one with the fewest steps."""

    def __init__(self, num_runs: int, number: int, steps: int) -> None:
        self._lock = threading.Condition()
        self._waiting = [(-number, row) for row in range(num_runs)]  # a heap of steps left and runs
        self._steps = steps
        self._num_busy = 0

    def take(self) -> tuple[int, int, int] | None:
        """Return a run, a number of steps that a thread makes now, and those left after them.

        None: there are none left.
        """
        with self._lock:
            while not self._waiting and self._num_busy:
                self._lock.wait()
            if not self._waiting:
                return None
            left, row = heapq.heappop(self._waiting)
            steps = min(self._steps, -left)
            self._num_busy += 1
            return row, steps, -left - steps

    def give_back(self, row: int, left: int) -> None:
        """Let others train the run."""
        with self._lock:
            self._num_busy -= 1
            if left:
                heapq.heappush(self._waiting, (-left, row))
            self._lock.notify_all()
