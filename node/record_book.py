"""Record numbers: how the view, which knows numbers only, leads back to signed records."""

from collections.abc import Sequence


class RecordBook:
    """Which record carries which number in the view, and what our own users rejected.

    Bounded by the window: a number goes with its record.
    """

    def __init__(self) -> None:
        self._next = 1
        self._number_of: dict[bytes, int] = {}
        self._id_of: dict[int, bytes] = {}
        self._rejections: dict[bytes, dict[int, tuple[str, ...]]] = {}

    def enter(self, record_id: bytes) -> int:
        """Give a record the next number; an empty id is a private interaction's."""
        number, self._next = self._next, self._next + 1
        if record_id:
            self._number_of[record_id] = number
            self._id_of[number] = record_id
        return number

    def strike(self, record_id: bytes) -> int | None:
        """Forget a record; return its number if it had one."""
        number = self._number_of.pop(record_id, None)
        if number is not None:
            del self._id_of[number]
            for items in self._rejections.values():
                items.pop(number, None)
        return number

    def record_id(self, number: int) -> bytes | None:
        """Return a record's id, or None for a private interaction."""
        return self._id_of.get(number)

    def note_rejections(self, author: bytes, number: int, items: Sequence[str]) -> None:
        """Note which items a local user said no to in a record."""
        if items:
            self._rejections.setdefault(author, {})[number] = tuple(items)

    def rejected_items(self, author: bytes) -> list[str]:
        """Return the items that a local user said no to."""
        return [item for items in self._rejections.get(author, {}).values() for item in items]
