"""Data: sources, splits and preprocessing, from a name in the config to tensors.

Only `dlx.data.fetch` ever downloads anything.
"""

import os
from pathlib import Path


def default_directory() -> Path:
    """Return where data sets are kept: `$DLX_DATA`, else `dlx` in the user's cache folder."""
    chosen = os.environ.get("DLX_DATA")
    if chosen:
        return Path(chosen).expanduser()
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG specification says to ignore a relative path.
    return (cache if cache.is_absolute() else Path("~/.cache").expanduser()) / "dlx"
