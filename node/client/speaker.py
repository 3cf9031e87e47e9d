"""Requests and answers as values: the very structs that the daemon reads and writes."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

import msgspec

from tastemesh.node.client.line import Line, encoded

_T = TypeVar("_T")


class Speaker:
    """Asks over a line.

    Args:
        line: to the daemon.
    """

    def __init__(self, line: Line) -> None:
        self._line = line

    def get(self, path: str, answer: type[_T], **query: object) -> _T:
        """Ask for something.

        Args:
            path: from `/v1/` on, percent-encoded.
            answer: type of what comes.
            query: parameters of the address.

        Raises:
            TastemeshError: see `tastemesh.node.client.line.Line.ask`.
        """
        return self._read(self._line.ask("GET", path, query=query), answer)

    def post(
        self, path: str, body: msgspec.Struct, answer: type[_T], *, changes: bool = True
    ) -> _T:
        """Say something, or ask for what does not fit into an address.

        Args:
            path: from `/v1/` on.
            body: what is said.
            answer: type of what comes.
            changes: False for a question.

        Raises:
            TastemeshError: see `tastemesh.node.client.line.Line.ask`.
        """
        content = encoded(msgspec.structs.asdict(body))
        return self._read(self._line.ask("POST", path, content=content, changes=changes), answer)

    def _read(self, content: bytes, answer: type[_T]) -> _T:
        try:
            return msgspec.json.decode(content, type=answer)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._line.foreign(error) from None


def portions(things: Sequence[_T], most: int) -> Iterator[list[_T]]:
    """Yield things as many at once as one request takes; one empty portion of nothing.

    >>> list(portions("abc", 2)), list(portions("", 2))
    ([['a', 'b'], ['c']], [[]])
    """
    rest = iter(things)
    portion = list(islice(rest, most))
    while True:
        yield portion
        portion = list(islice(rest, most))
        if not portion:
            return


def unique(values: Iterable[_T]) -> list[_T]:
    """Return values without those that came before."""
    return list(dict.fromkeys(values))
