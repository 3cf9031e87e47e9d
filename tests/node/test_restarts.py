"""What follows from a node's window follows from it after a restart, too, whatever came before.

One core runs on, through all that can befall a window. Now and then everything that it ordered to
be stored goes through a real database into a fresh core, and both are asked the same.
"""

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tastemesh.gossip import inputs
from tastemesh.gossip.authorship import Authorship
from tastemesh.gossip.bundles import pack_bundles
from tastemesh.gossip.codec import sign_record
from tastemesh.gossip.effects import Effect, Fetch, Persist
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import Endorsement, Forget, Interaction, Record, Said
from tastemesh.gossip.topics import records_topic, shard_of
from tastemesh.node.core import Core
from tastemesh.node.forgetting import plan, repeated
from tastemesh.node.scorer import ScorerParameters
from tastemesh.ranking.columns import NUMBER_MAX
from tastemesh.reputation.parameters import WalkParameters
from tastemesh.reputation.trust import TrustParameters
from tastemesh.storage.store import STORED, StorageEffect, Store
from tests.gossip.cores import NETWORK, WALL_MS, person, secret

# So small that every bound is met: what leaves for what, and when, is what goes wrong.
LIMITS = Limits(
    window_statement_count=60,
    window_age_ms=400_000,
    author_interaction_count=10,
    author_endorsement_count=4,
    author_notice_count=4,
    private_interaction_count=4,
    statement_bytes=300,
    reserved_share=0.6,
)
LOCAL = ("ana", "ben")
REMOTE = ("cleo", "dora", "emil", "fay")
NAMES = (*LOCAL, *REMOTE)
ITEMS = [f"i{number}" for number in range(9)]

interactions = st.builds(
    Interaction,
    st.sampled_from(ITEMS),
    st.sampled_from(["listen", "listen", "like", "skip", "dislike"]),
    st.sampled_from([10_000, 3_000, 1]),
    st.sampled_from([0, 0, 5_000, WALL_MS * 2]),
)
weights = st.sampled_from([10_000, 10_000, 4_000, 0, -10_000])
plays = st.lists(interactions, min_size=1, max_size=4)
locals_, remotes = st.sampled_from(LOCAL), st.sampled_from(REMOTE)


class Restarts(RuleBasedStateMachine):
    """One core that runs on, and what it stored."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.now_ms = 0
        self.people = {name: person(name) for name in NAMES}
        self.pens = {name: Authorship((self.people[name],), NETWORK, LIMITS) for name in REMOTE}
        self.said: dict[str, list[Record]] = {name: [] for name in REMOTE}
        self.records: dict[bytes, Record] = {}
        self.seen_ms: dict[bytes, int] = {}
        self.stored: list[StorageEffect] = []
        self.store: Store | None = None
        self.lives = 0

    @initialize(share=st.sampled_from([0.0, 0.5]), half_life_s=st.sampled_from([None, 60.0]))
    def begin(self, share: float, half_life_s: float | None) -> None:
        self.ranking = ScorerParameters(
            exploration_share=share,
            half_life_s=half_life_s,
            trust=TrustParameters(walks=WalkParameters(alpha=0.15, walk_count=200)),
        )
        path = Path(self.folder.name) / "window.db"
        self.store = self.runner.run(Store.open(path))
        self.core = self._core()
        self._tell(inputs.Started(self.wall_ms))

    def _core(self) -> Core:
        return Core(
            node=person("node"),
            signers=tuple(self.people[name] for name in LOCAL),
            network=NETWORK,
            limits=LIMITS,
            seed=secret("seed"),
            ranking=self.ranking,
        )

    @property
    def wall_ms(self) -> int:
        return WALL_MS + self.now_ms

    def _tell(self, event: inputs.Input) -> None:
        """Have the core take an input, a millisecond after the one before."""
        self.now_ms += 1
        for effect in self.core.handle(event, self.now_ms):
            self._carry_out(effect)

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, STORED):
            self.stored.append(effect)
        if isinstance(effect, Persist):
            self.records[effect.record.id] = effect.record
            self.seen_ms[effect.record.id] = effect.first_seen_ms
        if isinstance(effect, Fetch):
            held = tuple(self.records[each].envelope for each in effect.record_ids)
            self._tell(inputs.Fetched(held, effect.topic, effect.broker))

    def _held(self, name: str) -> list[Record]:
        author = self.people[name].id
        return [self.records[each] for each in self.core.records_of(author)]

    def _hear(self, *records: Record) -> None:
        topic = records_topic(NETWORK, shard_of(records[0].author))
        for bundle in pack_bundles([record.envelope for record in records], LIMITS):
            self._tell(inputs.Received("broker", topic, bundle, self.wall_ms))

    def _publish(self, name: str, *statements: Said) -> None:
        """Have somebody elsewhere say something, and the core hear it."""
        _, records = self.pens[name].write(self.people[name].id, statements, self.wall_ms)
        self.said[name] += records
        self._hear(*records)

    # --- what befalls it -------------------------------------------------------------------

    @rule(name=locals_, said=plays, private=st.booleans())
    def play(self, name: str, said: list[Interaction], private: bool) -> None:
        author = self.people[name].id
        self._tell(inputs.Recorded(author, tuple(said), self.wall_ms, private))

    @rule(name=locals_, of=st.sampled_from(NAMES), weight_q=weights)
    def endorse(self, name: str, of: str, weight_q: int) -> None:
        said = Endorsement(self.people[of].id, weight_q)
        if sum(each.weight_q != 0 for each in self._standing(name).values()) < 4:
            self._tell(inputs.Recorded(self.people[name].id, (said,), self.wall_ms))

    def _standing(self, name: str) -> dict[bytes, Endorsement]:
        in_order = sorted(self._held(name), key=lambda record: record.slot)
        return {said.subject: said for record in in_order for said in record.endorsements}

    @rule(name=remotes, said=plays)
    def elsewhere_play(self, name: str, said: list[Interaction]) -> None:
        self._publish(name, *said)

    @rule(name=remotes, of=st.sampled_from(NAMES), weight_q=weights)
    def elsewhere_endorse(self, name: str, of: str, weight_q: int) -> None:
        self._publish(name, Endorsement(self.people[of].id, weight_q))

    @rule(name=remotes, first=st.integers(1, 6), count=st.integers(0, 3))
    def elsewhere_forget(self, name: str, first: int, count: int) -> None:
        epoch = self.pens[name].last_slot(self.people[name].id)[0]
        self._publish(name, Forget(epoch, first, first + count))

    @rule(name=remotes, number=st.integers(0, 50))
    def something_comes_again(self, name: str, number: int) -> None:
        if self.said[name]:
            self._hear(self.said[name][number % len(self.said[name])])

    @rule(name=remotes, number=st.integers(0, 50))
    def elsewhere_equivocate(self, name: str, number: int) -> None:
        if len(self.said[name]) > 3:
            one = self.said[name][number % len(self.said[name])]
            if one.lineage is None and self.people[name].lineage is None:
                other = (Interaction("other", "listen", 10_000),)
                self._hear(
                    sign_record(
                        self.people[name], NETWORK, *one.slot, one.prev, self.wall_ms, other, LIMITS
                    )
                )

    @rule(name=st.sampled_from(NAMES), stolen=st.booleans())
    def rotate(self, name: str, stolen: bool) -> None:
        signer, lineage = self.people[name], self.people[name].lineage
        done = len(lineage.steps) if lineage else 0
        if done == 3:
            return
        before = lineage.steps[-1].cut if lineage else (0, 0)
        pen = self.pens.get(name, self.core.engine.authorship)
        cut = before if stolen else max(pen.last_slot(signer.id), before)
        keys = [secret(name), secret(name + " next"), *(secret(f"{name} {n}") for n in range(9))]
        again: tuple[Said, ...] = ()
        if stolen and name in LOCAL:
            again = repeated([r for r in self._held(name) if r.slot > cut], self.wall_ms)
        self.people[name] = rotated = signer.rotated(keys[done + 1], keys[done + 2], cut)
        if name in LOCAL:
            self._tell(inputs.Rotated(rotated, self.wall_ms))
            if again:
                self._tell(inputs.Recorded(rotated.id, again, self.wall_ms))
        else:
            self._publish(name, self.pens[name].rotate(rotated))

    @rule(name=locals_, item=st.sampled_from([None, *ITEMS]))
    def forget(self, name: str, item: str | None) -> None:
        author = self.people[name].id
        taken = plan(self._held(name), item, self.wall_ms, LIMITS.author_notice_count)
        private = self.core.private_count(author, item)
        if taken.forgets:
            self._tell(inputs.Recorded(author, taken.statements, self.wall_ms))
        if private:
            self._tell(inputs.ForgotPrivate(author, item))
        left = [said.item for record in self._held(name) for said in record.interactions]
        left += self.core._book.rejected_items(author)
        assert not left if item is None else item not in left
        assert not self.core.private_count(author, item)

    @rule(for_ms=st.sampled_from([1_000, 30_000, 150_000, 300_000]))
    def pass_time(self, for_ms: int) -> None:
        self.now_ms += for_ms
        self._tell(inputs.TimerFired("expire", self.wall_ms))

    @rule(name=st.sampled_from(NAMES), number=st.integers(0, 50), place=st.integers(1, 200))
    def a_row_is_altered(self, name: str, number: int, place: int) -> None:
        """On the disk, by a bit of the body, or of the signature, which is at the end."""
        held = self._held(name)
        if not held:
            return
        record = held[number % len(held)]
        altered = bytearray(record.envelope)
        altered[-min(place, len(altered))] ^= 1
        row = inputs.Stored(bytes(altered), self.seen_ms[record.id], record.id)
        self._tell(inputs.Inspected((row,)))

    @rule(left=st.integers(0, 3))
    def numbers_run_out(self, left: int) -> None:
        """As after 2^31 records; those that are held are numbered anew."""
        book = self.core._book
        book._next = max(book._next, NUMBER_MAX + 1 - left)

    @rule()
    def look_whom_trust_reaches(self) -> None:
        self._tell(inputs.TimerFired("reached", self.wall_ms))

    @rule(name=locals_)
    def ask(self, name: str) -> None:
        """So that what is kept for the next question is kept through the rest."""
        self.core.recommend(self.people[name].id, 5, self.wall_ms)

    # --- what is asked ---------------------------------------------------------------------

    def _restarted(self) -> Core:
        assert self.store is not None
        self.runner.run(self.store.commit(self.stored))
        self.stored = []
        fresh = self._core()
        for part in self.runner.run(self._parts()):
            for effect in fresh.handle(part, self.now_ms):
                assert not isinstance(effect, STORED), "a restart found something to change"
        return fresh

    async def _parts(self) -> list[inputs.Restored]:
        assert self.store is not None
        return [part async for part in self.store.parts(self.wall_ms)]

    @rule()
    def restart(self) -> None:
        fresh = self._restarted()
        self._compare(fresh)
        self.core = fresh
        self._tell(inputs.Started(self.wall_ms))

    @rule()
    def compare(self) -> None:
        self._compare(self._restarted())

    def _compare(self, fresh: Core) -> None:
        kept = self.core
        assert fresh.view.digest() == kept.view.digest()
        assert fresh.endorsements.digest() == kept.endorsements.digest()
        for is_private in (False, True):  # a row that was mended is as old as before, and new
            assert arrivals(fresh, is_private) == arrivals(kept, is_private)
        for name in LOCAL:
            ego = self.people[name].id
            refused = (sorted(core._book.rejected_items(ego)) for core in (kept, fresh))
            assert next(refused) == next(refused)
            lists = [core.recommend(ego, 6, self.wall_ms) for core in (kept, fresh)]
            for line, anew in zip(*lists, strict=True):
                # The order of additions follows that of arrival, and moves the 15th digit.
                assert line.score == pytest.approx(anew.score, rel=1e-9)
                assert (line.item, line.unverified) == (anew.item, anew.unverified)
                for why, now in zip(line.reasons, anew.reasons, strict=True):
                    assert (why.contact, why.record_ids) == (now.contact, now.record_ids)
                    assert why.share == pytest.approx(now.share, rel=1e-9)
            bounds = [core.sybil_bound(ego, self.wall_ms) for core in (kept, fresh)]
            assert bounds[0].heaviest_contact == bounds[1].heaviest_contact
            assert bounds[0].trust_needed == pytest.approx(bounds[1].trust_needed, abs=1e-12)

    def teardown(self) -> None:
        if self.store is not None:
            self.runner.run(self.store.close())
        self.runner.close()
        self.folder.cleanup()


def arrivals(core: Core, is_private: bool) -> list[tuple[bytes | None, bytes, str, int]]:
    """What a core holds in the order in which it came: record, author, item, date."""
    rows, ids = core.view.interactions(), core._book._id_of
    columns = (rows.record, rows.user, rows.item, rows.time_s)
    return [
        (ids.get(record), core.view.user_id(user), core.view.item_id(item), time_s)
        for record, user, item, time_s in zip(*(each.tolist() for each in columns), strict=True)
        if (record not in ids) == is_private
    ]


TestRestarts = Restarts.TestCase
TestRestarts.settings = settings(max_examples=15, stateful_step_count=50, deadline=None)
