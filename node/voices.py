"""What local users say, take back and say again: each user one thing after the other.

Forgetting, a rotation and bringing in a history read first what the user has said, and then say
what follows from it. What he said in between would be missed: it would be forgotten with the rest,
or said twice. So one of them at a time goes on for a user, and all else that he says waits for it.
Each is committed whole, so that a caller who gives up, or a crash, leaves all of it or nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import structlog
from msgspec import structs

from tastemesh.errors import InternalError, StorageError, UsageError
from tastemesh.gossip import inputs
from tastemesh.gossip.effects import Effect
from tastemesh.gossip.private import kept
from tastemesh.gossip.record import Endorsement, Forget, Record
from tastemesh.gossip.tombstones import uncovered
from tastemesh.node.archive import Archive
from tastemesh.node.assembly import Parts
from tastemesh.node.clock import Clock
from tastemesh.node.driver import Committed, LocalInput
from tastemesh.node.forgetting import (
    Forgotten,
    check_choice,
    handed_over,
    plan,
    rejoined,
    without,
)
from tastemesh.node.history import Imported, sifted
from tastemesh.node.plays import Play, as_id, as_units, check_flag, record_ids, several
from tastemesh.node.settings import NodeConfig
from tastemesh.node.sharing import NOTHING_SHARED, Sharing

_log = structlog.get_logger(__name__)

# Between looks at what other devices have pushed out, seconds: an application may open a node for
# less than a minute, and what is not said again before it ends waits for its next start (guess).
REJOIN_S = 10.0

# Private interactions handed in before anything else has its turn: 3 ms, 8 where as many older ones
# go for them (measured).
PRIVATE_AT_ONCE = 500


class Voices:
    """Hands in what local users say; see `tastemesh.node.node.Node` for each call.

    Args:
        config: of the node.
        clock: time.
        parts: of the node, running.
        archive: reads what was said.
    """

    def __init__(self, config: NodeConfig, clock: Clock, parts: Parts, archive: Archive) -> None:
        self._config = config
        self._clock = clock
        self._keys, self._store, self._core = parts.keys, parts.store, parts.core
        self._driver = parts.driver
        self._archive = archive
        self._turns: dict[bytes, asyncio.Lock] = {}  # by local user, so no more than there are

    async def keep(self) -> None:
        """See to it, until cancelled, that what users took back stays so; see `rejoin`."""
        while True:
            await asyncio.sleep(REJOIN_S)
            for author in self._core.engine.authorship.losing:
                await asyncio.sleep(0)  # of 10,000 users to look at each takes a second
                try:
                    await self.rejoin(author)
                except (StorageError, UsageError) as error:  # or just rotated elsewhere
                    _log.warning("cannot say again what was taken back", fault=str(error))
                except Exception:  # of ours: the others' is not to be left undone
                    self._driver.internal_error_count += 1
                    _log.exception("internal error", event_type="rejoin")

    async def record(self, plays: Sequence[Play], *, private: bool, identity: str) -> list[str]:
        """Say plays; return the records' ids."""
        check_flag("private", private)
        author = self._keys.signer(identity).id
        plays = several("plays", plays, "plays")
        if not plays:
            return []
        async with self._turn(author):
            await self._driver.has_room()
            said = await self._hand_in(self._played(author, plays, private))
        return record_ids(await said)

    async def endorse(self, weights: Mapping[str, float], *, identity: str) -> list[str]:
        """Say endorsements; return the records' ids."""
        author = self._keys.signer(identity).id
        endorsements = _endorsements(author, weights)
        if not endorsements:
            return []
        async with self._turn(author):
            await self._driver.has_room()
            said = self._driver.hand_in(
                inputs.Recorded(author, endorsements, self._clock.wall_ms())
            )
        return record_ids(await said)

    async def forget(self, item: str | None, *, everything: bool, identity: str) -> Forgotten:
        """Take an item back, or everything."""
        check_choice(item, everything)
        author = self._keys.signer(identity).id
        async with self._alone(author):
            wall_ms = self._clock.wall_ms()
            most = self._config.limits.author_notice_count
            held = await self._archive.records_of(author)
            authorship = self._core.engine.authorship
            lost = self._out_of_force(author, authorship.lost_forgets(author))
            taken = plan(held, item, wall_ms, most, lost, authorship.epochs(author))
            await self._driver.has_room()
            private = self._core.private_count(author, item)
            said: list[LocalInput] = []
            if private:  # first: it goes, too, where his key was rotated elsewhere
                said.append(inputs.ForgotPrivate(author, item))
            if taken.forgets:
                said.append(inputs.Recorded(author, taken.statements, wall_ms))
            done = self._driver.hand_in(*said)
        await done
        return Forgotten(
            records=taken.record_count, interactions=taken.interaction_count, private=private
        )

    async def rejoin(self, author: bytes) -> None:
        """Say again what a user took back here and other devices of his have pushed out, if any."""
        authorship, most = self._core.engine.authorship, self._config.limits.author_notice_count
        if not self._out_of_force(author, authorship.lost_forgets(author)):
            return
        share = authorship.rejoining(author, self._clock.now_ms())
        if share is None:
            return
        async with self._alone(author):
            wall_ms = self._clock.wall_ms()
            held, lost = await self._held(author)
            here = await self._store.said_here([each.id for each in held if each.notices])
            await self._driver.has_room()
            epochs = authorship.epochs(author)
            forgets, again = rejoined(held, lost, here, wall_ms, most, share, epochs)
            if not forgets or not self._out_of_force(author, lost):
                return
            done = self._driver.hand_in(inputs.Recorded(author, (*forgets, *again), wall_ms))
        await done

    async def _held(self, author: bytes) -> tuple[list[Record], tuple[Forget, ...]]:
        """Return what a user has said and not taken back, and which forgets were pushed out."""
        records = await self._archive.records_of(author)
        lost = self._core.engine.authorship.lost_forgets(author)
        return without(records, lost), lost

    def _out_of_force(self, author: bytes, forgets: tuple[Forget, ...]) -> tuple[Forget, ...]:
        """Return those forgets that nothing in the window covers."""
        return tuple(uncovered(forgets, self._core.engine.intake.tombstones.of(author)))

    async def rotate(self, *, stolen: bool, identity: str) -> list[str]:
        """Put a user's next key in force; return the ids of the records that say so."""
        check_flag("stolen", stolen)
        author = self._keys.signer(identity).id
        async with self._alone(author):
            wall_ms = self._clock.wall_ms()
            last, (held, lost) = self._core.cut(author, stolen), await self._held(author)
            if not stolen:  # what stands above all that he is known to use, only a thief can say
                held = [each for each in held if each.slot <= last]
            here = await self._store.said_here([each.id for each in held if each.notices])
            most = self._config.limits.author_notice_count
            epochs = self._core.engine.authorship.epochs(author)
            forgets, again = handed_over(held, last, here, wall_ms, most, lost, epochs)
            await self._driver.has_room()
            # No pause from here on: a timer's renewal would be signed by the older key, above the
            # cut. The key file comes first: nothing is ever signed by a key that a crash loses.
            rotations = self._config.limits.rotation_count
            signer = self._keys.rotate(identity, self._core.cut(author, stolen), rotations)
            said: list[LocalInput] = [inputs.Rotated(signer, wall_ms, forgets)]
            if again:
                said.append(inputs.Recorded(author, again, wall_ms))
            done = self._driver.hand_in(*said)
        return record_ids(await done)

    async def import_history(
        self, plays: Sequence[Play], *, private: bool, identity: str
    ) -> Imported:
        """Say the plays that a user's history lacks."""
        check_flag("private", private)
        author = self._keys.signer(identity).id
        plays = several("plays", plays, "plays")
        sharing = self._sharing(private)
        async with self._alone(author):
            published, _ = await self._held(author)
            said = published, await self._store.private_of(author)
            wall_ms, limits = self._clock.wall_ms(), self._config.limits
            others = self._others(author, plays, sharing)
            # In a thread: to look at 100,000 plays takes a fifth of a second and more.
            new, found = await asyncio.to_thread(
                sifted,
                plays,
                *said,
                wall_ms,
                limits,
                stays=lambda play: not sharing.allows(play, others),
            )
            await self._driver.has_room()
            done = await self._hand_in(self._played(author, new, private))
        return structs.replace(found, records=record_ids(await done))

    def _played(self, author: bytes, plays: Sequence[Play], private: bool) -> list[inputs.Recorded]:
        sharing, wall_ms = self._sharing(private), self._clock.wall_ms()
        others = self._others(author, plays, sharing)
        return sharing.events(author, plays, wall_ms, others)

    async def _hand_in(self, events: Sequence[inputs.Recorded]) -> Committed:
        """Hand in plays, as a whole; of many that stay here some between two turns.

        Who gives up meanwhile is let go once all are handed in.
        """
        parts = [each for event in events for each in _parts(event)]
        if len(parts) == 1:
            return self._driver.hand_in(*parts)
        task = asyncio.create_task(self._hand_in_parts(parts))
        gave_up: asyncio.CancelledError | None = None
        while not task.done():  # some say again and again that they give up, as anyio does
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError as error:
                gave_up = error
        if gave_up is not None:
            raise gave_up
        return task.result()

    async def _hand_in_parts(self, parts: Sequence[inputs.Recorded]) -> Committed:
        for each in parts:  # all of them first: nothing is to be refused half way
            kept(each, self._config.limits)
            if not each.private:
                self._core.engine.authorship.check_key(each.author)
            await asyncio.sleep(0)
        private = [each for each in parts if each.private]
        # What is published comes last, at once: others' records could push it out before it is
        # committed. What stays here is nobody's but its user's, and it is his turn.
        done = await self._hand_in_private(private) if private else []
        return self._driver.hand_in(*(each for each in parts if not each.private), before=done)

    async def _hand_in_private(self, parts: Sequence[inputs.Recorded]) -> list[Effect]:
        done: list[Effect] = []
        with self._core.room_for_private(_joined(parts)):  # others say things meanwhile
            for each in parts:
                try:
                    done += self._core.handle(each, self._clock.now_ms())
                except InternalError as error:  # of ours; what was done must be committed
                    self._driver.hand_in(before=done + error.done)
                    raise error.__cause__ or error from None
                except Exception:
                    self._driver.hand_in(before=done)
                    raise
                await asyncio.sleep(0)
        return done

    def _sharing(self, private: bool) -> Sharing:
        return NOTHING_SHARED if private else self._config.sharing

    def _others(
        self, author: bytes, plays: Sequence[Play], sharing: Sharing
    ) -> Callable[[str], int]:
        """Return what tells how many others hold an item; looked up at once, if it will be asked.

        A history has 100,000 items, and each alone would be a pass over the window.
        """
        counts: dict[str, int] = {}
        if sharing.least_holders:
            # What is no play with an item is refused later, with a better word.
            texts: list[object] = [getattr(each, "item", None) for each in plays]
            items = dict.fromkeys(text for text in texts if isinstance(text, str))
            counts = self._core.holder_counts(list(items), without=author)
        return counts.__getitem__

    def _turn(self, author: bytes) -> asyncio.Lock:
        return self._turns.setdefault(author, asyncio.Lock())

    @asynccontextmanager
    async def _alone(self, author: bytes) -> AsyncIterator[None]:
        """Keep a user's turn for several steps, with what he said before on the disk, to be read.

        Raises:
            StorageError: the node stopped before that.
        """
        async with self._turn(author):
            await self._driver.flush()
            yield


def _parts(event: inputs.Recorded) -> list[inputs.Recorded]:
    """Return what a user keeps to himself as inputs of which none takes long."""
    said = event.statements
    if not event.private or len(said) <= PRIVATE_AT_ONCE:
        return [event]
    starts = range(0, len(said), PRIVATE_AT_ONCE)
    return [
        structs.replace(event, statements=said[start : start + PRIVATE_AT_ONCE]) for start in starts
    ]


def _joined(parts: Sequence[inputs.Recorded]) -> inputs.Recorded:
    said = tuple(each for part in parts for each in part.statements)
    return structs.replace(parts[0], statements=said)


def _endorsements(author: bytes, weights: Mapping[str, float]) -> tuple[Endorsement, ...]:
    if not isinstance(weights, Mapping):
        raise UsageError(f"weights is {weights!r}; expected weights by peer id")
    said = []
    for peer, weight in weights.items():
        subject = as_id("peer id", peer)
        if subject == author:
            raise UsageError("peer: nobody can endorse himself")
        said.append(Endorsement(subject, as_units(weight, -1.0, 1.0)))
    return tuple(said)
