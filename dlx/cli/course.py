"""`dlx course`: the questions of a deep-learning course, each with a command that answers it."""

from enum import StrEnum
from typing import Annotated

import typer

from dlx.cli.options import Json
from dlx.cli.output import emit, emit_json, emit_table


class Language(StrEnum):
    """A language that the questions are written in."""

    en = "en"
    ko = "ko"


def course(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="NUMBER|NAME|WORD", help="One question, or words to search for."),
    ] = None,
    lang: Annotated[
        Language | None, typer.Option(help="The language; default: that of LC_ALL or LANG.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List, show or search a deep-learning course's questions.

    Each has one command, one picture, what to look at, and what to change next. The results of all
    stand in docs/course.md.

    \b
    Examples:
      dlx course
      dlx course 7 --lang ko
      dlx course vanishing
    """
    from dlx.config.course import course as shipped_course
    from dlx.config.course import language

    all_of_it = shipped_course()
    in_language = language() if lang is None else lang.value
    labels = all_of_it.labels[in_language]
    found = all_of_it.find(" ".join(words)) if words else all_of_it.questions
    documents = [
        {"number": all_of_it.questions.index(question) + 1}
        | question.model_dump(exclude={"en", "ko", "words"})
        | (question.en if in_language == "en" else question.ko).model_dump()
        for question in found
    ]
    if as_json:
        emit_json({"language": in_language, "questions": documents})
        return
    if len(found) > 1:
        rows = [[str(d["number"]), d["name"], d["question"]] for d in documents]
        emit_table(["", labels.name, labels.question], rows)
        emit(f"({labels.more})")
        return
    [shown] = documents
    heading = [f"{shown['number']}", f"{shown['question']}"]
    rows = [
        [labels.command, shown["command"]],
        [labels.picture, shown["picture"]],
        [labels.look, shown["look"]],
        [labels.change, shown["change"]],
        ["", shown["next"]],
    ]
    rows[:0] = [[labels.needs, shown["needs"]]] if shown["needs"] else []
    emit_table(heading, rows)
