"""Data: sources, splits and preprocessing, from a name in the config to tensors.

Only `dlx.data.fetch` ever downloads anything.
"""

import os
import tempfile
from pathlib import Path


def default_directory() -> Path:
    """Return where data sets are kept: `$DLX_DATA`, else `dlx` in the user's cache folder."""
    chosen = os.environ.get("DLX_DATA")
    if chosen:
        return Path(os.path.expanduser(chosen))  # noqa: PTH111 - Path's own raises without one
    # The XDG specification says to ignore a relative path. A user may have no home.
    candidates = (os.environ.get("XDG_CACHE_HOME", ""), os.path.expanduser("~/.cache"))  # noqa: PTH111
    cache = next(filter(os.path.isabs, candidates), tempfile.gettempdir())
    return Path(cache) / "dlx"
