"""What may change in a run that has begun."""

from dlx.config.schema import RunConfig
from dlx.errors import ConfigError

_RESUMABLE = ("train.", "log.")


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
