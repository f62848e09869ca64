"""What all functions take: a config in any form, a folder of runs, a folder of data sets."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dlx.config import load as config_files
from dlx.config.schema import RunConfig
from dlx.data import default_directory

RUNS_DIR = Path("runs")


def read_config(
    config: RunConfig | str | Path | Mapping[str, Any], overrides: Sequence[str] = ()
) -> RunConfig:
    """Return a checked config from a file, a mapping or a config, with overrides KEY=VALUE.

    Raises:
        ConfigError: with every error of the config at once
    """
    if isinstance(config, RunConfig):
        return config_files.override(config, overrides)
    return config_files.load(config, overrides)


def data_directory(data_dir: Path | str | None) -> Path:
    """Return the folder that holds data sets, the default one if none is given."""
    return default_directory() if data_dir is None else Path(data_dir)
