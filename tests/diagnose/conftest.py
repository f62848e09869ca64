from collections.abc import Callable
from typing import Any

import pytest

from dlx import api
from dlx.training.job import Job

MakeJob = Callable[..., Job]


@pytest.fixture
def job() -> MakeJob:
    """Return a job from options of the model; `data` and others stand beside them."""

    def make(*, data: Any = "digits", **model: Any) -> Job:
        name = data if isinstance(data, str) else data["name"]
        train = {"batch_size": 64 if name == "digits" else "all"}
        return api.prepare({"data": data, "model": model, "train": train})

    return make
