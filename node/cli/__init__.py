"""The command line, `tastemesh`.

A command is a function with Typer annotations in a module of its own, imported when it is called
for: `tastemesh --help` imports none of them. To add one, write the function and add a line to
`COMMANDS`.

Exit status: 0 done, 1 the run failed, 2 wrong usage. Whatever `TastemeshError` says goes to stderr
as one line; 130 after Ctrl-C, as shells expect.
"""

import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from importlib import import_module
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

import tastemesh
from tastemesh.errors import TastemeshError, UsageError, is_interrupt
from tastemesh.sim.blas import ONE_THREAD

_INTERRUPTED = 130
_AGAIN_S = 0.05  # after which the callback has returned, as a rule; if not, it comes once more


class Entry(NamedTuple):
    """One command.

    Attributes:
        target: `module:function` below `tastemesh.node.cli`.
        summary: first line of the function's docstring, or what fits of it in 68 columns.
        environment: variables that what it imports reads; those that are set already stay.
    """

    target: str
    summary: str
    environment: Mapping[str, str] = MappingProxyType({})


COMMANDS = {
    "demo": Entry("demo:demo", "Run real nodes on a real broker, under attack, and see."),
    "evaluate": Entry(
        "evaluate:evaluate", "Measure how accurate each method is on your data.", ONE_THREAD
    ),
    "attack": Entry("attack:attack", "Attack several systems on your data, and compare."),
    "sim": Entry("sim:sim", "Simulate a network of full nodes in virtual time."),
    "init": Entry("daemon:init", "Make a home: keys, token and a configuration file."),
    "run": Entry("daemon:run", "Run the node of a home until Ctrl-C or SIGTERM."),
    "status": Entry("answers:status", "Show what the running node is doing."),
    "config": Entry("settings:config", "Show each setting and where its value comes from."),
    "import": Entry("history:import_", "Bring your listening history in."),
    "export": Entry("history:export", "Write out everything that you have said."),
    "backup": Entry("backup:backup", "Copy keys, settings and window of a home into one file."),
    "restore": Entry("backup:restore", "Make a home from a backup, here or on another machine."),
    "verify": Entry("history:verify_", "Check somebody's evidence for a recommendation, offline."),
    "broker": Entry("broker:broker", "Run an MQTT broker for the nodes on this machine."),
    "record": Entry("statements:record", "Record that you did something with an item."),
    "endorse": Entry("statements:endorse", "Endorse somebody whose taste you trust."),
    "forget": Entry("forget:forget", "Take back what you recorded, here and in the network."),
    "rotate": Entry("forget:rotate", "Sign with your next key from now on; your identity stays."),
    "block": Entry("statements:block", "Distrust somebody: nothing reaches you through them."),
    "recommend": Entry("answers:recommend", "List items that you do not have yet."),
}


class _LazyCommand(TyperCommand):
    """Stands in the list of commands; imports the real one when it is called for."""

    def __init__(self, name: str, entry: Entry) -> None:
        super().__init__(name, help=entry.summary)
        self._entry = entry

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> Any:
        module, function = self._entry.target.split(":")
        for variable, value in self._entry.environment.items():
            os.environ.setdefault(variable, value)
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(self.name)(_imported(module, function))
        return typer.main.get_command(app).make_context(info_name, args, *rest, **extra)


def _imported(module: str, function: str) -> Any:
    return getattr(import_module(f"{__name__}.{module}"), function)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tastemesh {tastemesh.__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Say which.")
    ] = False,
) -> None:
    """A decentralised, Sybil-resistant, peer-to-peer recommender.

    Start with: tastemesh init, then tastemesh run.
    """


def command_group() -> TyperGroup:
    """Return the whole command line, for `main` and for the reference in the documentation."""
    app = typer.Typer(
        rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]}
    )
    app.callback()(_root)
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    group.commands.update({name: _LazyCommand(name, entry) for name, entry in COMMANDS.items()})
    return group


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the command line without the program's name; this process's own by default.

    Returns:
        The exit status.
    """
    given = sys.argv[1:] if arguments is None else arguments
    if threading.current_thread() is not threading.main_thread():  # where no Ctrl-C comes
        return _run(given)
    before = sys.unraisablehook
    sys.unraisablehook = partial(_deliver_again, before)
    try:
        return _run(given)
    finally:
        sys.unraisablehook = before


def _run(given: list[str]) -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what a terminal has no letter for is escaped
            stream.reconfigure(errors="backslashreplace")
    try:
        status = command_group().main(
            given or ["--help"], prog_name="tastemesh", standalone_mode=False
        )
        if sys.stdout is not None:  # as it is where a shell has closed it: `>&-`
            sys.stdout.flush()
    except TastemeshError as error:
        return _complain("tastemesh", str(error), 2 if isinstance(error, UsageError) else 1)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "tastemesh"
        text = f"{error.format_message().rstrip('.')}; see {command} --help"
        return _complain(command, text, error.exit_code)
    except BrokenPipeError:
        _give_up_output()  # the reader has gone
        return 1
    except typer.Abort:
        return 1
    except SystemError as error:
        if not is_interrupt(error):
            raise
        typer.echo(err=True)
        return _INTERRUPTED
    except OSError as error:
        if error.filename is None:  # of the output itself, on a full disk say
            _give_up_output()
        where = f"{error.filename}: " if error.filename is not None else ""
        return _complain("tastemesh", f"cannot go on: {where}{error.strerror or error}", 1)
    return status if isinstance(status, int) else 0


def _give_up_output() -> None:
    """Say nothing more, not even by the interpreter's last flush."""
    with suppress(AttributeError, io.UnsupportedOperation):  # closed, or no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _deliver_again(otherwise: Callable[[Any], Any], lost: Any) -> None:
    """Let a Ctrl-C count that came inside a callback from C, where Python drops what is raised.

    LLVM calls back while numba compiles, half a minute the first time.
    """
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        otherwise(lost)
        return
    main_thread = threading.main_thread().ident
    again = threading.Timer(_AGAIN_S, signal.pthread_kill, (main_thread, signal.SIGINT))
    again.daemon = True
    again.start()


def _complain(who: str, text: str, status: int) -> int:
    typer.echo(f"{who}: {' '.join(text.split())}", err=True)
    return status
