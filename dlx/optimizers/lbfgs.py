"""torch's L-BFGS for one run; it evaluates the cost several times a step.

# P parameters of one run (padded), H pairs of the history
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Annotated, Any, Literal

import torch
from annotated_types import Gt
from torch import Tensor

from dlx.config.types import Choice
from dlx.nn.parameters import Moves, ParameterBuffer, moved
from dlx.optimizers.rule import Decay, Rate, Search
from dlx.registry import register

# What torch keeps from step to step: vectors, lists of vectors and numbers, besides the list "ro".
_VECTORS = ("d", "prev_flat_grad")
_HISTORY = ("old_dirs", "old_stps")
_NUMBERS = ("t", "H_diag")


@register("optimizer", searches=True)
def lbfgs(
    *,
    lr: Rate = 1.0,
    max_iter: Annotated[int, Gt(0)] = 20,
    history_size: Annotated[int, Gt(0)] = 10,
    line_search: Literal["strong_wolfe"] | None = "strong_wolfe",
    tolerance_grad: Decay = 1e-7,
    tolerance_change: Decay = 1e-9,
) -> Search:
    """L-BFGS: w <- w - t H g; H, from the last changes of w and g, estimates the inverse Hessian.

    A step makes up to `max_iter` such iterations on one batch, with the same masks and noise. It
    evaluates cost and gradient, with penalties, up to 5/4 max_iter times. Changes of g between
    batches do not show the curvature, so use train.batch_size: all. The recorded cost and gradient
    norms are those at the start of a step; only that evaluation enters batch norm's running
    statistics. Each run trains in a cohort of its own.

    Args:
        lr: length t of an iteration's step; with a line search, its first t
        max_iter: largest number of iterations of a step
        history_size: number of changes of w and g that are remembered
        line_search: strong_wolfe searches a t that lowers the cost and its slope enough; null takes
            t = lr, and may diverge
        tolerance_grad: a step ends when no number of the gradient is larger
        tolerance_change: a step ends when weights or cost change by less

    Reference:
        Liu and Nocedal (1989), On the limited memory BFGS method for large scale optimization
    """
    return Search(
        {
            "lr": lr,
            "max_iter": max_iter,
            "history_size": history_size,
            "line_search_fn": line_search,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
        },
        vectors=len(_VECTORS) + len(_HISTORY) * history_size,
    )


class LbfgsSlab:
    """The row of a run that L-BFGS trains, with the state of `torch.optim.LBFGS`."""

    def __init__(
        self, rows: slice, key: tuple[Choice, int, Hashable], buffer: ParameterBuffer
    ) -> None:
        assert len(buffer.values) == 1, "runs of L-BFGS train one to a cohort"
        self.rows, self.key = rows, key
        update: Search = key[0]()
        self._values = buffer.values.view(-1)
        self._values.grad = buffer.gradients.view(-1)
        self._optimizer = torch.optim.LBFGS([self._values], **update.settings)
        self.base_rate = self.rate = update.settings["lr"]

    @property
    def _kept(self) -> dict[str, Any]:
        """What torch keeps; empty until the first iteration."""
        return self._optimizer.state[self._values]

    @property
    def state(self) -> dict[str, Tensor]:
        """What the next step depends on, as tensors: (P,), (H, P), (H,) and numbers."""
        kept = self._kept
        if "d" not in kept:
            return {}
        state = {name: kept[name] for name in _VECTORS}
        for name in _HISTORY:
            empty = self._values.new_zeros(0, len(self._values))
            state[name] = torch.stack(kept[name]) if kept[name] else empty
        state["ro"] = torch.stack(kept["ro"]) if kept["ro"] else self._values.new_zeros(0)
        for name in _NUMBERS:  # torch keeps some as tensors and some as floats
            state[name] = torch.tensor(float(kept[name]), dtype=torch.float64)
        return state | {"n_iter": torch.tensor(kept["n_iter"])}

    def step(self, evaluate: Callable[[], Tensor] | None) -> None:
        """Update the weights; `evaluate` returns the cost and leaves its gradient in the buffer."""
        gradient = self._values.grad
        assert evaluate is not None and gradient is not None
        if not gradient.isfinite().all():
            # There is nothing to search for: the next cost is not finite either, and ends the run.
            self._values.sub_(gradient)
            return

        def cost() -> Tensor:
            # A line search returns from a cost that is too large, but does not end at NaN.
            return evaluate().nan_to_num(nan=torch.inf, posinf=torch.inf)

        self._optimizer.param_groups[0]["lr"] = self.rate
        self._optimizer.step(cost)  # type: ignore[arg-type]

    def load(self, name: str, value: Tensor) -> None:
        """Restore one tensor of the state."""
        if name in _NUMBERS or name == "n_iter":
            self._kept[name] = value.item()
            return
        value = value.to(self._values.device, copy=True)
        self._kept[name] = value if name in _VECTORS else list(value)
        self._kept["func_evals"] = 0  # a counter that torch only writes

    def take(self, sources: "Sequence[tuple[LbfgsSlab, list[int]]]", columns: Moves) -> None:
        """Take over the state of the run."""
        ((source, _),) = sources
        for name, value in source.state.items():
            is_vector = name in _VECTORS + _HISTORY
            self.load(name, moved(value, columns, len(self._values)) if is_vector else value)
