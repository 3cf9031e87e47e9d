"""Servers that do not behave: each reads a request, and then does what it was told to."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Deed = Callable[[socket.socket], None]


def answer(
    body: bytes, status: str = "200 OK", *headers: str, length: int | None = None, end: bool = False
) -> Deed:
    """Answer, with a length that may not be the body's; hang up where it is the end."""
    count = len(body) if length is None else length
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {count}", *headers])

    def deed(connection: socket.socket) -> None:
        connection.sendall(head.encode() + b"\r\n\r\n" + body)
        if end:
            hang_up(connection)

    return deed


def say(content: bytes) -> Deed:
    """Send this and hang up."""

    def deed(connection: socket.socket) -> None:
        connection.sendall(content)
        hang_up(connection)

    return deed


def hang_up(connection: socket.socket) -> None:
    """Close the connection, answered or not."""
    connection.shutdown(socket.SHUT_RDWR)


def nothing(connection: socket.socket) -> None:
    """Leave the client waiting."""


class Server:
    """Does one deed after the other, a request each, the last one again and again."""

    def __init__(self, deeds: tuple[Deed, ...]) -> None:
        self._deeds = list(deeds)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests: list[str] = []
        """First lines of what was asked."""
        self.connection_count = 0
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connection_count += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as file:
            while line := file.readline():
                self.requests.append(line.decode().strip())
                length = 0
                while (header := file.readline()).strip():
                    name, _, value = header.partition(b":")
                    if name.lower() == b"content-length":
                        length = int(value)
                file.read(length)
                deed = self._deeds.pop(0) if len(self._deeds) > 1 else self._deeds[0]
                try:
                    deed(connection)
                except OSError:  # the client has gone
                    return

    def start(self) -> None:
        """Accept connections from now on."""
        self._threads[0].start()

    def stop(self) -> None:
        """End all connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        for connection in self._open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # closed already
        for thread in self._threads[1:]:
            thread.join()


@contextmanager
def server(*deeds: Deed) -> Iterator[Server]:
    """A server for as long as a test."""
    made = Server(deeds)
    made.start()
    try:
        yield made
    finally:
        made.stop()
