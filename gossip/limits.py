"""Every limit of the protocol in one value, each with its reason, and why a record was refused.

The *wire limits* decide whether a record is valid, so every node of a network must use the same
ones: a node with others would refuse what its neighbours relay. The *local limits* bound what one
node spends; operators may change them.
"""

from enum import StrEnum

import msgspec

from tastemesh.errors import UsageError

DAY_MS = 24 * 60 * 60 * 1000


class RejectReason(StrEnum):
    """Why something was not accepted; every rejection is counted under one.

    All but `DAMAGED`, which is what the store gives back altered, are of what the network brings;
    `INBOX_OVERFLOW` is of messages that were never read.
    """

    OVERSIZED = "oversized"
    MALFORMED = "malformed"
    WRONG_VERSION = "wrong-version"
    WRONG_NETWORK = "wrong-network"
    STATEMENT_LIMIT = "statement-limit"
    ITEM_LIMIT = "item-limit"
    WEIGHT_RANGE = "weight-range"
    TOO_OLD = "too-old"
    FROM_FUTURE = "from-future"
    WEAK_KEY = "weak-key"
    WRONG_AUTHOR = "wrong-author"
    BAD_SIGNATURE = "bad-signature"
    DUPLICATE = "duplicate"
    EQUIVOCATION = "equivocation"
    RATE = "rate"
    AUTHOR_QUOTA = "author-quota"
    WINDOW_FULL = "window-full"
    UNEXPECTED_TOPIC = "unexpected-topic"
    SYNC_BUDGET = "sync-budget"
    VERIFY_BUDGET = "verify-budget"
    FORGOTTEN = "forgotten"
    CONVICTED = "convicted"
    REVOKED_KEY = "revoked-key"
    INBOX_OVERFLOW = "inbox-overflow"
    DAMAGED = "damaged"


# The least frame that always has room for one step ahead: 16 digests with bounds of full length,
# some 900 bytes, beside the quarter that is kept for what stays open.
MIN_FRAME_BYTES = 2_048

# Tables with an entry for who comes next, and what draws and rates are divided by: at least 1.
_LEAST = {
    "statement_bytes": 1,
    "lineage_count": 1,
    "proof_count": 1,
    "presence_bytes_per_s": 1,
    "interest_period_ms": 1,
    "relay_spread_ms": 1,
    "sighting_count": 1,
    "peer_count": 1,
    "sync_period_ms": 1,
    "sync_frame_bytes": MIN_FRAME_BYTES,
}


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on what is valid on the wire and on what one node spends.

    Attributes:
        record_bytes: wire; largest signed batch. 16 KiB holds 64 interactions with ids of 200 bytes
            and keeps four records inside one MQTT payload (design, section 3).
        statement_count: wire; most statements in one record, 256 (design, section 3).
        item_bytes: wire; longest item id in UTF-8, 256 (design, section 2).
        kind_chars: wire; longest interaction kind, 32: a word, never a payload.
        skew_ms: wire; how far ahead of our clock a record may be dated, 120 s (design, section 3;
            gossipsub and RLN bound the future likewise).
        window_age_ms: local; how long a record counts after its date, 30 days (design, section 5).
            Older ones are refused, so tombstones and proofs never have to be kept for longer.
        endorsement_age_ms: wire; how long an endorsement stands after it was said, 30 days. Its
            author says it again at two thirds of that, whatever his own window, and nodes with
            shorter windows keep it for as long: with one of 3 days, they had nobody's for 85 % of
            the time.
        payload_bytes: wire; largest MQTT payload, 64 KiB: the smallest cap among hosted brokers
            (p2p research, section 4).
        window_statement_count: local; statements in the whole window, 200,000 (design, section 5).
        statement_bytes: local; bytes of a record that count as one statement if it has fewer, 672:
            a record of one statement with the longest item id stays below it, and a full window of
            200,000 at 128 MiB, an eighth of the database's default bound.
        author_interaction_count: local; one author's interactions in the window, 500 (design,
            section 5): past that the author's own oldest go.
        private_interaction_count: local; private interactions of one local identity, 10,000: 20
            times what it may have in the window, as nobody else holds them; 3 MB. Past that
            those that happened first go. Guess.
        private_bytes: local; what those of all local identities may take on the disk, 880 MiB: what
            a full window leaves of the database's default bound. Past it more are refused: nothing
            else could be stored any more.
        author_endorsement_count: local; one author's endorsements in the window, in records
            of nothing else, 256: more people than anybody can vouch for.
        author_notice_count: local; one author's forgets and rotations in the window, 64: a forget
            covers a range, and ranges can be joined. What else is said in such a record counts,
            too. One of more than these is refused.
        rotation_count: wire; times that an identity may rotate its key, 16: each adds 170 bytes
            to every record, and nobody loses 16 keys in the life of one identity. Guess.
        lineage_count: local; authors whose rotations are remembered, 4,096; about 3 MB.
        proof_count: local; proofs of equivocation kept, 256: 8 MB if each is as large as can be,
            and an attacker pays each with an identity.
        reserved_share: local; share of the window that authors reached by trust can always use,
            0.8 (design, section 5): a flood of fresh identities shares the rest.
        author_rate_per_s: local; records a second of one author that are taken in for long, 2. A
            person produces a handful a minute. Guess, with a wide margin.
        author_burst_count: local; records that one author may push at once, 256: an import of a
            listening history of 16,384 interactions in batches of 64. Of what reconciliation brings
            it is what a window has of one author, 820: his whole history.
        author_bucket_count: local; authors whose rate is remembered, 8,192 for each way in, least
            recently seen forgotten first; about 1 MB each.
        stranger_rate_per_s: local; signatures a second that are checked for authors whom trust does
            not reach, 1,000: an eighth to a quarter of one core, however many identities flood. A
            tenth of that, and of the next, is for proofs, another for presence, and another for
            forgeries in the names of those whom trust reaches, per broker and way in.
        stranger_burst_count: local; such checks that may be saved up, 60,000: a minute's worth, so
            that a newcomer, whom nobody is close to yet, catches up with a large network at once.
        inbound_bytes_per_s: local; pushed records that a node takes in, 4,096: all of a network of
            4,000 people who record ten things an hour, and 10 GB a month at most. Past it fewer
            shards are read. Guess.
        presence_bytes_per_s: local; presence that a node takes in, 64: 20 nodes a minute, ten times
            as many as it syncs with, and 1.5 % of `inbound_bytes_per_s` (RTCP's share is 5 %).
        presence_peer_count: local; nodes that it is enough to hear of, 64, and as many again as
            half the budget is spared: none of 128 is honest once in 200,000 times where there are
            ten fakes to an honest node.
        interest_period_ms: local; how often the shards to read are chosen anew, 60 s.
        relay_spread_ms: local; a record is carried to a broker that lacks it after a random delay
            of up to 10 s: hundreds of one-way delays, so the first carrier is mostly the only one.
        relay_bytes_per_s: local; what is carried between brokers at most, 2,048: half of what is
            taken in. Guess.
        sighting_count: local; records whose way here is remembered until they are judged, 8,192:
            a minute at 136 records a second; about 3 MB.
        passed_count: local; ids remembered of records that were refused or evicted, so that
            reconciliation does not bring them again and again, 32,768; about 5 MB. The oldest
            memory goes first, and costs a resend.
        peer_count: local; nodes remembered from their presence, 1,024; about 0.5 MB.
        peer_age_ms: local; presence dated before this is refused, and a node unheard of for as long
            forgotten: three of the shortest periods, or of those in force (`announcements`).
        presence_period_ms: local; how often a node of a small network says that it is there, 60 s:
            half of `presence_bytes_per_s` where there are 10. Guess.
        sync_period_ms: local; how often a node reconciles with one peer, 30 s. Guess.
        sync_reply_count: local; reconciliation frames answered in an exchange that we began, and
            per peer and sync period in those that others began, 16: one of 100,000 records takes at
            most 8 (design, section 4).
        sync_frame_bytes: wire; largest reconciliation frame, 16 KiB (design, section 4).
        sync_record_count: local; most records sent in answer to one exchange, 4,096: the rest
            follows in the next period.

    Raises:
        UsageError: one is below 0, or below 1 where something is divided by it or a table needs a
            place; or the share is above 1.
    """

    record_bytes: int = 16 * 1024
    statement_count: int = 256
    item_bytes: int = 256
    kind_chars: int = 32
    skew_ms: int = 120_000
    window_age_ms: int = 30 * DAY_MS
    endorsement_age_ms: int = 30 * DAY_MS
    payload_bytes: int = 64 * 1024
    window_statement_count: int = 200_000
    statement_bytes: int = 672
    author_interaction_count: int = 500
    private_interaction_count: int = 10_000
    private_bytes: int = 880 * 1024 * 1024
    author_endorsement_count: int = 256
    author_notice_count: int = 64
    rotation_count: int = 16
    lineage_count: int = 4_096
    proof_count: int = 256
    reserved_share: float = 0.8
    author_rate_per_s: float = 2.0
    author_burst_count: int = 256
    author_bucket_count: int = 8_192
    stranger_rate_per_s: float = 1_000.0
    stranger_burst_count: int = 60_000
    inbound_bytes_per_s: int = 4_096
    presence_bytes_per_s: int = 64
    presence_peer_count: int = 64
    interest_period_ms: int = 60_000
    relay_spread_ms: int = 10_000
    relay_bytes_per_s: int = 2_048
    sighting_count: int = 8_192
    passed_count: int = 32_768
    peer_count: int = 1_024
    peer_age_ms: int = 180_000
    presence_period_ms: int = 60_000
    sync_period_ms: int = 30_000
    sync_reply_count: int = 16
    sync_frame_bytes: int = 16 * 1024
    sync_record_count: int = 4_096

    def __post_init__(self) -> None:
        for name, usual in zip(self.__struct_fields__, self.__struct_defaults__, strict=True):
            value, least = getattr(self, name), _LEAST.get(name, 0)
            is_whole = isinstance(usual, int)
            if isinstance(value, bool) or not isinstance(value, int if is_whole else int | float):
                expected = "a whole number" if is_whole else "a number"
                raise UsageError(f"{name} {value!r}; expected {expected}")
            if not value >= least:  # also refuses NaN
                raise UsageError(f"{name} {value}; expected {least} or more")
        if self.reserved_share > 1.0:
            raise UsageError(f"reserved_share {self.reserved_share}; expected 0 to 1")
