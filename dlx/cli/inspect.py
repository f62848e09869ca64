"""`dlx inspect`: a network layer by layer, with the sizes of its signals and gradients."""

from pathlib import Path
from typing import Annotated, Any

import typer

from dlx.cli.options import RUNS_DIR, Changes, DataDir, Json, RunsDir, Seed, picture_option
from dlx.cli.output import amount, bits_elsewhere, emit, emit_json, emit_table, save_picture
from dlx.errors import ConfigError

_INTERVALS = 4  # a recurrent layer is shown at the steps that divide it into so many parts


def inspect(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="CONFIG|RUN",
            help="A YAML file, the name of a config that comes with dlx, or a run.",
        ),
    ],
    overrides: Changes = None,
    plot: Annotated[
        Path | None, picture_option("Draw the variances in a PNG file.", "--plot")
    ] = None,
    runs_dir: RunsDir = RUNS_DIR,
    data_dir: DataDir = None,
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Show each layer: shapes, costs, sizes of signals and gradients.

    A config is shown with its initial weights: variances as theory predicts them, and as measured
    on the first batch. A run is shown with its saved weights. Var W is the variance of the weights
    themselves, not that of the distribution they were drawn from.

    \b
    Examples:
      dlx inspect digits
      dlx inspect configs/xor.yaml model.activation=sigmoid --plot variances.png
      dlx inspect runs/digits
    """
    from dlx.diagnose import inspection
    from dlx.report.inspection_figure import draw

    changes = [*(overrides or []), *([] if seed is None else [f"seed={seed}"])]
    job, state, weights = _read(subject, changes, runs_dir, data_dir)
    document = {"weights": weights, **inspection.inspect(job, state)}
    if plot is not None:
        save_picture(draw(document), plot)
    emit_json(document) if as_json else _emit(document)


def _read(subject: str, changes: list[str], runs_dir: Path, data_dir: Path | None) -> Any:
    """Return the job, its trained weights (None: the initial ones), and the name of the weights."""
    from dlx import api
    from dlx.config.shipped import locate, shipped
    from dlx.models.plain import from_torch
    from dlx.training import job as jobs

    path = Path(subject)
    is_file = subject == "-" or (path.exists() and not path.is_dir())  # or a pipe: <(command)
    if is_file or subject in shipped() or subject.endswith((".yaml", ".yml")):
        job = api.prepare(locate(subject), changes, runs_dir=runs_dir, data_dir=data_dir)
        return job, None, "initial"
    run = api.load(subject, runs_dir=runs_dir)
    if changes:
        raise ConfigError(f"{changes[0]}: {run.path} is a run and keeps its config; leave it out")
    state = from_torch(run.design, run.tensors)
    return jobs.prepare(run.config, run.labelled_splits(data_dir)), state, run.info.get("weights")


def _emit(document: dict[str, Any]) -> None:
    layers, is_trained = document["layers"], document["weights"] != "initial"
    weights = f"trained weights ({document['weights']})" if is_trained else "initial weights"
    emit(
        f"{document['name']}: {amount(document['inputs'], 'input')}, m = "
        f"{document['batch_size']:,} rows in a batch; {weights}, seed {document['seed']}"
    )
    reason = document["engine_reason"]
    emit(f"trained by the {document['engine']} engine" + (f" ({reason})" if reason else ""))
    emit(bits_elsewhere(document["differs_elsewhere"]))
    emit("")
    headings = ["layer", "", "W, dW", "b, db", "Z, A, dZ, dA", "parameters", "FLOPs"]
    emit_table(headings, map(_shape_row, layers), " " * 5 + "rr")
    emit("")
    headings = ["layer", "init", "I", "Var W", "I Var W", "Var A", "theory"]
    headings += ["over rows", "dZ²", "theory", "|dW|"]
    emit_table(headings, map(_variance_row, layers), "  rrrrrrrrr")
    emit("")
    if rows := [row for layer in layers if layer["steps"] for row in _step_rows(layer)]:
        emit_table(["layer", "step", "Var A", "theory", "dZ²", "theory"], rows, " rrrrr")
        emit("")
    flops, memory = document["flops"], document["memory"]
    emit(
        f"{amount(document['parameters'], 'parameter')}; {flops['forward']:,} FLOPs forward for a "
        f"row, {flops['step']:,} for a step"
    )
    parts = ", ".join(f"{name} {_size(count)}" for name, count in memory.items())
    emit(f"memory {_size(sum(memory.values()))}: {parts}")
    emit(
        "(I: fan-in; Var A: over units and rows, then of a unit over rows; dZ²: mean square; |dW|: "
        "root mean square; theory: "
        f"{'for initial weights alone' if is_trained else 'for wide layers'})"
    )
    for sentence in document["findings"]:
        emit(sentence)


def _shape_row(layer: dict[str, Any]) -> list[str]:
    name, shapes = layer["name"], layer["shapes"]
    kind = layer["activation"] if layer["kind"] == "dense" else layer["kind"]
    if layer["pieces"] is not None and layer["pieces"] > 1:
        kind = f"{kind}, {layer['pieces']} pieces"
    weight = _shape(shapes.get(f"W[{name}]"))
    if layer["steps"]:
        count = len(layer["steps"]["variance"]["measured"])
        kind = f"{layer['cell']}, {amount(count, 'step')}"
        weight = f"U {_shape(shapes[f'U[{name}]'])}"
    return [
        "  " * layer["depth"] + name,
        kind,
        weight,
        _shape(shapes.get(f"b[{name}]")),
        f"({shapes[f'A[{name}]'][0]}, m)",
        f"{layer['parameters']:,}",
        "–" if layer["flops"] is None else f"{layer['flops']:,}",
    ]


def _variance_row(layer: dict[str, Any]) -> list[str]:
    variance, fan_in = layer["weight_variance"], layer["fan_in"]
    return [
        "  " * layer["depth"] + layer["name"],
        layer["init"] or "",
        "" if fan_in is None else f"{fan_in:,}",
        "" if variance is None else _number(variance),
        "" if variance is None or fan_in is None else _number(fan_in * variance),
        *(_number(layer["variance"][w]) for w in ("measured", "predicted", "between_rows")),
        *(_number(layer["gradient"][which]) for which in ("measured", "predicted")),
        _number(layer["weight_gradient"]),
    ]


def _step_rows(layer: dict[str, Any]) -> list[list[str]]:
    """Return the rows of some steps of a recurrent layer, the first and last among them."""
    variance, gradient = layer["steps"]["variance"], layer["steps"]["gradient"]
    last = len(variance["measured"]) - 1
    steps = sorted({round(last * part / _INTERVALS) for part in range(_INTERVALS + 1)})
    columns = [of[which] for of in (variance, gradient) for which in ("measured", "predicted")]
    return [
        [layer["name"], f"{step + 1}", *(_number(column and column[step]) for column in columns)]
        for step in steps
    ]


def _shape(shape: list[int] | None) -> str:
    return "" if shape is None else f"({shape[0]}, {shape[1]})"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _size(count: int) -> str:
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"
