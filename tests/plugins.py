"""The plug-in that docs/plugins.md shows, as files."""

import re
from pathlib import Path

DOCUMENT = Path(__file__).parents[1] / "docs" / "plugins.md"


def write_example(folder: Path) -> Path:
    """Write the files of the document into a folder, and return the plug-in's path."""
    blocks = re.findall(r"`([\w.]+)`:?\n\n```(?:python|yaml)\n(.*?)```", DOCUMENT.read_text(), re.S)
    for name, text in blocks:
        (folder / name).write_text(text)
    return folder / "my_layers.py"
