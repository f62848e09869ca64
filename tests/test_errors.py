"""What is taken for a machine without memory, and which name is near another."""

import errno

import pytest
import torch

from dlx.errors import did_you_mean, is_out_of_memory, of_disk, said


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to"),
        RuntimeError("std::bad_alloc"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        ImportError("_backend_agg.so: failed to map segment from shared object"),
    ],
)
def test_memory_is_out(error: BaseException) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes differ"), OSError(errno.ENOSPC, "full"), ValueError("bad_alloc")]
)
def test_something_else_is_wrong(error: BaseException) -> None:
    assert not is_out_of_memory(error)


def test_errors_of_the_disk() -> None:
    error = of_disk(OSError(errno.EIO, "Input/output error", "runs/a"))
    assert error is not None and str(error) == "runs/a: Input/output error"
    assert error.exit_code == 9
    assert of_disk(FileNotFoundError(errno.ENOENT, "No such file", "a")) is None
    assert of_disk(ValueError("a")) is None


def test_a_name_in_other_capitals_is_the_nearest() -> None:
    assert did_you_mean("y", ["x", "Y"]) == "; did you mean 'Y'?"
    assert did_you_mean("y", ["abc"]) == ""


class _Mute(RuntimeError):
    def __str__(self) -> str:
        raise ValueError


def test_what_a_foreign_error_says_is_a_short_line() -> None:
    assert said(_Mute()) == "" and not is_out_of_memory(_Mute())
    assert said(ValueError("a\nb")) == "a b"
    assert len(said(ValueError("a" * 10_000_000))) < 3000
