"""What the native engine makes of rows: torch's numbers, and the same bits in whatever way."""

import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from dlx.cohort import Cohort, Member
from dlx.config.types import choice
from dlx.data.dataset import Task
from dlx.data.selection import Change, Selection, examples
from dlx.engine import evaluation as native
from dlx.native import library
from dlx.training.evaluation import (
    BrokenOff,
    confusion,
    decode,
    encode,
    evaluate,
    of_each_row,
    predict,
)
from dlx.training.layer_statistics import probe
from tests.cohorts import (
    ACTIVATIONS,
    CORRUPTIONS,
    LOSSES,
    NORMS,
    all_metrics,
    assert_same_bits,
    built,
    design,
    dropout_rates,
    grouped,
    member,
    reconstruction,
    rows,
    task,
)
from tests.engine.networks import covered, mixed
from tests.guarded import TOGETHER

pytestmark = pytest.mark.usefixtures("one_thread")

BLOCKS: list[Any] = [
    {"name": "maxout", "units": 4, "pieces": 3},
    {"name": "residual", "layers": [7, 5], "activation": "relu"},
    {"name": "branch", "branches": [[3], [4, 2], []], "join": "concat"},
    {"name": "branch", "branches": [[3, 6], [6]], "join": "mean"},
]


def measured(what: Task, network: Any, name: str = "run", **options: Any) -> Member:
    """Return a run that is measured by every metric of its task."""
    [run] = covered([member(name, network, metrics=all_metrics(what.kind), **options)])
    return run


def cohort_of(members: Sequence[Member], engine: str, dtype: torch.dtype) -> Cohort:
    """Return runs with weights that are not the first ones, and running statistics of some rows."""
    cohort = Cohort([replace(run, engine=engine) for run in members], 16, dtype)
    width = members[0].design.layers[0].inputs
    cohort.initialize(torch.randn(len(members), 16, width, generator=_seeded(1), dtype=dtype))
    for name, value in cohort.network.statistics().items():
        noise = torch.rand(value.shape[1:], generator=_seeded(2), dtype=dtype)
        value.copy_(noise + 0.5 if "variance" in name else noise - 0.5)
    for parameter in cohort.network.buffer.parameters:
        noise = torch.rand(parameter.value.shape[1:], generator=_seeded(3), dtype=dtype)
        for row, has_it in enumerate(parameter.owners):
            if has_it:
                parameter.value[row] += 0.1 * noise
    return cohort


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def everything(
    cohort: Cohort, inputs: Tensor | Selection, targets: Tensor | Selection
) -> dict[str, Tensor]:
    """Return all that is found out in evaluations."""
    own = inputs if isinstance(inputs, Selection) else Selection(inputs)
    other = own if inputs is targets else examples(targets, targets)[0]
    values = {name: torch.tensor(v) for name, v in evaluate(cohort, own, other).items()}
    values["outputs"] = predict(cohort, own)
    names = [name for name in values if name != "outputs"]
    for name, by_row in of_each_row(cohort, (own, other), names).items():
        values[f"{name} of each row"] = by_row
    if not cohort.head.is_numeric:
        values["confusion"] = confusion(cohort, own, other)
    for tag, of_layer in probe(cohort, own).items():
        values[tag] = torch.tensor([math.nan if v is None else v for v in of_layer]).double()
    for layer in cohort.members[0].design.layers[:-1]:
        codes = encode(cohort, own, layer.name)
        values[f"outputs of {layer.name}"] = codes
        decoded = decode(cohort, codes, layer.name)
        assert_same_bits({"": decoded}, {"": values["outputs"]})
    return values


def assert_alike(members: Sequence[Member], inputs: Tensor | Selection, targets: Any) -> None:
    """Both engines find the same in float64."""
    by_engine = []
    for engine in ("native", "torch"):
        cohort = cohort_of(members, engine, torch.float64)
        encoded = inputs if targets is inputs else cohort.head.encode(targets, torch.float64)
        by_engine.append(everything(cohort, inputs, encoded))
    assert list(by_engine[0]) == list(by_engine[1])
    for name, value in by_engine[0].items():
        # torch adds up which units are on in single precision.
        bound = 1e-6 if name == "active_units" else 1e-10
        torch.testing.assert_close(
            value.double(),
            by_engine[1][name].double(),
            rtol=bound,
            atol=bound,
            equal_nan=True,
            msg=lambda text, name=name: f"{name}: {text}",
        )


@pytest.mark.parametrize("norm", range(len(NORMS)))
@pytest.mark.parametrize("loss", LOSSES)
def test_every_activation_and_loss_is_that_of_torch(loss: str, norm: int) -> None:
    what, chosen = LOSSES[loss]
    members = grouped(
        [
            measured(what, design(what, [17, 5], name, loss=chosen, **NORMS[norm]), name)
            for name in ACTIVATIONS
        ]
    )
    assert_alike(members, *rows(what, 53, torch.float64))


OUTPUTS = {
    "tanh": task(5, 2),
    "hardtanh": task(5, 3, "multilabel"),
    "sigmoid": task(5, 3, "multilabel"),
    "softplus": task(5, 0),
    "gelu": task(5, 0),
}


@pytest.mark.parametrize("output", OUTPUTS)
def test_output_functions_are_those_of_torch(output: str) -> None:
    what = OUTPUTS[output]
    network = design(what, [7], output=choice("activation", output), loss="mse")
    assert_alike([measured(what, network)], *rows(what, 53, torch.float64))


# inputs, hidden widths, classes, rows
SHAPES = {
    "one row": (2, [5], 3, 1),
    "widths of one": (1, [1], 2, 3),
    "no hidden layer": (5, [], 3, 23),
    "a last piece of one row": (5, [17, 2], 3, 129),
    "a last chunk of one row": (31, [31, 17], 3, 1025),
    "numbers": (13, [33, 16], 0, 2049),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_that_of_torch(shape: str) -> None:
    num_inputs, hidden, num_classes, num_rows = SHAPES[shape]
    what = task(num_inputs, num_classes)
    network = design(what, hidden, "tanh", weight_norm=True)
    assert_alike([measured(what, network)], *rows(what, num_rows, torch.float64))


def _networks() -> dict[str, tuple[Task, Any]]:
    images, what = reconstruction(5), task(5, 3)
    sparse = {"encoder": [6], "code_activation": "sigmoid", "k_sparse": 3}
    by_name: dict[str, tuple[Task, Any]] = {
        "blocks": (what, built("mlp", what, hidden=BLOCKS, batch_norm=True)),
        "a block first": (what, built("mlp", what, hidden=BLOCKS[1:], layer_norm=True)),
        "tied": (images, built("autoencoder", images, encoder=[9, 6], tied=True)),
        "drop_connect": (
            what,
            design(what, [9], weight_norm=True, dropout=dropout_rates("drop_connect", hidden=0.4)),
        ),
    }
    for name, weight in (("kl", 0.1), ("l1", 0.2)):
        options = sparse | {"sparsity": {"name": name, "weight": weight}}
        by_name[f"sparse by {name}"] = images, built("autoencoder", images, **options)
    return by_name


@pytest.mark.parametrize("name", _networks())
def test_every_kind_of_network_is_that_of_torch(name: str) -> None:
    what, network = _networks()[name]
    inputs, targets = rows(what, 1300, torch.float64)
    targets = inputs if what.kind == "reconstruction" else targets
    assert_alike([measured(what, network)], inputs, targets)


@pytest.mark.parametrize("place", [place for place, kind in enumerate(CORRUPTIONS) if kind])
def test_corrupted_inputs_are_measured_as_by_torch(place: int) -> None:
    what = reconstruction(5)
    network = design(what, [7], output="auto", loss="mse")
    corrupted = replace(network, inputs=replace(network.inputs, corruption=CORRUPTIONS[place]))
    inputs, _ = rows(what, 1300, torch.float64)
    runs = [measured(what, corrupted, str(seed), seed=seed) for seed in range(2)]
    assert_alike(runs, inputs, inputs)


def test_rows_that_are_filled_in_and_standardized_are_those_of_torch() -> None:
    what = task(5, 3)
    base, targets = rows(what, 300)
    base[::7, 2] = torch.nan
    change = Change(*(torch.rand(5, generator=_seeded(s), dtype=torch.float64) for s in range(3)))
    numbers = torch.randperm(300, generator=_seeded(4))[None, :200]
    inputs = Selection(base, numbers, change=change)
    network = design(what, [7], "tanh")
    members = [measured(what, network, str(seed), seed=seed) for seed in range(2)]
    results = []
    for engine in ("native", "torch"):
        cohort = cohort_of(members, engine, torch.float32)
        own = Selection(cohort.head.encode(targets), numbers)
        results.append(evaluate(cohort, inputs, own))
        results.append({"outputs": predict(cohort, inputs).tolist()})
    for name, values in results[0].items():
        assert values == pytest.approx(results[2][name], rel=1e-5), name
    torch.testing.assert_close(
        torch.tensor(results[1]["outputs"]),
        torch.tensor(results[3]["outputs"]),
        rtol=1e-4,
        atol=1e-6,
    )


WAYS: dict[str, dict[str, Any]] = {
    "two threads": {"threads": 2},
    "three threads, a piece at a time": {"threads": 3, "block": 0.0},
    "level v2": {"level": "v2"},
    "level v3, three threads": {"level": "v3", "threads": 3},
}


def in_a_way(
    monkeypatch: pytest.MonkeyPatch, members: Sequence[Member], what: Task, way: dict[str, Any]
) -> dict[str, Tensor]:
    """Evaluate with other threads, other blocks or another level of the processor."""
    monkeypatch.setenv(library.LEVEL_VARIABLE, way.get("level", ""))
    monkeypatch.setattr(native, "_BLOCK_SECONDS", way.get("block", 0.1))
    monkeypatch.setattr(native, "_WORTH_SHARING_SECONDS", 0.0)
    cohort = cohort_of(members, "native", torch.float32)
    inputs, targets = rows(what, 1300)
    encoded = inputs if what.kind == "reconstruction" else cohort.head.encode(targets)
    torch.set_num_threads(way.get("threads", 1))
    try:
        return everything(cohort, inputs, encoded)
    finally:
        torch.set_num_threads(1)


def _mixtures() -> list[tuple[Task, list[Member]]]:
    images, what = reconstruction(5), task(5, 3)
    mixtures = [
        (own, grouped(mixed(own, [17, 5], 18)))
        for own in (what, task(5, 2), task(5, 0), images, task(5, 3, "multilabel"))
    ]
    return [*mixtures, *((own, [measured(own, network)]) for own, network in _networks().values())]


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(way, marks=pytest.mark.slow(*TOGETHER)) if way == "level v2" else way
        for way in WAYS
    ],
)
def test_bits_do_not_depend_on_how_they_are_computed(
    monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if WAYS[way].get("level", "v2") not in library.levels():
        return  # this processor has it not
    for what, members in _mixtures():
        expected = in_a_way(monkeypatch, members, what, {})
        assert_same_bits(in_a_way(monkeypatch, members, what, WAYS[way]), expected)


def test_a_run_has_the_same_bits_alone_and_in_any_cohort() -> None:
    for what, members in _mixtures():
        cohort = cohort_of(members, "native", torch.float32)
        inputs, targets = rows(what, 1300)
        encoded = inputs if what.kind == "reconstruction" else cohort.head.encode(targets)
        together = everything(cohort, inputs, encoded)
        for row in range(len(members)):
            alone = everything(cohort.keep([row]), inputs, encoded)
            # Of each row is given what is a mean over the rows for all runs of the cohort.
            common = [name for name in alone if name in together]
            assert {"cost", "outputs"} <= set(common)
            own = {name: together[name][row : row + 1] for name in common}
            assert_same_bits({name: alone[name] for name in common}, own)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_what_is_not_finite_is_so_in_the_cost(bad: float) -> None:
    what = task(5, 3)
    members = [measured(what, design(what, [7], "tanh"), str(seed), seed=seed) for seed in range(2)]
    inputs, targets = rows(what, 300)
    by_engine = []
    for engine in ("native", "torch"):
        cohort = cohort_of(members, engine, torch.float32)
        cohort.network.state()["2.weight"][1, 3, 1] = bad
        by_engine.append(evaluate(cohort, inputs, targets)["cost"])
        means = probe(cohort, Selection(inputs))["activation_mean/2"]
        assert means[1] is None or not math.isfinite(means[1])
        assert math.isfinite(means[0])
    for costs in by_engine:
        assert costs[0] == pytest.approx(by_engine[0][0], rel=1e-5)
        assert not torch.tensor(costs[1]).isfinite()


def test_it_stops_between_two_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "_BLOCK_SECONDS", 0.0)
    what = task(5, 3)
    cohort = cohort_of([measured(what, design(what))], "native", torch.float32)
    answers = iter([False, False, True])
    with pytest.raises(BrokenOff):
        evaluate(cohort, *rows(what, 900), stop=lambda: next(answers))
    assert list(answers) == []


def test_somebody_is_asked_in_time_whether_to_stop() -> None:
    what = task(784, 10)
    run = replace(measured(what, design(what, [1024, 1024])), metrics=())
    cohort = cohort_of([run], "native", torch.float32)
    asked = [time.perf_counter()]

    def stop() -> bool:
        asked.append(time.perf_counter())
        return False

    inputs = torch.rand(8000, 784)
    evaluate(cohort, inputs, torch.zeros(8000, dtype=torch.int64), stop)
    assert len(asked) > 3
    asked.append(time.perf_counter())
    # Other programs may have the core for a while.
    pauses = sorted(after - before for before, after in itertools.pairwise(asked))
    assert pauses[len(pauses) // 2] < 0.2
