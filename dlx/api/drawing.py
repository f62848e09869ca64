"""The pictures of a trained run, as files and as a page."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dlx import texts
from dlx.api.diagnosis import evidence_of, known_data
from dlx.api.mistakes import MOST_MISTAKES, mistakes
from dlx.api.run import Run
from dlx.denormals import flushed_denormals
from dlx.diagnose.diagnosis import diagnose
from dlx.diagnose.evidence import Evidence
from dlx.diagnose.mistakes import confident
from dlx.report import sheets
from dlx.report.ablation.style import Drawing
from dlx.report.figures import plain_texts
from dlx.report.run import page
from dlx.report.run.pictures import confusion_figure, is_image
from dlx.report.run.run_figures import Trained, curves, draw, save
from dlx.report.run.signals_figure import signals
from dlx.runs import write_atomic
from dlx.tracking.evaluations import Curve
from dlx.training import job as jobs
from dlx.training.evaluation import confusion

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
    labelled = run.labelled_splits(data_dir)
    trained = Trained(
        run.config,
        run.cohort,
        jobs.targeted(run.config, labelled),
        labelled,
        run.stages,
        run.history,
    )
    with plain_texts():
        return save(draw(trained), target, form)


@flushed_denormals()
def report(run: Run, data_dir: Path | str | None = None) -> Path:
    """Write `report.html` into a run's folder, a page that needs no other file, and return it.

    It has what stands out, curves, metrics, signals by depth, the confusion matrix, what is told
    wrong, likely wrong labels, calibration and the config. Without its data, or of a run that
    diverged, it has what was recorded.

    Raises:
        RunError: the run still trains, or has logged nothing
        StorageError: the file cannot be written
    """
    labelled, notes = known_data(run, data_dir)
    e = evidence_of(run, labelled)
    with plain_texts():
        contents = page.Contents(
            run.config.name,
            run.info,
            run.metrics | {f"baseline, {k}": v for k, v in run.result()["baseline"].items()},
            [finding.document(str(run.path)) for finding in diagnose(e)],
            notes,
            mistakes(run, e, data_dir),
            _curves(run),
            _signals(e.curve),
            _confusion(run, e),
            _mistaken(run, e, data_dir),
            run.directory.read_file("config.yaml").decode(),
        )
        text = page.page(contents)
    path = run.path / "report.html"
    write_atomic(path, texts.encoded(texts.printable(text)))
    return path


def _curves(run: Run) -> Drawing:
    wide, narrow = (
        Drawing("curves", "Curves", "", curves(run.config, run.design, run.history, narrow=n))
        for n in (False, True)
    )
    return replace(wide, narrow=narrow)


def _signals(curve: Curve) -> Drawing | None:
    wide, narrow = (signals(curve, narrow=n) for n in (False, True))
    if wide is None or narrow is None:
        return None
    caption = (
        "By layer, on the same 256 training rows: how much of the input is left on the way up, and "
        "how much gradient is left on the way back."
    )
    small = Drawing("signals", "", "", narrow)
    return Drawing("signals", "Signals by depth", caption, wide, small)


def _confusion(run: Run, e: Evidence) -> Drawing | None:
    part = e.judged or "train"
    if e.splits is None or run.task.classes is None or part not in e.errors:
        return None
    rows, head = e.splits.part(part), run.cohort.head
    [counts] = confusion(run.cohort, rows.inputs, head.encode(rows.targets)).cpu().numpy()
    figure = confusion_figure(counts, run.task.classes)
    caption = f"On {part} rows: the darker a square, the more of the class's rows are told so."
    return Drawing("confusion", "Confusion matrix", caption, figure)


def _mistaken(run: Run, e: Evidence, data_dir: Path | str | None) -> Drawing | None:
    """Draw the images that are told wrong, the surest answers first."""
    wrong = confident(e, MOST_MISTAKES)
    if wrong is None or not is_image(run.task.input_shape):
        return None
    part, places = wrong
    predictions = run.predict_split(part, data_dir, e.splits, places)
    figure = sheets.draw(run.task, predictions, run.config.name)
    caption = f"{part} rows that are told wrong, the surest answers first, and what they are."
    return Drawing("confident_mistakes", "Confident mistakes", caption, figure)


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
    from dlx.report.ablation import page as of_ablation
    from dlx.report.ablation import reconstructions

    target = ablation.path / "figures" if folder is None else Path(folder)
    plan, summary = ablation.plan(data_dir), ablation.summary
    results = ablation.ended(plan)
    with plain_texts():  # as in the report
        drawings = [
            *of_ablation.draw_all(summary, results),
            *reconstructions.draw(plan, ablation.path, summary, results),
        ]
        return save({drawing.name: drawing.figure for drawing in drawings}, target, form)
