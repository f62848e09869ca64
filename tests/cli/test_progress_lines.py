"""Off a terminal progress is lines: often at first, then ever rarer, and always the last one."""

from pathlib import Path

import pytest

from dlx.cli import progress


class Counted(progress.Lines):
    seconds = 2.0

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[int] = []

    def draw(self, progress: int) -> None:
        self.lines.append(progress)


def test_lines_become_rarer(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    display = Counted()
    for second in range(24 * 3600 + 1):
        clock[0] = 1000.0 + second
        display.show(second)
    display.close()
    lines = display.lines
    assert lines[:4] == [0, 2, 4, 6] and lines[-1] == 24 * 3600
    assert 60 < sum(line < 3600 for line in lines) < 100 and len(lines) < 150


def test_a_display_is_no_wider_than_can_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "9" * 20)
    display = progress.Live()
    display.update(Path("runs"), "a text", progress.bar(2, 1, ["1/2"]))
    display.close()
