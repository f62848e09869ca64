"""What all functions take: a config in any form, a folder of runs, a folder of data sets."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dlx.config import load as config_files
from dlx.config.schema import RunConfig
from dlx.config.shipped import locate
from dlx.data import default_directory

RUNS_DIR = Path("runs")


def read_config(
    config: RunConfig | str | Path | Mapping[str, Any], overrides: Sequence[str] = ()
) -> RunConfig:
    """Return a checked config with overrides KEY=VALUE.

    Args:
        config: a path to YAML, the name of a config that comes with dlx, a mapping of the same
            form, or a config
        overrides: the value of each is read as YAML

    Raises:
        ConfigError: with every error of the config at once
    """
    if isinstance(config, RunConfig):
        return config_files.override(config, overrides)
    source = locate(str(config)) if isinstance(config, str | Path) else config
    return config_files.load(source, overrides)


def data_directory(data_dir: Path | str | None) -> Path:
    """Return the folder that holds data sets, the default one if none is given."""
    return default_directory() if data_dir is None else Path(data_dir)
