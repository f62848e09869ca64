"""`dlx lr`: which learning rate a config should train with."""

from pathlib import Path
from typing import Annotated, Any

import typer

from dlx.cli.options import (
    RUNS_DIR,
    Changes,
    Config,
    DataDir,
    Json,
    Quiet,
    RunsDir,
    Seed,
    picture_option,
)
from dlx.cli.output import emit, emit_json, emit_table, save_picture, warn
from dlx.cli.progress import shown


def lr(
    config: Config,
    overrides: Changes = None,
    ends: Annotated[
        str, typer.Option("--range", metavar="LOW..HIGH", help="The smallest and the largest rate.")
    ] = "1e-6..10",
    rates: Annotated[
        int, typer.Option("--rates", metavar="N", min=3, max=1000, help="The number of rates.")
    ] = 30,
    steps: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="The steps of each run; default: 100, or the config's own if they are fewer.",
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(metavar="N", min=1, max=100, help="The number of seeds.")
    ] = 3,
    plot: Annotated[
        Path | None,
        picture_option(
            "The PNG file that is drawn; default: lr.png in the folder of the config's runs.",
            "--plot",
        ),
    ] = None,
    runs_dir: RunsDir = RUNS_DIR,
    data_dir: DataDir = None,
    seed: Seed = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find the learning rate: train many for a few steps, all at once.

    Every rate has runs of its own from the same start, and all train together, as one program.
    Suggested is the smallest rate that lowers the training cost by 95 % of what the best rate does;
    the largest safe rate still lowers it by half as much as the best, at every seed.

    \b
    Examples:
      dlx lr digits
      dlx lr xor optimizer=sgd --range 1e-3..100 --rates 40
    """
    from dlx import api
    from dlx.config.shipped import locate
    from dlx.report.rates_figure import draw
    from dlx.runs.directory import check_case

    changes = [*(overrides or []), *([] if seed is None else [f"seed={seed}"])]
    read = api.read_config(locate(config), changes)
    low, high = api.parse_range(ends)
    if plot is None:
        check_case(read.name, runs_dir)
    with shown(quiet) as show:
        scan = api.scan_rates(
            read,
            ends=(low, high),
            num_rates=rates,
            steps=steps,
            seeds=seeds,
            runs_dir=runs_dir,
            data_dir=data_dir,
            show=show,
        )
    document = scan.document()
    picture = plot or runs_dir / read.name / "lr.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    save_picture(draw(document), picture)
    warn(document["remarks"], "note")
    if as_json:
        emit_json(document | {"picture": str(picture)})
    else:
        _emit(document)


def _emit(document: dict[str, Any]) -> None:
    rows = [
        [
            f"{rate['lr']:.3g}",
            "–" if rate["cost"] is None else f"{rate['cost']:.4g}",
            _words(rate, document),
        ]
        for rate in document["rates"]
    ]
    emit_table([document["optimizer"], f"cost after {document['steps']:,} steps", ""], rows, "rr")
    emit("")
    if document["suggested"] is None:
        emit(
            f"no rate is safe: even {document['rates'][0]['lr']:.3g} does not lower the cost; give "
            "--range a lower beginning, or more --steps"
        )
        return
    emit(f"largest safe rate {document['largest_safe']:.3g}")
    emit(
        f"suggested rate {document['suggested']:.3g} (the config has {document['current']:.3g}): "
        f"optimizer.lr={document['suggested']:.3g}"
    )


def _words(rate: dict[str, Any], document: dict[str, Any]) -> str:
    words = []
    if rate["lr"] == document["suggested"]:
        words.append("suggested")
    if rate["lr"] == document["largest_safe"]:
        words.append("largest safe")
    if rate["diverged"]:
        words.append(f"{rate['diverged']} of {len(rate['costs'])} diverged")
    elif not rate["lowers"]:
        words.append("higher than at the start")
    return ", ".join(words)
