"""Training the way anybody would write it in plain torch, for comparison (law 2)."""

from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlx.cohort import Member
from dlx.data.dataset import Task
from dlx.engine.coverage import not_covered
from dlx.models.plain import from_torch, to_torch
from dlx.nn.head import Head
from dlx.streams import stream
from tests.cohorts import ALONE, rows, train, trainer_of
from tests.torch_optimizers import torch_optimizer


def order(seed: int, epoch: int, num_rows: int) -> Tensor:
    """Return the shuffled row numbers of one epoch of the run with `seed`: (N,)."""
    return stream(seed, "order", epoch).permutations(1, num_rows)[0]


def relative_distance(actual: Tensor, expected: Tensor) -> float:
    """Return the largest difference, relative to the largest number of the tensor.

    A number that is zero but for rounding (a shift that the next batch norm takes away, the mean
    of what was normalized before) has no digits to agree in; hence the floor.
    """
    return float((actual - expected).abs().max() / expected.abs().max().clamp_min(1e-4))


def torch_loss(head: Head) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the loss of a head in torch's own words."""
    options, weights = head.loss.arguments(), torch.tensor(head.class_weights, dtype=torch.float64)
    if head.loss.name == "cross_entropy":
        smoothing, weight = options["label_smoothing"], weights if len(weights) else None
        return lambda z, t: (
            F.cross_entropy(z, t, weight, label_smoothing=smoothing, reduction="sum") / len(z)
        )
    if head.loss.name == "binary_cross_entropy":
        sides = weights.view(2, -1) if len(weights) else torch.ones(2, 1, dtype=torch.float64)
        return lambda z, t: F.binary_cross_entropy_with_logits(
            z, t, t * sides[1] + (1 - t) * sides[0]
        )
    if head.loss.name == "hinge":
        return lambda z, t: (
            (1 - t * z if t.is_floating_point() else crammer_singer(z, t)).relu().mean()
        )
    return {
        "mse": nn.MSELoss(),
        "mae": nn.L1Loss(),
        "huber": nn.HuberLoss(delta=options.get("delta", 1.0)),
    }[head.loss.name]


def crammer_singer(z: Tensor, targets: Tensor) -> Tensor:
    own = F.one_hot(targets, z.shape[1]).bool()
    return 1 + z.masked_fill(own, -torch.inf).max(1).values - z[own]


def plain_loop(
    run: Member, state: dict[str, Tensor], inputs: Tensor, targets: Tensor, batch_size: int
) -> nn.Sequential:
    """Train a run the way anybody would write it in torch, from a given start."""
    network = to_torch(run.design, state).train()
    head = run.design.head
    loss = torch_loss(head)
    # torch's losses of classes take what the output function is given.
    ends_in_it = head.loss.name in ("cross_entropy", "binary_cross_entropy")
    model = network[:-1] if ends_in_it else network
    optimizer = torch_optimizer(run.optimizer, network.parameters(), foreach=False)
    weights = [layer.weight for layer in network.modules() if isinstance(layer, nn.Linear)]

    def accumulated(index: Tensor) -> Tensor:
        """Gradients of the parts of a batch, which torch adds up."""
        total = torch.zeros((), dtype=inputs.dtype)
        for part in index.tensor_split(min(run.accumulate, len(index))):
            cost = loss(model(inputs[part]), targets[part]) * len(part) / len(index)
            cost.backward()
            total += cost.detach()
        return total

    for step in range(run.num_steps):
        epoch, batch = divmod(step, -(-len(inputs) // batch_size))
        index = order(run.seed, epoch, len(inputs))[batch * batch_size : (batch + 1) * batch_size]

        def closure(index: Tensor = index) -> Tensor:
            optimizer.zero_grad()
            if run.accumulate > 1:
                return accumulated(index)
            cost = loss(model(inputs[index]), targets[index])
            if run.penalty is not None:
                for weight in weights:
                    cost = cost + run.penalty.l1 * weight.abs().sum()
                    cost = cost + run.penalty.l2 / 2 * weight.square().sum()
            cost.backward()
            return cost

        if run.optimizer.name in ALONE:
            optimizer.step(closure)  # type: ignore[arg-type]
            continue
        closure()
        if run.clip_value is not None:
            nn.utils.clip_grad_value_(network.parameters(), run.clip_value, foreach=False)
        if run.clip_norm is not None:
            nn.utils.clip_grad_norm_(network.parameters(), run.clip_norm, foreach=False)
        optimizer.step()
        if run.max_norm is not None:
            with torch.no_grad():
                for weight in weights[:-1]:  # (O, I)
                    weight /= (weight.norm(dim=1, keepdim=True) / run.max_norm).clamp_min(1)
    return network


def initial_state(run: Member, inputs: Tensor, targets: Tensor, size: int) -> dict[str, Tensor]:
    cohort = trainer_of([run], inputs, targets, size, inputs.dtype).cohort
    return {name: value.clone() for name, value in cohort.network.run_state(0).items()}


def assert_plain(members: list[Member], what: Task, batch_size: int = 16) -> None:
    """Each run comes to the weights of the loop in plain torch, by every engine it can have."""
    inputs, targets = rows(what, 45, torch.float64)
    encoded = members[0].design.head.encode(targets, torch.float64)
    together = {"torch": train(members, inputs, targets, batch_size, torch.float64)}
    covered = [replace(run, engine="native") for run in members if not_covered(run) is None]
    if covered:
        together["native"] = train(covered, inputs, targets, batch_size, torch.float64)
    for run in members:
        start = initial_state(run, inputs, targets, batch_size)
        network = plain_loop(run, start, inputs, encoded, batch_size)
        expected = from_torch(run.design, network.state_dict())
        for engine, recorder in together.items():
            if run.name not in recorder.ended_runs:
                assert not_covered(run) is not None
                continue
            state = recorder.ended_runs[run.name].outcome.state
            assert set(state) == set(expected)
            for name, value in state.items():
                place = engine, run.name, name
                assert relative_distance(value, expected[name]) < 1e-10, place
                moved = name.split(".")[1] in ("weight", "bias", "running_mean")
                assert not moved or not torch.equal(value, start[name]), place
