"""Range-based set reconciliation: two nodes find out what each of them lacks.

The initiator sends digests of 16 ranges of its items (`tastemesh.gossip.fingerprints`). From there
both sides do the same, each with nothing but its own items and the frame in hand::

    digest, equal          nothing
    digest, different      a list of our items' short ids, if we have at most 32; else 16 digests
    list                   the difference: what of it we lack, and what we have beside it
    difference             the names of what the peer lacks
    names                  nothing

So the cost follows the differences, and nobody keeps state for a peer that is slow or gone. A side
that has nothing in a range sends an empty list, a few bytes, and is told all that there is, newest
first, some 1,000 names a frame: neither a newcomer nor two nodes with little in common need another
way in. (Lists have 6 bytes an item; a Bloom filter that misses one record in 100 has 1.2 bytes, and
each side would send one over *all* its items.)

Sources: Meyer, "Range-Based Set Reconciliation", SRDS 2023; short bounds, 16 ways and lists as in
negentropy. Deviation: digests and short ids are salted, and the newest comes first.

What does not fit a frame stays open: it goes back as the digest of the same range or, past a
quarter of the frame, as one digest of all the rest. The newest open range is always dealt with, so
two honest nodes finish whatever the frame size. A peer that lies can go on for as long as the
caller grants it frames, and each of them costs a bounded amount.

Bounds, for a frame of 16 KiB and 200,000 items: answer at most 16 KiB; `have` at most 2,730 ids,
all of them ours; `need` at most 1,024, all of them named by the peer. Work, measured: 4 ms, and up
to 60 ms and 7 MB for frames made to cost the most.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.errors import UsageError
from tastemesh.gossip.fingerprints import SALT_BYTES, SHORT_BYTES, Fingerprints
from tastemesh.gossip.itemset import PREFIX_BYTES, TIME_BYTES, ItemSet, Snapshot
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.ranges import (
    END,
    LIST_COUNT,
    Difference,
    FrameWriter,
    Listing,
    Names,
    Part,
    decode_frame,
    pieces,
    salt_of,
)
from tastemesh.gossip.topics import ALL_SHARDS

__all__ = ["END", "ItemSet", "Reply", "initiate", "respond", "salt_of"]

# Measured: 32 ways cost up to 1.7 times the bytes, 8 more rounds; negentropy has 16 too.
SPLIT_COUNT = 16

# A range with a gap above it, bounds of ordinary length and a digest. It only guides how much is
# kept free; what is written is measured.
_OPEN_RANGE_BYTES = 32

# Up to here looking names up one by one is quicker than numpy's way to find them.
_FEW_NAMES = 256

# The longest range with a gap above it and a digest: two bounds of 44 bytes, a body of 12.
_LONGEST_RANGE_BYTES = 112


class Reply(msgspec.Struct, frozen=True):
    """What comes of a frame.

    Over an exchange between two sets that stand still, the union of either tuple is exact. A later
    frame may repeat an id: a range that was left open is gone through again.

    Attributes:
        frame: the answer, or None where nothing is left to say.
        have: ids (32 bytes) of our records that the peer has just turned out to lack.
        farewell: where nothing is left to say, the empty frame, for the side that did not begin:
            the other would take silence for absence. None in answer to a farewell.
        items: what we held.
        named: what the peer said that it has, first 16 bytes of each id, and in which range.
    """

    frame: bytes | None
    have: tuple[bytes, ...]
    farewell: bytes | None
    items: Snapshot
    named: Sequence[tuple["_Span", bytes]]

    @property
    def need(self) -> tuple[bytes, ...]:
        """First 16 bytes of the ids of records that the peer has and we lack, as it says.

        Looked up when asked for, which a node does not: it is sent them, and the lookup takes ten
        times as long as all the rest where a frame names a thousand.
        """
        return _unheld(self.items, self.named)


class _Span(msgspec.Struct, frozen=True, gc=False):
    """A range between two bounds, and the positions of our items in it."""

    upper: bytes
    lower: bytes
    low: int
    high: int


class _Answer(msgspec.Struct, frozen=True):
    """What to say to one part, and the ids of ours that the peer then lacks."""

    parts: Sequence[Part]
    have: Sequence[bytes] = ()


def initiate(
    items: ItemSet,
    salt: bytes,
    limits: Limits,
    since_ms: int = 0,
    mask: int = ALL_SHARDS,
    below: bytes = END,
) -> bytes:
    """Return the first frame of an exchange.

    Args:
        items: what we hold.
        salt: at least 16 bytes, fresh for this exchange and unforeseeable to everybody else; the
            first 16 are used.
        limits: the frame size is used.
        since_ms: records dated before this are left out, on both sides.
        mask: of the shards whose records are meant.
        below: a bound; records at or above it are left out, on both sides.

    Raises:
        UsageError: the salt is too short or the date out of range.
    """
    if len(salt) < SALT_BYTES or not 0 <= since_ms < 1 << 63:
        raise UsageError(
            f"salt of {len(salt)} bytes, since {since_ms}; expected {SALT_BYTES} and a date"
        )
    snapshot = items.snapshot().only(mask)
    lower = since_ms.to_bytes(TIME_BYTES, "big")
    everything = _Span(below, lower, snapshot.rank(lower), snapshot.rank(below))
    prints = Fingerprints(snapshot, salt[:SALT_BYTES], everything.low, everything.high)
    writer = FrameWriter(salt[:SALT_BYTES], limits.sync_frame_bytes)
    writer.put(_describe(snapshot, prints, everything))
    return writer.encoded()


def drawn_bound(items: ItemSet, salt: bytes, since_ms: int) -> bytes:
    """Return a bound above one of our items dated since then, drawn by a salt.

    Args:
        items: what we hold.
        salt: of an exchange.
        since_ms: as for `initiate`.
    """
    snapshot = items.snapshot()
    low = snapshot.rank(since_ms.to_bytes(TIME_BYTES, "big"))
    draw = int.from_bytes(salt[:TIME_BYTES], "big")
    at = low + 1 + draw % max(1, len(snapshot) - low)
    return snapshot.bound_at(at) if at < len(snapshot) else END


def extent_of(frame: bytes, limits: Limits) -> tuple[int, bytes]:
    """Return which records a first frame is about, as `initiate` takes it: since when, below what.

    Raises:
        RemoteProtocolError: OVERSIZED or MALFORMED; the only exception for any bytes.
    """
    _, parts = decode_frame(frame, limits)
    if not parts:
        return 0, END
    return int.from_bytes(parts[-1].lower[:TIME_BYTES], "big"), parts[0].upper


def respond(items: ItemSet, frame: bytes, limits: Limits, mask: int = ALL_SHARDS) -> Reply:
    """Answer a frame of either side. Keeps no state.

    Args:
        items: what we hold.
        frame: as received.
        limits: the frame size is used.
        mask: of the shards whose records are meant, the same throughout an exchange.

    Raises:
        RemoteProtocolError: OVERSIZED or MALFORMED; the only exception for any bytes.
    """
    salt, parts = decode_frame(frame, limits)
    snapshot = items.snapshot().only(mask)
    if not parts:
        return Reply(None, (), None, snapshot, ())
    lows, highs = _locate(snapshot, parts)
    prints = Fingerprints(snapshot, salt, lows[-1], highs[0])
    have: list[bytes] = []
    named: list[tuple[_Span, bytes]] = []
    open_parts: list[tuple[_Span, Part]] = []
    digests = prints.digests(lows, highs)
    for part, low, high, digest in zip(parts, lows, highs, digests, strict=True):
        if part.body == digest:  # most of them
            continue
        span = _Span(part.upper, part.lower, low, high)
        if isinstance(part.body, Names):
            named.append((span, part.body.names))
        else:
            open_parts.append((span, part))
    writer = FrameWriter(salt, limits.sync_frame_bytes)
    for number, (span, part) in enumerate(open_parts):
        still_open = len(open_parts) - number - 1
        spare_bytes = _LONGEST_RANGE_BYTES + min(
            still_open * _OPEN_RANGE_BYTES, limits.sync_frame_bytes // 4
        )
        answer = _answer(snapshot, prints, span, part, writer.room_bytes - spare_bytes)
        if answer is None or not writer.put(answer.parts, spare_bytes):
            _leave_open(writer, prints, [span for span, _ in open_parts[number:]])
            break
        have += answer.have
        if isinstance(part.body, Difference):
            named.append((span, part.body.extra))
    frame = writer.encoded()
    last = not len(writer)
    return Reply(None if last else frame, tuple(have), frame if last else None, snapshot, named)


def _locate(snapshot: Snapshot, parts: list[Part]) -> tuple[list[int], list[int]]:
    """Find where our items in each part begin and end; a bound that serves twice is sought once."""
    uppers, lowers = [part.upper for part in parts], [part.lower for part in parts]
    if uppers[1:] == lowers[:-1]:  # side by side, as a rule
        positions = snapshot.ranks([uppers[0], *lowers])
        return positions[1:], positions[:-1]
    bounds = list(dict.fromkeys(uppers + lowers))
    found = dict(zip(bounds, snapshot.ranks(bounds), strict=True))
    return [found[lower] for lower in lowers], [found[upper] for upper in uppers]


def _describe(snapshot: Snapshot, prints: Fingerprints, span: _Span) -> list[Part]:
    """Say what we have in a range: a list if that is short, else the digests of 16 parts of it."""
    count = span.high - span.low
    if count <= LIST_COUNT:
        return [Part(span.upper, span.lower, Listing(prints.shorts(span.low, span.high)))]
    cuts = [span.low + count * number // SPLIT_COUNT for number in range(SPLIT_COUNT, -1, -1)]
    bounds = [span.upper, *map(snapshot.bound_at, cuts[1:-1]), span.lower]
    digests = prints.digests(cuts[1:], cuts[:-1])
    return list(map(Part, bounds[:-1], bounds[1:], digests))


def _answer(
    snapshot: Snapshot, prints: Fingerprints, span: _Span, part: Part, room_bytes: int
) -> _Answer | None:
    """Work out the answer to one part, cut to the room where it can be cut; it may not fit."""
    match part.body:
        case Listing(shorts):
            return _compare(snapshot, prints, span, shorts, room_bytes)
        case Difference(missing, _):
            found = prints.find(span.low, span.high, missing) if missing else []
            names = b"".join(snapshot.prefix(at) for at in found)
            return _Answer(
                [Part(span.upper, span.lower, Names(names))] if names else [],
                [snapshot.record_id(at) for at in found],
            )
        case _:
            return _Answer(_describe(snapshot, prints, span))


def _compare(
    snapshot: Snapshot, prints: Fingerprints, span: _Span, shorts: bytes, room_bytes: int
) -> _Answer | None:
    """Compare the peer's list of a range with our items, the newest that have room; None: none has.

    Short ids of the peer's that belong below the cut count as missing above it. That harms nothing:
    it looks for them above the cut only, and the rest is gone through again.
    """
    listed = dict.fromkeys(pieces(shorts, SHORT_BYTES))
    room_count = max((room_bytes - len(shorts) - 2 * _LONGEST_RANGE_BYTES) // PREFIX_BYTES, 0)
    low = max(span.low, span.high - room_count - len(listed) - 1)
    own = pieces(prints.shorts(low, span.high), SHORT_BYTES)
    held: set[bytes] = set()
    extra: list[int] = []
    cut = span.high
    for at in range(span.high - 1, low - 1, -1):
        short = own[at - low]
        if short in listed:
            held.add(short)
        elif len(extra) < room_count:
            extra.append(at)
        else:
            break
        cut = at
    if cut == span.high > span.low:
        return None
    missing = b"".join(short for short in listed if short not in held)
    names = b"".join(snapshot.prefix(at) for at in extra)
    lower = snapshot.bound_at(cut) if cut > span.low else span.lower
    parts: list[Part] = []
    if missing or names:
        parts.append(Part(span.upper, lower, Difference(missing, names)))
    if cut > span.low:
        parts.append(Part(lower, span.lower, prints.digest(span.low, cut)))
    return _Answer(parts, [snapshot.record_id(at) for at in extra])


def _unheld(snapshot: Snapshot, named: Sequence[tuple[_Span, bytes]]) -> tuple[bytes, ...]:
    """Return the peer's names that no item of ours has in the ranges that they were given for."""
    names = dict.fromkeys(pieces(b"".join(names for _, names in named), PREFIX_BYTES))
    if not names:
        return ()
    own = b"".join(snapshot.prefixes(span.low, span.high) for span, _ in named)
    if len(own) <= _FEW_NAMES * PREFIX_BYTES:
        few = frozenset(pieces(own, PREFIX_BYTES))
        return tuple(name for name in names if name not in few)
    # First by eight bytes at once, as comparing all would take 0.1 s in a frame made for that.
    alike = np.isin(_first_words(own), _first_words(b"".join(names)))
    held = {
        own[at * PREFIX_BYTES : (at + 1) * PREFIX_BYTES] for at in np.flatnonzero(alike).tolist()
    }
    return tuple(name for name in names if name not in held)


def _first_words(prefixes: bytes) -> NDArray[np.uint64]:
    return np.frombuffer(prefixes, np.uint64)[:: PREFIX_BYTES // 8]


def _leave_open(writer: FrameWriter, prints: Fingerprints, spans: Sequence[_Span]) -> None:
    """Put back what did not fit, newest first: range by range, at the end as one."""
    last = spans[-1]
    for span in spans:
        part = Part(span.upper, span.lower, prints.digest(span.low, span.high))
        if not writer.put([part], 0 if span is last else _LONGEST_RANGE_BYTES):
            rest = prints.digest(last.low, span.high)
            writer.put([Part(span.upper, last.lower, rest)])
            return
