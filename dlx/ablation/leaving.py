"""Which runs leave their cohort before their last step because others do better."""

from collections.abc import Sequence
from typing import Any

from dlx.cohort import Member


class Leaving:
    """Decides at evaluations which runs leave; this one lets none go.

    It has to be a function of the members and values it is shown, so that a run that is resumed
    leaves where it would have left.
    """

    metric: str  # the decision is by, `<split>.<tag>`

    def leaving(
        self, members: Sequence[Member], step: int, values: Sequence[Any]
    ) -> dict[str, str]:
        """Return the names of the runs that leave, with reasons.

        Args:
            members: the runs that are training
            step: optimizer steps taken
            values: of the metric, of each run; None: it was not evaluated
        """
        return {}
