"""Muon's iteration, and its steps against torch's."""

from typing import Any

import pytest
import torch

from dlx.config.types import choice
from dlx.nn.parameters import Parameter, ParameterBuffer
from dlx.optimizers import SlabOptimizer
from dlx.optimizers.muon import orthogonalized
from tests.cohorts import bits

pytestmark = pytest.mark.usefixtures("one_thread")

SHAPES = [(1, 1), (1, 7), (7, 1), (5, 3), (3, 5), (16, 16), (30, 10)]


@pytest.mark.parametrize("shape", SHAPES)
def test_all_singular_values_come_near_one_and_the_directions_stay(shape: tuple[int, int]) -> None:
    matrices = torch.randn(4, *shape, generator=torch.Generator().manual_seed(0))
    result = orthogonalized(matrices)
    assert result.shape == matrices.shape
    values = torch.linalg.svdvals(result)
    assert float(values.min()) > 0.3 and float(values.max()) < 1.25
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    # In the directions of the matrix itself, the result is diagonal.
    turned = u.mT @ result @ v.mT
    diagonal = torch.diag_embed(turned.diagonal(dim1=1, dim2=2))
    torch.testing.assert_close(turned, diagonal, atol=1e-3, rtol=0)


def test_a_gradient_of_zero_makes_no_step() -> None:
    assert not orthogonalized(torch.zeros(2, 3, 4)).any()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_matrix_has_the_same_bits_alone_and_among_others(shape: tuple[int, int]) -> None:
    matrices = torch.randn(5, *shape, generator=torch.Generator().manual_seed(1))
    together = orthogonalized(matrices)
    for run in range(5):
        assert torch.equal(bits(orthogonalized(matrices[run : run + 1])[0]), bits(together[run]))


@pytest.mark.parametrize(
    ("scale", "adjust"), [("match_rms_adamw", "match_rms_adamw"), ("original", "original")]
)
@pytest.mark.parametrize("nesterov", [True, False])
def test_the_steps_are_torchs_but_for_its_bfloat16(scale: str, adjust: str, nesterov: bool) -> None:
    generator = torch.Generator().manual_seed(2)
    start = torch.randn(20, 10, generator=generator)
    weight = Parameter("1.weight", (20, 10), [True], lambda run: start)
    buffer = ParameterBuffer([weight], 1)
    buffer.initialize()
    settings: dict[str, Any] = {"lr": 0.05, "momentum": 0.8, "nesterov": nesterov}
    settings["weight_decay"] = 0.1
    slabs = SlabOptimizer([choice("optimizer", "muon", scale=scale, **settings)], [5], buffer)
    plain = start.T.clone().requires_grad_()
    reference = torch.optim.Muon([plain], adjust_lr_fn=adjust, **settings)
    for _ in range(5):
        gradient = torch.randn(20, 10, generator=generator)
        weight.gradient[0] = gradient
        plain.grad = gradient.T.clone()
        slabs.step()
        reference.step()
    moved = plain.detach().T - start
    difference = (weight.value[0] - start - moved).norm() / moved.norm()
    assert float(difference) < 0.02
