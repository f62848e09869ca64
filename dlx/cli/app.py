"""The `dlx` command: its groups of commands, and how every failure ends the process."""

import contextlib
import errno
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

from dlx.cli import (
    ablation,
    codes,
    compare,
    configs,
    data,
    ensemble,
    figures,
    inspect,
    lists,
    probe,
    runs,
    training,
    use,
    verify,
)
from dlx.cli.output import OutputClosed, complain, note
from dlx.cli.without_torch import leave_out_torch
from dlx.data import functions
from dlx.errors import (
    ConfigError,
    DlxError,
    DlxWarning,
    Interrupted,
    MemoryLimitError,
    StorageError,
    is_out_of_memory,
)

# Every error of typer's; they are click's in some of its versions, and its own in others.
_UsageError = cast(type[Exception], typer.BadParameter.__mro__[2])

_STORAGE = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EFBIG,
    errno.EIO,
)

_LOOK_UPS = ("list", "config")  # commands that compute nothing

_STOPPED = 130  # what Typer makes of Ctrl-C, as shells do


class _Sections(TyperGroup):
    """A group whose help lists the commands under headings, in the order of their definition."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands under their headings."""
        headings: dict[str, list[tuple[str, str]]] = {}
        width = formatter.width - 6 - max(map(len, self.commands))
        for name, command in self.commands.items():
            heading = getattr(command, "rich_help_panel", None)
            heading = heading if isinstance(heading, str) else "Commands"
            headings.setdefault(heading, []).append((name, command.get_short_help_str(width)))
        for heading, rows in headings.items():
            with formatter.section(heading):
                formatter.write_dl(rows)


def _group(**options: Any) -> typer.Typer:
    return typer.Typer(rich_markup_mode=None, no_args_is_help=True, **options)


app = _group(cls=_Sections)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dlx {version('dlx')}")
        raise typer.Exit


@app.callback()
def _dlx(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
    plugin: Annotated[
        list[Path] | None,
        typer.Option(
            "--plugin",
            metavar="FILE",
            help="Execute a Python file that registers names of its own; may be repeated.",
            show_default=False,
        ),
    ] = None,
    allow_code: Annotated[
        bool,
        typer.Option(
            "--allow-code", help="Execute the functions that a config names (data: python)."
        ),
    ] = False,
) -> None:
    """Train and compare small neural networks, each described by one YAML file.

    \b
    Start with:
      dlx train digits            train on a data set that needs no download
      dlx board                   see its curves in TensorBoard
      dlx train digits model.hidden=[100,100] optimizer.lr=0.01
    """
    functions.allow_code(allow_code)
    is_own_process = context.obj
    if is_own_process and context.invoked_subcommand in _LOOK_UPS and not (plugin or allow_code):
        leave_out_torch()
    for file in plugin or []:
        from dlx import plugins

        plugins.load(file)


for _module in (
    training,
    ablation,
    use,
    codes,
    probe,
    figures,
    verify,
    ensemble,
    runs,
    compare,
    inspect,
    configs,
    lists,
    data,
):
    _module.add_to(app)
_command = typer.main.get_command(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return the exit code; errors go to stderr as `error: …`.

    Args:
        arguments: default: those of the process
    """
    try:
        given = sys.argv[1:] if arguments is None else list(arguments)
        with _terminated(of_process=arguments is None) as terminated, _remarks():
            code = _command.main(
                given, prog_name="dlx", standalone_mode=False, obj=arguments is None
            )
        if code == _STOPPED:
            note("stopped")
            return 128 + signal.SIGTERM if terminated else _STOPPED
        return code if isinstance(code, int) else 0
    except OutputClosed:  # who reads stdout (`| head`) has seen enough
        return 0
    except Interrupted as error:
        note(str(error))
        return error.exit_code
    except DlxError as error:
        return _fail(error)
    except _UsageError as error:
        return _misused(error)
    except (KeyboardInterrupt, typer.Abort):
        note("stopped")
        return _STOPPED
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return _fail(ConfigError(f"{error.filename}: this name is too long; choose another"))
        if error.errno not in _STORAGE:
            raise
        return _fail(StorageError(f"{error.filename or 'a file'}: {error.strerror}"))
    except Exception as error:
        if is_out_of_memory(error):
            words = str(error) or type(error).__name__
            return _fail(
                MemoryLimitError(
                    f"out of memory: {words}; smaller layers, batches or data need less"
                )
            )
        if (where := _blamed_plugin(error)) is not None:
            return _fail(ConfigError(f"plug-in {where}"))
        raise


@contextlib.contextmanager
def _terminated(of_process: bool) -> Iterator[list[int]]:
    """Make SIGTERM interrupt as Ctrl-C does, and give the list of those received."""
    received: list[int] = []

    def terminate(number: int, frame: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    if of_process:
        signal.signal(signal.SIGTERM, terminate)
    try:
        yield received
    finally:
        if of_process:  # a second signal would only interrupt the words about the first
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def _remarks() -> Iterator[None]:
    """Print warnings for the user as remarks."""
    show = warnings.showwarning

    def remark(message: Any, category: Any, *place: Any) -> None:
        if issubclass(category, DlxWarning):
            note(f"warning: {message}")
        else:
            show(message, category, *place)

    with warnings.catch_warnings():
        warnings.simplefilter("default", DlxWarning)
        warnings.showwarning = remark
        yield


def _blamed_plugin(error: Exception) -> str | None:
    """Return where in a plug-in an error was raised, if there; no plug-in, no import."""
    loaded = sys.modules.get("dlx.plugins")
    return loaded.blamed(error) if loaded is not None else None


def _fail(error: DlxError) -> int:
    complain(str(error))
    return error.exit_code


def _misused(error: Any) -> int:
    """Print a usage error as every other one; a group without a command prints its help."""
    message, context = error.format_message(), getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        note(message)
    else:
        message = message[:1].lower() + message[1:].removesuffix(".")
        for option in ("--plugin FILE", "--allow-code"):
            if option.split()[0] in message:
                message += f"; it comes before the command: dlx {option} train …"
        complain(f"{message} (see `{context.command_path if context else 'dlx'} --help`)")
    return ConfigError.exit_code
