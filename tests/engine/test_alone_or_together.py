"""Law 1 of the native engine: the same bits alone or together, by any threads, blocks and level."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from dlx.cohort import Member
from dlx.config.types import choice
from dlx.data.dataset import Task
from dlx.engine import native
from dlx.native import library
from dlx.testing.bits import bits
from tests.cohorts import (
    LOSSES,
    Recorder,
    assert_same_run,
    built,
    design,
    grouped,
    member,
    reconstruction,
    rows,
    task,
    train,
    trainer_of,
)
from tests.engine.networks import covered, mixed
from tests.guarded import TOGETHER

pytestmark = pytest.mark.usefixtures("one_thread")

# inputs, hidden widths, classes, rows, batch size
SHAPES = {
    "gates: nine layers of ten, full batch": (2, [10] * 9, 2, 4, 4),
    "widths of one": (1, [1], 2, 23, 4),
    "no hidden layer": (5, [], 3, 23, 4),
    "widths 17 and 3, a last batch of one": (5, [17, 3], 3, 49, 16),
    "widths 31 and 2, a last batch of three": (13, [31, 2], 4, 131, 128),
    "batch of one": (3, [5], 2, 7, 1),
    "regression with one unit in the middle": (4, [10, 1, 5], 0, 50, 50),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_run_trains_to_the_same_bits_alone_and_together(shape: str) -> None:
    num_inputs, hidden, num_classes, num_rows, batch_size = SHAPES[shape]
    what = task(num_inputs, num_classes)
    inputs, targets = rows(what, num_rows)
    members = mixed(what, hidden)
    if batch_size == 1 or num_rows % batch_size == 1:  # which batch norm cannot be of
        members = [run for run in members if not any(x.batch_norm for x in run.design.layers)]
    members = grouped(members)
    assert len(members) > 10
    together = train(members, inputs, targets, batch_size)
    for run in members:
        assert_same_run(run.name, together, train([run], inputs, targets, batch_size))


@pytest.mark.slow(*TOGETHER)
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_trains_to_the_same_bits_alone_and_together(loss: str) -> None:
    what, chosen = LOSSES[loss]
    inputs, targets = rows(what, 53)
    members = grouped(mixed(what, [5], 9, loss=chosen))
    together = train(members, inputs, targets)
    for run in members:
        assert_same_run(run.name, together, train([run], inputs, targets))


def in_another_way(
    monkeypatch: pytest.MonkeyPatch, members: Sequence[Member], what: Task, way: dict[str, Any]
) -> Recorder:
    """Train with other threads, blocks of steps, level of the processor or former memory."""
    monkeypatch.setenv(library.LEVEL_VARIABLE, way.get("level", ""))
    monkeypatch.setattr(native, "_BLOCK_SECONDS", way.get("block", 0.1))
    monkeypatch.setattr(native, "WORTH_SHARING", 0 if way.get("shares") else 10**12)
    if way.get("ahead"):
        monkeypatch.setattr(native, "_WORTH_DRAWING_AHEAD", -1)
        monkeypatch.setattr(native, "_WORTH_THREADS", -1)
    if way.get("memory"):
        memory_of = native.NativeEngine._memory_of
        monkeypatch.setattr(native.NativeEngine, "_memory_of", _full_of_nan(memory_of))
    before = torch.get_num_threads()
    torch.set_num_threads(way.get("threads", 1))
    try:
        recorder = Recorder()
        trainer_of(members, *rows(what)).fit(recorder)
    finally:
        torch.set_num_threads(before)
    return recorder


def _full_of_nan(memory_of: Callable[..., int]) -> Callable[..., int]:
    def memory(engine: native.NativeEngine, *arguments: Any) -> int:
        address = memory_of(engine, *arguments)
        [held] = [array for array, at in [*engine._memories.values()] if at == address]
        held.fill(255)
        return address

    return memory


WAYS: dict[str, dict[str, Any]] = {
    "two threads": {"threads": 2},
    "two threads on one run": {"threads": 2, "shares": True},
    "three threads on one run": {"threads": 3, "shares": True},
    "more threads than runs, which draw ahead": {"threads": 40, "ahead": True},
    "a step at a time": {"block": 0.0},
    "memory that held NaN": {"memory": True},
    "level v2": {"level": "v2"},
    "level v3": {"level": "v3"},
    "level v3, three threads, a step at a time": {"level": "v3", "threads": 3, "block": 0.0},
}


def _networks() -> list[tuple[Task, list[Member]]]:
    images = reconstruction(5)
    blocks: list[Any] = [
        {"name": "maxout", "units": 4, "pieces": 3},
        {"name": "residual", "layers": [7, 5], "activation": "relu"},
        {"name": "branch", "branches": [[3], [4, 2], []], "join": "concat"},
        {"name": "branch", "branches": [[3, 6], [6]], "join": "mean"},
    ]
    what = task(5, 3)
    wide = design(what, [300, 40], "tanh", batch_norm=True, weight_norm=True)
    dropped = design(what, [300], "tanh", dropout=choice("dropout", "dropout", input=0.2))
    return [
        (what, mixed(what, [17, 5])),
        (what, covered([member("blocks", built("mlp", what, hidden=blocks, batch_norm=True))])),
        (what, covered([member("dropped inputs", dropped)])),
        (what, covered([member("wide", wide, "nadam", clip_norm=0.5, max_norm=0.7)])),
        (
            images,
            covered([member("tied", built("autoencoder", images, encoder=[9, 6], tied=True))]),
        ),
        (
            images,
            covered(
                [
                    member(
                        "sparse",
                        built(
                            "autoencoder",
                            images,
                            encoder=[6],
                            code_activation="sigmoid",
                            k_sparse=3,
                            sparsity={"name": "kl", "weight": 0.1},
                        ),
                    )
                ]
            ),
        ),
    ]


@pytest.mark.parametrize("way", WAYS)
def test_bits_do_not_depend_on_how_they_are_computed(
    monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if WAYS[way].get("level", "v2") not in library.levels():
        return  # this processor has it not
    for what, members in _networks():
        assert members
        expected = in_another_way(monkeypatch, members, what, {})
        actual = in_another_way(monkeypatch, members, what, WAYS[way])
        for run in members:
            assert_same_run(run.name, actual, expected)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_subnormal_numbers_have_the_same_bits_at_every_level(
    monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    what = task(5, 3)
    [run] = covered([member("tiny", design(what, [17], "tanh"), optimizer, num_steps=20)])
    by_level = []
    for level in library.levels():
        monkeypatch.setenv(library.LEVEL_VARIABLE, level)
        trainer = trainer_of([run], *rows(what))
        values = trainer.cohort.network.buffer.values
        # As many units in the last place of the smallest number: 2^-149 and its multiples.
        bits(values).copy_((values * 2**20).to(torch.int32).clamp(min=0))
        assert 2**10 < bits(values).max() < 2**23
        trainer.fit(Recorder())
        by_level.append(bits(values).clone())
    assert all(torch.equal(own, by_level[0]) for own in by_level)
    assert by_level[0].any()
