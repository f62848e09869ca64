"""The draws of a variational code."""

import pytest
import torch
from torch import Tensor

from dlx.nn.latent import Latent
from dlx.nn.passes import Pass

ROWS, UNITS = 500, 4


def drawn(seeds: list[int], step: int, rows: int = ROWS, layer: str = "code") -> Tensor:
    """Return n, of means 3 and standard deviations 1/2, for runs of these seeds."""
    latent = Latent(layer, [1.0] * len(seeds), seeds, torch.float64, torch.device("cpu"))
    mean = torch.full((len(seeds), rows, UNITS), 3.0, dtype=torch.float64)
    log_variance = torch.full_like(mean, 0.25).log()
    z = latent.forward(
        torch.cat([mean, log_variance], 2), Pass(tape=[], step=step, batch_size=ROWS)
    )
    return (z - mean) / 0.5


def test_draws_are_normal_and_differ_by_unit_row_and_step() -> None:
    n = torch.cat([drawn([0], step)[0] for step in range(20)])
    assert n.unique().numel() == n.numel()
    assert n.mean(0).tolist() == pytest.approx([0] * UNITS, abs=0.04)
    torch.testing.assert_close(n.T.cov(), torch.eye(UNITS, dtype=torch.float64), atol=0.05, rtol=0)


def test_draws_depend_on_seed_layer_and_step_alone() -> None:
    together = drawn([7, 3, 7], 5)
    assert torch.equal(together[0], together[2])
    assert not torch.equal(together[0], together[1])
    assert torch.equal(together[1], drawn([3], 5)[0])
    assert torch.equal(together[0, :9], drawn([7], 5, rows=9)[0])
    assert not torch.equal(together[0], drawn([7], 6)[0])
    assert not torch.equal(together[0], drawn([7], 5, layer="other")[0])
