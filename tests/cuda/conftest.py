"""What is tried on a real GPU: `pytest -m cuda`, on a machine that has one."""

from pathlib import Path

import pytest
import torch

from tests.cli.conftest import dlx, mnist  # noqa: F401  (fixtures)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.cuda)


@pytest.fixture(autouse=True)
def gpu() -> None:
    assert torch.cuda.is_available(), "`pytest -m cuda` needs a GPU"
