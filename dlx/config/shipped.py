"""The configs that come with dlx: found by name, so that dlx is useful outside a clone."""

from pathlib import Path

from dlx.errors import ConfigError, did_you_mean


def shipped() -> dict[str, Path]:
    """Return the path of every shipped config by its name, such as `mnist` or `gates/and`."""
    package = Path(__file__).parents[1]
    folder = package / "configs"  # in a wheel
    if not folder.is_dir():
        folder = package.parent / "configs"  # in a clone
    files = sorted(folder.rglob("*.yaml"), key=lambda path: (len(path.parts), path))
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in files}


def companions(path: Path) -> list[Path]:
    """Return the files that lie beside a config under its name: the table that it trains on."""
    return sorted(each for each in path.parent.glob(f"{path.stem}.*") if each != path)


def locate(config: str) -> Path:
    """Return the file that a config's path or, where there is none, its shipped name means.

    Raises:
        ConfigError: neither a file nor a shipped config; the message names near ones.
    """
    path, known = Path(config), shipped()
    if path.exists():
        return path
    if config in known:
        return known[config]
    name = config.removeprefix("configs/").removesuffix(".yaml")
    if path.suffix in (".yaml", ".yml") and name not in known:
        return path  # the loader says which file is near
    hint = "CONFIG comes before KEY=VALUE; " if "=" in config else ""
    raise ConfigError(
        f"{config}: no such file, nor a config that comes with dlx{did_you_mean(name, known)} "
        f"({hint}`dlx init` lists those that come with dlx)"
    )


def is_ablation(path: Path) -> bool:
    """Say whether a config says what `dlx ablate` varies."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return any(line.startswith("ablation:") for line in lines)


def summary(path: Path) -> str:
    """Return the first line of a config's opening comment."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""
