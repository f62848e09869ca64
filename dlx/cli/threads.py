"""Importing torch so that it computes fast: a core for each thread, large pages of memory."""

import os
import sys

_OWN_CHOICES = ("OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY")


def import_torch() -> None:
    """Import torch, for training: its worker threads bound, its large tensors in huge pages.

    Rows picked at random from a data set in pages of 4 KiB miss the processor's table of pages at
    every row.

    The threads of a team wait for each other several times a step, and spin while they do. Where
    all cores are in use the kernel now and then leaves two of them on one core for seconds, each
    spinning for the other, and a step takes as long as on one thread. OpenMP reads the variable
    once, when torch loads it; afterwards it is taken back, and so is the binding of the main
    thread, which other threads and processes would inherit.

    Nothing is bound where the user has chosen a binding, or fewer threads than there are cores.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    if "torch" in sys.modules or not hasattr(os, "sched_getaffinity"):
        return
    cores = os.sched_getaffinity(0)
    wanted = os.environ.get("OMP_NUM_THREADS", str(len(cores)))
    if wanted != str(len(cores)) or any(name in os.environ for name in _OWN_CHOICES):
        return
    os.environ["OMP_PROC_BIND"] = "true"
    try:
        import torch  # noqa: F401
    finally:
        del os.environ["OMP_PROC_BIND"]
        os.sched_setaffinity(0, cores)
