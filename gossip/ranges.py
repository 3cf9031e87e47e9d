"""Reconciliation frames on the wire: what one side says about ranges of the other's items.

Wire format (MessagePack, positional)::

    frame = [salt, [range, ...]]
    range = [back_ms | [back_ms, prefix], body]
    body  = nil | digest | [1, shorts] | [2, missing, extra] | [3, names]

Ranges lie side by side, *newest first*: each begins where the one before it ended, the first at the
end of time, and reaches down to its own lower bound, which is dated `back_ms` before its upper one
and, among records of one date, continues with the shortest `prefix` of an id that tells the two
sides apart. So what a full frame leaves for later is always the oldest. A digest says: my items in
this range add up to this, do yours? Nil is for a range on which nothing is left to say, and so is
everything below the last one.
"""

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip.fingerprints import DIGEST_BYTES, SALT_BYTES, SHORT_BYTES
from tastemesh.gossip.identity import ID_BYTES
from tastemesh.gossip.itemset import PREFIX_BYTES, TIME_BYTES
from tastemesh.gossip.limits import Limits, RejectReason

# A range of at most as many items is sent as a list: at 6 bytes an item that costs what 16 digests
# with their bounds do, and saves a round.
LIST_COUNT = 32

# Above any date: the upper bound of a frame's first range.
END = (1 << 63).to_bytes(TIME_BYTES, "big")


class Listing(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True, tag=1):
    """These are all that I have in this range, as short ids; at most 32, perhaps none."""

    shorts: bytes


class Difference(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True, tag=2):
    """Of your list I lack `missing` (short ids), and I have `extra` (first 16 bytes of each id)."""

    missing: bytes
    extra: bytes


class Names(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True, tag=3):
    """What you said that you lack, by the first 16 bytes of each id."""

    names: bytes


Body = bytes | Listing | Difference | Names
_Bound = int | tuple[int, bytes]


class Part(msgspec.Struct, frozen=True, gc=False):
    """A statement about the items at or above `lower` and below `upper`; both are bounds.

    Attributes:
        upper: above every item that is meant.
        lower: at or below every item that is meant.
        body: a digest (`bytes`), one of the lists, or None for nothing.
    """

    upper: bytes
    lower: bytes
    body: Body | None


class _Range(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True, gc=False):
    bound: _Bound
    body: Body | None


class _Frame(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    salt: bytes
    ranges: list[_Range]


class _OpenedFrame(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    salt: bytes
    ranges: msgspec.Raw


_AnyFrame = TypeVar("_AnyFrame", _Frame, _OpenedFrame)

_FRAME_HEADER_BYTES = 1 + 2 + SALT_BYTES + 5
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Frame)
_salt_decoder = msgspec.msgpack.Decoder(_OpenedFrame)


def pieces(joined: bytes, size_bytes: int) -> list[bytes]:
    """Cut a string of fixed-size values into the values."""
    return [joined[at : at + size_bytes] for at in range(0, len(joined), size_bytes)]


def salt_of(frame: bytes, limits: Limits) -> bytes:
    """Return a frame's salt without reading what it says, which takes a hundred times as long.

    Raises:
        RemoteProtocolError: OVERSIZED or MALFORMED; the only exception for any bytes.
    """
    return _decoded(_salt_decoder, frame, limits).salt


def decode_frame(frame: bytes, limits: Limits) -> tuple[bytes, list[Part]]:
    """Return a frame's salt and its statements, newest first, without the empty ones.

    Raises:
        RemoteProtocolError: OVERSIZED or MALFORMED; the only exception for any bytes.
    """
    decoded = _decoded(_decoder, frame, limits)
    parts: list[Part] = []
    upper, upper_ms = END, 1 << 63
    for part in decoded.ranges:
        bound, body = part.bound, part.body
        back_ms, prefix = bound if isinstance(bound, tuple) else (bound, b"")
        lower_ms = upper_ms - back_ms
        if back_ms < 0 or lower_ms < 0 or len(prefix) > ID_BYTES:
            raise RemoteProtocolError(RejectReason.MALFORMED, "sync frame: a bound out of range")
        date = lower_ms.to_bytes(TIME_BYTES, "big")
        lower = date + prefix if prefix else date
        if lower >= upper:
            raise RemoteProtocolError(RejectReason.MALFORMED, "sync frame: bounds must fall")
        if body is not None:
            # A digest, the commonest, without a call.
            if len(body) != DIGEST_BYTES if isinstance(body, bytes) else not _fits(body):
                raise RemoteProtocolError(RejectReason.MALFORMED, "sync frame: a body's length")
            parts.append(Part(upper, lower, body))
        upper, upper_ms = lower, lower_ms
    return decoded.salt, parts


def _decoded(
    decoder: "msgspec.msgpack.Decoder[_AnyFrame]", frame: bytes, limits: Limits
) -> "_AnyFrame":
    if len(frame) > limits.sync_frame_bytes:
        raise RemoteProtocolError(
            RejectReason.OVERSIZED, f"{len(frame)} bytes; at most {limits.sync_frame_bytes}"
        )
    try:
        decoded = decoder.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RemoteProtocolError(RejectReason.MALFORMED, f"sync frame: {error}") from None
    if len(decoded.salt) != SALT_BYTES:
        raise RemoteProtocolError(
            RejectReason.MALFORMED, f"salt of {len(decoded.salt)} bytes; expected {SALT_BYTES}"
        )
    return decoded


def _fits(body: Listing | Difference | Names) -> bool:
    """Tell whether a list's strings have lengths that they can have."""
    match body:
        case Listing(shorts):
            return _is_listing(shorts)
        case Difference(missing, extra):
            return _is_listing(missing) and not len(extra) % PREFIX_BYTES
        case Names(names):
            return not len(names) % PREFIX_BYTES


def _is_listing(shorts: bytes) -> bool:
    return not len(shorts) % SHORT_BYTES and len(shorts) <= LIST_COUNT * SHORT_BYTES


class FrameWriter:
    """A frame in the making; parts are put in from the newest down.

    Args:
        salt: the exchange's salt.
        frame_bytes: how large it may become.
    """

    def __init__(self, salt: bytes, frame_bytes: int) -> None:
        self._salt = salt
        self._count = 0
        self._ranges: list[bytes] = []  # as many as were put at a time, one behind the other
        self._reached, self._reached_ms = END, _time_ms(END)
        self.room_bytes = frame_bytes - _FRAME_HEADER_BYTES

    def put(self, parts: Iterable[Part], spare_bytes: int = 0) -> bool:
        """Write all of these, or none if that would leave less than `spare_bytes`."""
        ranges: list[tuple[_Bound, Body | None]] = []
        reached, reached_ms = self._reached, self._reached_ms
        for part in parts:
            lower = part.lower
            if part.upper != reached:
                upper_ms = _time_ms(part.upper)
                ranges.append((_bound(reached_ms - upper_ms, part.upper), None))
                reached_ms = upper_ms
            lower_ms = _time_ms(lower)
            back_ms = reached_ms - lower_ms
            bound = back_ms if len(lower) == TIME_BYTES else _bound(back_ms, lower)
            ranges.append((bound, part.body))
            reached, reached_ms = lower, lower_ms
        encoded = _encoder.encode(ranges)[len(_array_header(len(ranges))) :]
        if len(encoded) + spare_bytes > self.room_bytes:
            return False
        self._count += len(ranges)
        self._ranges.append(encoded)
        self._reached, self._reached_ms = reached, reached_ms
        self.room_bytes -= len(encoded)
        return True

    def __len__(self) -> int:
        return self._count

    def encoded(self) -> bytes:
        """Return the frame."""
        ranges = msgspec.Raw(_array_header(self._count) + b"".join(self._ranges))
        return _encoder.encode(_OpenedFrame(self._salt, ranges))


def _array_header(count: int) -> bytes:
    """Return what MessagePack writes before the items of an array, below 65,536 of them."""
    return bytes([0x90 | count]) if count < 16 else b"\xdc" + count.to_bytes(2, "big")


def _bound(back_ms: int, bound: bytes) -> _Bound:
    """Return a bound as it is written, given how far it is dated before the one above it."""
    prefix = bound[TIME_BYTES:]
    return (back_ms, prefix) if prefix else back_ms


def _time_ms(bound: bytes) -> int:
    return int.from_bytes(bound[:TIME_BYTES], "big")
