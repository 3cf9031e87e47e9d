"""Systems and strategies of somebody's own, from a Python file that names them.

The file's text travels with the work, so that processes on other machines need no copy of it, and
what a resumed experiment was made with is known.
"""

import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import msgspec

from tastemesh.errors import TastemeshError, UsageError
from tastemesh.sim.adversaries.staging import SHAPES
from tastemesh.sim.adversaries.strategies import STRATEGIES, Strategy
from tastemesh.sim.adversaries.white_box import WHITE_BOX
from tastemesh.sim.systems.registry import SYSTEMS, VARIANTS, Maker


class Own(msgspec.Struct, frozen=True):
    """A file.

    Attributes:
        path: for messages.
        text: what stands in it; empty for no file.
    """

    path: str = ""
    text: str = ""


class Brought(NamedTuple):
    """What a file brings, by name."""

    systems: Mapping[str, Maker]
    strategies: Mapping[str, Strategy]


NOTHING = Own()

# Options take names between commas, and what prints them takes square brackets for orders.
_NAME = re.compile(r"[^\s,\[\]]+( [^\s,\[\]]+)*")


def read_own(path: Path) -> Own:
    """Read a file, and see that what it brings can be used.

    Args:
        path: Python that assigns `SYSTEMS`, `STRATEGIES` or both: dictionaries by name, of what
            makes a `System` from a seed, and of `Strategy`.

    Raises:
        UsageError: it cannot be read or run, or brings nothing that can be used.
    """
    try:
        own = Own(str(path), path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "expected UTF-8"
        raise UsageError(f"--with {path}: {why}") from None
    if not any(brought_by(own)):
        raise UsageError(f"--with {path}: expected SYSTEMS or STRATEGIES, dictionaries by name")
    return own


@cache
def brought_by(own: Own) -> Brought:
    """Return what a file brings; it is run once a process.

    Args:
        own: the file, or `NOTHING`.

    Raises:
        UsageError: it cannot be run, or a name or value is not to be used.
    """
    if not own.text:
        return Brought({}, {})
    name = f"own_{sha256(own.text.encode()).hexdigest()[:16]}"
    # With a loader, which a traceback asks for lines: from Python 3.15 on it warns where none is.
    module = module_from_spec(ModuleSpec(name, SourceFileLoader(name, own.path)))
    module.__file__ = own.path
    sys.modules[module.__name__] = module  # where dataclasses look for their module
    try:
        exec(compile(own.text, own.path, "exec"), module.__dict__)  # noqa: S102 (asked for)
    except (Exception, SystemExit) as error:  # the last would end the command, as if all were well
        raise UsageError(f"--with {own.path}{_line(error, own.path)}: {_said(error)}") from error
    return Brought(
        _checked(own.path, module, "SYSTEMS", callable, (*SYSTEMS, *VARIANTS)),
        _checked(own.path, module, "STRATEGIES", _is_strategy, (*STRATEGIES, WHITE_BOX)),
    )


@contextmanager
def blamed(own: Own, name: str, hook: str) -> Iterator[None]:
    """Say in one line what went wrong in a file's code; shipped code's faults are left as they are.

    Args:
        own: the file.
        name: of the system or strategy that is at work, brought or shipped.
        hook: what is called.

    Raises:
        UsageError: it raised something, with its name and the line.
    """
    try:
        yield
    except TastemeshError:
        raise
    except (Exception, SystemExit) as error:
        if not any(name in kind for kind in brought_by(own)):
            raise
        where = f"--with {own.path}{_line(error, own.path)}"
        raise UsageError(f"{where}: {name}: its `{hook}` raised {_said(error)}") from error


def _is_strategy(value: object) -> bool:
    if not isinstance(value, Strategy):
        return False
    said = msgspec.structs.asdict(value)  # nothing has looked at what its file put there
    return (
        isinstance(said["tries"], str)
        and callable(said["camouflage"])
        and said["shape"] in SHAPES
        and isinstance(said["entries"], int)
        and said["entries"] >= 1
        and isinstance(said["slanders"], bool)
    )


def _checked(
    path: str,
    module: ModuleType,
    kind: str,
    is_one: Callable[[object], bool],
    shipped: tuple[str, ...],
) -> dict[str, Any]:
    found = getattr(module, kind, {})
    expected = (
        "functions of a seed"
        if kind == "SYSTEMS"
        else f"Strategy(…), its shape one of {', '.join(SHAPES)}, its entries 1 or more"
    )
    if not isinstance(found, Mapping):
        raise UsageError(f"--with {path}: {kind} is {found!r}; expected {expected} by name")
    for name, value in found.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise UsageError(
                f"--with {path}: {kind} has {name!r}; expected a name, no comma or bracket in it"
            )
        if name in shipped:
            raise UsageError(f"--with {path}: {kind} has {name!r}, which is there already")
        if not is_one(value):
            raise UsageError(f"--with {path}: {kind}[{name!r}] is {value!r}; expected {expected}")
    return dict(found)


def _line(error: BaseException, path: str) -> str:
    if isinstance(error, SyntaxError) and error.filename == path:
        return f", line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == path]
    return f", line {lines[-1]}" if lines else ""


def _said(error: BaseException) -> str:
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
