"""`dlx compare`, `dlx table`, `dlx ensemble` and `dlx probe`: several runs side by side."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dlx import texts
from dlx.cli import completion
from dlx.cli.encoding import Layer
from dlx.cli.options import RUNS_DIR, DataDir, Json, Quiet, RunsDir, output_option
from dlx.cli.output import emit, emit_json, emit_table, note, run_labels, save_file, warn
from dlx.cli.use import MeasuredSplit, Metrics, Split
from dlx.report.numbers import format_metric

Sort = StrEnum("Sort", "best variant difference p speed")
TableFormat = StrEnum("TableFormat", "latex markdown typst csv")


def compare(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH…",
            help="Runs, ablations (all their runs), one run of an ablation (ABLATION#NUMBER) or "
            "folders of runs; names (all runs of that name), ids or latest.",
            autocompletion=completion.runs,
        ),
    ],
    metric: Annotated[
        str | None,
        typer.Option(
            metavar="SPLIT.METRIC",
            help="The metric to compare.  [default: dev.accuracy, else dev.cost]",
        ),
    ] = None,
    sort: Annotated[Sort, typer.Option(help="What the rows are sorted by.")] = Sort.best,
    runs_dir: RunsDir = RUNS_DIR,
    as_json: Json = False,
) -> None:
    """Compare runs and ablations: means, differences, verdicts.

    Runs whose configs differ in the seed alone are one variant, whichever ablation they come from.
    The first variant is the baseline. Every other variant is compared with it, seed by seed.
    Of three variants or more, it also says which settings go with the metric: the rank correlation
    of numbers, and of other values the share of the variance of ranks that lies between them.

    \b
    Examples:
      dlx compare xor
      dlx compare xor digits --metric dev.cost --sort speed
    """
    from dlx.report.ablation.reading import p_value
    from dlx.report.ablation.verdict_table import verdicts
    from dlx.report.run_comparison import compare as summarized

    summary = summarized(paths, runs_dir, metric)
    warn(summary["warnings"])
    if as_json:
        emit_json(summary)
        return
    table = verdicts(summary, str(sort))
    emit_table(table.headings, table.rows, table.right)
    emit(f"(compared with {summary['baseline']}, in pairs of runs at the same seed)")
    if summary["associations"]:
        rows = [
            [
                row["key"],
                str(row["values"]),
                f"{row['rank_correlation']:+.2f}" if "rank_correlation" in row else "",
                f"{row['share']:.2f}" if "share" in row else "",
                p_value(row["p"]),
            ]
            for row in summary["associations"]
        ]
        emit("")
        headings = [f"goes with {summary['metric']}", "values", "rank correlation", "share", "p"]
        emit_table(headings, rows, " rrrr")
        emit("(over all runs; what varies together goes together: `dlx why` tells effects)")


def table(
    ablation: Annotated[
        str,
        typer.Argument(
            metavar="ABLATION",
            help="An ablation: its folder, name, id or latest.",
            autocompletion=completion.runs,
        ),
    ],
    form: Annotated[
        TableFormat, typer.Option("--format", help="The language of the table.")
    ] = TableFormat.markdown,
    output: Annotated[
        Path | None, output_option("The file to write to; default: it is printed.")
    ] = None,
    runs_dir: RunsDir = RUNS_DIR,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Print the results of an ablation as a table for a paper.

    A row for each variant, the best first: the values that were tuned, the number of runs, and mean
    and interval of every judged metric. The best mean is bold; † marks those that are not shown to
    be worse than any other, in tests of all pairs. LaTeX needs the package booktabs. CSV has plain
    numbers.

    \b
    Examples:
      dlx table runs/activation_depth/ID
      dlx table latest --format latex --output results.tex
    """
    from dlx import api
    from dlx.report.ablation.paper_table import written
    from dlx.training.finding import find_ablation

    judged = api.Ablation(find_ablation(ablation, runs_dir).path)
    document = judged.table(data_dir)
    if output is not None:
        save_file(output, texts.encoded(written(document, form)), "table")
    if as_json:
        emit_json({"ablation": str(judged.path), **document})
    elif output is None:
        emit(written(document, form))


def ensemble(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN",
            help="Two runs or more: folders, names (the newest run of each), ids; or one ablation.",
        ),
    ],
    variant: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The variant of the ablation whose runs are the members; default: the variant "
            "that is best on dev.",
        ),
    ] = None,
    split: Annotated[
        Split | None,
        typer.Option(
            help="The part of the data to measure on; default: dev where all members have the "
            "same dev rows, otherwise test."
        ),
    ] = None,
    vote: Annotated[
        bool, typer.Option("--vote", help="Count the members' votes; do not average.")
    ] = False,
    metric: Metrics = None,
    runs_dir: RunsDir = RUNS_DIR,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Measure several trained runs, and the ensemble that they form.

    The ensemble's output is the mean of its members' probabilities (of numbers, of their
    predictions). Its gain is over the mean of the members' metrics; a positive gain means that the
    ensemble is better. The members may differ in everything but their data. Rows that one of them
    was trained on judge none: by default members with dev rows of their own are judged on test
    rows.

    \b
    Examples:
      dlx ensemble runs/digits/20* --split test
      dlx ensemble runs/digits/20* --vote --metric f1
      dlx ensemble runs/mnist_knobs/ID --variant dropout=0.3
    """
    from dlx import api, ensembles

    if variant is None and len(runs) > 1:
        members = [api.load(run, runs_dir=runs_dir) for run in runs]
    else:
        members = [member for run in runs for member in api.members(run, variant, runs_dir)]
    combine = "vote" if vote else "mean"
    chosen = None if split is None else str(split)
    result = ensembles.evaluate(members, chosen, combine, metric or (), data_dir)
    paths = [str(run.path) for run in members]
    of_all = {"mean": result.mean, "ensemble": result.together, "gain": result.gain}
    if as_json:
        members_of_json = [
            {"run": path, "metrics": metrics}
            for path, metrics in zip(paths, result.members, strict=True)
        ]
        emit_json(
            {
                "split": result.split,
                "rows": result.num_rows,
                "combine": combine,
                "members": members_of_json,
                **of_all,
            }
        )
        return
    lines = [*zip(run_labels(paths), result.members, strict=True), *of_all.items()]
    rows = [[name, *(format_metric(key, value) for key, value in m.items())] for name, m in lines]
    emit_table(["", *result.together], rows, " " + "r" * len(result.together))
    emit(f"(on {result.num_rows:,} {result.split} rows)")


def probe(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN",
            help="One or more runs of the same data: folders, names (the newest run of each), ids.",
        ),
    ],
    split: MeasuredSplit = Split.dev,
    labels: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="The number of labelled training rows; default: 1,000, or half of the training "
            "rows where they are fewer than 2,000.",
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(metavar="N", help="How many times the labelled rows are drawn.")
    ] = 10,
    layer: Layer = None,
    runs_dir: RunsDir = RUNS_DIR,
    data_dir: DataDir = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure what simple models learn from codes and a few labels.

    The models are logistic regression and 5 nearest neighbors; where the targets are numbers, ridge
    regression and 5 nearest neighbors. Each learns from the codes, from the inputs as the network
    sees them, and from as many principal components of the inputs as the code has numbers. Every
    seed draws other labelled rows, the same rows for all features and runs. So differences are
    paired; their intervals are at 95 %.

    \b
    Examples:
      dlx probe autoencoder --labels 300
      dlx probe autoencoder --split test --seeds 5
    """
    from dlx import api
    from dlx.report.probe_table import table

    result = api.probe(
        [api.load(run, runs_dir=runs_dir) for run in runs],
        split=str(split),
        labels=labels,
        seeds=seeds,
        layer=layer,
        data_dir=data_dir,
        show=(lambda text: None) if quiet else note,
    )
    document = result.document()
    if as_json:
        emit_json(document)
        return
    headings, rows = table(document)
    right = "".join(
        "r" if name == "width" or name.endswith(result.metric) else " " for name in headings
    )
    emit_table(headings, rows, right)
    draws = f"mean of {result.seeds} draws" if result.seeds > 1 else "one draw, without interval,"
    emit(
        f"(on {result.num_test:,} {split} rows; {draws} of {result.labels:,} labelled rows out of "
        f"{result.num_train:,} training rows)"
    )
