"""The options that a data source cannot do without, for tests over every source."""

from typing import Any

from dlx.config.types import entry_model

VALUES = {"path": "a-file", "target": "y", "inputs": "x", "targets": "t", "function": "m:f"}


def needed(name: str) -> dict[str, Any]:
    fields = entry_model("data", name).model_fields
    return {
        key: VALUES[key] for key, field in fields.items() if field.is_required() and key != "name"
    }
