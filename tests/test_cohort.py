"""Which runs go together, how they stack, how rows are taken out."""

import pytest
import torch

from dlx.cohort import Cohort, Member, group
from tests.cohorts import (
    OPTIMIZERS,
    assert_same_bits,
    bits,
    design,
    grouped,
    member,
    mixed_members,
    rows,
    task,
    trainer_of,
)

pytestmark = pytest.mark.usefixtures("one_thread")


def test_runs_of_the_same_shape_go_together() -> None:
    what = task(5, 3)
    members = [
        member("a", design(what, [6, 4])),
        member("b", design(what, [6, 5])),
        member("c", design(what, [6, 4], "tanh", "zeros", dropout=0.5, batch_norm=True), "sgd"),
        member("d", design(what, [6, 4], output="softmax", loss="mse")),
        member("e", design(task(5, 2), [6, 4])),
        member("f", design(what, [6, 4]), seed=3, num_steps=99),
    ]
    assert sorted(sorted(indices) for indices in group(members)) == [[0, 2, 5], [1], [3], [4]]


def test_what_is_shared_keeps_runs_apart() -> None:
    members = [member(str(index), design(task(5, 3))) for index in range(4)]
    assert group(members, [16, 32, 16, 32]) == [[0, 2], [1, 3]]


def test_runs_are_sorted_by_activation_and_then_by_optimizer() -> None:
    what = task(5, 3)
    members = [
        member(f"{activation} {optimizer} {seed}", design(what, [6], activation), optimizer)
        for seed in range(2)
        for optimizer in ("adam", "sgd")
        for activation in ("relu", "tanh")
    ]
    (order,) = group(members)
    assert [members[index].name for index in order] == [
        *("relu adam 0", "relu adam 1", "relu sgd 0", "relu sgd 1"),
        *("tanh adam 0", "tanh adam 1", "tanh sgd 0", "tanh sgd 1"),
    ]


def test_runs_of_one_length_are_neighbours_within_their_optimizer() -> None:
    what = task(5, 3)
    members = [
        member(f"{init} {num_steps}", design(what, [6], init=init), num_steps=num_steps)
        for init in ("zeros", "constant")
        for num_steps in (10, 20)
    ]
    (order,) = group(members)
    assert [members[index].num_steps for index in order] == [10, 10, 20, 20]


def test_initial_weights_depend_on_the_runs_seed_alone() -> None:
    members = grouped(mixed_members(task(5, 3), [6, 4]))
    data = rows(task(5, 3))
    cohort = trainer_of(members, *data).cohort
    for row, run in enumerate(members):
        alone = trainer_of([run], *data).cohort
        assert_same_bits(cohort.network.run_state(row), alone.network.run_state(0))


def trained(members: list[Member], steps: int = 5) -> Cohort:
    inputs, targets = rows(task(5, 3))
    trainer = trainer_of(members, inputs, targets)
    for _ in range(steps):
        trainer._train_step()
    return trainer.cohort


@pytest.mark.parametrize("kept", [[0], [25], [3, 4, 5], [0, 7, 25], list(range(0, 26, 2))])
def test_keep_takes_weights_gradients_statistics_and_optimizer_state(kept: list[int]) -> None:
    members = grouped(mixed_members(task(5, 3), [6, 4]))
    cohort = trained(members)
    taken = cohort.keep(kept)
    assert [run.name for run in taken.members] == [members[row].name for row in kept]
    for row, before in enumerate(kept):
        # What stands in the padding of the optimizer's state is not kept.
        alone = trained([members[before]]).keep([0])
        assert_same_bits(taken.keep([row]).tensors(), alone.tensors())
        assert_same_bits(taken.network.run_state(row), cohort.network.run_state(before))


def test_tensors_are_restored_as_they_were() -> None:
    members = grouped(mixed_members(task(5, 3), [6, 4]))
    cohort = trained(members)
    saved = {name: value.clone() for name, value in cohort.tensors().items()}
    fresh = Cohort(members, 16)
    fresh.load_tensors(saved)
    assert_same_bits(fresh.tensors(), saved)
    for value in saved.values():
        value.zero_()  # nothing is shared with what was loaded
    assert_same_bits(fresh.tensors(), cohort.tensors())


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_has_state_to_save_if_it_has_any(optimizer: str) -> None:
    tensors = trained([member("run", design(task(5, 3)), optimizer)]).tensors()
    names = {name.removeprefix("optimizer/0.") for name in tensors if name.startswith("optimizer")}
    assert bool(names) == (optimizer != "sgd")
    assert any(bool(tensors[f"optimizer/0.{name}"].any()) for name in names) or not names


def test_clipping_scales_each_runs_gradient_to_its_own_norm() -> None:
    network = design(task(5, 3), activation="tanh")
    members = [
        member("free", network, "sgd"),
        member("loose", network, "sgd", clip_norm=1e3),
        member("tight", network, "sgd", clip_norm=0.01),
    ]
    inputs, targets = rows(task(5, 3))
    cohort = Cohort(members, 16)
    cohort.initialize()
    batch = inputs[:16].expand(3, 16, 5), targets[:16].expand(3, 16)
    cohort.forward_backward(*batch, 0)
    before = cohort.network.buffer.gradients.clone()
    norms = cohort.network.buffer.gradient_norms()
    assert float(norms.min()) > 0.01 and float(norms.max()) < 1e3
    cohort.update(*batch, 0)
    after = cohort.network.buffer.gradients
    assert torch.equal(bits(after[:2]), bits(before[:2]))
    torch.testing.assert_close(after[2], before[2] * 0.01 / norms[2], rtol=1e-5, atol=0)


def test_forward_backward_leaves_no_graph() -> None:
    cohort = Cohort([member("run", design(task(5, 3)))], 16)
    cohort.initialize()
    inputs, targets = rows(task(5, 3), 16)
    costs, z = cohort.forward_backward(inputs.unsqueeze(0), targets.unsqueeze(0), 0)
    assert costs.shape == (1,) and z.shape == (1, 16, 3)
    assert not costs.requires_grad and not z.requires_grad
    assert all(p.value.grad is None for p in cohort.network.buffer.parameters)


def test_runs_that_take_batches_in_as_many_parts_go_together() -> None:
    network = design(task(5, 3))
    runs = [member(str(place), network, accumulate=n) for place, n in enumerate([1, 2, 1, 3, 2])]
    assert sorted(sorted(indices) for indices in group(runs)) == [[0, 2], [1, 4], [3]]
