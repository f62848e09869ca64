"""Sections of a data set: how rows are split into parts, and how training rows are augmented."""

from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt
from pydantic import ValidationInfo, field_validator

from dlx.config.sections import Section, checked_model, option, rule

Share = Annotated[int, Ge(0)] | Annotated[float, Ge(0), Lt(1)] | None


@checked_model
class Split(Section):
    """How many rows the dev and the test part have, and how many only watch or judge."""

    dev: Share = option(
        None, "Rows of the dev part: a count or a fraction (written with a point); null: as auto."
    )
    test: Share = option(
        None, "Rows of the test part; not for a data set that has a test part of its own."
    )

    stop: Share = option(
        None,
        "Rows that early stopping, schedules and tuning watch, taken from dev: a count or a "
        "fraction of dev; null: half of dev where one of them watches, else none.",
    )

    judge: Share = option(
        None,
        "Rows that a search keeps out of train and dev, to judge what it chose: a count or a "
        "fraction of the rows that are not test; the same for every seed.",
    )
    judged: bool = option(
        False, "Whether judge rows take the place of dev rows, which are left out then."
    )

    @field_validator("test")
    @classmethod
    def _leave_some(cls, test: int | float | None, info: ValidationInfo) -> int | float | None:
        dev = info.data.get("dev")
        if isinstance(dev, float) and isinstance(test, float) and dev + test >= 1:
            raise rule(f"dev {dev} and test {test} leave no row to train on; lower one of them")
        return test


@checked_model
class Fold(Section):
    """One fold of a cross-validation, whose rows are the dev part."""

    number: Annotated[int, Gt(0)] = option(..., "Which of the folds, from 1.")
    of: Annotated[int, Ge(2)] = option(..., "How many folds there are.")

    @field_validator("of")
    @classmethod
    def _hold(cls, of: int, info: ValidationInfo) -> int:
        if info.data.get("number", 0) > of:
            raise rule(f"fold number {info.data['number']} of {of}; take one of 1 to {of}")
        return of


Strength = Annotated[float, Ge(0)]


@checked_model
class Augment(Section):
    """How training rows are changed at random, differently at every step."""

    shift: Annotated[float, Ge(0), Le(1)] = option(
        0.0, "Largest shift of an image, as a share of height and width."
    )
    rotation: Annotated[float, Ge(0), Le(180)] = option(
        0.0, "Largest angle by which an image is rotated to either side, in degrees."
    )
    scale: Strength = option(0.0, "Images are scaled by factors from 1 / (1 + scale) to 1 + scale.")
    shear: Annotated[float, Ge(0), Lt(90)] = option(
        0.0, "Largest angle by which vertical lines lean, in degrees."
    )
    elastic: Strength = option(
        0.0, "Smooth random displacement of pixels: its standard deviation in pixels."
    )
    noise: Strength = option(
        0.0, "Standard deviation of normal noise that is added to the preprocessed inputs."
    )
