"""From a config to the layers and the head of its network."""

from dlx.config.schema import RunConfig
from dlx.data.dataset import Task
from dlx.models.design import Design


def build_design(config: RunConfig, task: Task) -> Design:
    """Return the layers and head of a config for a task."""
    return config.model(task)
