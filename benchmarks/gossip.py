"""What agreeing costs: reconciliation against sending all ids, decoding against verification."""

import hashlib
from typing import Any

from benchmarks.ingest import LIMITS, NETWORK, wire_records
from benchmarks.measure import interleaved_s, row
from tastemesh.gossip import codec
from tastemesh.gossip.reconcile import ItemSet, initiate, respond
from tastemesh.gossip.signatures import verify
from tastemesh.gossip.signer import Signer

_ID_BYTES = 32
_SALT = b"benchmark-salt-0"


def run(*, quick: bool) -> list[dict[str, Any]]:
    """Count bytes of exchanges, and time decoding."""
    held = 2_000 if quick else 100_000
    rows = [_exchange(held, missing) for missing in (0, held // 100)]
    records = wire_records(640 if quick else 6_400, 64)
    signer = Signer(bytes(32), bytes(32))
    message = bytes(3_000)
    signature = signer.sign(message)

    def ours() -> None:
        for record in records:
            codec.parse(record.envelope, NETWORK, LIMITS)

    def peer() -> None:
        for _ in records:
            verify(signer.public.key, message, signature)

    mine, theirs = interleaved_s(ours, peer)
    work = f"{len(records)} records of 64 interactions: parse and limits, against one signature"
    count = len(records)
    return [*rows, row("codec", "ed25519", work, mine / count * 1e6, theirs / count * 1e6, "us")]


def _exchange(held: int, missing: int) -> dict[str, Any]:
    """Reconcile two sets of which one lacks the other's newest."""
    items = [(n, hashlib.sha256(n.to_bytes(8, "big")).digest()) for n in range(held)]
    sides = ItemSet(items), ItemSet(items[: held - missing])
    frame: bytes | None = initiate(sides[1], _SALT, LIMITS)
    sent_bytes, turn = 0, 0
    while frame is not None:
        sent_bytes += len(frame)
        frame = respond(sides[turn % 2], frame, LIMITS).frame
        turn += 1
    work = f"{held:,} records, {missing:,} newest differ, {turn} frames"
    return row("reconciliation", "id list", work, sent_bytes, held * _ID_BYTES, "bytes both ways")
