"""What the battery counted, test by test, at the end of its output."""

from collections.abc import Callable

import pytest

from tests.cli.conftest import dlx

__all__ = ["Record", "dlx"]

Record = Callable[[str, object], None]
"""pytest's `record_property`."""


@pytest.fixture
def share(request: pytest.FixtureRequest) -> float:
    """How many of the faults are tried."""
    return request.config.option.share


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    told = [(report, value) for report in reports for _, value in report.user_properties]
    if told:
        terminalreporter.section("counts")
    for report, value in told:
        terminalreporter.write_line(f"{report.nodeid} ({report.duration:.0f} s): {value}")
