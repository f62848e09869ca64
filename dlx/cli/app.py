"""The `dlx` command: all its commands, and how a failure ends the process."""

import contextlib
import errno
import os
import re
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

from dlx import texts
from dlx.capacity import check_addresses
from dlx.cli import (
    ablation,
    completion,
    configs,
    course,
    data,
    diagnose,
    encoding,
    inspect,
    lists,
    rates,
    run_folders,
    search,
    several,
    training,
    use,
    why,
)
from dlx.cli.output import OutputClosed, complain, lenient, note
from dlx.cli.without_torch import leave_out_torch
from dlx.data import functions
from dlx.errors import (
    DISK,
    FEW_FILES,
    FEW_PROCESSES,
    ClusterError,
    ConfigError,
    DlxError,
    DlxWarning,
    Interrupted,
    MemoryLimitError,
    StorageError,
    is_out_of_memory,
    of_plugin,
    said,
    told,
)
from dlx.stopping import end, interruptible, numbers, watched

# The base class of all usage errors: click's in some versions of typer, typer's own in others.
_UsageError = cast(type[Exception], typer.BadParameter.__mro__[2])

_STORAGE = (*DISK, errno.EACCES, errno.EPERM)

_LOOK_UPS = ("course", "list", "config", "runs")  # commands that compute nothing

_LONGEST_PATH = 4096  # bytes, with the zero byte at its end

_STOPPED = 130  # the exit code after Ctrl-C, in Typer as in shells
# Exit codes of processes that end at once: to shut down in order may take longer than a user waits.
_AT_ONCE = (*(128 + number for number in numbers()), ClusterError.exit_code)


class _Sections(TyperGroup):
    """A group whose help lists its commands under headings."""

    def invoke(self, ctx: Any) -> Any:
        """Tell an interrupt that a plug-in raises from Ctrl-C, which Typer takes it for."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            if (blamed := of_plugin(error)) is None:
                raise
            raise ConfigError(blamed) from error

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        headings: dict[str, list[tuple[str, str]]] = {}
        width = formatter.width - 6 - max(map(len, self.commands))
        for name, command in self.commands.items():
            row = name, command.get_short_help_str(width)
            headings.setdefault(getattr(command, "rich_help_panel", ""), []).append(row)
        for heading, rows in headings.items():
            with formatter.section(heading):
                formatter.write_dl(rows)


app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, cls=_Sections)


def _print_version(wanted: bool) -> None:
    if wanted:
        from dlx.native import library

        try:
            engine = library.level()
        except library.Unavailable as error:
            engine = f"none, since {error}"
        typer.echo(f"dlx {version('dlx')} (native engine: {engine})")
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
            metavar="FILE",
            help="Run a Python file that registers names of your own; may be repeated.",
        ),
    ] = None,
    allow_code: Annotated[
        bool,
        typer.Option(
            "--allow-code", help="Let a config call a Python function of yours (data: python)."
        ),
    ] = False,
    raw_csv: Annotated[
        bool,
        typer.Option(
            "--raw-csv",
            help="Write texts to CSV as they are, those too that a spreadsheet takes for formulas.",
        ),
    ] = False,
) -> None:
    """Train and compare small neural networks, each described by one YAML file.

    \b
    Start with:
      dlx train digits            train on a data set that needs no download
      dlx board                   look at the curves in TensorBoard
      dlx train digits model.hidden=[100,100] optimizer.lr=0.01
    """
    functions.allow_code(allow_code)
    texts.raw_csv(raw_csv)
    is_own_process = context.obj
    if is_own_process:
        looks_up = context.invoked_subcommand in _LOOK_UPS
        if looks_up and not (plugin or allow_code):
            leave_out_torch()
        if not looks_up:
            _check_folder()
        check_addresses(needs_torch=not looks_up and context.invoked_subcommand != "init")
    for file in plugin or []:
        from dlx import plugins

        plugins.load(file)


def _check_folder() -> None:
    """Check that the working folder is there and can be named, else MKL ends the process."""
    try:
        folder = Path.cwd()
    except FileNotFoundError as error:
        raise StorageError(
            "the working folder has been deleted; change to one that is there (cd)"
        ) from error
    if len(os.fsencode(folder)) >= _LONGEST_PATH:
        raise StorageError(
            f"the working folder's path has {_LONGEST_PATH:,} bytes or more, which no library can "
            "open; change to one with a shorter path (cd)"
        )


_COMMANDS: dict[str, dict[str, Any]] = {  # by their heading in the help
    "Train": {
        "train": training.train,
        "resume": training.resume,
        "ablate": ablation.ablate,
        "lr": rates.lr,
        "search": search.search,
    },
    "Use a trained run": {
        "evaluate": use.evaluate,
        "predict": use.predict,
        "export": use.export,
        "encode": encoding.encode,
        "decode": encoding.decode,
        "sample": encoding.sample,
        "probe": several.probe,
        "figures": use.figures,
        "report": use.report,
        "verify": use.verify,
        "ensemble": several.ensemble,
    },
    "Look at runs": {
        "runs": run_folders.runs_app,
        "board": run_folders.board,
        "compare": several.compare,
        "table": several.table,
        "diagnose": diagnose.diagnose,
        "why": why.why,
        "inspect": inspect.inspect,
    },
    "Look things up": {
        "course": course.course,
        "init": configs.init,
        "config": configs.config_app,
        "list": lists.list_names,
        "data": data.data_app,
    },
}
for _heading, _named in _COMMANDS.items():
    for _name, _added in _named.items():
        if isinstance(_added, typer.Typer):
            app.add_typer(_added, name=_name, rich_help_panel=_heading)
        else:
            app.command(_name, rich_help_panel=_heading)(_added)
_command = typer.main.get_command(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; errors go to stderr as `error: …`.

    The arguments are by default those of the process, which ends with the command.
    """
    code = _run(arguments)
    if arguments is None and code in _AT_ONCE:
        end(code)
    return code


def _run(arguments: Sequence[str] | None) -> int:
    is_own_process = arguments is None
    words = sys.argv[1:] if arguments is None else list(arguments)
    received: list[int] = []  # signals that interrupted the command
    try:
        if is_own_process:
            lenient()
        with _handled(is_own_process, received), _remarks(), completion.of_bash():
            code = _command.main(words, prog_name="dlx", standalone_mode=False, obj=is_own_process)
        if code == _STOPPED:
            return _stopped(received)
        return code if isinstance(code, int) else 0
    except OutputClosed:  # the reader of stdout (`| head`) has read enough
        return 0
    except Interrupted as error:
        note(str(error))
        return error.exit_code
    except DlxError as error:
        return _fail(error)
    except _UsageError as error:
        return _misused(error)
    except (KeyboardInterrupt, typer.Abort) as error:
        # Typer takes the end of any file for Ctrl-D at a question.
        cause = error.__cause__
        if isinstance(cause, EOFError):
            if (blamed := of_plugin(cause)) is None:
                raise cause from None
            return _fail(ConfigError(blamed))
        return _stopped(received)
    except (OSError, SystemExit) as error:
        if (blamed := of_plugin(error)) is not None:
            return _fail(ConfigError(blamed))
        if isinstance(error, SystemExit):
            if isinstance(error.__context__, BrokenPipeError):  # the reader of a help
                return 0
            raise
        if "--install-completion" in words:
            return _fail(
                StorageError(
                    f"--install-completion: {error.filename}: {error.strerror}; HOME must name a "
                    "folder that can be written, or copy what --show-completion prints"
                )
            )
        if error.errno == errno.ENAMETOOLONG:
            return _fail(ConfigError(f"{error.filename}: this name is too long; choose another"))
        if error.errno in (errno.EMFILE, errno.ENFILE):
            where = error.filename or "a file"
            return _fail(StorageError(f"{where}: {error.strerror}; {FEW_FILES}"))
        if error.errno == errno.EAGAIN:
            return _fail(StorageError(f"no more processes: {error.strerror}; {FEW_PROCESSES}"))
        if error.errno not in _STORAGE:
            raise
        return _fail(StorageError(f"{error.filename or 'a file or the output'}: {error.strerror}"))
    except BaseException as error:
        if isinstance(error, RuntimeError) and "can't start new thread" in said(error):
            return _fail(StorageError(f"{said(error)}; {FEW_PROCESSES}"))
        if is_out_of_memory(error):
            reason = of_plugin(error) or said(error) or type(error).__name__
            cure = "smaller layers, batches or data need less"
            return _fail(MemoryLimitError(f"out of memory: {reason}; {cure}"))
        if (blamed := of_plugin(error)) is not None:
            return _fail(ConfigError(blamed))
        raise


def _stopped(received: list[int]) -> int:
    note("stopped")
    return 128 + received[0] if received else _STOPPED


@contextlib.contextmanager
def _handled(is_own_process: bool, received: list[int]) -> Iterator[None]:
    """Let signals to stop interrupt the command of a process, and note them."""
    if not is_own_process:
        yield
        return
    try:
        with interruptible(received), watched():
            yield
    finally:  # a second signal would only interrupt the message about the first
        for number in numbers():
            signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def _remarks() -> Iterator[None]:
    """Print dlx's warnings on stderr as `warning: …`."""
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


def _fail(error: DlxError) -> int:
    text, cause = told(error), error.__cause__
    if "plug-in " not in text and cause is not None and (blamed := of_plugin(cause)) is not None:
        text += f"; raised in {blamed}"
    complain(text)
    return error.exit_code


def _misused(error: Any) -> int:
    """Print a usage error like any other error; a group without a command prints its help."""
    message, context = error.format_message(), getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        note(message)
    else:
        # Some versions of typer begin the problem with the name of its exception.
        message = message.replace(": Value error, ", ": ")
        message = message[:1].lower() + message[1:].removesuffix(".")
        from dlx.config.messages import key_in_a_section
        from dlx.config.schema import RunConfig

        unknown = re.match(r"no such option: --([\w-]+)", message)
        key = unknown and key_in_a_section(RunConfig, unknown[1].replace("-", "_"))
        if key and context and context.info_name in ("train", "ablate", "lr", "search"):
            message += f"; keys of the config are written as {key}=VALUE"
        if context and context.info_name == "predict" and "unexpected extra" in message:
            message += "; of several images name the folder"
        for option in ("--plugin FILE", "--allow-code", "--raw-csv"):
            if option.split()[0] in message:
                message += f"; it comes before the command: dlx {option} train …"
        complain(f"{message} (see `{context.command_path if context else 'dlx'} --help`)")
    return ConfigError.exit_code
