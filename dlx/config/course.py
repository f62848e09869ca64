"""The questions of a deep-learning course, each with a shipped config, in English and Korean."""

import functools
import os
import re
import unicodedata
from typing import Annotated, Literal

import yaml
from pydantic import StringConstraints, ValidationError

from dlx.config.nodes import CoreLoader
from dlx.config.sections import Section
from dlx.config.shipped import QUESTIONS, configs_folder
from dlx.errors import ConfigError, did_you_mean

Language = Literal["en", "ko"]
Words = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class Text(Section):
    """A question in one language: what to look at in its result, and what to change next."""

    question: Words
    look: Words
    change: Words


class Labels(Section):
    """What stands above and below the list of all, and before the parts of a question."""

    name: Words
    question: Words
    command: Words
    picture: Words
    look: Words
    change: Words
    needs: Words
    more: Words


class Question(Section):
    """A question of a lecture, and the commands that answer it."""

    name: Words
    config: Words
    command: Words
    picture: Words  # in the folder that the command prints
    next: Words  # the command to go on with
    needs: Words | None = None  # the command that has to be run once before
    words: list[Words]  # that people search for beside those of the texts
    en: Text
    ko: Text

    @property
    def searched(self) -> str:
        """All words that find the question."""
        texts = [[text.question, text.look, text.change] for text in (self.en, self.ko)]
        parts = [self.name, self.command, self.next, *self.words, *texts[0], *texts[1]]
        return _plain("\n".join(parts))


class Course(Section):
    """The labels of each language, and the questions in the order of the lectures."""

    labels: dict[Language, Labels]
    questions: list[Question]

    def find(self, words: str) -> list[Question]:
        """Return the question of a number or a name, else those in which all words occur.

        Raises:
            ConfigError: there is none; the message has the nearest word
        """
        if words.isdecimal():
            number = int(words)
            if not 1 <= number <= len(self.questions):
                raise ConfigError(
                    f"{words}: no such question; they are numbered 1 to {len(self.questions)}"
                )
            return [self.questions[number - 1]]
        named = [question for question in self.questions if question.name == words]
        parts = _plain(words).split()
        found = named or [q for q in self.questions if all(part in q.searched for part in parts)]
        if not found:
            known = {word for q in self.questions for word in re.findall(r"\w{2,}", q.searched)}
            missing = next(
                (p for p in parts if all(p not in q.searched for q in self.questions)), ""
            )
            near = did_you_mean(missing or words, sorted(known))
            raise ConfigError(
                f"{words}: no question of the course has this{near} (`dlx course` lists all)"
            )
        return found


def _plain(text: str) -> str:
    """Return a text with one spelling of each letter, however it was typed."""
    return unicodedata.normalize("NFC", text).casefold()


@functools.cache
def course() -> Course:
    """Return the course that comes with dlx.

    Raises:
        ConfigError: its file is damaged
    """
    path = configs_folder() / QUESTIONS
    try:
        return Course.model_validate(yaml.load(path.read_text(encoding="utf-8"), CoreLoader))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path}: {reason}; install dlx again") from None


def language() -> Language:
    """Return the language of the environment, if there are texts in it, else English."""
    named = os.environ.get("LC_ALL") or os.environ.get("LANG") or ""
    return "ko" if named.lower().startswith("ko") else "en"
