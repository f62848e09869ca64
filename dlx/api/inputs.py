"""What all functions take: a config in any form, a folder of runs, a folder of data sets."""

import contextlib
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dlx.config import load as config_files
from dlx.config.schema import RunConfig
from dlx.config.shipped import locate
from dlx.data import default_directory
from dlx.errors import DlxWarning, RunError
from dlx.runs import RunDirectory
from dlx.runs.files import exists

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
    source = locate(config) if isinstance(config, str | Path) else config
    if isinstance(source, Path):
        _tell_of_changes(source)
    return config_files.load(source, overrides)


def data_directory(data_dir: Path | str | None) -> Path:
    """Return the folder that holds data sets, the default one if none is given."""
    return default_directory() if data_dir is None else Path(data_dir)


def _tell_of_changes(config: Path) -> None:
    """Warn of a run's config that is not as dlx wrote it, or tells the last changes alone."""
    run = RunDirectory(config.parent)
    if not exists(run.info_path):
        return
    with contextlib.suppress(RunError):  # a config beside something else
        info = run.read_info()
        if config.name in (info.get("digests") or {}) and exists(config):
            try:
                run.read_file(config.name)
            except RunError:
                words = f"{config} was cut or changed after dlx wrote it, and is taken as it is now"
                warnings.warn(words, DlxWarning, stacklevel=3)
        entries = info.get("resumed") or []
        if entries and config.name == run.config_path.name:
            story = "; ".join(
                f"it went on at step {entry['step']:,} with {' '.join(entry['changes'])}"
                for entry in entries
            )
            warnings.warn(
                f"{config} is not the whole story of its run: {story}; trained from it, another "
                f"run comes out (`dlx verify {run.path}` repeats what was done)",
                DlxWarning,
                stacklevel=3,
            )
