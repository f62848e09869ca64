"""What runs come to, bit for bit: reads configs, by name, as JSON, and prints digests as JSON.

It is a process of its own, so that what surrounds it can be another one: the C library, the kernels
that NumPy and torch choose, the locale, threads.
"""

import hashlib
import json
import sys
import warnings
from typing import Any

import torch
from torch import Tensor

from dlx import api
from dlx.errors import DlxError
from dlx.nn.metrics import PROBED
from dlx.testing.bits import bits
from dlx.training.job import Job
from dlx.training.verification import Part, _trained

Digests = dict[str, str]


def of_tensor(tensor: Tensor) -> str:
    """Return a digest of a tensor's bits."""
    return hashlib.sha256(bits(tensor).numpy().tobytes()).hexdigest()[:16]


def of_number(number: float | None) -> str:
    """Return the bits of a number that may lack."""
    return "none" if number is None else float(number).hex()


def digests(job: Job) -> Digests:
    """Train, and return digests of the data, of what was measured, and of the weights."""
    result: Digests = {"data": job.splits.data_digest}
    store = _trained([Part(job)])
    for record in store.records:
        for split, metrics in record.metrics.items():
            for tag, value in metrics.items():
                result[f"step {record.step}: {split}.{tag}"] = of_number(value)
    assert store.outcome is not None
    result["end"] = f"{store.outcome.status} {store.outcome.step}"
    for split, metrics in store.outcome.metrics.items():
        own = {tag: value for tag, value in metrics.items() if tag not in PROBED}  # no part of it
        result |= {f"end: {split}.{tag}": of_number(value) for tag, value in own.items()}
    return result | {name: of_tensor(value) for name, value in store.outcome.state.items()}


def main() -> None:
    """Answer."""
    warnings.simplefilter("ignore")  # of NumPy, at absurd values
    results: dict[str, Any] = {}
    for name, config in json.load(sys.stdin).items():
        try:
            job = api.prepare(config)
            if job.member.engine == "native":
                results[name] = digests(job)
        except DlxError as error:
            results[name] = {"refused": str(error)}
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    main()
