"""What `GET /v1/status` answers, for the schema: the node itself says it as plain JSON.

An answer may have more than this; `tests/node/test_http_schema.py` holds it to what stands here.
"""

import msgspec

from tastemesh.node.answers import SybilBound
from tastemesh.node.transport import BrokerStatus
from tastemesh.storage.salvage import Salvage


class WindowStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the node keeps.

    Attributes:
        records: signed records.
        statements: in those.
        authors: of those.
        bound: most statements that it keeps.
        interactions: that the ranking reads, private ones included.
        endorsements: that trust is walked over.
    """

    records: int
    statements: int
    authors: int
    bound: int
    interactions: int
    endorsements: int


class StorageStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The disk.

    Attributes:
        fault: what keeps the node from storing anything just now; null where nothing does.
        cause: the same as one word: disk-full, disk-bound, read-only, damaged, locked, gone, io,
            other.
        damage: what could not be read from it lately; null again once all of it can be.
        used_bytes: what the database takes.
        bound_bytes: what it may take.
        salvaged: what became of a damaged database, until its file is deleted; null where none is.
    """

    fault: str | None
    cause: str | None
    damage: str | None
    used_bytes: int
    bound_bytes: int
    salvaged: Salvage | None


class MeterStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The censorship meter of one broker.

    Attributes:
        connected: whether the connection stands.
        expected: records that it had to deliver, lately.
        coverage: share of these that it did deliver, 0 to 1; null where there were none.
        lateness_ms: mean delay behind the first copy; null where it delivered nothing.
        replayed: old records that it delivered again.
        withheld: ids, as hex, of the authors that it seems to withhold, most records missing first.
    """

    connected: bool
    expected: int
    coverage: float | None
    lateness_ms: float | None
    replayed: int
    withheld: list[str]


class ClockStatus(msgspec.Struct, frozen=True, kw_only=True):
    """This machine's clock.

    Attributes:
        steps: times that it was set by more than 120 s, or that the machine slept, since the start.
        last_step_s: how far at the last of these, in seconds; negative: back. 0 where there was
            none.
    """

    steps: int
    last_step_s: float


class StageStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One stage of the intake.

    Attributes:
        records: that came to it since the start.
        seconds: that it took.
    """

    records: int
    seconds: float


class NodeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the node is doing.

    Attributes:
        node: its own id, as hex.
        network: which network it takes part in.
        window: what it keeps.
        peers: nodes heard of lately.
        rejected: how much was refused, by reason.
        convicted: identities that are proved to have equivocated.
        shards: parts of the network, of 64, that it reads.
        meter: by broker.
        sybil_bound: of the first local users, by id as hex.
        identities: the local users: id as hex, by name.
        brokers: the connections; none of a node that is offline by its configuration.
        storage: the disk.
        ingest: the stages of the intake: decode, dedupe, verify, persist, arrays.
        clock: this machine's.
        internal_errors: faults of ours since the start; the log has them.
        home: its folder.
    """

    node: str
    network: str
    window: WindowStatus
    peers: int
    rejected: dict[str, int]
    convicted: int
    shards: int
    meter: dict[str, MeterStatus]
    sybil_bound: dict[str, SybilBound]
    identities: dict[str, str]
    brokers: list[BrokerStatus]
    storage: StorageStatus
    ingest: dict[str, StageStatus]
    clock: ClockStatus
    internal_errors: int
    home: str
