"""Two records under one number: fetch the first, prove it with the second, spread the proof.

The window knows ids, the store has the bytes. So a dispute waits for the first record's envelope to
come back from the store. Who proves it himself tells others after a random delay, unless somebody
else has done so meanwhile: where both records were pushed to everybody, everybody can. Any proof
against the author will do: of one who signs another second record for each node, everybody has his
own, and all would tell all.
"""

from hashlib import sha256

from tastemesh.gossip.record import Record

# Disputes that wait for the store, oldest out first. Whoever goes is disputed again when his second
# record comes again.
_OPEN_COUNT = 256

_SlotKey = tuple[bytes, int, int]


class Disputes:
    """What is not proved yet, and what is not told yet.

    Args:
        seed: keys the delays.
        spread_ms: delays are drawn from 0 to this.
    """

    def __init__(self, seed: bytes, spread_ms: int) -> None:
        self._seed = seed
        self._spread_ms = spread_ms
        self._open: dict[_SlotKey, Record] = {}
        self._untold: dict[bytes, int] = {}  # author -> when to tell, monotonic

    def __contains__(self, author: object) -> bool:
        """Tell whether this author's proof is still to be told."""
        return author in self._untold

    def open(self, second: Record) -> None:
        """Keep an authenticated record whose number is taken, until the first one is fetched."""
        self._open[second.author, second.epoch, second.seq] = second
        if len(self._open) > _OPEN_COUNT:
            del self._open[next(iter(self._open))]

    def close(self, first: Record) -> Record | None:
        """Return the record that disputes this one, if there is one and it is another."""
        second = self._open.pop((first.author, first.epoch, first.seq), None)
        return second if second is not None and second.id != first.id else None

    def tell_later(self, author: bytes, now_ms: int) -> None:
        """Have this author's proof told after a delay of our own."""
        draw = int.from_bytes(sha256(self._seed + author).digest()[:4], "big")
        self._untold[author] = now_ms + draw % self._spread_ms

    def told(self, author: bytes) -> None:
        """Note that somebody told everybody."""
        self._untold.pop(author, None)

    def due(self, now_ms: int) -> list[bytes]:
        """Return, once, the authors whose proofs are to be told now."""
        due = [author for author, at_ms in self._untold.items() if at_ms <= now_ms]
        for author in due:
            del self._untold[author]
        return due
