"""Who greets a newcomer, and which presence was heard already."""

from hashlib import blake2b

# How soon a node answers a newcomer's presence with its own, and syncs with its first peers: spread
# over this time by the node's id, so that a crowd does not answer at once.
GREETING_MS = 1_000

# Nodes expected to greet one newcomer, as each new node heard of would else have everybody announce
# itself and sync: in a network where somebody comes every second, all of them every second (guess).
GREETER_COUNT = 12

# Who came later than this ago and has heard of enough nodes greets nobody: of a crowd that comes at
# once, everybody would greet a dozen others, twelve times the presence that there is (guess).
_SETTLED_MS = 5_000

# Presence messages remembered, so that what comes through several brokers is checked once.
HEARD_COUNT = 512


class Greetings:
    """One node's share in greeting newcomers.

    Args:
        node: its id, which decides when and whom it greets.
    """

    __slots__ = ("_heard", "_node", "_started_ms", "is_set")

    def __init__(self, node: bytes) -> None:
        self._node = node
        self._heard: dict[bytes, None] = {}
        self._started_ms = 0
        self.is_set = False
        """Whether a greeting is on its way."""

    def __len__(self) -> int:
        return len(self._heard)

    def begin(self, now_ms: int) -> None:
        """Note that the node comes up now, a moment of the monotonic clock."""
        self._started_ms = now_ms

    def has_heard(self, payload: bytes) -> bool:
        """Tell whether a presence was heard, through another broker."""
        return payload in self._heard

    def note_heard(self, payload: bytes) -> None:
        """Note a presence that holds; the oldest is forgotten."""
        self._heard[payload] = None
        if len(self._heard) > HEARD_COUNT:
            del self._heard[next(iter(self._heard))]

    @property
    def spread_ms(self) -> int:
        """How long this node waits before it greets."""
        return int.from_bytes(self._node[:4], "big") % GREETING_MS

    def is_up_to_us(self, newcomer: bytes, peer_count: int, now_ms: int) -> bool:
        """Tell whether it is on us to greet: a few of those who hear a newcomer are enough.

        Args:
            newcomer: id.
            peer_count: nodes that we know.
            now_ms: monotonic time.
        """
        if peer_count <= GREETER_COUNT:
            return True
        if now_ms - self._started_ms < _SETTLED_MS:
            return False
        lot = int.from_bytes(blake2b(newcomer, key=self._node, digest_size=4).digest(), "big")
        return lot * peer_count < GREETER_COUNT << 32
