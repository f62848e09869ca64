"""What may change in a run that has begun, and what run.json keeps of it.

`resumed` in run.json has an entry for each time that the run went on with a changed config:

    step       how many steps it had taken
    evaluated  whether it had been evaluated there before it went on
    changes    the overrides
    replaced   the values that the changed keys had before, by `section.option`
    num_steps  how many steps it was planned for, before and after
    stretched  whether its schedule would have set other rates in the steps that it had taken
    resumed    when
"""

from collections.abc import Mapping, Sequence
from typing import Any

from dlx.config import load as config_files
from dlx.config.dump import to_plain
from dlx.config.schema import RunConfig
from dlx.config.types import Choice
from dlx.errors import ConfigError
from dlx.runs import timestamp
from dlx.training.finding import differences, with_differences
from dlx.training.schedules import cycled_momentum

_RESUMABLE = ("train.", "log.")
# Keys whose change leaves what was trained before as it would have been with them.
_REPEATABLE = (
    *("train.epochs", "train.steps", "train.early_stopping", "train.checkpoint_seconds"),
    *("train.device", "log."),
)
_LOOKS = 1000  # steps at which two schedules are compared


def check_keys(overrides: list[str]) -> None:
    """Check that overrides change what a run that has begun can change."""
    for override in overrides:
        key = override.split("=", 1)[0]
        if not key.startswith(_RESUMABLE) or key == "train.batch_size":
            raise ConfigError(
                f"{override}: a run that has begun keeps its {key}; only train.* (but not "
                "batch_size) and log.* can change; train a new run for anything else"
            )


def check_watched(old: RunConfig, new: RunConfig) -> None:
    """Check that a run goes on to watch what it has watched, or stops watching."""
    stopping, before = new.train.early_stopping, old.train.early_stopping
    if stopping is None:
        return
    watched = "no metric" if before is None else before.metric
    metric = stopping.metric
    if watched.startswith("stop.") and metric.startswith("dev."):
        metric = f"stop.{metric.removeprefix('dev.')}"
    if metric != watched:
        raise ConfigError(
            f"train.early_stopping: this run has watched {watched} so far and has not kept the "
            f"weights that were best by {metric}; train a new run, or change the patience alone "
            "(null stops watching)"
        )


def check(old: RunConfig, new: RunConfig, steps_taken: int, num_steps: int) -> None:
    """Check that a run which has begun can go on with a changed config.

    Every other key of `train` and `log` holds from the step at which the run goes on. The new
    config asks for `num_steps` in all.
    """
    if new.train.batch_size != old.train.batch_size:
        raise ConfigError(
            f"train.batch_size: a run that has begun keeps its batch size, "
            f"{old.train.batch_size}; train a new run"
        )
    if new.train.engine != old.train.engine:
        raise ConfigError(
            f"train.engine: the steps of this run so far are those of {old.train.engine}, which "
            "another engine cannot go on from bit for bit; train a new run, or leave it as it is"
        )
    if new.train.average != old.train.average:
        raise ConfigError(
            "train.average: the mean is taken over all steps from the first on, which this run "
            "has taken without it; train a new run, or leave train.average as it is"
        )
    if num_steps < steps_taken:
        raise ConfigError(
            f"train: {num_steps:,} steps are asked for, but the run has taken {steps_taken:,}; "
            "give more epochs or steps, or train a new run"
        )


def change(
    configs: tuple[RunConfig, RunConfig],
    overrides: Sequence[str],
    step: int,
    num_steps: tuple[int, int],
) -> dict[str, Any]:
    """Return the entry of `resumed` for a run that goes on after `step` steps.

    Configs and numbers of steps are those before and after. The store adds where it went on.
    """
    before, after = map(to_plain, configs)
    optimizer = configs[1].optimizer
    return {
        "step": step,
        "changes": list(overrides),
        "replaced": differences(after, before),
        "num_steps": list(num_steps),
        "stretched": _is_stretched(optimizer.schedule, step, *num_steps),
        "resumed": timestamp(),
    }


def _is_stretched(schedule: Choice, step: int, before: int, after: int) -> bool:
    factor = schedule.bound()
    steps = range(0, step, max(step // _LOOKS, 1))
    return before != after and any(
        factor(s, before) != factor(s, after)
        or cycled_momentum(schedule, s, before) != cycled_momentum(schedule, s, after)
        for s in steps
    )


def remark(optimizer: Choice, entry: Mapping[str, Any]) -> str:
    """Return a warning about a stretched schedule; empty if an entry of `resumed` has none."""
    if not entry["stretched"]:
        return ""
    (before, after), step = entry["num_steps"], entry["step"]
    factor = optimizer.schedule.bound()
    rates = (optimizer.lr * factor(step - 1, before), optimizer.lr * factor(step, after))
    word = "stretched" if after > before else "shortened"
    return (
        f"optimizer.schedule: {optimizer.schedule.name} was planned for {before:,} steps, of which "
        f"{step:,} are taken, and is {word} to {after:,}: the rate goes from {rates[0]:.3g} to "
        f"{rates[1]:.3g}; run.json says so, and `dlx verify` repeats it so"
    )


def in_words(entry: Mapping[str, Any]) -> str:
    """Return what an entry of `resumed` says."""
    stretched = ", which stretched its schedule" if entry["stretched"] else ""
    return f"went on at step {entry['step']:,} with {' '.join(entry['changes'])}{stretched}"


def not_repeatable(entries: Sequence[Mapping[str, Any]]) -> str:
    """Return why it is not known how a run was trained; empty if it is.

    Entries of earlier versions lack the values that were replaced.
    """
    for entry in entries:
        is_told = "replaced" in entry or all(c.startswith(_REPEATABLE) for c in entry["changes"])
        if not is_told or ("replaced" not in entry and entry["stretched"]):
            return in_words(entry)
    return ""


def placed(
    entries: Sequence[Mapping[str, Any]], step: int, evaluated: bool
) -> list[dict[str, Any]]:
    """Return entries of a run that goes on from a checkpoint, the last of which has no place yet.

    Where newer checkpoints were damaged, it goes on from before the step of an earlier change; that
    change then holds from here on.
    """
    *earlier, newest = entries
    here = {"step": step, "evaluated": evaluated}
    return [
        *(dict(e) if e["step"] <= step else dict(e) | here for e in earlier),
        {**newest, **here},
    ]


def sections(
    config: RunConfig, entries: Sequence[Mapping[str, Any]]
) -> list[tuple[RunConfig, Mapping[str, Any] | None]]:
    """Return the configs that a run was trained with, in order, given the last of them.

    Beside each is the entry of `resumed` that ended it, None for the last.
    """
    told = [entry for entry in entries if "replaced" in entry]
    plain = to_plain(config)
    parts: list[tuple[RunConfig, Mapping[str, Any] | None]] = [(config, None)]
    for entry in reversed(told):
        plain = with_differences(plain, entry["replaced"])
        parts.insert(0, (config_files.load(plain), entry))
    return parts
