"""Why something happened in a recorded run: how a record came to a node, why an item is listed.

The run is replayed (`tastemesh.sim.replay`) and watched; nothing had to be logged beforehand.
"""

from collections.abc import Callable
from pathlib import Path
from string import hexdigits

import msgspec

from tastemesh.errors import UsageError
from tastemesh.gossip import effects, inputs
from tastemesh.gossip.effects import Effect
from tastemesh.gossip.topics import channel_of
from tastemesh.node.answers import Advice
from tastemesh.sim.engine import EPOCH_MS
from tastemesh.sim.peer import INTRUDERS, Peer
from tastemesh.sim.population import NETWORK
from tastemesh.sim.replay import Replay
from tastemesh.sim.trace import Carried, Trace

_AROUND_MS = 1_000
_LEAST_PREFIX = 6  # hex digits of a record's id that may stand for all of it

Told = Callable[[str, int, int], None]


class _Arrival(msgspec.Struct, frozen=True):
    """How a record came to a node: by a message, or by its own user's word where there is none."""

    at_ms: int
    record: str
    message: Carried | None


def station_name(number: int) -> str:
    """Return what a station is called in reports."""
    return f"n{number}" if number < INTRUDERS else f"adversary {number - INTRUDERS}"


def way_of_record(path: Path, node: int, prefix: str, progress: Told) -> list[str]:
    """Tell how a record came to a node, from its author on.

    Args:
        path: of the trace.
        node: its number.
        prefix: of the record's id, at least 6 hex digits.
        progress: told how far the replay is.

    Raises:
        UsageError: the node or the record is not in the recording.
        TraceError: the file is no trace, or damaged.
        ReplayError: a node does something else than it did.
    """
    if len(prefix) < _LEAST_PREFIX or not set(prefix) <= set(hexdigits):
        raise UsageError(f"record {prefix!r}; expected at least {_LEAST_PREFIX} hex digits")
    arrivals: dict[int, _Arrival] = {}

    def see(
        peer: Peer, event: inputs.Input, at_ms: int, message: Carried | None, orders: list[Effect]
    ) -> None:
        for order in orders:
            if isinstance(order, effects.Accepted) and not isinstance(event, inputs.Restored):
                name = order.record.id.hex()
                if name.startswith(prefix.lower()):
                    arrivals.setdefault(peer.number, _Arrival(at_ms, name, message))

    replay = Replay(_checked(path, node), see)
    replay.run(progress)
    if node not in arrivals:
        held = f"; {len(arrivals)} other nodes do" if arrivals else ""
        raise UsageError(f"record {prefix}: {station_name(node)} never took it in{held}")
    return _steps(arrivals, node)


def _steps(arrivals: dict[int, _Arrival], node: int) -> list[str]:
    """Go back from arrival to arrival, and tell them in the order in which they happened."""
    lines: list[str] = []
    here: int | None = node
    while here is not None and len(lines) < len(arrivals) + 1:
        arrival = arrivals.get(here)
        when = f"{arrival.at_ms / 1000:10.3f} s" if arrival else f"{'':10}  "
        if arrival is None:
            lines.append(f"{when}  {station_name(here)} published it")
            break
        message = arrival.message
        if message is None:
            lines.append(f"{when}  {station_name(here)} recorded it for its user and published it")
            break
        sender = station_name(message.sender)
        how = (
            f"by reconciliation with {sender}, in message {message.number} to its inbox"
            if channel_of(message.topic, NETWORK) == "n"
            else f"pushed by {sender} on {message.topic}, message {message.number}"
        )
        lines.append(
            f"{when}  {station_name(here)} took it in, {how}, through {message.broker!r} "
            f"({len(message.payload)} bytes)"
        )
        here = message.sender
    record = arrivals[node].record
    return [f"record {record}", *reversed(lines)]


def around(path: Path, node: int, at_s: float, progress: Told) -> list[str]:
    """Tell what a node was given and what it ordered within a second of a moment.

    Args:
        path: of the trace.
        node: its number.
        at_s: virtual seconds.
        progress: told how far the replay is.

    Raises:
        UsageError: the node or the moment is not in the recording.
        TraceError: the file is no trace, or damaged.
        ReplayError: a node does something else than it did.
    """
    at_ms = round(at_s * 1000)
    lines: list[str] = []
    earlier = ""

    def see(
        peer: Peer, event: inputs.Input, now_ms: int, message: Carried | None, orders: list[Effect]
    ) -> None:
        nonlocal earlier
        if peer.number != node:
            return
        if abs(now_ms - at_ms) > _AROUND_MS:
            earlier = f"; the last thing before was at {now_ms / 1000:.3f} s"
        else:
            lines.append(f"{now_ms / 1000:10.3f} s  {_input_line(event, message)}")
            lines.extend(f"{'':12}    -> {_order_line(order)}" for order in orders)

    trace = _checked(path, node)
    last_s = trace.header.scenario.seconds
    if at_s > last_s:
        raise UsageError(f"at is {at_s:g}; the recording has 0 to {last_s:g} s")
    Replay(trace, see, until_ms=at_ms + _AROUND_MS).run(progress)
    nothing = f"nothing happened to {station_name(node)} within a second of {at_s:g} s"
    return lines or [nothing + earlier]


def why_listed(path: Path, node: int, item: str, progress: Told) -> list[str]:
    """Tell why a node recommends an item at the end, and how its evidence came there.

    Args:
        path: of the trace.
        node: its number.
        item: its id.
        progress: told how far the replay is.

    Raises:
        UsageError: nothing speaks for the item on this node.
        TraceError: the file is no trace, or damaged.
        ReplayError: a node does something else than it did.
    """
    trace = _checked(path, node)
    arrivals: dict[str, dict[int, _Arrival]] = {}

    def see(
        peer: Peer, event: inputs.Input, at_ms: int, message: Carried | None, orders: list[Effect]
    ) -> None:
        for order in [] if isinstance(event, inputs.Restored) else orders:
            if isinstance(order, effects.Accepted) and any(
                said.item == item for said in order.record.interactions
            ):
                name = order.record.id.hex()
                known = arrivals.setdefault(name, {})
                known.setdefault(peer.number, _Arrival(at_ms, name, message))

    replay = Replay(trace, see)
    replay.run(progress)
    peer = replay.peers[node]
    wall_ms = EPOCH_MS + round(trace.header.scenario.seconds * 1000) + peer.skew_ms
    found = peer.core.explain(replay.user_of(node), item, wall_ms, ())
    if found is None:
        raise UsageError(f"item {item!r}: nothing speaks for it on {station_name(node)}")
    return _reasons(replay, found, arrivals, node)


def _reasons(
    replay: Replay, found: Advice, arrivals: dict[str, dict[int, _Arrival]], node: int
) -> list[str]:
    marked = ", unverified" if found.unverified else ""
    lines = [f"{found.item}: score {found.score:.6f}{marked}"]
    for reason in found.reasons:
        who = replay.name_of(reason.contact) if reason.contact else "nobody whom trust reaches"
        lines.append(f"{reason.share:7.1%} through {who}")
        for record_id in reason.record_ids:
            if node in arrivals.get(record_id, {}):
                lines += [f"    {line}" for line in _steps(arrivals[record_id], node)]
    return lines


def _checked(path: Path, node: int) -> Trace:
    trace = Trace(path)
    count = trace.header.scenario.nodes
    if not 0 <= node < count:
        raise UsageError(f"node is {node}; the recording has 0 to {count - 1}")
    return trace


def _input_line(event: inputs.Input, message: Carried | None) -> str:
    match event:
        case inputs.Received() if message is not None:
            sender = station_name(message.sender)
            return f"Received {len(event.payload)} bytes on {event.topic} from {sender}"
        case inputs.TimerFired():
            return f"TimerFired {event.timer}"
        case inputs.BrokerUp() | inputs.BrokerDown():
            return f"{type(event).__name__} {event.broker}"
        case inputs.Recorded():
            return f"Recorded {len(event.statements)} statements: {event.statements[0]!r}"
        case inputs.Fetched():
            return f"Fetched {len(event.envelopes)} records for {event.topic}"
        case inputs.Restored():
            return f"Restored {len(event.records)} records"
    return type(event).__name__


def _order_line(order: Effect) -> str:
    match order:
        case effects.Send():
            return f"Send {len(order.payload)} bytes to {order.topic}"
        case effects.Persist() | effects.Accepted():
            return f"{type(order).__name__} {order.record.id.hex()[:16]}"
        case effects.Evict():
            return f"Evict {len(order.record_ids)} records: {order.reason}"
        case effects.Misbehaved():
            return f"Misbehaved {order.reason}: {order.detail}"
        case effects.SetTimer():
            return f"SetTimer {order.timer} in {order.delay_ms} ms"
        case effects.Fetch():
            return f"Fetch {len(order.record_ids)} records for {order.topic}"
        case effects.Subscribe():
            return f"Subscribe to {len(order.topics) + len(order.passing)} filters"
    return type(order).__name__
