"""How long an ablation will take: a model of shapes, runs and steps with measured constants.

# K runs, B batch

A step of K runs on a CPU takes

    START + LAYER layers + K (RUN_LAYER layers + BYTE bytes + flops / RATE)

seconds: torch calls a fixed number of operations a layer, whatever K is; they read and write the
bytes that a step works on (`dlx.ablation.sizes`), and the products do their arithmetic. The
constants are those of two cores of an AMD EPYC with AVX-512; `benchmarks/estimate.py` compares them
with measurements. Other machines, and other programs on this one, change them by a factor of about
two, which is the range that is stated.
"""

from dlx.ablation.sizes import Size
from dlx.training.evaluation import CHUNK
from dlx.training.job import Job
from dlx.training.trainer import EVALUATED_TRAIN_ROWS

START, LAYER = 2.5e-4, 2e-5  # seconds of a step
RUN_LAYER = 4e-7  # seconds of a layer of a run
BYTE = 9e-11  # seconds of a byte that a step works on
RATE = 1.6e11  # floating-point operations a second
BEGINNING = 5.0  # seconds: starting, and writing the report
RANGE = 2.0


def seconds_per_step(job: Job, size: Size, runs: int) -> float:
    """Return the seconds that a step of a cohort takes, of K runs like this one."""
    parts = job.design.parts
    forward = sum(part.flops or 0 for part in parts)  # of a row
    # Back through a layer: a product for dW, and one for dX but in the first layer.
    flops = job.batch_size * (3 * forward - job.design.layers[0].input_flops)
    own = RUN_LAYER * len(parts) + BYTE * size.total + flops / RATE
    return START + LAYER * len(parts) + runs * own


def seconds_per_evaluation(job: Job, size: Size, runs: int) -> float:
    """Return the seconds that an evaluation of such a cohort takes."""
    parts = job.design.parts
    rows = _evaluated_rows(job)
    chunks = max(-(-rows // CHUNK), 1)
    forward = sum(part.flops or 0 for part in parts)
    own = RUN_LAYER * len(parts) * chunks + rows * forward / RATE
    own += BYTE * size.evaluation * chunks
    return chunks * (START + LAYER * len(parts)) + runs * own


def seconds_of(job: Job, size: Size, runs: int) -> float:
    """Return the seconds that such a cohort takes from its start to its end."""
    steps = job.member.num_steps
    evaluations = steps // job.member.evaluate_every + 2  # the first one, and the final metrics
    return steps * seconds_per_step(job, size, runs) + evaluations * seconds_per_evaluation(
        job, size, runs
    )


def _evaluated_rows(job: Job) -> int:
    sizes = {name: len(part.inputs) for name, part in job.splits.parts.items()}
    train = min(sizes.pop("train"), EVALUATED_TRAIN_ROWS)
    if job.splits.shared:
        return train
    if job.log_level == "minimal":
        sizes.pop("test", None)
    return train + sum(sizes.values())
