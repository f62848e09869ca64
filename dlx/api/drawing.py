"""The pictures of a trained run, as files."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dlx.api.run import Run
from dlx.denormals import flushed_denormals
from dlx.report.figures import plain_texts
from dlx.report.run.run_figures import Trained, draw, save
from dlx.runs.ablations import PRETRAINING
from dlx.tracking.metrics import read
from dlx.training import job as jobs

if TYPE_CHECKING:  # a single run needs nothing of ablations
    from dlx.api.ablation import Ablation

Form = Literal["png", "pdf"]


@flushed_denormals()
def figures(
    run: Run,
    *,
    folder: Path | str | None = None,
    data_dir: Path | str | None = None,
    form: Form = "png",
) -> list[Path]:
    """Draw a trained run and return the files, one for each picture that there is of it.

    Of every run curves. Of one that reconstructs: reconstruction, filters, decoder_filters, code,
    error_per_class, of codes of up to 128 units traversal, of two units code_map and manifold; of
    others filters and confusion_<split>; of two inputs decision and decision_<layer>; of a run with
    pre-training pretraining. See docs/pictures.md.

    Args:
        run: trained to an end
        folder: where to write; default: `figures` in the run's directory
        data_dir: where data sets are kept
        form: of the files

    Raises:
        DataError: the data are missing, or are not those the run was trained on
        RunError: the run has no final weights
        StorageError: a file cannot be written
    """
    target = run.path / "figures" if folder is None else Path(folder)
    labelled, stages = run.labelled_splits(data_dir), run.path / PRETRAINING
    trained = Trained(
        run.config.name,
        run.cohort,
        jobs.targeted(run.config, labelled),
        labelled,
        read(stages) if stages.exists() else (),
        run.history,
    )
    with plain_texts():
        return save(draw(trained), target, form)


@flushed_denormals()
def ablation_figures(
    ablation: "Ablation",
    *,
    folder: Path | str | None = None,
    data_dir: Path | str | None = None,
    form: Form = "png",
) -> list[Path]:
    """Draw the pictures of an ablation's report, and return the files; see `figures`.

    Raises:
        RunError: the ablation has not ended
    """
    from dlx.report.ablation import page, reconstructions

    target = ablation.path / "figures" if folder is None else Path(folder)
    plan, summary = ablation.plan(data_dir), ablation.summary
    results = ablation.ended(plan)
    with plain_texts():  # as in the report
        drawings = [
            *page.draw_all(summary, results),
            *reconstructions.draw(plan, ablation.path, summary, results),
        ]
        return save({drawing.name: drawing.figure for drawing in drawings}, target, form)
