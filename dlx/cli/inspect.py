"""`dlx inspect`: the layers of a network, and how signals and gradients pass them."""

import io
from pathlib import Path
from typing import Annotated, Any

import typer

from dlx.cli.options import RUNS_DIR, DataDir, Json, Overrides, RunsDir, Seed
from dlx.cli.output import amount, emit, emit_json, emit_table, note
from dlx.errors import ConfigError

_INTERVALS = 4  # between the steps of a recurrent layer that are shown


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Look at runs")(inspect)


def inspect(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="CONFIG|RUN",
            help="A YAML file or the name of a config that comes with dlx; else a run.",
            show_default=False,
        ),
    ],
    overrides: Overrides = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="PNG", help="Draw the variances.", show_default=False),
    ] = None,
    runs_dir: RunsDir = RUNS_DIR,
    data_dir: DataDir = None,
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Show layers: shapes, costs, variances of signals and gradients.

    Of a config: at the start, as predicted by theory and as measured on the first batch. Of a run:
    measured with its saved weights. Var W is that of the weights that were really drawn.

    \b
    Examples:
      dlx inspect digits
      dlx inspect configs/xor.yaml model.activation=sigmoid --plot variances.png
      dlx inspect runs/digits
    """
    from dlx.diagnose.inspection import inspect as look

    changes = [*(overrides or []), *([] if seed is None else [f"seed={seed}"])]
    job, state, which = _read(subject, changes, runs_dir, data_dir)
    found = {"weights": which, **look(job, state)}
    if plot is not None:
        _save_picture(found, plot)
        note(f"picture written to {plot}")
    emit_json(found) if as_json else _emit(found)


def _read(subject: str, changes: list[str], runs_dir: Path, data_dir: Path | None) -> Any:
    """Return the job, the trained weights or None for those at the start, and what these are."""
    from dlx import api
    from dlx.config.shipped import locate, shipped
    from dlx.models.plain import from_torch
    from dlx.training import job as jobs

    if Path(subject).is_file() or subject in shipped() or subject.endswith((".yaml", ".yml")):
        ready = api.prepare(locate(subject), changes, runs_dir=runs_dir, data_dir=data_dir)
        return ready, None, "initial"
    run = api.load(subject, runs_dir=runs_dir)
    if changes:
        raise ConfigError(f"{changes[0]}: {run.path} is a run and keeps its config; leave it out")
    state = from_torch(run.design, run.tensors)
    return jobs.prepare(run.config, run.labelled_splits(data_dir)), state, run.info.get("weights")


def _save_picture(found: dict[str, Any], path: Path) -> None:
    from dlx.report.inspection import draw
    from dlx.runs import write_atomic

    content = io.BytesIO()
    draw(found).savefig(content, format="png", dpi=150)
    write_atomic(path, content.getvalue())


def _emit(found: dict[str, Any]) -> None:
    trained = found["weights"] != "initial"
    which = f"as trained ({found['weights']})" if trained else "as they start"
    emit(
        f"{found['name']}: {amount(found['inputs'], 'input')}, m = {found['batch_size']:,} rows in "
        f"a batch; weights {which}, seed {found['seed']}"
    )
    emit("")
    rows = [_shape_row(each) for each in found["layers"]]
    headings = ["layer", "", "W, dW", "b, db", "Z, A, dZ, dA", "parameters", "FLOPs"]
    emit_table(headings, rows, " " * 5 + "rr")
    emit("")
    rows = [_variance_row(each) for each in found["layers"]]
    headings = [
        "layer",
        "init",
        "I",
        "Var W",
        "I Var W",
        "Var A",
        "theory",
        "dZ²",
        "theory",
        "|dW|",
    ]
    emit_table(headings, rows, "  rrrrrrrr")
    emit("")
    rows = [row for each in found["layers"] if each["steps"] for row in _step_rows(each)]
    if rows:
        emit_table(["layer", "step", "Var A", "theory", "dZ²", "theory"], rows, " rrrrr")
        emit("")
    flops, memory = found["flops"], found["memory"]
    emit(
        f"{amount(found['parameters'], 'parameter')}; {flops['forward']:,} FLOPs forward for a "
        f"row, {flops['step']:,} for a step"
    )
    parts = ", ".join(f"{name} {_size(count)}" for name, count in memory.items())
    emit(f"memory {_size(sum(memory.values()))}: {parts}")
    emit(
        "(I: fan-in; Var A: over units and rows; dZ²: mean square; |dW|: root mean square; theory: "
        f"{'of the start alone' if trained else 'of wide layers'})"
    )
    for sentence in found["findings"]:
        emit(sentence)


def _shape_row(layer: dict[str, Any]) -> list[str]:
    name, shapes = layer["name"], layer["shapes"]
    kind = layer["activation"] if layer["kind"] == "dense" else layer["kind"]
    if layer["pieces"] is not None and layer["pieces"] > 1:
        kind = f"{kind}, {layer['pieces']} pieces"
    weight = _shape(shapes.get(f"W[{name}]"))
    if layer["steps"]:
        count = len(layer["steps"]["variance"]["measured"])
        kind, weight = (
            f"{layer['cell']}, {amount(count, 'step')}",
            f"U {_shape(shapes[f'U[{name}]'])}",
        )
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
        _number(layer["variance"]["measured"]),
        _number(layer["variance"]["predicted"]),
        _number(layer["gradient"]["measured"]),
        _number(layer["gradient"]["predicted"]),
        _number(layer["weight_gradient"]),
    ]


def _step_rows(layer: dict[str, Any]) -> list[list[str]]:
    """Return some of a recurrent layer's steps, first and last among them."""
    variance, gradient = layer["steps"]["variance"], layer["steps"]["gradient"]
    last = len(variance["measured"]) - 1
    chosen = sorted({round(last * part / _INTERVALS) for part in range(_INTERVALS + 1)})
    columns = [variance["measured"], variance["predicted"]]
    columns += [gradient["measured"], gradient["predicted"]]
    return [
        [layer["name"], f"{step + 1}", *(_number(each and each[step]) for each in columns)]
        for step in chosen
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
