"""The files that the documents show, for the commands that they show beside them."""

import re
from pathlib import Path

DOCUMENTS = Path(__file__).parents[1] / "docs"


def write_examples(folder: Path, document: str) -> None:
    """Write the files that a document shows under their names into a folder."""
    text = (DOCUMENTS / document).read_text()
    for name, content in re.findall(r"`([\w.]+)`:?\n\n```(?:python|yaml)\n(.*?)```", text, re.S):
        (folder / name).write_text(content)


def write_example(folder: Path) -> Path:
    """Write the files of docs/plugins.md into a folder, and return the plug-in's path."""
    write_examples(folder, "plugins.md")
    return folder / "my_layers.py"
