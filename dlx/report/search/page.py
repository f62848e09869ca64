"""report.html of a search: the answer, a picture, the best trials; then how it came about."""

from html import escape
from pathlib import Path

from dlx import texts
from dlx.report import html
from dlx.report.ablation.page import write_all
from dlx.report.ablation.page_sections import picture, pictures
from dlx.report.figures import plain_texts
from dlx.report.search.pictures import draw_all
from dlx.report.search.words import Summary, answer, best_trials, changes, in_words, tested
from dlx.runs import write_atomic


def write(folder: Path, summary: Summary, config: str) -> Path:
    """Draw a search's pictures, and write figures/ and the page into its folder.

    The config is in YAML.
    """
    with plain_texts():
        drawings = draw_all(summary)
        number = len(summary["seeds"])
        of = f"Each trial: {number} {'seed' if number == 1 else 'seeds'}."
        encoded = write_all(folder / "figures", drawings, of)
    first, others = drawings[:1], drawings[1:]
    start = (_head(summary), *(picture(drawing, encoded) for drawing in first), _best(summary))
    rest = (
        _warnings(summary),
        html.paragraphs([*answer(summary)[1:], *tested(summary)]),
        _changes(summary),
        pictures(others, encoded),
        _method(summary),
        _again(summary, config),
    )
    page = html.document(f"{summary['name']}: search", (*start, html.contents(rest), *rest))
    path = folder / "report.html"
    write_atomic(path, texts.encoded(texts.printable(page)))
    return path


def _head(summary: Summary) -> str:
    number = len(summary["seeds"])
    facts = [
        f"{len(summary['trials']):,} trials",
        f"{number} {'seed' if number == 1 else 'seeds'} each",
        f"sampler {summary['sampler']}",
        *([f"pruner {summary['pruner']}"] if summary["pruner"] != "none" else []),
        f"by {' and '.join(map(in_words, summary['objectives']))}",
        *summary["constraints"],
    ]
    keys = ", ".join(summary["space"])
    return (
        f"<p class='soft'>{escape(summary['name'])} · {escape(' · '.join(facts))}</p>"
        f"<h1>Which {escape(keys)} is best?</h1>"
        f"<div class='answer'><p>{escape(answer(summary)[0])}</p></div>"
    )


def _best(summary: Summary) -> str:
    table = best_trials(summary)
    if not table.rows:
        return ""
    several = len(summary["objectives"]) > 1
    title = "Trials that no other one beats in every objective" if several else "The best trials"
    return f"<p><b>{title}</b></p>{html.table(*table)}"


def _warnings(summary: Summary) -> str:
    warnings = (summary["verdict"] or {}).get("warnings") or []
    if not warnings:
        return ""
    items = "".join(f"<li>{escape(warning)}</li>" for warning in warnings)
    return f"<div class='warnings'><p><b>Keep in mind</b></p><ul>{items}</ul></div>"


def _changes(summary: Summary) -> str:
    if summary["best"] is None:
        return ""
    return html.heading("What changes", "changes") + html.table(*changes(summary))


_APART = (
    "So judge rows were held out before the first trial, from every trial's train and dev rows; "
    "the best values and the config's own were trained once more at fresh seeds, and judged on "
    "these rows alone."
)
_TRAINED = (
    "So the best values and the config's own were trained once more at fresh seeds. They are "
    "judged on the rows that they were trained on, which says nothing of new ones."
)


def _method(summary: Summary) -> str:
    verdict, split = summary["verdict"], summary["metric"].partition(".")[0]
    sentences = [
        f"A trial's value is the mean over its seeds on {split} rows. The best of many such values "
        "is better than what it stands for, since it was chosen for it."
    ]
    if verdict is None:
        sentences.append("No other values were to be judged against the config's own.")
    else:
        sentences.append(_APART if verdict["rows_apart"] else _TRAINED)
        sentences.append(f"The verdict's reason: {verdict['versus']['why']}")
    return html.heading("How it is judged", "method") + html.paragraphs(sentences)


def _again(summary: Summary, config: str) -> str:
    commands = [
        ("dlx train SEARCH/best.yaml", "a run with the best values"),
        (summary["command"], "the whole search"),
        ("dlx evaluate SEARCH#1", "one of its runs: trials.csv lists the trials"),
    ]
    lines = "\n".join(f"{command}    # {meaning}" for command, meaning in commands)
    return (
        f"{html.heading('Go on', 'again')}<pre>{escape(lines)}</pre>"
        "<p class='soft'>SEARCH is the folder of this page. In it, best.yaml is the best config, "
        "trials.csv has a row for every trial, summary.json all numbers of this page, and "
        "journal.log is an Optuna journal.</p>"
        f"<details><summary>The config</summary><pre>{escape(config)}</pre></details>"
    )
