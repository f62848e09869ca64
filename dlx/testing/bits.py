"""Comparing numbers: by their bits, or to rounding."""

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from dlx.denormals import flushed_denormals


def bits(value: Tensor) -> Tensor:
    """Return the bits of numbers as integers, which also tell NaNs and signed zeros apart."""
    if not value.is_floating_point():
        return value
    return value.contiguous().view({4: torch.int32, 8: torch.int64}[value.element_size()])


@contextlib.contextmanager
def exactly() -> Iterator[None]:
    """Compute with one thread and without denormals; equal bits are only promised for that."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with flushed_denormals():
            yield
    finally:
        torch.set_num_threads(threads)


def assert_same_bits(
    actual: Mapping[str, Tensor], expected: Mapping[str, Tensor], what: str, cure: str
) -> None:
    """Check that named tensors have the same bits; the message names the cure where they differ."""
    assert actual.keys() == expected.keys(), f"{what}: {sorted(actual)} against {sorted(expected)}"
    for name, value in actual.items():
        if not torch.equal(bits(value), bits(expected[name])):
            raise AssertionError(f"{what}: {name} {_difference(value, expected[name])}; {cure}")


def assert_near(actual: Tensor, expected: Tensor, what: str, tolerance: float) -> None:
    """Check that two tensors agree up to tolerance (1 + the largest number expected)."""
    assert actual.shape == expected.shape, (
        f"{what}: shape {tuple(actual.shape)} against {tuple(expected.shape)}"
    )
    difference = (actual - expected).abs()
    if not bool((difference <= tolerance * (1 + expected.abs().max())).all()):
        raise AssertionError(f"{what}: {_difference(actual, expected)}")


def _difference(actual: Tensor, expected: Tensor) -> str:
    if actual.shape != expected.shape:
        return f"has shape {tuple(actual.shape)}, not {tuple(expected.shape)}"
    difference = (actual.double() - expected.double()).abs().flatten()
    index = int(torch.where(difference.isnan(), torch.inf, difference).argmax())
    place = [int(i) for i in torch.unravel_index(torch.tensor(index), actual.shape)]
    number, wanted = actual.flatten()[index].item(), expected.flatten()[index].item()
    return f"at {place} is {number!r}, not {wanted!r} (off by {difference[index].item():.2g})"
