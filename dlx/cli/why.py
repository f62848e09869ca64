"""`dlx why`: which of the keys in which two configs differ makes the difference."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlx.cli.ablation import Jobs
from dlx.cli.ablation_progress import shown
from dlx.cli.options import RUNS_DIR, DataDir, Json, Quiet, RunsDir
from dlx.cli.output import emit, emit_json, emit_table, note, warn
from dlx.errors import ConfigError, DlxError

if TYPE_CHECKING:
    from pathlib import Path

    from dlx.config.schema import RunConfig

Source = Annotated[
    str, typer.Argument(metavar="RUN|CONFIG", help="A run, or else a config; of a run its config.")
]


def why(
    first: Source,
    second: Source,
    keys: Annotated[
        str | None,
        typer.Option(
            metavar="KEY,KEY…",
            help="The keys to mix, of those that differ, at most six; default: all. The others "
            "keep the first one's values.",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=2, max=1000, metavar="N", help="The number of seeds; default: 5."),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            metavar="SPLIT.METRIC",
            help="The metric to explain.  [default: dev.accuracy, else dev.cost]",
        ),
    ] = None,
    jobs: Jobs = None,
    runs_dir: RunsDir = RUNS_DIR,
    data_dir: DataDir = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Say which key makes the difference of two runs.

    All mixtures of the two configs train as one ablation, at the same seeds. A key's share is what
    it changes, averaged over every order in which the keys can be changed (Shapley value): shares
    add up to the whole difference. `alone` is what it changes in the first config, `last` what it
    changes where the second one's other values stand already; where the two differ, keys interact.

    \b
    Examples:
      dlx why digits muon
      dlx why digits muon --keys optimizer --seeds 10
    """
    from dlx import api
    from dlx.ablation.wording import size
    from dlx.report.numbers import is_share

    one, other = _config(first, runs_dir), _config(second, runs_dir)
    named = [key.strip() for key in keys.split(",")] if keys else None
    plan = api.plan_why(
        one,
        other,
        keys=named,
        seeds=seeds,
        metric=metric,
        runs_dir=runs_dir,
        data_dir=data_dir,
        jobs=jobs,
    )
    warn(plan.warnings)
    with shown(quiet) as show:
        answer = api.why(plan, runs_dir=runs_dir, jobs=jobs, show=show)
    if answer.left_out:
        warn([f"{answer.left_out} of {len(plan.seeds)} seeds are left out: some variant diverged"])
    if as_json:
        emit_json(answer.document())
        return
    in_points = is_share(answer.metric.partition(".")[2])

    def shown_as(value: float) -> str:
        return size(value, in_points=in_points, signed=True)

    rows = [
        (
            own.key,
            _change(*own.values),
            shown_as(own.share.mean),
            f"[{shown_as(own.share.low)}, {shown_as(own.share.high)}]",
            f"{own.p:.3f}" if own.p >= 0.001 else "< 0.001",
            shown_as(own.alone),
            shown_as(own.last),
        )
        for own in answer.shares
    ]
    whole = answer.whole
    rows.append(
        (
            *("all", "", shown_as(whole.mean)),
            f"[{shown_as(whole.low)}, {shown_as(whole.high)}]",
            *("", "", ""),
        )
    )
    unit = ", points" if in_points else ""
    headings = ("key", "change", f"share{unit}", "95 % interval", "p", "alone", "last")
    emit_table(headings, rows, "  rrrrr")
    emit(f"({answer.metric}, mean of {whole.n} seeds; {answer.ablation.path})")
    if any(own.alone * own.last < 0 for own in answer.shares if own.p < 0.05):
        note("a key changes sign between `alone` and `last`: what it does depends on the others")


def _change(one: Any, other: Any) -> str:
    """Return a change in words: of choices their names, and the options of both that differ."""
    from dlx.config.dump import inline

    if not (isinstance(one, Mapping) and isinstance(other, Mapping)):
        return f"{inline(one)} → {inline(other)}"
    differ = [key for key in one if key != "name" and key in other and one[key] != other[key]]
    words = [
        " ".join(
            [str(own.get("name", "")), *(f"{key}={inline(own[key])}" for key in differ)]
        ).strip()
        for own in (one, other)
    ]
    return " → ".join(words)


def _config(source: str, runs_dir: "Path") -> "RunConfig":
    """Return the config of a run, or of a file if there is no such run."""
    from dlx import api
    from dlx.config.shipped import locate
    from dlx.training.finding import find_run

    try:
        run = find_run(source, runs_dir)
    except DlxError as no_run:
        try:
            return api.read_config(locate(source))
        except ConfigError as no_config:
            raise ConfigError(
                f"{source} is no run ({no_run}) and no config ({no_config})"
            ) from None
    return api.load(run.path).config
