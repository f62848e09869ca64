"""Optuna's part of a search: which values the next trials take, and the journal of the ended ones.

The study that samplers look at is in memory. When a batch has ended, its trials are appended to
`journal.log`, an Optuna journal that any tool of Optuna's opens. Each batch has a sampler of its
own, seeded by the search and the batch's number, so that what it chooses is a function of the
trials before: a search that goes on chooses what it would have chosen.
"""

import contextlib
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlx.errors import ConfigError, RunError
from dlx.runs import documents
from dlx.runs.documents import short
from dlx.runs.files import exists, part, storage_errors
from dlx.search.space import Dimension, grid_values
from dlx.search.trials import Trial

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

JOURNAL = "journal.log"
_NAME = "dlx"
_OWN = "cma:"  # of attributes that hold a sampler's state as a pickle, which the journal never does


def require() -> None:
    """Check that Optuna is installed."""
    try:
        import optuna
    except ImportError:
        raise ConfigError(
            "dlx search needs Optuna, which is not installed: pip install 'dlx[optuna]'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)


class Study:
    """The trials of a search as Optuna sees them.

    Args:
        folder: where the journal lies
        space: what the parameters are
        sampler: its name, see `SearchConfig.sampler`
        seed: of the sampler
        rising: of each objective, whether larger values are better
    """

    def __init__(
        self,
        folder: Path,
        space: Sequence[Dimension],
        sampler: str,
        seed: int,
        rising: Sequence[bool],
    ) -> None:
        require()
        self._path = folder / JOURNAL
        self._space = space
        self._sampler = sampler
        self._seed = seed
        self._directions: Any = ["maximize" if rises else "minimize" for rises in rising]
        self._study = self._new()
        self._asked: dict[int, Any] = {}  # Optuna's trials that have not ended, by number

    def restore(self, journal: dict[str, Any] | None, ended: Sequence[Sequence[Trial]]) -> None:
        """Take up the trials that have ended, by batch, from a journal of which a part is known.

        Raises:
            RunError: the journal is missing, or not that of this search
        """
        size, digest = (journal["bytes"], journal["sha256"]) if journal else (0, None)
        content = self._content() if exists(self._path) else b""
        if len(content) < size or (size and documents.sha256(content[:size]) != digest):
            raise RunError(
                f"{self._path} is damaged, or the storage of another search: its first "
                f"{size:,} bytes do not have the SHA-256 that plan.json says; put it back"
            )
        if content:
            with storage_errors(self._path):
                part(self._path)  # which Optuna appends to
                # What comes after was written when the process ended, and is written again.
                if len(content) > size:
                    os.truncate(self._path, size)
        if self._sampler == "cmaes":  # whose state is not kept: it is reached again
            for trials in ended:
                self.ask_again(trials)
                self.tell(trials)
        elif size:
            with _quiet(), storage_errors(self._path):  # opening it writes to it
                try:
                    self._study.add_trials(self._open().trials)
                except OSError:
                    raise
                except Exception as error:  # Optuna looks at no shape
                    raise RunError(
                        f"{self._path} is damaged: Optuna cannot read it "
                        f"({type(error).__name__}: {short(str(error))}); put it back"
                    ) from error

    def _content(self) -> bytes:
        with storage_errors(self._path, "read"):
            return self._path.read_bytes()

    def ask(self, batch: int, count: int, first: int) -> list[Trial]:
        """Return the next trials, of which none has ended yet; they are numbered from `first`."""
        distributions = {own.key: own.distribution for own in self._space}
        trials = []
        with _quiet():
            self._study.sampler = self._new_sampler(batch)
            for number in range(first, first + count):
                asked = self._study.ask(distributions)
                self._asked[number] = asked
                settings = {own.key: own.value(asked.params[own.key]) for own in self._space}
                trials.append(Trial(number, batch, settings, dict(asked.params)))
        return trials

    def ask_again(self, trials: Sequence[Trial]) -> None:
        """Ask for trials that an earlier session asked for.

        Raises:
            RunError: other values are chosen now
        """
        asked = self.ask(trials[0].batch, len(trials), trials[0].number)
        for again, trial in zip(asked, trials, strict=True):
            if dict(again.parameters) != dict(trial.parameters):
                raise RunError(
                    f"{self._path.parent} cannot go on: the sampler now chooses other values for "
                    f"trial {trial.number} than before; was Optuna or cmaes upgraded?"
                )

    def record(self, trials: Sequence[Trial]) -> dict[str, Any]:
        """Tell how trials ended; append them to the journal, and return what is known of it."""
        before = len(self._study.get_trials(deepcopy=False)) - len(self._asked)
        self.tell(trials)
        with _quiet(), storage_errors(self._path):
            journal = self._open()
            for ended in self._study.get_trials(deepcopy=True)[before:]:
                ended.system_attrs = {
                    key: value
                    for key, value in ended.system_attrs.items()
                    if not key.startswith(_OWN)
                }
                journal.add_trial(ended)
        content = self._content()
        return {"bytes": len(content), "sha256": documents.sha256(content)}

    def tell(self, trials: Sequence[Trial]) -> None:
        """Tell the sampler how trials ended."""
        from optuna.trial import TrialState

        states = {"completed": TrialState.COMPLETE, "failed": TrialState.FAIL}
        with _quiet():
            for trial in trials:
                asked = self._asked.pop(trial.number)
                for bound, violation in trial.violations.items():
                    asked.set_constraint(bound, violation)
                if len(self._directions) == 1:
                    for step, values in trial.rungs.items():
                        asked.report(float(np.mean(values)), int(step))
                # A trial without a value counts as the worst: samplers keep away from it.
                state = states.get(trial.state or "", TrialState.PRUNED)
                values = list(trial.values) if state == TrialState.COMPLETE else None
                # The sampler of a grid wants to stop a loop of Optuna's at its end; there is none.
                with contextlib.suppress(*[RuntimeError] * (self._sampler == "grid")):
                    self._study.tell(asked, values, state)

    def importances(self, rising: bool) -> dict[str, float]:
        """Return what share of the best tenth of trials each key explains, the largest first.

        Nothing where fewer than ten trials were completed, or only one key is searched.

        Reference:
            Watanabe, Bansal and Hutter (2023), PED-ANOVA: efficiently quantifying hyperparameter
            importance in arbitrary subspaces
        """
        import optuna
        from optuna.importance import PedAnovaImportanceEvaluator

        if len(self._space) < 2 or len(self._completed()) < 10:
            return {}
        sign = -1.0 if rising else 1.0
        with _quiet():
            shares = optuna.importance.get_param_importances(
                self._study,
                evaluator=PedAnovaImportanceEvaluator(),
                target=lambda trial: sign * trial.values[0],
            )
        return {key: float(share) for key, share in shares.items()}

    def _completed(self) -> list[Any]:
        from optuna.trial import TrialState

        return self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))

    def _new(self) -> Any:
        import optuna

        with _quiet():
            return optuna.create_study(
                storage=optuna.storages.InMemoryStorage(),
                study_name=_NAME,
                directions=self._directions,
            )

    def _open(self) -> Any:
        """Return the study in the journal, which is made if it is not there."""
        import optuna
        from optuna.storages.journal import JournalFileBackend

        lock: Any = _NoLock()
        backend = JournalFileBackend(str(self._path), lock)
        storage = optuna.storages.JournalStorage(backend)
        return optuna.create_study(
            storage=storage, study_name=_NAME, directions=self._directions, load_if_exists=True
        )

    def _new_sampler(self, batch: int) -> "BaseSampler":
        from optuna import samplers

        seed = int(np.random.SeedSequence((self._seed, batch)).generate_state(1)[0])
        if self._sampler == "random":
            return samplers.RandomSampler(seed)
        if self._sampler == "grid":
            points = {own.key: grid_values(own) for own in self._space}
            return samplers.GridSampler(points, seed)
        if self._sampler == "cmaes":
            return samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)
        if self._sampler == "gp":
            return samplers.GPSampler(seed=seed, warn_independent_sampling=False)
        return samplers.TPESampler(
            seed=seed, multivariate=True, constant_liar=True, warn_independent_sampling=False
        )


class _NoLock:
    """Locks nothing: the search's own lock is held.

    Optuna's is a link beside the journal, which a killed process would leave in the run's folder,
    where dlx refuses links.
    """

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna's warnings of what is experimental in it, and of its own old names, to itself."""
    import optuna

    with warnings.catch_warnings():
        for category in (optuna.exceptions.ExperimentalWarning, FutureWarning, UserWarning):
            warnings.simplefilter("ignore", category)
        yield
