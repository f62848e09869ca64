"""`dlx course`: the list, one question, the search, both languages; its file and its documents."""

import re
import shlex
import unicodedata
from pathlib import Path

import pytest
from typer.main import get_command

from dlx.cli.app import app
from dlx.config.course import Question, course
from dlx.config.load import load
from dlx.config.shipped import shipped
from tests.cli.conftest import Command

QUESTIONS = course().questions
HANGUL = re.compile("[가-힣]")
DOCUMENT = (Path(__file__).parents[2] / "docs" / "course.md").read_text()


def test_the_questions_are_the_course_ablations_and_each_has_its_own_name() -> None:
    configs = [question.config for question in QUESTIONS]
    assert {name for name in shipped() if name.startswith("course/")} <= set(configs)
    assert len({question.name for question in QUESTIONS}) == len(set(configs)) == len(configs)
    assert all(f"configs/{config}.yaml" in DOCUMENT for config in configs)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_a_question_has_commands_that_can_be_read(question: Question) -> None:
    assert question.config in shlex.split(question.command)
    for command in (question.command, question.next):
        program, name, config, *words = shlex.split(command)
        assert program == "dlx" and name in get_command(app).commands  # type: ignore[attr-defined]
        if name in ("train", "ablate"):
            options = ("--vary", "--seeds")
            given = zip(["", *words], words, strict=False)
            load(shipped()[config], [w for before, w in given if not {before, w} & {*options}])
    needs_mnist = "name: mnist" in shipped()[question.config].read_text()
    assert question.needs == ("dlx data fetch mnist" if needs_mnist else None)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_a_question_is_there_in_both_languages(question: Question) -> None:
    for text, korean in ((question.en, False), (question.ko, True)):
        for part in (text.question, text.look, text.change):
            assert bool(HANGUL.search(part)) == korean
        assert text.question.endswith("?")
    named = re.findall(r"`(dlx [^`]+)`|(figures/\w+\.png)", question.en.change)
    assert all(word in question.ko.change for words in named for word in words)


def test_the_list_is_in_the_language_of_the_environment(
    dlx: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    assert "7   vanishing" in dlx("course").out and "Why do deep sigmoid" in dlx("course").out
    monkeypatch.setenv("LANG", "ko_KR.UTF-8")
    assert "왜 깊은 sigmoid 망은 학습이 안 될까?" in dlx("course").out
    monkeypatch.setenv("LC_ALL", "C")
    assert not HANGUL.search(dlx("course").out)
    assert HANGUL.search(dlx("course", "--lang", "ko").out)


def test_one_question_is_shown_by_number_and_by_name(dlx: Command) -> None:
    shown = dlx("course", 7, "--lang", "en").out
    question = QUESTIONS[6]
    assert question.name == "vanishing"
    assert shown == dlx("course", "vanishing", "--lang", "en").out
    en = question.en
    for part in (en.question, en.look, en.change, question.command, question.next):
        assert part in shown
    assert "figures/curves.png" in shown
    assert "dlx data fetch mnist" in dlx("course", "ladder").out


def names(dlx: Command, *words: str) -> list[str]:
    document = dlx("course", *words, "--json").json
    return [question["name"] for question in document["questions"]]


def test_words_of_either_language_are_found_however_they_are_typed(dlx: Command) -> None:
    assert set(names(dlx, "기울기")) == {"learning_rate", "symmetry", "vanishing"}
    assert names(dlx, unicodedata.normalize("NFD", "기울기")) == names(dlx, "기울기")
    assert "optimizers" in names(dlx, "RAdam")
    assert names(dlx, "vanishing", "gradient") == ["vanishing"]
    assert names(dlx, "no", "free lunch") == ["data_sets"]
    assert names(dlx) == [question.name for question in QUESTIONS]


def test_json_has_all_of_a_question(dlx: Command) -> None:
    document = dlx("course", "dropout", "--json", "--lang", "ko").json
    [shown] = document["questions"]
    question = QUESTIONS[shown["number"] - 1]
    assert (document["language"], shown["question"]) == ("ko", question.ko.question)
    assert set(shown) == {
        *("number", "name", "config", "command", "picture", "next", "needs"),
        *("question", "look", "change"),
    }


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("vanishng", "vanishng: no question of the course has this; did you mean 'vanishing'?"),
        ("기울끼", "기울끼: no question of the course has this; did you mean '기울기'?"),
        ("qqqq", "qqqq: no question of the course has this (`dlx course` lists all)"),
        ("22", "22: no such question; they are numbered 1 to 21"),
        ("0", "0: no such question; they are numbered 1 to 21"),
    ],
)
def test_what_finds_nothing_is_a_usage_error(word: str, message: str, dlx: Command) -> None:
    ended = dlx("course", word)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"error: {message}") and ended.err.count("\n") == 1
