"""One line to a daemon: requests over HTTP, on connections that are kept, and what came of them.

Any number of threads share a line, and so may processes that were forked since it was made: each
has connections of its own. Where the daemon was started anew, the next request finds it.
"""

import http.client
import json
import math
import os
import select
import socket
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from numbers import Real
from typing import NamedTuple
from urllib.parse import urlencode

import msgspec

from tastemesh.errors import DaemonError, StorageError, TastemeshError, UsageError
from tastemesh.node.client.daemon import Daemon, Place

# A connection that has been idle for longer is not used again: the daemon's server closes it after
# 5 s, and what is sent just then gets no answer.
KEPT_S = 3.0

KEPT_COUNT = 32  # idle connections at most: as many threads as a worker has, as a rule (guess)

_IN_DOUBT = "; it may have heard what was said, or not"

_WAITING = (429, 503)  # with `Retry-After`: nothing was done, and it will pass


class Reply(NamedTuple):
    """What a daemon answered.

    Attributes:
        status: of HTTP.
        content: the body.
        wait_s: after how many seconds to ask again; None where that would change nothing.
    """

    status: int
    content: bytes
    wait_s: int | None


class Connection(NamedTuple):
    """A connection to a daemon.

    Attributes:
        wire: itself.
        sock: below it; `wire` lets go of it where an answer says that it is the last.
        place: what it leads to.
    """

    wire: http.client.HTTPConnection
    sock: socket.socket
    place: Place

    def send(
        self, method: str, target: str, content: bytes | None = None
    ) -> http.client.HTTPResponse:
        """Send a request and return the beginning of the answer.

        Raises:
            OSError: the connection has ended or is too slow.
            http.client.HTTPException: what comes is no HTTP.
        """
        path = self.place.address.path.removesuffix("/") + target
        self.wire.request(method, path, content, dict(self.place.headers))
        return self.wire.getresponse()


class _Idle(NamedTuple):
    connection: Connection
    since_s: float


class _GoneError(Exception):
    """The daemon closed the connection before it answered."""


class Line:
    """See the module.

    Args:
        daemon: whose.
        timeout_s: for an answer, and for being let in where too many requests wait.
    """

    def __init__(self, daemon: Daemon, timeout_s: float) -> None:
        self._daemon = daemon
        self.timeout_s = timeout_s
        self._idle: dict[int, deque[_Idle]] = {}  # by process; no lock that a fork could find held

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        content: bytes | None = None,
        changes: bool = False,
    ) -> bytes:
        """Send a request and return the body of the answer; waits where it is told to.

        Args:
            method: of HTTP.
            path: below the base URL, from `/v1/` on, percent-encoded.
            query: parameters of the address; a list is one parameter several times.
            content: a body of JSON.
            changes: it must not be sent twice: on a connection that ends, nobody knows whether it
                arrived.

        Raises:
            UsageError: the daemon found a value wrong.
            StorageError: the daemon cannot store or read just now.
            DaemonError: no daemon runs, answers in time, or lets us in.
            TastemeshError: it refuses for another reason.
        """
        target = _addressed(path, query)
        until_s = time.monotonic() + self.timeout_s
        while True:
            reply = self._exchange(method, target, content, changes)
            if reply.status in (200, 201, 204):
                return reply.content
            self._wait(reply, until_s)

    def foreign(self, found: object) -> DaemonError:
        """Return the error that says that this is no daemon of ours, or one that differs from us.

        Args:
            found: what it answered instead.
        """
        return DaemonError(f"{self._daemon.name} does not answer as a node of tastemesh: {found}")

    def opened(self) -> Connection:
        """Return a new connection, whose end is the caller's.

        Raises:
            DaemonError: nothing listens there.
        """
        place = self._daemon.place()
        address = place.address
        host = address.hostname or ""
        connection = http.client.HTTPConnection(host, address.port, timeout=self.timeout_s)
        if address.scheme == "https":
            connection = http.client.HTTPSConnection(
                host,
                address.port,
                timeout=self.timeout_s,
                context=None if place.tls is None else place.tls.context(),
            )
        try:
            connection.connect()
        except ConnectionRefusedError:
            raise self._daemon.absent() from None
        except OSError as error:
            raise DaemonError(f"{self._daemon.name} cannot be reached: {error}") from None
        return Connection(connection, connection.sock, place)

    def follow(
        self, path: str, query: Mapping[str, object]
    ) -> tuple[Connection, http.client.HTTPResponse]:
        """Return the beginning of an answer that does not end, and its connection, to be closed.

        Args:
            path: see `ask`.
            query: see `ask`.

        Raises:
            TastemeshError: see `ask`.
        """
        target = _addressed(path, query)
        until_s = time.monotonic() + self.timeout_s
        while True:
            connection, answer = self._begun(target)
            if answer.status == 200:
                kind = answer.getheader("Content-Type") or ""
                if kind.startswith("text/event-stream"):
                    return connection, answer
                connection.wire.close()
                raise self.foreign(f"events come as {kind!r}")
            try:
                with self._failing():
                    reply = Reply(answer.status, answer.read(), _wait_s(answer))
            except _GoneError as error:
                raise self.gone(error) from None
            finally:
                connection.wire.close()
            self._wait(reply, until_s)

    def close(self) -> None:
        """Close what is idle; a later request opens a connection again."""
        kept = self._kept()
        with suppress(IndexError):  # no more of them, as other threads may see to
            while True:
                kept.pop().connection.wire.close()

    def __del__(self) -> None:
        self.close()

    def _wait(self, reply: Reply, until_s: float) -> None:
        """Wait until a refused request may be sent again.

        Raises:
            TastemeshError: that would not help, or take too long; see `ask`.
        """
        text = self._refusal(reply)
        if reply.wait_s is not None:
            if time.monotonic() + reply.wait_s > until_s:
                raise DaemonError(f"{self._daemon.name} is busy: {text}")
            time.sleep(reply.wait_s)
            return
        match reply.status:
            case 400 | 413:
                raise UsageError(text)
            case 401 | 403 | 421:
                raise DaemonError(f"{self._daemon.name} lets nobody in with this: {text}")
            case 404:
                raise AbsentError(f"{self._daemon.name}: {text}")
            case 503:
                raise StorageError(text)
        raise TastemeshError(text)

    def _begun(self, target: str) -> tuple[Connection, http.client.HTTPResponse]:
        connection = self.opened()
        try:
            with self._failing():
                return connection, connection.send("GET", target)
        except BaseException as error:
            connection.wire.close()
            if isinstance(error, _GoneError):
                raise self.gone(error) from None
            raise

    def _exchange(self, method: str, target: str, content: bytes | None, changes: bool) -> Reply:
        kept = self._taken()
        if kept is not None:
            try:
                return self._answered(kept, method, target, content, changes)
            except _GoneError as error:
                if changes:
                    raise self.gone(error) from None
        try:
            return self._answered(self.opened(), method, target, content, changes)
        except _GoneError as error:
            raise self.gone(error) from None

    def _answered(
        self,
        connection: Connection,
        method: str,
        target: str,
        content: bytes | None,
        changes: bool,
    ) -> Reply:
        """Send a request and read the whole answer; the connection is kept, or closed."""
        is_whole = False
        try:
            with self._failing(_IN_DOUBT if changes else ""):
                answer = connection.send(method, target, content)
                reply = Reply(answer.status, answer.read(), _wait_s(answer))
            # A token that is refused goes with its connection: the home may have another by now.
            is_whole = not answer.will_close and answer.status != 401
        finally:
            if is_whole and len(self._kept()) < KEPT_COUNT:
                self._kept().append(_Idle(connection, time.monotonic()))
            else:
                connection.wire.close()
        return reply

    @contextmanager
    def _failing(self, doubt: str = "") -> Iterator[None]:
        """Say in our words what goes wrong with a connection, and what that leaves open."""
        try:
            yield
        except TimeoutError:
            text = f"{self._daemon.name} did not answer within {self.timeout_s:g} s"
            raise DaemonError(text + doubt) from None
        except (http.client.IncompleteRead, ConnectionError) as error:
            raise _GoneError((str(error) or type(error).__name__) + doubt) from None
        except http.client.HTTPException as error:
            raise self.foreign(f"{type(error).__name__} {error}") from None
        except OSError as error:
            raise DaemonError(f"{self._daemon.name} does not answer: {error}{doubt}") from None

    def gone(self, error: object) -> DaemonError:
        """Return the error that says that the daemon went away half way.

        Args:
            error: what was found.
        """
        return DaemonError(f"{self._daemon.name} went away: {error}")

    def _taken(self) -> Connection | None:
        """Return an idle connection that still stands."""
        kept = self._kept()
        while True:
            try:
                connection, since_s = kept.pop()  # the one used last
            except IndexError:
                return None
            if time.monotonic() - since_s < KEPT_S and not _has_ended(connection):
                return connection
            connection.wire.close()

    def _kept(self) -> deque[_Idle]:
        """Return this process's idle connections; those of the one that it was forked from go."""
        process = os.getpid()
        kept = self._idle.get(process)
        if kept is None:
            kept = self._idle.setdefault(process, deque())
            for other in set(self._idle) - {process}:
                for connection, _ in self._idle.pop(other, ()):
                    connection.wire.close()  # here only: the other process still has it
        return kept

    def _refusal(self, reply: Reply) -> str:
        """Return what a daemon says is wrong.

        Raises:
            DaemonError: it says nothing that one of ours would.
        """
        try:
            told = json.loads(reply.content)
            text = told["error"]
        except (ValueError, KeyError, TypeError):
            raise self.foreign(f"status {reply.status}") from None
        return str(text)


class AbsentError(DaemonError):
    """There is no such thing: an answer to some questions, and to all others the wrong daemon's."""


def encoded(body: Mapping[str, object]) -> bytes:
    """Return a body as JSON; nothing is sent as text but text.

    Raises:
        UsageError: a number in it is not finite, a text is not UTF-8, or it is neither.
    """
    try:
        return json.dumps(body, default=_plain, allow_nan=False, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise UsageError("an argument is not valid UTF-8") from None
    except TypeError as error:  # a key that is no text
        raise UsageError(f"an argument cannot be sent to a node: {error}") from None
    except ValueError:
        numbers = [(n, v) for n, v in body.items() if isinstance(v, Real)]
        wrong = next((name for name, value in numbers if not math.isfinite(value)), "a number")
        raise UsageError(f"{wrong} is not finite; expected an ordinary number") from None


def _plain(value: object) -> object:
    """Return a part of a body, or a number of another library, NumPy's say, as Python's own."""
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    if isinstance(value, Real):
        return float(value)
    raise UsageError(f"{value!r} cannot be sent to a node; expected text or a number")


def _addressed(path: str, query: Mapping[str, object] | None) -> str:
    """Return a path with parameters behind it; what is no UTF-8 in them the daemon refuses."""
    return f"{path}?{urlencode(query, doseq=True, errors='surrogatepass')}" if query else path


def _wait_s(reply: http.client.HTTPResponse) -> int | None:
    told = reply.getheader("Retry-After") or ""
    if reply.status not in _WAITING or not (told.isascii() and told.isdigit()) or len(told) > 9:
        return None
    return int(told)


def _has_ended(connection: Connection) -> bool:
    """Tell whether an idle connection has something to read, which can only be its end."""
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))
