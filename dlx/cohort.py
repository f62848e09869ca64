"""Runs that train as one program: which runs go together, how they stack, how one leaves.

# K runs, B batch, I inputs
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from dlx.config.types import Choice
from dlx.data.augmentation import Augmentation
from dlx.models.design import Design
from dlx.nn.metrics import CORRUPTED, tag
from dlx.nn.network import Network
from dlx.nn.parameters import moved
from dlx.nn.passes import Pass
from dlx.optimizers import SlabOptimizer
from dlx.optimizers.averages import Averages
from dlx.optimizers.limits import Clipping, Frozen, MaxNorm
from dlx.optimizers.penalties import Penalties, Penalty
from dlx.segments import sorted_rows


@dataclass(frozen=True)
class Member:
    """One run as its cohort sees it."""

    name: str  # unique in the cohort
    seed: int  # of all random streams
    design: Design
    optimizer: Choice  # with settings and schedule
    num_steps: int  # of the whole training
    evaluate_every: int  # steps
    clip_norm: float | None = None  # of the gradient, which is scaled down to it
    clip_value: float | None = None  # of each number of the gradient
    penalty: Penalty | None = None  # added to the cost that is minimized
    max_norm: float | None = None  # of the weights into each hidden unit
    average: Choice | None = None  # of the weights, which is evaluated in their place
    stop_metric: str | None = None  # what early stopping watches, `<split>.<metric>`; None: nothing
    patience: int = 0  # evaluations without improvement after which it stops
    metrics: tuple[Choice, ...] = ()  # in evaluations, beside the cost
    augmentation: Augmentation | None = None  # of training rows
    bagging: bool = False  # on a bootstrap sample of the training rows
    engine: str = "torch"  # that makes its steps, and evaluates it
    accumulate: int = 1  # parts of a batch whose gradients are added up
    # Weights and statistics in place of drawn ones, by their names on the run axis.
    start: Mapping[str, Tensor] = field(default_factory=dict, compare=False, repr=False)
    frozen: tuple[str, ...] = ()  # layers that keep the weights they start from

    @property
    def measured(self) -> tuple[str, ...]:
        """The names of everything that is measured in evaluations."""
        names = ("cost", *map(tag, self.metrics))
        corrupts = self.design.inputs.corruption is not None
        corrupted = tuple(f"{CORRUPTED}{name}" for name in names) if corrupts else ()
        return (*names, *self.design.measures, *corrupted)

    @property
    def rate_metric(self) -> str | None:
        """The metric that the learning rate follows, `<split>.<metric>`, if there is one."""
        schedule = self.optimizer.schedule
        return schedule.metric if schedule.traits.watches else None


def group(members: Sequence[Member], shared: Sequence[Hashable] | None = None) -> list[list[int]]:
    """Return the cohorts, each a list of indices into `members` with equal choices as neighbours.

    Runs go together when their tensors have the same shapes, the same engine makes their steps and
    they take a batch in as many parts.
    A run whose optimizer evaluates the cost itself (L-BFGS) is a cohort of its own. Within a cohort
    runs are sorted by activation first, then by optimizer: a change of activation from row to row
    costs a slice in every layer, a change of optimizer only one in a step. `shared` is what else
    must agree: data and batch size.
    """
    cohorts: dict[Hashable, list[int]] = {}
    for index, member in enumerate(members):
        alone = index if member.optimizer.traits.searches else None
        how = (member.engine, member.accumulate, alone)
        key = (member.design.structure, how, shared[index] if shared else None)
        cohorts.setdefault(key, []).append(index)
    return [
        [indices[row] for row in sorted_rows([_order(members[index]) for index in indices])]
        for indices in cohorts.values()
    ]


def _order(member: Member) -> tuple[Hashable, ...]:
    first = (member.design.activations, member.optimizer, member.num_steps)
    last = (member.penalty, member.max_norm, member.average)
    return tuple(map(repr, (*first, *member.design.choices, *last)))


class Cohort:
    """K runs over one parameter buffer, all zero; a single run is a cohort of one.

    Equal members are neighbours where they can be (see `group`); `batch_size` is that of a full
    batch.
    """

    def __init__(
        self,
        members: Sequence[Member],
        batch_size: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.members = members = tuple(members)
        assert len({m.accumulate for m in members}) == 1, "see `group`"
        self.batch_size = batch_size
        self.device = torch.device(device)
        self.dtype = dtype
        heads = [m.design.head for m in members]
        self.head = heads[0].to(dtype, self.device, heads)
        self.network = Network(
            [m.design.layers for m in members],
            [m.seed for m in members],
            dtype,
            device,
            input_changes=[m.design.inputs for m in members],
        )
        buffer = self.network.buffer
        num_steps = [m.num_steps for m in members]
        # A rate that follows the run's own metric cannot be shared.
        apart = [m.name if m.rate_metric else None for m in members]
        self.optimizer = SlabOptimizer([m.optimizer for m in members], num_steps, buffer, apart)
        values, norms = [m.clip_value for m in members], [m.clip_norm for m in members]
        self._clipping = Clipping(values, norms, buffer)
        self.penalties = Penalties([m.penalty for m in members], buffer)
        self._frozen = Frozen([m.frozen for m in members], buffer)
        output = self.network.layer_names[-1]
        hidden = [p for p in buffer.parameters if p.is_weight and p.layer != output]
        self._max_norm = MaxNorm([m.max_norm for m in members], hidden)
        self.averages = Averages([m.average for m in members], num_steps, self.network)

    @property
    def engine(self) -> str:
        """What makes the steps of its runs, and evaluates them."""
        return self.members[0].engine

    @cached_property
    def metrics(self) -> tuple[Choice, ...]:
        """All metrics that its runs ask for."""
        return tuple(dict.fromkeys(metric for m in self.members for metric in m.metrics))

    @cached_property
    def measures(self) -> tuple[str, ...]:
        """The names of all measures of layers, sorted."""
        return tuple(sorted({name for m in self.members for name in m.design.measures}))

    @property
    def starts_on_data(self) -> bool:
        """Whether a layer sets weights by the first batch."""
        parts = (part for member in self.members for part in member.design.parts)
        return any(part.starts_on_data for part in parts)

    @torch.no_grad()
    def initialize(self, first_batch: Tensor | None = None) -> None:
        """Draw every run's initial weights from its seed, on the CPU, or take its `start`.

        If it `starts_on_data`, it needs the inputs of the first batch (K, B, I).
        """
        self.network.buffer.initialize()
        for row, member in enumerate(self.members):
            if member.start:
                self.network.load_start(row, member.start)
        if self.starts_on_data:
            assert first_batch is not None
            self.network.forward(first_batch, Pass(starting=True))
        self.averages.update(0)

    @torch.no_grad()
    def forward_backward(self, x: Tensor, targets: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Compute every run's gradient on its batch, its penalty's included.

        From x (K, B, I) and targets (K, B) or (K, B, C) in a step, counted from 0, it returns the
        costs (K,), without penalties, and the output layer's z (K, B, C).

        Of runs that accumulate, the batch is cut into n parts of B_i rows, almost equal: the
        gradient is sum_i B_i / B g_i, and each part has draws of its own.
        """
        parts = min(self.members[0].accumulate, x.shape[1])
        if parts == 1:
            costs, z = self._one_pass(x, targets, step, self.batch_size)
        else:
            costs, z = self._in_parts(x, targets, step, parts)
        self.penalties.add_gradients()
        self._frozen.still()
        return costs, z

    def _one_pass(
        self, x: Tensor, targets: Tensor, step: int, batch_size: int
    ) -> tuple[Tensor, Tensor]:
        """Leave the gradients of a batch, or of a part of one, in the buffer."""
        pass_ = Pass(tape=[], step=step, batch_size=batch_size)
        z = self.network.forward(x, pass_)
        costs, gradient = self.head.cost_and_gradient(z, targets, pass_.emphasis)
        self.network.backward(gradient, pass_)
        return pass_.cost(costs), z

    def _in_parts(self, x: Tensor, targets: Tensor, step: int, parts: int) -> tuple[Tensor, Tensor]:
        gradients = self.network.buffer.gradients
        total, costs, outputs = torch.zeros_like(gradients), x.new_zeros(len(self.members)), []
        number = self.members[0].accumulate
        size = -(-self.batch_size // number)  # of the largest part of a full batch
        pieces = zip(x.tensor_split(parts, 1), targets.tensor_split(parts, 1), strict=True)
        for part, (own, own_targets) in enumerate(pieces):
            own_costs, z = self._one_pass(own, own_targets, step * number + part, size)
            share = own.shape[1] / x.shape[1]
            total.add_(gradients * share)  # first multiplied: see `Hidden.backward`
            costs += own_costs * share
            outputs.append(z)
        gradients.copy_(total)
        return costs, torch.cat(outputs, 1)

    @torch.no_grad()
    def update(self, x: Tensor, targets: Tensor, step: int) -> None:
        """Clip each run's gradient, make one optimizer step and bound its weights.

        L-BFGS evaluates the batch of the gradients again.
        """
        self._clipping.apply()
        if self.optimizer.searches:
            self._search(x, targets, step)
        else:
            self.optimizer.step()
        self._max_norm.apply()
        self._frozen.restore()

    def _search(self, x: Tensor, targets: Tensor, step: int) -> None:
        """Make a step that evaluates the batch several times, at the weights that it tries."""

        def evaluate() -> Tensor:
            costs, _ = self.forward_backward(x, targets, step)
            return costs + self.penalties.costs()

        # Logged gradients and running statistics are those at the start of the step.
        first = [self.network.buffer.gradients, *self.network.statistics().values()]
        copies = [value.clone() for value in first]
        self.optimizer.step(evaluate)
        for value, copy in zip(first, copies, strict=True):
            value.copy_(copy)

    def keep(self, rows: Sequence[int]) -> "Cohort":
        """Return the cohort of the runs in `rows` alone, with parameters and optimizer state."""
        kept = Cohort([self.members[row] for row in rows], self.batch_size, self.dtype, self.device)
        before = {p.name: p.columns for p in self.network.buffer.parameters}
        columns = [(before[p.name], p.columns) for p in kept.network.buffer.parameters]
        index = torch.tensor(rows, device=self.device)
        kept_state = kept.network.state()
        with torch.no_grad():
            for name, value in self.network.state().items():
                if name in kept_state:
                    kept_state[name].copy_(value.index_select(0, index))
            gradients = self.network.buffer.gradients.index_select(0, index)
            new = kept.network.buffer.gradients
            new.copy_(moved(gradients, columns, new.shape[1]))
        kept.optimizer.take_state(self.optimizer, rows, columns)
        kept.averages.take(self.averages, index, columns)
        return kept

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors that training needs to go on, by name, sharing memory."""
        return self._present() | {f"optimizer/{k}": v for k, v in self.optimizer.state().items()}

    @torch.no_grad()
    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Restore what `tensors` gave for the same members."""
        for name, value in self._present().items():
            value.copy_(tensors[name])
        prefix = "optimizer/"
        self.optimizer.load_state(
            {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        )

    def _present(self) -> dict[str, Tensor]:
        """Return all but the state of the optimizers, some of which the first step makes."""
        state = {f"network/{name}": value for name, value in self.network.state().items()}
        state["gradients"] = self.network.buffer.gradients
        return state | {f"average/{name}": value for name, value in self.averages.values.items()}
