"""What a network of two inputs says in the plane."""

import numpy as np
import pytest
import torch

from dlx.cohort import Cohort
from dlx.config.types import choice
from dlx.data.dataset import Dataset
from dlx.data.parts import Splits
from dlx.data.pipeline import prepare
from dlx.nn.passes import Pass
from dlx.report.run.regions import MOST_UNITS, SIDE, UNIT_SIDE, Plane, is_plane, shade_units
from dlx.training.evaluation import predict
from tests.cohorts import design, member
from tests.pretend_device import DEVICE, PretendedDevice

pytestmark = pytest.mark.usefixtures("one_thread")


def splits(kind: str, standardize: bool = True, rows: int = 90) -> Splits:
    """Return rows of two inputs around (100, 0.1), far from the units of a network."""
    draws = np.random.default_rng(0)
    inputs = (draws.normal(size=(rows, 2)) * [20, 0.01] + [100, 0.1]).astype(np.float32)
    of_kind = {
        "binary": (np.arange(rows) % 2, ("a", "b")),
        "multiclass": (np.arange(rows) % 3, ("a", "b", "c")),
        "multilabel": (np.stack([np.arange(rows) % 2] * 2, 1), ("a", "b")),
        "regression": (inputs * [1, -1], None),
    }
    targets, classes = of_kind[kind]
    targets = targets.astype(np.float32 if kind == "regression" else np.int64)
    return prepare(Dataset(kind, inputs, targets, classes), standardize=standardize)


def cohort_of(data: Splits, runs: int = 2, hidden: tuple[int, ...] = (5, 4), **options) -> Cohort:
    designs = design(data.task, hidden=hidden, **options)
    cohort = Cohort([member(str(seed), designs, seed=seed) for seed in range(runs)], 8)
    cohort.initialize()
    return cohort


@pytest.mark.parametrize("standardize", [False, True])
def test_a_surface_is_what_the_network_says_there_in_the_data_s_own_units(
    standardize: bool,
) -> None:
    data = splits("multiclass", standardize)
    plane, cohort = Plane(data), cohort_of(data)
    left, right, bottom, top = plane.extent
    assert left < plane.rows[:, 0].min() < plane.rows[:, 0].max() < right
    assert bottom < plane.rows[:, 1].min() < plane.rows[:, 1].max() < top
    assert 20 < left < 90 < right < 180 and 0.05 < bottom < top < 0.15
    surface = plane.look(cohort.network, cohort.head, 1)
    assert surface.outputs.shape == (3, SIDE, SIDE)
    assert {name: its.shape for name, its in surface.units.items()} == {
        "1": (5, UNIT_SIDE, UNIT_SIDE),
        "2": (4, UNIT_SIDE, UNIT_SIDE),
    }
    corners = torch.tensor([[left, bottom], [right, bottom], [left, top], [right, top]])
    expected = predict(cohort, data.preprocessing(corners))[1].T.reshape(3, 2, 2)
    found = surface.outputs[:, [[0, 0], [-1, -1]], [[0, -1], [0, -1]]]
    np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=1e-5)


def test_a_run_s_surface_is_its_own_and_that_which_it_has_alone() -> None:
    data = splits("binary")
    plane, together = Plane(data), cohort_of(data, runs=3)
    for row in range(3):
        alone = together.keep([row])
        one = plane.look(alone.network, alone.head, 0)
        other = plane.look(together.network, together.head, row)
        assert (one.outputs == other.outputs).all()
        assert all((one.units[name] == its).all() for name, its in other.units.items())


def test_each_kind_of_task_has_its_panels() -> None:
    for kind, titles, names in (
        ("binary", [""], ("a", "b")),
        ("multiclass", [""], ("a", "b", "c")),
        ("multilabel", ["a", "b"], ("no", "yes")),
        ("regression", ["value 1", "value 2"], None),
    ):
        data = splits(kind)
        plane, cohort = Plane(data), cohort_of(data)
        surface = plane.look(cohort.network, cohort.head, 0)
        panels = plane.panels(surface, cohort.head)
        assert [panel.title for panel in panels] == titles
        for panel in panels:
            assert names is None or panel.names == names
            assert panel.regions.number.shape == (SIDE, SIDE)
            assert panel.rows.number.shape == (len(plane.rows),)
            assert 0 <= panel.regions.strength.min() <= panel.regions.strength.max() <= 1
    assert panels[0].names == tuple(f"{v:.3g}" for v in np.sort(plane.rows[:, 0])[[0, -1]])


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("binary", {}),
        ("binary", {"loss": "hinge"}),
        ("binary", {"output": choice("activation", "tanh"), "loss": "mse"}),
        ("binary", {"output": "softmax"}),
        ("multiclass", {}),
        ("multiclass", {"loss": "hinge"}),
    ],
)
def test_regions_are_the_classes_that_the_network_decides_for(kind: str, options: dict) -> None:
    data = splits(kind)
    cohort = cohort_of(data, runs=1, **options)
    plane = Plane(data)
    surface = plane.look(cohort.network, cohort.head, 0)
    (panel,) = plane.panels(surface, cohort.head)
    left, right, bottom, top = plane.extent
    corner = data.preprocessing(torch.tensor([[left, bottom], [right, top]]))
    decided = cohort.head.decide(cohort.network.forward(corner[None], Pass()))[0].tolist()
    assert panel.regions.number[[0, -1], [0, -1]].tolist() == decided


def test_a_wide_network_shows_its_first_units_and_a_deep_one_layers_at_even_distances() -> None:
    data = splits("binary")
    cohort = cohort_of(data, hidden=(100, *[3] * 13))
    surface = Plane(data).look(cohort.network, cohort.head, 0)
    assert len(surface.units["1"]) == MOST_UNITS
    assert len(surface.units) == 10 and list(surface.units)[-1] == "14"


def test_rows_drawn_are_bounded_and_span_the_training_part() -> None:
    plane = Plane(splits("binary", rows=5000))
    assert len(plane.rows) == 400


def test_a_constant_input_has_a_plane_all_the_same() -> None:
    inputs = np.stack([np.zeros(20), np.arange(20)], 1).astype(np.float32)
    data = prepare(Dataset("flat", inputs, np.arange(20) % 2, ("a", "b")), standardize=True)
    assert Plane(data).extent[:2] == (-1, 1)


def test_units_go_from_their_lowest_to_their_highest_output() -> None:
    shade = shade_units(np.array([[[2.0, 4.0, 6.0]], [[7.0, 7.0, 7.0]]]))
    assert shade.number.tolist() == [[[0, 0, 1]], [[0, 0, 0]]]
    assert shade.strength.tolist() == [[[1, 0, 1]], [[0, 0, 0]]]


def test_a_plane_takes_two_inputs() -> None:
    assert is_plane(splits("binary").task)
    images = Dataset("lines", np.zeros((9, 1, 2), np.float32), np.arange(9) % 2, ("a", "b"))
    assert not is_plane(prepare(images).task)


def test_a_surface_is_found_on_the_network_s_device() -> None:
    data = splits("multiclass")
    here = cohort_of(data)
    expected = Plane(data).look(here.network, here.head, 1)
    with PretendedDevice():
        there = Cohort(here.members, 8, device=DEVICE)
        there.initialize()
        plane = Plane(data.to(DEVICE))
        found = plane.look(there.network, there.head, 1)
        panels = plane.panels(found, there.head)
    assert np.abs(found.outputs - expected.outputs).max() < 1e-6
    assert len(panels) == 1
