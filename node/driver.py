"""Carries out what the core orders: commits first, then sends, then tells whoever waits.

Every input is handled at once and in memory; what it orders joins a backlog that one task works
off in order, many turns to a transaction. So an answer never waits for the disk, and nothing is
said to anybody, a broker or a caller, before it is committed. A backlog that is full, because the
disk is slow or broken, stops the intake from the network: the broker's session and the
transport's bounded inbox hold what comes meanwhile.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import structlog

from tastemesh.errors import InternalError, StorageError
from tastemesh.gossip import effects, inputs
from tastemesh.gossip.effects import Effect
from tastemesh.gossip.limits import RejectReason
from tastemesh.node import transport as wire
from tastemesh.node.ahead import AheadReader
from tastemesh.node.clock import Clock, elapsed_s
from tastemesh.node.core import Core
from tastemesh.node.stages import Stage, Stages
from tastemesh.node.transport import Transport
from tastemesh.storage.batch import StorageEffect
from tastemesh.storage.store import Store

_log = structlog.get_logger(__name__)

# Turns that may wait for the disk. A turn is one input's orders: a payload of at most 64 KiB from
# the network, so this bounds the backlog at about 16 MB before the intake stops.
BACKLOG_TURNS = 256

# Turns to a transaction: at 64 KiB each it stays at 4 MiB, a quarter of the write-ahead log.
COMMIT_TURNS = 64

# How long turns from the network gather before they are committed, seconds: a transaction costs as
# much as twenty records in it. Whoever waits for a commit, or a full transaction, ends it at once.
# Short: a broker sends its window, 20 messages with mosquitto, and then waits for acknowledgement.
GATHER_S = 0.005

# How long events are handled before questions and commits get their turn, seconds: a payload takes
# 0.2 to 1 ms, so a full inbox would keep them waiting for a quarter of a second.
SLICE_S = 0.002

# Waits between attempts to commit after a fault, seconds: soon enough not to be noticed after a
# blip, rare enough to leave a full disk alone.
RETRY_FIRST_S = 0.1
RETRY_LAST_S = 5.0

# How long closing waits for the disk, seconds (guess): a commit takes milliseconds, and
# supervisors kill who takes too long.
CLOSING_S = 5.0

# Between two rounds of giving disk space back, seconds: eviction frees some pages a minute (guess).
TIDY_S = 60.0


# Stored records that are read and verified again, and how often, seconds: SQLite has no checksums,
# so a bit that flips on the disk shows nowhere else. 240 a minute take 0.1 % of a core; eight at
# once stopped the event loop for 7 ms (measured), two are a slice. A full window takes 13 minutes
# in records of 64, 14 hours in single statements.
INSPECT_COUNT = 2
INSPECT_S = 0.5

# Between two looks at a database that is damaged, seconds: one at 256 MB holds commits up for a
# second (guess).
AGAIN_S = 10.0

# A timer whose turn met a fault comes again no sooner, milliseconds: some are set for 0 (guess).
FAULT_MS = 1_000

LocalInput = inputs.Recorded | inputs.ForgotPrivate | inputs.Rotated
"""What a local user says."""

Committed = asyncio.Future[list[Effect]]
_PRIVATE = effects.PersistPrivate | effects.PurgePrivate


class _Turn:
    """The orders of one input, and who waits for them to be committed."""

    def __init__(
        self,
        orders: list[Effect],
        done: Committed | None = None,
        message: wire.Message | None = None,
    ) -> None:
        self.orders = orders
        self.done = done
        self.message = message


class Driver:
    """Runs one core over a store and a transport.

    Args:
        core: the peer.
        store: its disk, open.
        transport: its network; entered and left by the caller.
        clock: time.
        notify: called with every `Accepted`, `Convicted`, `PeerSeen` and `Misbehaved` after
            the commit.
        stages: notes how long the intake takes, shared with the core's reader and view; its own
            where None.
        ahead: the core's reader, where it reads ahead; or None.
    """

    def __init__(
        self,
        core: Core,
        store: Store,
        transport: Transport,
        clock: Clock,
        notify: Callable[[Effect], None],
        stages: Stages | None = None,
        ahead: AheadReader | None = None,
    ) -> None:
        self._core = core
        self._store = store
        self._transport = transport
        self._clock = clock
        self._notify = notify
        self.stages = stages or Stages()
        self._ahead = ahead
        self._backlog: list[_Turn] = []
        self._in_hand: list[_Turn] = []
        self._stopped = False
        self._work = asyncio.Event()
        self._hurry = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._timers: set[asyncio.TimerHandle] = set()
        self.connected = asyncio.Event()
        self.storage_fault: StorageError | None = None
        self.unsent_count = 0
        self.internal_error_count = 0

    def handle(self, event: inputs.Input, message: wire.Message | None = None) -> None:
        """Hand an input to the core and queue what it orders.

        Args:
            event: the input.
            message: acknowledged to its broker once what it orders is committed.
        """
        orders = self._core.handle(event, self._clock.now_ms())
        self._queue(_Turn(orders, message=message))

    def restore(self, part: inputs.Restored) -> None:
        """Hand in what the store held, and queue what else follows: what it holds is no news."""
        done = self._core.handle(part, self._clock.now_ms())
        orders = [e for e in done if not isinstance(e, effects.Accepted | effects.AcceptedPrivate)]
        if orders:
            self._queue(_Turn(orders))

    def _queue(self, turn: _Turn) -> None:
        self._backlog.append(turn)
        self._work.set()
        if turn.done is not None or len(self._backlog) >= COMMIT_TURNS:
            self._hurry.set()
        if len(self._backlog) >= BACKLOG_TURNS:
            self._room.clear()

    async def has_room(self) -> None:
        """Wait until the backlog can take what a local user says.

        Raises:
            StorageError: the node has stopped.
        """
        await self._room.wait()
        self._check_running()

    def hand_in(self, *events: LocalInput, before: Sequence[Effect] = ()) -> Committed:
        """Hand in at once what a local user said; see `has_room`.

        With what was ordered `before` it is committed in one transaction, whoever waits for that.

        Returns:
            Resolved with the orders once they are committed; fails with a StorageError where the
            node stops before that.

        Raises:
            UsageError: a value is wrong; only what came before it was recorded. So it is where any
                other is raised, by a fault of ours.
            StorageError: the node has stopped; nothing was recorded.
        """
        self._check_running()
        orders = list(before)
        try:
            for event in events:
                orders += self._core.handle(event, self._clock.now_ms())
        except InternalError as error:
            self._queue(_Turn(orders + error.done))
            raise error.__cause__ or error from None
        except Exception:  # numbers that are used up must be committed, whatever it is
            self._queue(_Turn(orders))
            raise
        done: Committed = asyncio.get_running_loop().create_future()
        self._queue(_Turn(orders, done))
        return done

    async def run(self) -> None:
        """Take in events and carry out orders until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._take_in(), name="tastemesh-intake")
                tasks.create_task(self._work_off(), name="tastemesh-writer")
                tasks.create_task(self._tidy(), name="tastemesh-tidying")
                tasks.create_task(self._inspect(), name="tastemesh-inspection")
        finally:
            self._stopped = True
            self._room.set()  # whoever waits for it is told
            for timer in self._timers:
                timer.cancel()
            fault = f": {self.storage_fault}" if self.storage_fault else ""
            for turn in (*self._in_hand, *self._backlog):
                if turn.done is not None and not turn.done.done():
                    turn.done.set_exception(
                        StorageError(f"the node stopped before the commit{fault}")
                    )

    async def finish(self) -> None:
        """Commit what was handed in, for `CLOSING_S` at most; the log says what is lost then."""
        try:
            async with asyncio.timeout(CLOSING_S):
                await self.flush()
        except TimeoutError:
            turns = (*self._in_hand, *self._backlog)
            _log.error(
                "closing; the disk does not take what was said last",
                fault=str(self.storage_fault or f"no answer for {CLOSING_S:g} s"),
                lost_count=sum(_is_said(order) for turn in turns for order in turn.orders),
            )

    async def flush(self) -> None:
        """Wait until all that was handled so far is committed and sent to the transport.

        Raises:
            StorageError: the node stopped before the commit.
        """
        await self.hand_in()

    def storage_report(self) -> dict[str, Any]:
        """Return how the disk is, ready for JSON."""
        fault, damage, salvage = self.storage_fault, self._store.damage, self._store.salvage
        return {
            "fault": fault and str(fault),
            "cause": fault and fault.cause.value,
            "damage": damage and str(damage),
            "used_bytes": self._store.disk_bytes,
            "salvaged": salvage and msgspec.to_builtins(salvage),
        }

    def _check_running(self) -> None:
        if self._stopped:
            raise StorageError("the node has stopped; nothing was recorded")

    # --- in --------------------------------------------------------------------------------

    async def _take_in(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._room.wait()
            events = await self._transport.events()
            if self._ahead is not None:
                messages = [each for each in events if isinstance(each, wire.Message)]
                await self._ahead.look_at([each.payload for each in messages])
            rest_s = loop.time() + SLICE_S
            for event in events:
                if loop.time() > rest_s:
                    await asyncio.sleep(0)
                    rest_s = loop.time() + SLICE_S
                message = event if isinstance(event, wire.Message) else None
                looked_at = self.stages.counts[Stage.DECODE]
                since_s, within_s = elapsed_s(), self.stages.inner_s
                if self._withstand(self._as_input(event), message) and message is not None:
                    count = self.stages.counts[Stage.DECODE] - looked_at
                    self.stages.handled(count, since_s, within_s)

    def _withstand(
        self,
        event: inputs.Input,
        message: wire.Message | None = None,
        again: effects.SetTimer | None = None,
    ) -> bool:
        """Handle what no local user said; tell whether the core could.

        The core never raises for what others send, nor for what it asked for; if it does, that is
        our bug, and whoever found it must not be able to stop the node with it. What it ordered
        before is carried out, and the message acknowledged, or it would come again. So is
        a timer set again that fired (`again`), or what it does would never be done any more.
        """
        try:
            self.handle(event, message=message)
        except Exception as error:
            self.internal_error_count += 1
            _log.exception("internal error", event_type=type(event).__name__)
            orders = error.done if isinstance(error, InternalError) else []
            is_set = [o.timer for o in orders if isinstance(o, effects.SetTimer)]
            if again is not None and again.timer not in is_set:
                orders.append(effects.SetTimer(again.timer, max(again.delay_ms, FAULT_MS)))
            self._queue(_Turn(orders, message=message))
            return False
        return True

    def _as_input(self, event: wire.Event) -> inputs.Input:
        wall_ms = self._clock.wall_ms()
        match event:
            case wire.Message():
                return inputs.Received(event.broker, event.topic, event.payload, wall_ms)
            case wire.Connected():
                _log.info("connected", broker=event.broker)
                self.connected.set()
                return inputs.BrokerUp(event.broker, wall_ms)
            case wire.Disconnected():
                _log.warning("disconnected", broker=event.broker, reason=event.reason)
                return inputs.BrokerDown(event.broker)
            case wire.Dropped():
                _log.warning("inbox overflow", broker=event.broker, count=event.count)
                return inputs.Dropped(event.broker, event.count)
        raise TypeError(f"unknown transport event {type(event).__name__}")

    # --- out -------------------------------------------------------------------------------

    async def _work_off(self) -> None:
        while True:
            await self._work.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(GATHER_S):
                    await self._hurry.wait()
            turns = self._in_hand = self._backlog[:COMMIT_TURNS]
            del self._backlog[:COMMIT_TURNS]
            if not self._backlog:
                self._work.clear()
            if len(self._backlog) < COMMIT_TURNS and not any(turn.done for turn in self._backlog):
                self._hurry.clear()
            await self._commit(
                [e for turn in turns for e in turn.orders if isinstance(e, StorageEffect)]
            )
            for turn in turns:
                for order in turn.orders:
                    if isinstance(order, effects.Fetch):
                        await self._fetch(order)
                    else:
                        self._carry_out(order)
                if turn.done is not None and not turn.done.done():
                    turn.done.set_result(turn.orders)
                if turn.message is not None:
                    self._transport.acknowledge(turn.message)
            self._in_hand = []
            if len(self._backlog) < BACKLOG_TURNS:
                self._room.set()

    async def _tidy(self) -> None:
        """Give the file system back what eviction freed, a little at a time."""
        while True:
            await asyncio.sleep(TIDY_S)
            with suppress(StorageError):  # a commit will say so
                await self._store.vacuum_step()

    async def _inspect(self) -> None:
        """Have the core look at what is on the disk, over and over, a little at a time.

        Where something could not be read, by whomever, all of it is looked at until it can be.
        """
        place, told = 0, ""
        while True:
            await asyncio.sleep(AGAIN_S if self._store.damage else INSPECT_S)
            try:
                if self._store.damage is not None:
                    await self._store.look_again()
                    _log.info("the database can be read again")
                    told = ""
                rows, place = await self._store.inspect(place, INSPECT_COUNT)
            except StorageError as error:
                place = 0
                if str(error) != told:
                    told = str(error)
                    _log.error("the database cannot be read", cause=error.cause, fault=told)
                continue
            if rows:
                await self._room.wait()
                with self.stages.uncounted():
                    self._withstand(inputs.Inspected(rows))

    async def _commit(self, changes: Sequence[StorageEffect]) -> None:
        """Commit, however long it takes: nobody is told before."""
        if not changes:
            return
        wait_s = RETRY_FIRST_S
        while True:
            since_s = elapsed_s()
            try:
                await self._store.commit(changes)
            except StorageError as error:
                if self.storage_fault is None:
                    _log.error(
                        "storage fault; serving from memory", cause=error.cause, fault=str(error)
                    )
                self.storage_fault = error
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, RETRY_LAST_S)
                continue
            count = sum(isinstance(change, effects.Persist) for change in changes)
            self.stages.add(Stage.PERSIST, count, since_s)
            if self.storage_fault is not None:
                _log.info("storage recovered")
                self.storage_fault = None
            return

    def _carry_out(self, order: Effect) -> None:
        match order:
            case effects.Misbehaved(reason=RejectReason.DAMAGED):
                _log.error("damaged on disk", record=order.detail)
                self._notify(order)
            case (
                effects.Accepted() | effects.Convicted() | effects.PeerSeen() | effects.Misbehaved()
            ):
                self._notify(order)
            case effects.Send():
                if not self._transport.publish(order.topic, order.payload, order.broker):
                    self.unsent_count += 1  # reconciliation will bring it
            case effects.SetTimer():
                self._set_timer(order)
            case effects.Subscribe():
                self._transport.subscribe(order.topics, order.passing)

    async def _fetch(self, order: effects.Fetch) -> None:
        try:
            envelopes = await self._store.fetch(order.record_ids)
        except StorageError as error:
            _log.warning("cannot serve a peer", fault=str(error))
            return
        self._withstand(inputs.Fetched(tuple(envelopes), order.topic, order.broker))

    def _set_timer(self, order: effects.SetTimer) -> None:
        def fire() -> None:
            self._timers.discard(handle)
            self._withstand(inputs.TimerFired(order.timer, self._clock.wall_ms()), again=order)

        handle = asyncio.get_running_loop().call_later(order.delay_ms / 1000, fire)
        self._timers.add(handle)


def _is_said(order: Effect) -> bool:
    """Tell whether an order stores what a local user said."""
    return order.own if isinstance(order, effects.Persist) else isinstance(order, _PRIVATE)
