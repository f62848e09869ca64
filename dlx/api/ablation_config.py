"""The config of an ablation as a command line changes it, and of one of its runs."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dlx.ablation import vary
from dlx.ablation.directory import read_document
from dlx.ablation.variants import quieted
from dlx.api.inputs import RUNS_DIR, read_config
from dlx.config import load as config_files
from dlx.config.schema import RunConfig
from dlx.errors import ConfigError, RunError, did_you_mean
from dlx.runs import find


def run_config(
    ablation: Path | str,
    variant: str | None,
    seed: int | None = None,
    fold: int | None = None,
    *,
    runs_dir: Path | str = RUNS_DIR,
) -> RunConfig:
    """Return the config of one run of an ablation, to train it alone.

    Args:
        ablation: a path, a name (the newest), an id or 'latest'
        variant: its name; may be left out where there is one only
        seed: default: the first
        fold: of a cross-validation
        runs_dir: where runs are kept

    Raises:
        ConfigError: no such variant, seed or fold
        RunError: no such ablation
    """
    path = find(ablation, Path(runs_dir)).path
    document = read_document(path)
    names = {each["name"]: each["folder"] for each in document["variants"]}
    if variant not in names:
        listed = ", ".join(repr(name) for name in list(names)[:8])
        received = "nothing" if variant is None else repr(variant)
        near = did_you_mean(variant or "", names)
        more = " …" if len(names) > 8 else ""
        raise ConfigError(f"--variant: received {received}{near} (allowed: {listed}{more})")
    seeds = document["seeds"]
    seed = seeds[0] if seed is None else seed
    if seed not in seeds:
        raise ConfigError(f"--seed: received {seed} (allowed: {', '.join(map(str, seeds))})")
    folds = document["folds"]
    if (fold is None) != (folds is None) or not 1 <= (fold or 1) <= (folds or 1):
        allowed = f"1 to {folds}" if folds else "none: the ablation has no folds"
        raise ConfigError(f"--fold: received {fold} (allowed: {allowed})")
    folder = f"seed={seed}" + (f" fold={fold}" if fold else "")
    file = path / names[variant] / folder / "config.yaml"
    if not file.exists():
        raise RunError(f"{file.parent} has not ended yet; `dlx resume {path}` trains it")
    return config_files.load(file)


def read_ablation(
    config: RunConfig | str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    varied: Sequence[str] = (),
    seeds: str | int | None = None,
    design: str | None = None,
) -> RunConfig:
    """Return a checked config whose `ablation` section is changed as a command line says.

    Args:
        config: a path to YAML, a mapping of the same form, or a config
        overrides: KEY=VALUE, the value read as YAML
        varied: KEY=a,b,c or KEY=RANGE each, added to `ablation.vary` or put in place of what it
            says of the key
        seeds: how many, or a list in YAML
        design: of the ablation

    Raises:
        ConfigError: with every error of the config at once
    """
    read = quieted(read_config(config, overrides))
    changes = [] if design is None else [f"ablation.design={design}"]
    changes += [] if seeds is None else [f"ablation.seeds={seeds}"]
    if varied:
        known = read.ablation.vary if read.ablation is not None else {}
        if isinstance(known, list):
            raise ConfigError("--vary: the config lists its variants; add one to ablation.vary")
        merged = dict(known) | dict(vary.read(text) for text in varied)
        changes.append(f"ablation.vary={json.dumps(merged)}")
    return config_files.override(read, changes) if changes else read
