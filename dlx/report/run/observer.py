"""The observer that writes a run's event files in training, and its figures at the end.

# K runs, B rows, O outputs
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlx.cohort import Cohort
from dlx.config.dump import flat, to_plain
from dlx.config.load import dump
from dlx.report.figures import plain_texts
from dlx.report.run import pictures
from dlx.report.run.graph import network_graph
from dlx.report.run.reconstruction import MOST_CODES, Sample
from dlx.report.run.regions import Plane, is_plane
from dlx.report.run.run_figures import Trained, draw, save
from dlx.runs.ablations import METRICS, PRETRAINING
from dlx.runs.files import storage_errors
from dlx.texts import in_markdown
from dlx.tracking import metrics as metrics_file
from dlx.tracking.evaluations import Evaluation
from dlx.tracking.images import of_png
from dlx.tracking.projector import write_projector
from dlx.tracking.tracker import WHOLE, Tracker
from dlx.training.job import Job
from dlx.training.layer_statistics import signals
from dlx.training.records import Outcome, worth
from dlx.training.session import Observer
from dlx.training.trainer import Trainer

_HISTOGRAMS = 20  # of every layer, over a run
_PICTURES = 8  # besides the first and the last one; TensorBoard keeps 10 images of a tag
_OVER_TIME = ("reconstruction", "filters", "decoder_filters")  # figures drawn in training too
_MOST_NUMBERS, _FEWEST_POINTS = 400_000, 200  # of the codes in the Projector


def _group(name: str, settings: Mapping[str, Any]) -> str:
    """Return the name of a row of the HParams page, which runs of the same settings share."""
    return f"{name} {zlib.crc32(json.dumps(settings).encode()):08x}"


def _charts(is_numeric: bool) -> dict[str, str]:
    """Return the charts of a run on the Custom Scalars page, with the patterns of their tags."""
    accuracy = {} if is_numeric else {"accuracy": "^accuracy$"}
    layers = {"gradient norms of all layers": "^gradient_norm/"}
    return {"cost": "^cost$", **accuracy, **layers, "learning rate": "^optimizer/lr$"}


class RunObserver(Observer):
    """Writes the event files of a single run as it trains, and draws the run when it has ended."""

    def __init__(self, job: Job, folder: Path) -> None:
        self._job = job
        self._folder = folder
        self._level = job.config.log.level
        task, drawn = job.splits.task, self._level != "minimal"
        self._plane = Plane(job.splits) if drawn and is_plane(task) else None
        reconstructs = drawn and task.kind == "reconstruction"
        self._sample = Sample(job.splits, job.labelled, job.design) if reconstructs else None
        self._tracker: Tracker | None = None
        self._ended: tuple[Cohort, int] | None = None  # the scored network, and its step

    def began(self, trainer: Trainer, resumed_at: int | None) -> None:
        """Open the event files; when a run begins, write its config and pre-training."""
        stages = self._job.stages
        steps_before = sum(stage.num_steps for stage in stages)
        self._tracker = Tracker(self._folder, resume_step=resumed_at, steps_before=steps_before)
        if resumed_at is not None and resumed_at >= 0:
            return
        config = self._job.config
        self._tracker.config(dump(config))
        plain = flat(to_plain(config)).items()
        settings = {key: v for key, v in plain if v is not None and key != "seed"}
        self._tracker.hparams(settings, _group(config.name, settings))
        if self._level != "minimal":
            job = self._job
            self._tracker.graph(network_graph(job.design, job.splits.task.input_shape))
            self._tracker.charts("run", _charts(job.design.head.is_numeric))
        if stages:
            for record in metrics_file.read(self._folder / PRETRAINING):
                before = sum(s.num_steps for s in stages if s.number < record["stage"])
                self._tracker.stage(before + record["step"], record)

    def evaluated(self, trainer: Trainer, evaluation: Evaluation) -> None:
        """Write scalars and, at some evaluations, histograms and pictures."""
        assert self._tracker is not None
        tracker, record = self._tracker, evaluation.record(0)
        tracker.log(record)
        if self._level == "minimal":
            return
        cohort, step = trainer.cohort, record.step
        if self._is_among(_HISTOGRAMS, step):
            self._write_histograms(tracker, trainer, step)
        if self._is_among(_PICTURES, step):
            if self._plane is not None:
                self._write_regions(tracker, cohort, step, self._plane)
            if self._sample is not None:
                self._write_reconstruction(tracker, cohort, step, self._sample)

    def ended(self, trainer: Trainer, outcomes: dict[int, Outcome]) -> None:
        """Write how the run ended, and keep the scored network for the figures."""
        assert self._tracker is not None
        [(row, outcome)] = outcomes.items()
        self._tracker.end_hparams(outcome.status != "diverged")
        if outcome.status != "diverged":
            self._tracker.final(outcome.step, worth(outcome.metrics))
            result = {
                f"result/{split}.{tag}": value
                for split, tags in outcome.metrics.items()
                for tag, value in tags.items()
            }
            self._tracker.final(outcome.step, {WHOLE: result})
            scored = trainer.cohort.keep([row])
            scored.network.load_run(0, outcome.state)
            self._ended = scored, outcome.step

    def diagnosed(self, findings: Sequence[Mapping[str, Any]]) -> None:
        """Write what stands out in the run on the Text page."""
        lines = [
            f"- **{f['name']}** ({f['severity']}): {in_markdown(f['reason'])}\n\n"
            f"  {in_markdown(f['try'])}"
            for f in findings
        ]
        with Tracker(self._folder) as tracker:
            tracker.text("diagnosis", "\n".join(lines) or "nothing found")

    def close(self) -> None:
        """Close the event files."""
        if self._tracker is not None:
            self._tracker.close()

    def draw(self) -> list[Path]:
        """Draw the run, which has ended, into PNG files and TensorBoard; return the files.

        Nothing is drawn at level minimal, and if the run diverged.
        """
        if self._ended is None or self._level == "minimal":
            return []
        with plain_texts():
            return self._draw(*self._ended)

    def _draw(self, cohort: Cohort, step: int) -> list[Path]:
        job, stages = self._job, self._folder / PRETRAINING
        trained = Trained(
            job.config,
            cohort,
            job.splits,
            job.labelled,
            metrics_file.read(stages) if stages.exists() else (),
            metrics_file.read(self._folder / METRICS),
        )
        figures = draw(trained, everything=self._level == "full")
        folder = self._folder / "figures"
        files = save(figures, folder)

        def pixels_of(name: str) -> np.ndarray:
            path = folder / f"{name}.png"
            with storage_errors(path, "read"):
                return of_png(path.read_bytes())

        with Tracker(self._folder, steps_before=sum(s.num_steps for s in job.stages)) as tracker:
            if self._sample is not None:
                has_images = pictures.is_image(job.splits.task.input_shape)
                for name in figures:
                    if name not in ("pretraining", "curves") and not (
                        has_images and name in _OVER_TIME
                    ):
                        split = self._sample.split
                        tracker.image(split, f"figures/{name}", pixels_of(name), step)
                self._write_points(cohort, self._sample)
            elif self._level == "full":
                for part in job.splits.parts:
                    if (name := f"confusion_{part}") in figures:
                        tracker.image(part, "confusion", pixels_of(name), step)
                self._write_filters(tracker, cohort, step)
        return files

    def _is_among(self, count: int, step: int) -> bool:
        """Return whether a step's evaluation is the first, the last or among `count` in between."""
        member = self._job.member
        number = step // member.evaluate_every
        stride = -(-member.num_steps // (member.evaluate_every * count))
        return number % max(stride, 1) == 0 or step == member.num_steps

    def _write_histograms(self, tracker: Tracker, trainer: Trainer, step: int) -> None:
        network = trainer.cohort.network
        for parameter in network.buffer.parameters:
            layer = parameter.layer
            if parameter.name == f"{layer}.weight":
                value = parameter.value[0].detach()
                tracker.histogram("train", f"weights/{layer}", value, step)
                if step > 0:  # before the first step there are no gradients
                    gradient = parameter.gradient[0]
                    tracker.histogram("train", f"gradients/{layer}", gradient, step)
        if self._level == "full":
            outputs, activated = signals(trainer.cohort, trainer.splits["train"][0])
            before = {layer: z for layer, (z, _) in activated.items()}
            for name, of_layers in (("activations", outputs), ("pre_activations", before)):
                for layer, values in of_layers.items():
                    tracker.histogram("train", f"{name}/{layer}", values[0], step)

    def _write_regions(self, tracker: Tracker, cohort: Cohort, step: int, plane: Plane) -> None:
        surface = plane.look(cohort.network, cohort.head, 0)
        image = pictures.decision(plane.panels(surface, cohort.head), plane)
        tracker.image("train", "decision", image, step)
        for layer, values in surface.units.items():
            tracker.image("train", f"decision/{layer}", pictures.unit_regions(values), step)

    def _write_reconstruction(
        self, tracker: Tracker, cohort: Cohort, step: int, sample: Sample
    ) -> None:
        """Write an autoencoder's histograms of codes and, of images, reconstructions and filters.

        A variational code has also a histogram of its units' divergences from N(0, 1) in nats.
        """
        look, task = sample.look(cohort), sample.task
        tracker.histogram(sample.split, "code", look.codes, step)
        if look.divergence is not None:
            tracker.histogram(sample.split, "kl_per_unit", look.divergence, step)
        if pictures.is_image(task.input_shape):
            sheet, _ = pictures.lines_of_images(look.lines, task.input_shape)
            tracker.image(sample.split, "reconstruction", sheet, step)
            self._write_filters(tracker, cohort, step)

    def _write_filters(self, tracker: Tracker, cohort: Cohort, step: int) -> None:
        task = self._job.splits.task
        if not pictures.is_image(task.input_shape):
            return
        layers = [pictures.encoder_filters(cohort.network, task)]
        if self._sample is not None:
            layers.append(pictures.decoder_filters(cohort.network, task))
        for filters in layers:
            if filters is not None:
                image = pictures.weight_images(filters.weights, task.input_shape)
                tracker.image("train", f"weight_images/{filters.layer}", image, step)

    def _write_points(self, cohort: Cohort, sample: Sample) -> None:
        """Write codes for TensorBoard's Projector, with labels and images, if there are any."""
        values, task = sample.codes(cohort, MOST_CODES).values, sample.task
        values = values[: max(_FEWEST_POINTS, _MOST_NUMBERS // values.shape[1])]
        count, images = len(values), None
        if pictures.is_image(task.input_shape):
            rows = sample.inputs(count)
            images = pictures.as_tiles(rows, task.input_shape, *pictures.shades(rows))
        write_projector(self._folder / WHOLE, values, sample.labels(count), images)
