"""The protocol's test vectors, made from the code: `python -m tests.gossip.vectors` writes them.

`docs/protocol-vectors.json` is for other implementations; `docs/protocol.md` explains the fields.
All bytes are hex. A test compares the file with what the code makes now, so the wire format cannot
change by accident.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip import codec, reconcile
from tastemesh.gossip.bundles import pack_bundles
from tastemesh.gossip.envelope import RECORD_DOMAIN
from tastemesh.gossip.fingerprints import Fingerprints
from tastemesh.gossip.inbox import Introduction, Message
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.presence import authenticate_presence, parse_presence, sign_presence
from tastemesh.gossip.proofs import encode_proof
from tastemesh.gossip.record import Endorsement, Forget, Interaction, Record, Rotation, Said
from tastemesh.gossip.signer import Signer
from tastemesh.gossip.topics import (
    control_topic,
    inbox_topic,
    presence_topic,
    records_topic,
    shard_of,
)

FILE = Path(__file__).parents[2] / "docs" / "protocol-vectors.json"
NETWORK = "main"
CREATED_MS = 1_790_000_000_000
LIMITS = Limits()


def secret(name: str) -> bytes:
    return sha256(b"tastemesh test vector " + name.encode()).digest()


ALICE = Signer(secret("alice"), secret("alice, next"))
BOB = Signer(secret("bob"), secret("bob, next"))
ROTATED = ALICE.rotated(secret("alice, next"), secret("alice, after next"), (0, 7))


def written(signer: Signer, epoch: int, seq: int, *said: Said, prev: bytes = b"") -> Record:
    return codec.sign_record(signer, NETWORK, epoch, seq, prev, CREATED_MS, said, LIMITS)


PLAYED = written(
    ALICE,
    0,
    1,
    Interaction("isrc:USRC17607839", "listen", 10_000),
    Interaction("mbid:8f3471b5-7e6a-48da-86a9-c1c07a0f47ae", "like", 2_500, 86_400_000),
)
RECORDS = {
    "two interactions": PLAYED,
    "an endorsement and a distrust": written(
        ALICE, 0, 2, Endorsement(BOB.id, 10_000), Endorsement(secret("eve"), -10_000),
        prev=PLAYED.id[:16],
    ),
    "a forget": written(ALICE, 0, 3, Forget(0, 1, 2)),
    "a rotation, in the first record of the new key": written(ROTATED, 1, 1, Rotation(1)),
    "non-ASCII": written(BOB, 0, 1, Interaction("track:sigur rós/ára bátur", "listen", 1)),
}  # fmt: skip


def identity(signer: Signer, current: str, following: str) -> dict[str, str]:
    return {
        "secret": secret(current).hex(),
        "next_secret": secret(following).hex(),
        "key": signer.public.key.hex(),
        "next_digest": signer.public.next_digest.hex(),
        "id": signer.id.hex(),
    }


def record_vector(name: str, record: Record) -> dict[str, Any]:
    outer = msgspec.msgpack.decode(record.envelope)
    return {
        "name": name,
        "body": outer[0].hex(),
        "signature": outer[3].hex(),
        "envelope": record.envelope.hex(),
        "id": record.id.hex(),
        "author": record.author.hex(),
        "epoch": record.epoch,
        "seq": record.seq,
        "topic": records_topic(NETWORK, shard_of(record.author)),
    }


def altered(change: dict[int, Any], signer: Signer = ALICE, extra: bytes = b"") -> bytes:
    """Return an envelope whose body has other fields, signed properly all the same."""
    fields = msgspec.msgpack.decode(msgspec.msgpack.decode(PLAYED.envelope)[0])
    for place, value in change.items():
        fields[place] = value
    body = msgspec.msgpack.encode(fields) + extra
    signature = signer.sign(RECORD_DOMAIN + body)
    public = signer.public
    return msgspec.msgpack.encode([body, public.key, public.next_digest, signature, None])


def refused() -> dict[str, bytes]:
    outer = msgspec.msgpack.decode(PLAYED.envelope)
    weak = [outer[0], bytes(32), *outer[2:]]
    flipped = [outer[0], *outer[1:3], outer[3][:-1] + bytes([outer[3][-1] ^ 1]), None]
    order = 2**252 + 27742317777372353535851937790883648493
    scalar = int.from_bytes(outer[3][32:], "little") + order
    malleable = [*outer[:3], outer[3][:32] + scalar.to_bytes(32, "little"), None]
    one = [1, "x", "listen", 1, 0]
    new = msgspec.msgpack.decode(RECORDS["a rotation, in the first record of the new key"].envelope)
    step = new[4][2][0]
    committed = [*new[:4], [*new[4][:2], [[step[0], step[1] + b"\0", *step[2:]]]]]
    return {
        "another signature": msgspec.msgpack.encode(flipped),
        "a scalar not below the group's order": msgspec.msgpack.encode(malleable),
        "a key of small order": msgspec.msgpack.encode(weak),
        "somebody else's name": altered({2: BOB.id}),
        "an author of no bytes": altered({2: b""}),
        "an author of 33 bytes": altered({2: ALICE.id + b"\0"}),
        "a key of 31 bytes": msgspec.msgpack.encode([outer[0], outer[1][:-1], *outer[2:]]),
        "a byte moved from the digest to the key": msgspec.msgpack.encode(
            [outer[0], outer[1] + outer[2][:1], outer[2][1:], *outer[3:]]
        ),
        "no signature": msgspec.msgpack.encode([*outer[:3], b"", None]),
        "a rotation that commits to 33 bytes": msgspec.msgpack.encode(committed),
        "a lineage without a rotation": msgspec.msgpack.encode([*new[:4], [*new[4][:2], []]]),
        "version 2": altered({0: 2}),
        "another network": altered({1: "other"}),
        "no statement": altered({7: []}),
        "257 statements": altered({7: [one] * 257}),
        "sequence number 0": altered({4: 0}),
        "a weight above 1": altered({7: [[1, "x", "listen", 10_001, 0]]}),
        "a weight as a float": altered({7: [[1, "x", "listen", 1.0, 0]]}),
        "an item id of 257 bytes": altered({7: [[1, "x" * 257, "listen", 1, 0]]}),
        "a line break in an item id": altered({7: [[1, "a\nb", "listen", 1, 0]]}),
        "a kind in capitals": altered({7: [[1, "x", "Listen", 1, 0]]}),
        "a field too many in a statement": altered({7: [[*one, 0]]}),
        "a field missing in a statement": altered({7: [[2, BOB.id]]}),
        "a forget that ends before it begins": altered({7: [[3, 0, 2, 1]]}),
        "a 17th rotation": altered({7: [[4, 17]]}),
        "bytes behind the body": altered({}, extra=b"\xc0"),
        "bytes behind the envelope": PLAYED.envelope + b"\xc0",
        "larger than 16 KiB": altered({7: [[1, "x" * 250, "listen", 1, 0]] * 70}),
        "nothing": b"",
    }


def reason_of(envelope: bytes) -> str:
    try:
        codec.decode(envelope, NETWORK, LIMITS)
    except RemoteProtocolError as error:
        return str(error.reason)
    raise AssertionError("a vector that should be refused is accepted")


def reconciliation() -> dict[str, Any]:
    """Return one exchange between two sets, frame by frame, and what each side learns."""
    salt = secret("salt")[:16]
    ours, theirs = reconcile.ItemSet(), reconcile.ItemSet()
    items = [(CREATED_MS + 1_000 * n, secret(f"record {n}"), n % 64) for n in range(100)]
    for number, item in enumerate(items):
        if number % 10:
            ours.insert(*item)
        if number % 7:
            theirs.insert(*item)
    snapshot = ours.snapshot()
    prints = Fingerprints(snapshot, salt, 0, len(snapshot))
    frames = [reconcile.initiate(ours, salt, LIMITS)]
    learned: list[dict[str, list[str]]] = []
    for turn in range(8):
        reply = reconcile.respond(theirs if turn % 2 == 0 else ours, frames[-1], LIMITS)
        learned.append(
            {"have": [i.hex() for i in reply.have], "need": [i.hex() for i in reply.need]}
        )
        if reply.frame is None:
            break
        frames.append(reply.frame)
    return {
        "salt": salt.hex(),
        "initiator": [[time_ms, i.hex()] for n, (time_ms, i, _) in enumerate(items) if n % 10],
        "responder": [[time_ms, i.hex()] for n, (time_ms, i, _) in enumerate(items) if n % 7],
        "initiator_digest_of_all": prints.digest(0, len(snapshot)).hex(),
        "initiator_short_ids": prints.shorts(0, len(snapshot)).hex(),
        "frames": [frame.hex() for frame in frames],
        "learned_from_each_frame": learned,
    }


def vectors() -> dict[str, Any]:
    """Return everything that the file holds."""
    presence = sign_presence(BOB, NETWORK, CREATED_MS, mask=0b1011)
    authenticate_presence(presence)
    assert parse_presence(presence, NETWORK).node == BOB.id
    salt = secret("salt")[:16]
    frame = msgspec.msgpack.encode([salt, []])
    shown = sign_presence(BOB, NETWORK, CREATED_MS, mask=0b1011, context=ALICE.id + salt)
    authenticate_presence(shown, context=ALICE.id + salt)
    introduction = msgspec.msgpack.encode(Introduction(shown, frame))
    conflicting = written(ALICE, 0, 1, Interaction("another", "listen", 1))
    bundle = pack_bundles([PLAYED.envelope, RECORDS["a forget"].envelope], LIMITS)
    unknown = altered({7: [[9, "of", "the", "future"], [1, "x", "listen", 1, 0]]})
    ageless = altered({7: [[1, "x", "listen", 1]]})
    stolen = Ed25519PrivateKey.from_private_bytes(secret("alice, next")).public_key()
    return {
        "network": NETWORK,
        "identities": {
            "alice": identity(ALICE, "alice", "alice, next"),
            "bob": identity(BOB, "bob", "bob, next"),
        },
        "next_key_of_alice": stolen.public_bytes_raw().hex(),
        "records": [record_vector(name, record) for name, record in RECORDS.items()]
        + [
            record_vector("a statement of unknown kind", codec.decode(unknown, NETWORK, LIMITS)),
            record_vector("an interaction without its age", codec.decode(ageless, NETWORK, LIMITS)),
        ],
        "refused": [
            {"name": name, "envelope": envelope.hex(), "reason": reason_of(envelope)}
            for name, envelope in refused().items()
        ],
        "bundle": bundle[0].hex(),
        "presence": {
            "payload": presence.hex(),
            "node": BOB.id.hex(),
            "sent_ms": CREATED_MS,
            "mask": 0b1011,
            "topic": presence_topic(NETWORK, shard_of(BOB.id)),
        },
        "proof": {
            "payload": encode_proof(PLAYED, conflicting).hex(),
            "convicts": ALICE.id.hex(),
            "topic": control_topic(NETWORK, shard_of(ALICE.id)),
        },
        "inbox": {
            "topic": inbox_topic(NETWORK, ALICE.id),
            "bundle": msgspec.msgpack.encode(Message(1, BOB.id, bundle[0], 0)).hex(),
            "frame": msgspec.msgpack.encode(Message(0, BOB.id, frame, 11)).hex(),
            "introduction": msgspec.msgpack.encode(Message(3, BOB.id, introduction, 11)).hex(),
        },
        "reconciliation": reconciliation(),
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(vectors(), indent=1) + "\n")
    print(f"wrote {FILE}")
