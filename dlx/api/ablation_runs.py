"""Single runs of an ablation: the config of one, and those of a variant."""

from pathlib import Path

from dlx.ablation.directory import read_document
from dlx.api.ablation import Ablation
from dlx.api.inputs import RUNS_DIR
from dlx.api.run import Run, load
from dlx.config.schema import RunConfig
from dlx.errors import ConfigError, RunError, did_you_mean
from dlx.runs.ablations import read_index
from dlx.training.finding import find, materialise


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
    names = {variant["name"]: variant["folder"] for variant in document["variants"]}
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
    name = f"{names[variant]}/seed={seed}" + (f" fold={fold}" if fold else "")
    run = read_index(path).get(name)
    if run is None:
        raise RunError(f"{path}/{name} has not ended yet; `dlx resume {path}` trains it")
    return load(materialise(path, run).path).config


def members(
    path: Path | str, variant: str | None = None, runs_dir: Path | str = RUNS_DIR
) -> list[Run]:
    """Return the runs of one variant of an ablation that have weights; of a run, itself.

    Args:
        path: of an ablation, or its name (the newest) or id
        variant: its name; default: the one that is best on dev
        runs_dir: where runs are kept

    Raises:
        ConfigError: no such variant, or a variant of what is no ablation
        RunError: the ablation has not ended, or none of these runs has weights
    """
    directory = find(path, Path(runs_dir))
    if directory.read_info()["kind"] != "ablation":
        if variant is not None:
            raise ConfigError(f"--variant: {directory.path} is a run, not an ablation")
        return [load(directory.path)]
    summary = Ablation(directory.path).summary
    names = [variant["name"] for variant in summary["variants"]]
    if variant is None and summary["chosen"] is None:
        raise ConfigError(f"--variant: {directory.path} has no best variant; name one")
    wanted = summary["chosen"]["name"] if variant is None else variant
    if wanted not in names:
        raise ConfigError(f"--variant: no variant {wanted!r}{did_you_mean(wanted, names)}")
    scored = [
        run
        for run in read_index(directory.path).values()
        if run.variant == wanted
        and run.phase == "comparison"
        and run.status in ("completed", "stopped_early")
    ]
    if not scored:
        raise RunError(f"no run of variant {wanted!r} of {directory.path} has weights")
    return [load(materialise(directory.path, run).path) for run in scored]
