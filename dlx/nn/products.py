"""Matrix products on the run axis.

# K runs, M rows, C contracted, N columns
"""

import torch
import torch.nn.functional as F
from torch import Tensor

# A batched product of fewer multiplications than this runs in a plain loop inside torch; a larger
# one goes to the BLAS, whose kernels depend on how each run's matrix happens to be aligned.
_BLAS_THRESHOLD = 400
_ALIGNMENT = 4
# Products this large cost no more run by run, and are then written straight to where they belong.
_LARGE = 2**22


def product(a: Tensor, b: Tensor, c: Tensor | None = None, out: Tensor | None = None) -> Tensor:
    """Return `a @ b` or `c + a @ b` for every run; each run's bits are the same alone or together.

    The BLAS picks another kernel for a matrix that does not start at a multiple of 16 bytes, and
    another for a vector when there is one run only. So ragged shapes are padded with zeros to
    multiples of four, and a lone run with a vector is computed twice side by side. On CUDA bits
    depend on the number of runs all the same, and one product of all runs is the fastest.

    Args:
        a: (K, M, C)
        b: (K, C, N)
        c: (K, 1, N) or (K, M, N), or None for zero
        out: (K, M, N), receives the result if it is given; else that is contiguous
    """
    if a.device.type == "cuda":
        return torch.bmm(a, b, out=out) if c is None else torch.baddbmm(c, a, b, out=out)
    runs, rows, contracted = a.shape
    columns = b.shape[2]
    sizes = rows * columns, rows * contracted, contracted * columns
    large_enough = rows * contracted * columns >= _BLAS_THRESHOLD
    ragged = large_enough and any(size % _ALIGNMENT for size in sizes)
    if ragged:
        more_contracted, more_columns = -contracted % _ALIGNMENT, -columns % _ALIGNMENT
        a = F.pad(a, (0, more_contracted))
        b = F.pad(b, (0, more_columns, 0, more_contracted))
        c = None if c is None else F.pad(c, (0, more_columns))
    lone_vector = runs == 1 and 1 in (rows, contracted, columns)
    if lone_vector:
        a, b = a.expand(2, -1, -1), b.expand(2, -1, -1)
        c = None if c is None else c.expand(2, -1, -1)
    if out is not None and c is None and not ragged and rows * contracted * columns >= _LARGE:
        for run in range(runs):
            torch.mm(a[run], b[run], out=out[run])
        return out
    # Only here does the BLAS compute the same bits in place as into a new tensor.
    direct = out is not None and out.is_contiguous() and not ragged and not lone_vector
    if direct and c is None:
        return torch.bmm(a, b, out=out)
    result = torch.bmm(a, b) if c is None else torch.baddbmm(c, a, b)
    if lone_vector:
        result = result[:1]
    if ragged:
        result = result[:, :, :columns].contiguous()
    return result if out is None else out.copy_(result)
