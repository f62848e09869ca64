"""The flat parameter buffer: views, padding, gradient norms."""

import torch

from dlx.nn.parameters import Parameter, ParameterBuffer


def buffer() -> ParameterBuffer:
    parameters = [
        Parameter("1.weight", (3, 5), [True, True], lambda run: torch.full((3, 5), run + 1.0)),
        Parameter("1.bias", (1, 5), [False, True], lambda run: torch.full((1, 5), 10.0)),
        Parameter("10.weight", (5, 20), [True, True], lambda run: torch.full((5, 20), 2.0)),
    ]
    built = ParameterBuffer(parameters, 2)
    built.initialize()
    return built


def test_parameters_are_views_that_do_not_overlap() -> None:
    built = buffer()
    weight, bias, last = built.parameters
    assert weight.value[1].tolist() == [[2.0] * 5] * 3
    assert bias.value.tolist() == [[[0.0] * 5], [[10.0] * 5]]  # the first run has none
    assert bool((last.value == 2).all())
    with torch.no_grad():
        built.values.zero_()
    assert not weight.value.any() and not last.value.any()
    taken = [column for p in built.parameters for column in range(*p.columns.indices(10**6))]
    assert len(taken) == len(set(taken)) == 15 + 5 + 100


def test_rows_and_parameters_start_at_whole_vectors_and_padding_stays_zero() -> None:
    built = buffer()
    assert built.values.shape == built.gradients.shape == (2, 16 + 16 + 112)
    assert [p.columns.start % 16 for p in built.parameters] == [0, 0, 0]
    padding = torch.ones(built.values.shape[1], dtype=torch.bool)
    for parameter in built.parameters:
        padding[parameter.columns] = False
    assert not built.values[:, padding].any()


def test_gradient_norms_of_a_layer_and_of_all() -> None:
    built = buffer()
    weight, bias, last = built.parameters
    weight.gradient.fill_(2.0)
    bias.gradient[1] = 3.0
    last.gradient.fill_(1.0)
    norms = built.norms(built.gradients)
    torch.testing.assert_close(norms["1"], torch.tensor([60.0, 105.0]).sqrt())
    torch.testing.assert_close(norms["10"], torch.tensor([100.0, 100.0]).sqrt())
    torch.testing.assert_close(built.gradient_norms(), torch.tensor([160.0, 205.0]).sqrt())
