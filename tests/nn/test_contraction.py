"""The contractive penalty against autograd's Jacobian."""

import pytest
import torch
from torch import Tensor

from dlx import registry
from dlx.config.types import choice
from dlx.nn.contraction import Contraction
from dlx.nn.passes import Pass

ACTIVATIONS = [
    name
    for name in registry.names("activation")
    if registry.get("activation", name).traits.trainable
    and not registry.get("activation", name).traits.learned
]


def jacobian_norm(w: Tensor, b: Tensor, x: Tensor, name: str) -> Tensor:
    """Return the mean over rows of the squared Frobenius norm of the derivative of g(x W + b)."""
    function = registry.get("activation", name).function
    options = choice("activation", name).arguments()
    layer = torch.func.jacrev(lambda row: function(row @ w + b, **options))
    return torch.vmap(layer)(x).flatten(1).square().sum(1).mean()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_value_and_gradients_are_those_of_autograds_jacobian(name: str) -> None:
    generator = torch.Generator().manual_seed(3)
    w, b, x = (
        torch.randn(shape, generator=generator, dtype=torch.float64)
        for shape in ((3, 5, 4), (3, 1, 4), (3, 7, 5))
    )
    weights = [0.5, None, 2.0]
    contraction = Contraction([choice("activation", name)] * 3, weights)
    pass_ = Pass(tape=[], measured={})
    contraction.forward(w, x @ w + b, pass_)
    added = {rows.start: (by_z, factor) for rows, by_z, factor in contraction.backward(pass_)}
    assert sorted(added) == [0, 2]
    assert not pass_.tape
    for run, weight in enumerate(weights):
        own_w, own_b = (tensor[run].clone().requires_grad_() for tensor in (w, b))
        expected = jacobian_norm(own_w, own_b, x[run], name)
        if weight is None:
            assert pass_.terms["contraction"][run] == 0
            continue
        torch.testing.assert_close(pass_.terms["contraction"][run], weight * expected.detach())
        assert pass_.measured is not None
        torch.testing.assert_close(pass_.measured["contraction"][run], expected.detach())
        by_w, by_b = torch.autograd.grad(weight * expected, [own_w, own_b], materialize_grads=True)
        by_z, factor = (tensor[0] for tensor in added[run])
        torch.testing.assert_close(x[run].T @ by_z + w[run] * factor, by_w)
        torch.testing.assert_close(by_z.sum(0, keepdim=True), by_b)
