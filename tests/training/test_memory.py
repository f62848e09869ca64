"""What cannot fit into memory is refused by its sizes, before anything is built."""

import time

import pytest

from dlx import api, capacity
from dlx.errors import MemoryLimitError
from dlx.training import memory

WIDE = 3_000_000_000
TOO_LARGE = {
    "one width": (
        [f"model.hidden=[{WIDE}]"],
        "the outputs of all layers for 32 rows alone are 357",
    ),
    "two widths": (
        [f"model.hidden=[{WIDE},{WIDE}]"],
        "layer 2 alone has 9,000,000,003,000,000,000",
    ),
    "pieces": (
        [f"model.hidden=[{{name: maxout, units: 4, pieces: {WIDE}}}]"],
        "layer 1 alone has 36,000,000,000 weights; lower the layers' widths",
    ),
    "in a block": (
        [f"model.hidden=[{{name: branch, branches: [[{WIDE}], [3]]}}]"],
        "lower train.batch_size",
    ),
    "code": ([f"model={{name: autoencoder, encoder: [{WIDE}]}}"], "lower train.batch_size"),
    "tied, with pre-training": (
        [f"model={{name: autoencoder, encoder: [{WIDE}], tied: true}}", "pretrain=auto"],
        "lower train.batch_size",
    ),
    "machine": ([f"model={{name: rbm, hidden: {WIDE}}}"], "lower train.batch_size"),
    "recurrent": (
        ["data=digits", f"model={{name: recurrent, hidden: [{WIDE}]}}"],
        "layer 1 alone has 36,000,000,000,000,000,000 weights",
    ),
    "rows": ([f"data={{name: moons, rows: {WIDE}}}"], "3,000,000,000 rows of 2 columns"),
    "columns": ([f"data={{name: regression, features: {WIDE}}}"], "of 3,000,000,001 columns"),
    "classes": ([f"data={{name: spirals, arms: {WIDE}}}"], "and 3,000,000,000 classes"),
    "clouds": ([f"data={{name: blobs, classes: {WIDE}}}"], "and 3,000,000,000 classes"),
}


@pytest.mark.parametrize(("overrides", "said"), TOO_LARGE.values(), ids=TOO_LARGE)
def test_what_cannot_fit_is_refused_by_its_sizes(
    overrides: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (memory, capacity):
        monkeypatch.setattr(module, "memory", lambda: 2**34)
    api.prepare("moons", ["model.hidden=[2]"])  # whatever is imported on the way
    began = time.process_time()
    with pytest.raises(
        MemoryLimitError, match=r"out of memory: .* need.* at least .* GiB"
    ) as caught:
        api.prepare("moons", overrides)
    assert said in str(caught.value)
    assert time.process_time() - began < 1


def test_the_estimate_is_never_more_than_a_step_takes() -> None:
    # Adam of 2-3-1 units: 13 weights, 4 numbers each; 600 rows of 3 and 1 outputs.
    asked = ["model.hidden=[3]", "optimizer=adam", "train.batch_size=all"]
    job = api.prepare("moons", asked)
    design, bytes_needed = job.design, 4 * (4 * 13 + 600 * 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "memory", lambda: bytes_needed)
        memory.check(design, job.config.optimizer, 600, job.device)
        patch.setattr(memory, "memory", lambda: bytes_needed - 1)
        with pytest.raises(MemoryLimitError, match=r"lower train\.batch_size"):
            memory.check(design, job.config.optimizer, 600, job.device)


def test_memory_is_the_least_of_all_limits() -> None:
    assert 2**28 < capacity.memory() <= 2**63
