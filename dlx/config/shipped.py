"""The configs that come with dlx, which can be named without their paths."""

from pathlib import Path

from dlx.config.nodes import STDIN
from dlx.errors import ConfigError, did_you_mean

QUESTIONS = "course/questions.yaml"  # beside the shipped configs, and none itself


def configs_folder() -> Path:
    """Return the folder of the shipped configs."""
    package = Path(__file__).parents[1]
    folder = package / "configs"  # in a wheel
    return folder if folder.is_dir() else package.parent / "configs"  # in a clone


def shipped() -> dict[str, Path]:
    """Return the paths of the shipped configs by name, such as `mnist` or `gates/and`."""
    folder = configs_folder()
    files = sorted(folder.rglob("*.yaml"), key=lambda path: (len(path.parts), path))
    by_name = {path.relative_to(folder).as_posix(): path for path in files}
    return {name.removesuffix(".yaml"): by_name[name] for name in by_name if name != QUESTIONS}


def companions(path: Path) -> list[Path]:
    """Return the other files of a config's name in its folder, such as the table it trains on."""
    return sorted(file for file in path.parent.glob(f"{path.stem}.*") if file != path)


def locate(config: str | Path) -> Path:
    """Return the file of a config, given its path, - for stdin, or the name of a shipped config."""
    if config == "-":  # a file of this name is ./-
        return STDIN
    path, config, by_name = Path(config), str(config), shipped()
    if path.exists():
        return path
    if config in by_name:
        return by_name[config]
    name = config.removeprefix("configs/").removesuffix(".yaml")
    if path.suffix in (".yaml", ".yml") and name not in by_name:
        return path  # `read_file` names the nearest file
    hint = "CONFIG comes before KEY=VALUE; " if "=" in config else ""
    raise ConfigError(
        f"{config}: no such file, nor a config that comes with dlx{did_you_mean(name, by_name)} "
        f"({hint}`dlx init` lists those that come with dlx)"
    )


def command_of(path: Path) -> str:
    """Return the command for a config, by its sections: `ablate`, `search` or `train`."""
    lines = path.read_text(encoding="utf-8").splitlines()
    sections = {line.partition(":")[0] for line in lines}
    return "ablate" if "ablation" in sections else "search" if "search" in sections else "train"


def summary(path: Path) -> str:
    """Return the first line of a config's opening comment."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""
