"""The training of one cohort: its state, and the loop over it.

# K runs, B batch
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

import torch
from torch import Tensor

from dlx.cohort import Cohort, Member
from dlx.config.schema import RunConfig
from dlx.data.augmentation import Augmenter
from dlx.data.batches import Batches, steps_per_epoch
from dlx.data.selection import Examples, examples
from dlx.engine import sums
from dlx.engine.native import NativeEngine
from dlx.engine.threads import torch_alone
from dlx.nn.passes import Pass
from dlx.tracking.evaluations import Evaluation
from dlx.training.evaluation import CHUNK, BrokenOff, asked, evaluate_all, of_each_row, thinned
from dlx.training.layer_statistics import is_looked_at
from dlx.training.records import Finish, Outcome, Stop
from dlx.training.schedules import Rates
from dlx.training.watching import EarlyStopping, Plateau, plateaus

# On CUDA, looking at a cost waits for the device; there it is looked at once in so many steps.
_STEPS_BETWEEN_LOOKS = {"cpu": 1, "cuda": 64}
EVALUATED_TRAIN_ROWS = 10_000
_IN_THE_LOSS = "in the loss"

_Status = Literal["completed", "stopped_early"]
_Metrics = dict[str, dict[str, list[float]]]  # by split and name, a value for each run


class Listener:
    """Who is told what happens in the loop; this one does nothing."""

    def evaluated(self, trainer: "Trainer", evaluation: Evaluation) -> None:
        """Runs were evaluated; their gradients of the last step are still in the buffer."""

    def advanced(self, trainer: "Trainer") -> None:
        """A step was taken, and the loop stands between two steps: the place for a checkpoint."""

    def ended(self, trainer: "Trainer", outcomes: dict[int, Outcome]) -> None:
        """Runs are about to leave the cohort: by row, how they ended."""


class Trainable:
    """What a session trains: a run, or a stage of its pre-training."""

    config: RunConfig  # of the run
    member: Member  # the run as its cohort sees it
    stage = ""  # of pre-training, in words; empty for a run itself

    @property
    def log_level(self) -> str:
        """How much is logged: minimal, standard or full."""
        return self.config.log.level

    @property
    def mark(self) -> str:
        """What tells it, whenever it goes on, from others that may have its name."""
        raise NotImplementedError

    @staticmethod
    def trainer(jobs: Sequence[Any], *, is_new: bool) -> "Trainer":
        """Return the trainer of some that go together; new ones get their initial weights."""
        raise NotImplementedError


class Trainer:
    """K runs in training: everything that changes from step to step.

    Args:
        cohort: with initial weights
        splits: by name, inputs and targets as the head encodes them, on the device: selections, or
            tensors as `examples` takes them; 'train' must be there
        only_at_end: splits that are left out of the evaluations while a run trains
        gradient_norms: whether evaluations tell those of every layer, and how far steps go
        looks_always: whether runs are looked into at every evaluation, not at twenty at most
        finish: measures more of runs that end, see `Finish`
        judged: metrics, `<split>.<tag>`, of which it is kept what each row adds
    """

    def __init__(
        self,
        cohort: Cohort,
        splits: Mapping[str, Examples | tuple[Tensor, Tensor]],
        only_at_end: Collection[str] = (),
        *,
        gradient_norms: bool = True,
        looks_always: bool = False,
        finish: Finish | None = None,
        judged: Collection[str] = (),
    ) -> None:
        self.cohort = cohort
        self._judged = judged
        # Parts that are the same object stay so: they are evaluated once.
        selected = {id(rows): examples(*rows) for rows in splits.values()}
        self.splits = {name: selected[id(rows)] for name, rows in splits.items()}
        self.step = 0
        self._evaluated = -1  # the step of the last evaluation
        inputs, targets = self.splits["train"]
        self.num_rows = inputs.num_rows
        self._curves = {name: own for name, own in self.splits.items() if name not in only_at_end}
        self._curves["train"] = thinned(self.splits["train"], EVALUATED_TRAIN_ROWS)
        seeds, bagging = [m.seed for m in self.members], [m.bagging for m in self.members]
        self._batches = Batches(inputs, targets, seeds, cohort.batch_size, bagging)
        self._augment = self._new_augmenter()
        self._native = self._new_engine()
        self._sums = torch.zeros(2, len(self.members), dtype=torch.float64, device=cohort.device)
        self._summed_from = [0] * len(self.members)  # the rows seen before what is summed
        self._plateaus = plateaus(self.members)
        self._rates = self._new_rates()
        self._asked = asked(self.cohort)
        self._next_due = 0
        self._measures_gradients = gradient_norms
        self._looks_always = looks_always
        self._finish = finish
        # Of the last step before an evaluation, by layer and run: (L, K).
        self._gradient_norms = torch.zeros(len(cohort.network.layer_names), len(self.members))
        self._update_ratios = torch.zeros_like(self._gradient_norms)
        self._looks: list[Tensor] = []
        self._stopping = [
            EarlyStopping(m.stop_metric, m.patience) if m.stop_metric else None
            for m in self.members
        ]
        self._dismissed: dict[str, str] = {}  # runs that leave at this evaluation, with reasons
        self._best: dict[str, Tensor] = {}
        if any(self._stopping):
            self._best = {k: v.clone() for k, v in cohort.network.state().items()}

    @property
    def members(self) -> tuple[Member, ...]:
        """The runs that are still training."""
        return self.cohort.members

    @property
    def steps_per_epoch(self) -> int:
        """Batches in a pass over the training rows."""
        return steps_per_epoch(self.num_rows, self.cohort.batch_size)

    @property
    def examples(self) -> int:
        """Training rows seen so far by each run."""
        return self.examples_at(self.step)

    def examples_at(self, step: int) -> int:
        """Return how many training rows a run has seen after some steps."""
        epochs, batches = divmod(step, self.steps_per_epoch)
        return epochs * self.num_rows + batches * self.cohort.batch_size

    @property
    def is_due(self) -> bool:
        """Whether a run is to be evaluated before the next step."""
        return self.step >= self._next_due

    @property
    def makes_blocks(self) -> bool:
        """Whether many steps are made at once."""
        return self._native is not None

    def looked_into(self, step: int) -> list[bool]:
        """Return which runs are looked into if they are evaluated at a step."""
        return [
            self._looks_always
            or is_looked_at(step // m.evaluate_every, m.num_steps // m.evaluate_every)
            for m in self.members
        ]

    def fit(self, listener: Listener, stop: Stop = lambda: False) -> None:
        """Train until every run has ended, or until `stop()` says so between two steps."""
        while True:
            if not self._evaluate(listener, stop) or not self.members or stop():
                return
            diverged = self._train_step() if self._native is None else self._train_block()
            if diverged:
                self._leave(listener, diverged)
            if self.members:
                listener.advanced(self)

    def _new_augmenter(self) -> Augmenter:
        cohort, members = self.cohort, self.members
        augmentations = [member.augmentation for member in members]
        seeds, bagging = [m.seed for m in members], [m.bagging for m in members]
        place = cohort.batch_size, cohort.dtype, cohort.device
        return Augmenter(augmentations, seeds, bagging, *place)

    def _new_rates(self) -> Rates:
        optimizer = self.cohort.optimizer
        return Rates(optimizer.slabs, [self._plateaus[row] for row in optimizer.first_rows])

    def _new_engine(self) -> NativeEngine | None:
        """Return what makes the steps in place of the cohort's own methods; None: nothing does."""
        if self.cohort.engine != "native":
            return None
        return NativeEngine(self.cohort, self._batches, self._augment)

    def _train_block(self) -> dict[int, Outcome]:
        """Make steps of the native engine: up to the next evaluation, but not for long."""
        assert self._native is not None
        left = self._next_due - self.step
        measures = self._measures_gradients
        number = 1 if left == 1 else self._native.steps_of_a_block(left - measures)
        buffer = self.cohort.network.buffer
        measured = measures and left == 1
        before = None
        with torch_alone():
            if measured and any(self.looked_into(self.step + 1)):
                before = buffer.values.clone()
            unclipped = torch.empty_like(buffer.gradients) if measured else None
            bad = self._native.advance(self.step, number, self._rates, self._sums, unclipped)
            if unclipped is not None and before is not None:
                self._keep_norms(unclipped, before)
            elif unclipped is not None:
                self._gradient_norms = self._norms(unclipped)
        self.step += number
        return {row: self._diverged(row, at, self._batches(at)[0]) for row, at in bad.items()}

    def _train_step(self) -> dict[int, Outcome]:
        cohort = self.cohort
        if not self._rates.constant:
            cohort.optimizer.set_rates(self._rates(self.step))
            cohort.optimizer.set_momenta(self._rates.momenta(self.step))
        x, targets = self._batches(self.step)
        x = self._augment(x, self.step)
        if cohort.head.kind == "reconstruction":
            targets = x
        costs, z = cohort.forward_backward(x, targets, self.step)
        cost_sum, correct_sum = self._sums.unbind()
        cost_sum.add_(costs, alpha=x.shape[1])
        correct = cohort.head.correct(z, targets)
        if correct is not None:
            correct_sum.add_(correct)
        due = self.step + 1 == self._next_due
        diverged = self._look(costs, x, due)
        if due and self._measures_gradients:
            self._measure_update(x, targets)
        else:
            cohort.update(x, targets, self.step)
        self.step += 1
        cohort.averages.update(self.step)
        return diverged

    def _measure_update(self, x: Tensor, targets: Tensor) -> None:
        """Update the weights, and keep each layer's |gradient| and |change of W| / |W|.

        Changes are measured where a run is looked into at the evaluation that follows.
        """
        buffer = self.cohort.network.buffer
        if not any(self.looked_into(self.step + 1)):
            self._gradient_norms = self._norms(buffer.gradients)
            self.cohort.update(x, targets, self.step)
            return
        before, gradients = buffer.values.clone(), buffer.gradients.clone()
        self.cohort.update(x, targets, self.step)
        self._keep_norms(gradients, before)

    def _keep_norms(self, gradients: Tensor, before: Tensor) -> None:
        """Keep each layer's |gradient| and |change of W| / |W|, given W before the step."""
        norms = self._norms(
            torch.cat([gradients, before, self.cohort.network.buffer.values - before])
        )
        self._gradient_norms, sizes, changes = norms.view(len(norms), 3, -1).unbind(1)
        self._update_ratios = changes / sizes

    def _norms(self, values: Tensor) -> Tensor:
        """Return the norms of rows of values, (N, P), by layer: (L, N) on the CPU."""
        buffer = self.cohort.network.buffer
        if self._native is not None:
            norms = {
                layer: torch.from_numpy(own) for layer, own in sums.norms(buffer, values).items()
            }
        else:
            norms = buffer.norms(values)
        return torch.stack([norms[layer] for layer in self.cohort.network.layer_names]).cpu()

    def _penalties(self) -> list[float]:
        """Return what is added to each run's cost."""
        of = self.cohort.penalties
        if self._native is not None:
            return sums.penalties(self.cohort.network.buffer, of).tolist()
        return of.costs().tolist()

    def _look(self, costs: Tensor, x: Tensor, due: bool) -> dict[int, Outcome]:
        """Return the runs with a cost that is not finite, among the steps not looked at yet."""
        self._looks.append(costs)
        if len(self._looks) < _STEPS_BETWEEN_LOOKS.get(costs.device.type, 1) and not due:
            return {}
        looks, self._looks = self._looks, []
        total = torch.stack(looks).sum() if len(looks) > 1 else costs.sum()
        if math.isfinite(total.item()):
            return {}
        looks = torch.stack(looks)
        finite = looks.isfinite()
        first = self.step + 1 - len(looks)
        return {
            row: self._diverged(row, first + int(finite[:, row].int().argmin()), x)
            for row in range(len(self.members))
            if not bool(finite[:, row].all())
        }

    def _diverged(self, row: int, step: int, x: Tensor) -> Outcome:
        place = self._place(row, x, Pass(step=self.step, batch_size=self.cohort.batch_size))
        reason = f"the cost was not finite at step {step}; {place or _IN_THE_LOSS}"
        return Outcome("diverged", step, "last", {}, {}, reason)

    def _diverged_in_evaluation(self, row: int) -> Outcome:
        inputs, places = self._curves["train"][0], []
        for start in range(0, inputs.num_rows, CHUNK):
            x = inputs.chunk(start, start + CHUNK)
            places.append(self._place(row, x.expand(len(self.members), *x.shape[1:]), Pass()))
        place = next(filter(None, places), _IN_THE_LOSS)
        reason = f"the training cost was not finite after {self.step} steps; {place}"
        return Outcome("diverged", self.step, "last", {}, {}, reason)

    def _place(self, row: int, x: Tensor, pass_: Pass) -> str:
        """Say of which layer a run's outputs are not finite first; empty if all are."""
        pass_.activations = {}
        with torch.no_grad():
            z = self.cohort.network.forward(x, pass_)
        outputs = {**pass_.activations, self.cohort.network.layer_names[-1]: z}
        layer = next((n for n, a in outputs.items() if not bool(a[row].isfinite().all())), None)
        return f"layer {layer} is the first with values that are not finite" if layer else ""

    def _plan(self) -> None:
        self._next_due = min(
            (
                min((self.step // m.evaluate_every + 1) * m.evaluate_every, m.num_steps)
                for m in self.members
            ),
            default=self.step,
        )

    def _evaluate(self, listener: Listener, stop: Stop) -> bool:
        """Evaluate the runs that are due, and let those leave that have ended; False if stopped."""
        if not self.is_due:
            return True
        try:
            with self.cohort.averages.in_place():
                ended = self._evaluate_due(listener, stop)
        except BrokenOff:
            return False  # what was evaluated is known, what was not comes when it goes on
        if self._finish and (ended := self._finish(self.members, ended, stop)) is None:
            return False  # a run that is resumed ends anew
        if ended:
            self._leave(listener, ended)
        self._plan()
        return True

    def _evaluate_due(self, listener: Listener, stop: Stop) -> dict[int, Outcome]:
        """Evaluate the runs that are due at this step; return those that have ended."""
        due = [
            row
            for row, member in enumerate(self.members)
            if self.step % member.evaluate_every == 0 or self.step == member.num_steps
        ]
        diverged: dict[int, Outcome] = {}
        curves: _Metrics = {}
        if due and self._evaluated != self.step:  # a resumed run may have been evaluated here
            # The last step's: a cohort made since then, by leaving or resuming, has not been told.
            self.cohort.optimizer.set_rates(self._rates(max(self.step - 1, 0)))
            curves = evaluate_all(self.cohort, self._curves, stop)
            self._evaluated = self.step
            evaluation = self._evaluation(due, curves)
            listener.evaluated(self, evaluation)
            self._sums[:, due] = 0
            for row in due:
                self._summed_from[row] = self.examples
                self._watch(row, curves)
                if not math.isfinite(curves["train"]["cost"][row]):
                    diverged[row] = self._diverged_in_evaluation(row)
        ended: dict[int, _Status] = {}
        for row, stopping in enumerate(self._stopping):
            if row in diverged:
                continue
            member = self.members[row]
            if self.step >= member.num_steps:
                ended[row] = "completed"
            elif (stopping and stopping.exhausted) or member.name in self._dismissed:
                ended[row] = "stopped_early"
        # That a run has diverged is known now, and not when it goes on.
        stop = (lambda: False) if diverged else stop
        return diverged | self._outcomes(ended, curves, stop)

    def _watch(self, row: int, curves: _Metrics) -> None:
        """Show schedule and early stopping the new metrics, and keep the best weights so far."""
        plateau, stopping = self._plateaus[row], self._stopping[row]
        if plateau is not None:
            split, metric = plateau.metric.split(".", 1)
            plateau.update(curves[split][metric][row])
        if stopping is None:
            return
        split, metric = stopping.metric.split(".", 1)
        if stopping.update(curves[split][metric][row], self.step):
            for name, value in self.cohort.network.state().items():
                self._best[name][row] = value[row]

    def _evaluation(self, due: list[int], curves: _Metrics) -> Evaluation:
        """Return the metrics that each run asks for, and what training itself has measured."""
        members, network = self.members, self.cohort.network
        metrics: dict[str, dict[str, list[Any]]] = {
            split: {name: present(asking, values[name]) for name, asking in self._asked.items()}
            for split, values in curves.items()
        }
        train = metrics["train"]
        costs, correct = self._sums.tolist()
        seen = [self.examples - before for before in self._summed_from]
        trained = [rows > 0 for rows in seen]
        if any(seen):
            answers = self.cohort.head.answers
            train["running/cost"] = [c / n if n else None for c, n in zip(costs, seen, strict=True)]
            if not self.cohort.head.is_numeric:
                train["running/accuracy"] = [
                    c / (n * answers) if n else None for c, n in zip(correct, seen, strict=True)
                ]
            optimizer = self.cohort.optimizer
            train["optimizer/lr"] = present(trained, optimizer.rates)
            momenta = optimizer.per_run(self._rates.momenta(self.step - 1))
            if any(momenta):
                train["optimizer/momentum"] = present(trained, momenta)
        if any(seen) and self._measures_gradients:
            looked_into = [
                t and o for t, o in zip(trained, self.looked_into(self.step), strict=True)
            ]
            measured = {
                "gradient_norm": (trained, self._gradient_norms.tolist()),
                "update_ratio": (looked_into, self._update_ratios.tolist()),
            }
            for place, (layer, owners) in enumerate(network.layer_owners.items()):
                for name, (runs, values) in measured.items():
                    has = [r and o for r, o in zip(runs, owners, strict=True)]
                    if any(has):
                        own = [v if math.isfinite(v) else None for v in values[place]]
                        train[f"{name}/{layer}"] = present(has, own)
        if any(member.penalty for member in members):
            penalized = [member.penalty is not None for member in members]
            train["penalty"] = present(penalized, self._penalties())
        return Evaluation(self.step, self.examples / self.num_rows, self.examples, due, metrics)

    def _outcomes(
        self, ended: dict[int, _Status], curves: _Metrics, stop: Stop
    ) -> dict[int, Outcome]:
        """Return final weights, the best of runs that watched for them, and their metrics.

        `ended` says why, by row. `curves` has the metrics of the cohort at this step where they
        were computed just now.
        """
        outcomes: dict[int, Outcome] = {}
        last = [row for row in ended if self._stopping[row] is None]
        best = [row for row in ended if self._stopping[row] is not None]
        if last:
            known = {
                split: values
                for split, values in curves.items()
                if self._curves[split] is self.splits[split]
            }
            others = {k: rows for k, rows in self.splits.items() if k not in known}
            scores = known | evaluate_all(self.cohort, others, stop)
            of_rows = self._of_each_row(self.cohort, self.splits, stop)
            outcomes |= {
                row: self._outcome(row, ended[row], self.cohort, row, scores, of_rows)
                for row in last
            }
        if best:
            scored = self.cohort.keep(best)
            for name, value in scored.network.state().items():
                value.copy_(self._best[name][best])
            splits = _kept(self.splits, best)
            scores = evaluate_all(scored, splits, stop)
            of_rows = self._of_each_row(scored, splits, stop)
            outcomes |= {
                row: self._outcome(row, ended[row], scored, place, scores, of_rows)
                for place, row in enumerate(best)
            }
        return {row: outcomes[row] for row in ended}

    def _of_each_row(
        self, cohort: Cohort, splits: Mapping[str, Examples], stop: Stop
    ) -> dict[str, Tensor]:
        """Return what each row adds to what runs are judged by: (K, N) by `<split>.<tag>`."""
        by_split: dict[str, list[str]] = {}
        for metric in self._judged:
            split, _, name = metric.partition(".")
            by_split.setdefault(split, []).append(name)
        return {
            f"{split}.{name}": values.float()
            for split, names in by_split.items()
            for name, values in of_each_row(cohort, splits[split], names, stop).items()
        }

    def _outcome(
        self,
        row: int,
        status: _Status,
        scored: Cohort,
        place: int,
        scores: _Metrics,
        of_rows: Mapping[str, Tensor],
    ) -> Outcome:
        """Return how a run ended that has a place of its own in the scored cohort."""
        names = self.members[row].measured
        metrics = {
            split: {name: scores[split][name][place] for name in names} for split in self.splits
        }
        state = {k: v.clone() for k, v in scored.network.run_state(place).items()}
        weights = "last" if self._stopping[row] is None else "best"
        judged = {name: values[place].cpu() for name, values in of_rows.items()}
        reason = self._dismissed.get(self.members[row].name, "")
        return Outcome(status, self.step, weights, state, metrics, reason, judged)

    def dismiss(self, reasons: Mapping[str, str]) -> None:
        """Let runs leave at this evaluation, by name, with the reason: they stop early."""
        self._dismissed |= reasons

    def keep(self, names: Collection[str]) -> None:
        """Let all runs leave but the named ones, unheard."""
        rows = [row for row, member in enumerate(self.members) if member.name in names]
        if len(rows) < len(self.members):
            self._keep(rows)

    def _leave(self, listener: Listener, ended: dict[int, Outcome]) -> None:
        listener.ended(self, ended)
        self._keep([row for row in range(len(self.members)) if row not in ended])

    def _keep(self, rows: list[int]) -> None:
        if not rows:
            self.cohort.members = ()
            self._stopping, self._plateaus = [], []
            return
        self.cohort = self.cohort.keep(rows)
        self._plateaus = [self._plateaus[row] for row in rows]
        self._rates = self._new_rates()
        self._asked = asked(self.cohort)
        self._batches = self._batches.keep(rows)
        self._augment = self._new_augmenter()
        self._native = self._new_engine()
        self._sums = self._sums[:, rows]
        self._summed_from = [self._summed_from[row] for row in rows]
        self._looks = [costs[rows] for costs in self._looks]
        self._stopping = [self._stopping[row] for row in rows]
        self._gradient_norms = self._gradient_norms[:, rows]
        self._update_ratios = self._update_ratios[:, rows]
        names = self.cohort.network.state()
        self._best = {k: v[rows] for k, v in self._best.items() if k in names}
        parts = [*self.splits.values(), *self._curves.values()]
        known = _kept({id(part): part for part in parts}, rows)
        self.splits = {name: known[id(part)] for name, part in self.splits.items()}
        self._curves = {name: known[id(part)] for name, part in self._curves.items()}

    def snapshot(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the tensors and the JSON values that training goes on from, between two steps."""
        tensors = self.cohort.tensors() | {f"best/{k}": v for k, v in self._best.items()}
        tensors["sums"] = self._sums
        tensors["gradient_norms"] = self._gradient_norms
        tensors["update_ratios"] = self._update_ratios
        if self._looks:
            tensors["looks"] = torch.stack(self._looks)
        return tensors, {
            "members": [member.name for member in self.members],
            "step": self.step,
            "evaluated": self._evaluated,
            "summed_from": self._summed_from,
            "early_stopping": [s and asdict(s) for s in self._stopping],
            "plateaus": [p and asdict(p) for p in self._plateaus],
            "dismissed": self._dismissed,
        }

    def restore(self, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
        """Go on from a snapshot of the same runs."""
        names = [member.name for member in self.members]
        if metadata["members"] != names:
            self._keep([names.index(name) for name in metadata["members"]])
        self.cohort.load_tensors(tensors)
        self._best = {name: tensors[f"best/{name}"].to(self.cohort.device) for name in self._best}
        self._sums = tensors["sums"].to(self.cohort.device)
        self._gradient_norms = tensors["gradient_norms"]
        self._update_ratios = tensors.get("update_ratios", torch.zeros_like(self._gradient_norms))
        self._looks = list(tensors["looks"].to(self.cohort.device)) if "looks" in tensors else []
        self.step = metadata["step"]
        self._evaluated = metadata["evaluated"]
        self._summed_from = metadata["summed_from"]
        self._dismissed = dict(metadata.get("dismissed", {}))
        self._next_due = self.step  # a run may be at its end
        self._stopping = [
            # The patience is the config's, which may have changed since.
            EarlyStopping(**{**state, "patience": member.patience})
            if state and member.stop_metric
            else None
            for state, member in zip(metadata["early_stopping"], self.members, strict=True)
        ]
        self._plateaus = [p and Plateau(**p) for p in metadata["plateaus"]]
        self._rates = self._new_rates()


def _kept(parts: Mapping[Any, Examples], rows: Sequence[int]) -> dict[Any, Examples]:
    """Return the parts for some of the runs; what is one object stays one."""
    kept: dict[int, Examples] = {}
    for part in parts.values():
        if id(part) not in kept:
            inputs = part[0].keep(rows)
            kept[id(part)] = inputs, inputs if part[1] is part[0] else part[1].keep(rows)
    return {name: kept[id(part)] for name, part in parts.items()}


def present(has: Sequence[bool], values: Sequence[Any]) -> list[Any]:
    """Return the values of the runs that have one, and None for the others."""
    if all(has):
        return list(values)
    return [value if is_present else None for is_present, value in zip(has, values, strict=True)]
