"""The config of an ablation, as a command line changes it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dlx.ablation import vary
from dlx.ablation.variants import quieted
from dlx.api.inputs import read_config
from dlx.config import load as config_files
from dlx.config.schema import RunConfig
from dlx.errors import ConfigError


def read_ablation(
    config: RunConfig | str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    varied: Sequence[str] = (),
    seeds: str | int | None = None,
    design: str | None = None,
    comparisons: str | None = None,
) -> RunConfig:
    """Return a checked config whose `ablation` section is changed as a command line says.

    Args:
        config: a path to YAML, a mapping of the same form, or a config
        overrides: KEY=VALUE, the value read as YAML
        varied: KEY=a,b,c or KEY=RANGE each, added to `ablation.vary` or put in place of what it
            says of the key
        seeds: how many, or a list in YAML
        design: of the ablation
        comparisons: what is compared, `baseline` or `all`

    Raises:
        ConfigError: with every error of the config at once
    """
    read = quieted(read_config(config, overrides))
    changes: dict[str, str] = {}
    if design is not None:
        changes[f"ablation.design={design}"] = f"--design {design}"
    if comparisons is not None:
        changes[f"ablation.comparisons={comparisons}"] = f"--comparisons {comparisons}"
    if seeds is not None:
        changes[f"ablation.seeds={seeds}"] = f"--seeds {seeds}"
    if varied:
        known = read.ablation.vary if read.ablation is not None else {}
        if isinstance(known, list):
            raise ConfigError("--vary: the config lists its variants; add one to ablation.vary")
        merged = dict(known) | vary.by_key(map(vary.read, varied), "--vary")
        text = f"ablation.vary={json.dumps(merged, ensure_ascii=False)}"
        changes[text] = " ".join(f"--vary {text}" for text in varied)
    return config_files.override(read, list(changes), changes) if changes else read
