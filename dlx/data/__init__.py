"""Data: sources, splits and preprocessing, from a name in the config to tensors.

Only `dlx.data.fetch` ever downloads anything.
"""

import os
import tempfile
from pathlib import Path

from dlx.texts import expanded


def default_directory() -> Path:
    """Return where data sets are kept: `$DLX_DATA`, else `dlx` in the user's cache folder."""
    chosen = os.environ.get("DLX_DATA")
    if chosen:
        return expanded(chosen)
    # The XDG specification says to ignore a relative path. A user may have no home.
    candidates = (os.environ.get("XDG_CACHE_HOME", ""), str(expanded("~/.cache")))
    cache = next(filter(os.path.isabs, candidates), tempfile.gettempdir())
    return Path(cache) / "dlx"
