"""Devices of one user that are cut off, restarted, restored and have their keys rotated.

Whatever they do: once all have met again they hold the same, what was acknowledged and nothing that
was taken back, but for what `docs/storage.md` and `docs/operations.md` say; and no key has signed a
number twice. Past such an exception nothing more is expected of an item.
"""

from collections.abc import Iterable
from itertools import chain, count
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tastemesh.errors import UsageError
from tastemesh.gossip import codec, effects, inputs
from tastemesh.gossip.effects import Effect, EvictReason
from tastemesh.gossip.engine import GossipEngine
from tastemesh.gossip.lineage import StoredLineage
from tastemesh.gossip.record import Endorsement, Forget, Interaction, Record, Said
from tastemesh.gossip.signer import Signer
from tastemesh.gossip.tombstones import covering, uncovered
from tastemesh.node.forgetting import handed_over, plan, rejoined, without
from tests.gossip.cores import BROKER, NETWORK, Cores, listen, person, secret
from tests.node.test_two_devices import FEW, HOUR_MS, MINUTE_MS

ANA = person("ana")
BEN = person("ben")
DEVICES = 3  # and one node of Ben's

Step = Literal[
    "listen", "forget", "vouch", "wait", "wait long", "cut off", "connect",
    "start", "back up", "restore", "rotate", "disown", "bring key",
]  # fmt: skip
STEPS: tuple[Step, ...] = Step.__args__  # type: ignore[attr-defined]


class Home:
    """What a device's disk has: rows, reserved numbers, rotations and the key file."""

    def __init__(self, signer: Signer) -> None:
        self.signer = signer
        self.rows: dict[bytes, inputs.Stored] = {}
        self.sequences: dict[tuple[bytes, int], int] = {}
        self.lineages: dict[bytes, StoredLineage] = {}

    def copy(self) -> "Home":
        home = Home(self.signer)
        home.rows, home.sequences = dict(self.rows), dict(self.sequences)
        home.lineages = dict(self.lineages)
        return home

    def commit(self, change: Effect) -> None:
        match change:
            case effects.Persist(record=record):
                row = inputs.Stored(record.envelope, change.first_seen_ms, record.id, change.own)
                self.rows.setdefault(record.id, row)
            case effects.Evict() if change.reason is not EvictReason.SET_ASIDE:
                for record_id in change.record_ids:
                    self.rows.pop(record_id, None)
            case effects.ReserveSequence():
                key = (change.author, change.epoch)
                self.sequences[key] = max(change.until, self.sequences.get(key, 0))
            case effects.PersistLineage():
                self.lineages.pop(change.let_off, None)
                self.lineages[change.known.author] = change.known
            case effects.DropLineage():
                self.lineages.pop(change.author, None)
            case effects.PersistProof():
                raise AssertionError("a number was signed twice")

    def load(self, wall_ms: int, *, copied: bool) -> inputs.Restored:
        sequences = tuple((*key, until) for key, until in sorted(self.sequences.items()))
        return inputs.Restored(
            tuple(self.rows.values()),
            sequences,
            (),
            wall_ms,
            copied=copied,
            knows_ours=True,
            lineages=tuple(self.lineages.values()),
        )


class Nodes(Cores):
    """Cores with a disk each, which go on after a start from what is there."""

    def __init__(self, people: list[Signer]) -> None:
        self.homes = [Home(person) for person in people]
        self.signed: dict[tuple[bytes, int, int], bytes] = {}
        self._runs = count()
        super().__init__(people, FEW)
        for node, home in enumerate(self.homes):
            home.sequences[people[node].id, 0] = 1

    def _carry_out(self, number: int, effect: Effect) -> None:
        home = self.homes[number]
        if isinstance(effect, effects.Persist):
            slot = (home.signer.public.key, *effect.record.slot)
            if effect.own:
                assert self.signed.setdefault(slot, effect.record.id) == effect.record.id
        home.commit(effect)
        super()._carry_out(number, effect)

    def start(self, node: int, *, copied: bool = False) -> None:
        """End a device and start it from its disk."""
        home, run = self.homes[node], secret(f"run {next(self._runs)}")
        engine = GossipEngine(self.nodes[node], (home.signer,), NETWORK, self.limits, run)
        self.engines[node] = engine
        self._timers = [each for each in self._timers if each[1] != node]
        self.stores[node] = {each.record_id: each.envelope for each in home.rows.values()}
        self.aside[node] = {}
        self.tell(node, home.load(self.wall_ms, copied=copied))
        for record_id in [each for each in self.stores[node] if each not in engine.window]:
            self.aside[node][record_id] = self.stores[node].pop(record_id)
        self.tell(node, inputs.Started(self.wall_ms))
        self.tell(node, inputs.BrokerUp(BROKER, self.wall_ms))


class Ana:
    """A user with some devices, and what she may expect of them."""

    def __init__(self) -> None:
        self.cores = Nodes([*[ANA] * DEVICES, BEN])
        self.away = set[int]()
        self.cores.carry = lambda sender, reader, *_: not self.away & {sender, reader}
        self.newest = ANA
        self.backups: list[Home] = []
        self.stands = set[str]()
        self.gone: dict[str, int] = {}  # on which device
        self.taken: dict[str, set[tuple[int, int]]] = {}
        self._numbers = count(1)
        self.cores.say(0, listen("first"))
        for node in range(1, DEVICES):
            self.cores.homes[node] = self.cores.homes[0].copy()
            self.cores.start(node, copied=True)

    # --- what she does ---------------------------------------------------------------------

    def do(self, node: int, step: Step, number: int) -> None:
        match step:
            case "listen":
                self._listen(node)
            case "forget":
                held = sorted(self.stands & self.items(node))
                if held:
                    self._forget(node, held[number % len(held)])
            case "vouch":
                self._say(node, (Endorsement(BEN.id, 1 + number),))
            case "wait":
                self.pass_time(MINUTE_MS)
            case "wait long":
                self.pass_time(10 * MINUTE_MS)
            case "cut off":
                self.away.add(number % (DEVICES + 1))
            case "connect":
                self.away.clear()
            case "start":
                self.cores.start(node)
            case "back up":
                self.backups.append(self.cores.homes[node].copy())
            case "restore" if self.backups:
                self._restore(node, self.backups[number % len(self.backups)])
            case "rotate" | "disown":
                self._rotate(node, stolen=step == "disown")
            case "bring key":
                self.bring_key(node)
        self.cores.now_ms += 1_000

    def _listen(self, node: int) -> None:
        item = f"{node}/{next(self._numbers)}"
        if self._say(node, (listen(item),)) and self._is_newest(node):
            self.stands.add(item)

    def _say(self, node: int, said: Iterable[Said], again: Iterable[Said] = ()) -> bool:
        """Say something, and tell whether it was acknowledged."""
        said, again = tuple(said), tuple(again)
        self._give_up_unheard(node, [each for each in said if isinstance(each, Forget)])
        try:
            self.cores.engines[node].authorship.check_key(ANA.id)
            self.cores.say(node, *said, *again)
        except UsageError:  # another device has rotated the key
            return False
        items = {each.item for each in again if isinstance(each, Interaction)}
        for item in items & self.gone.keys():
            self._excuse(item)  # this device had not heard that it was taken back
        return True

    def _give_up_unheard(self, node: int, forgets: list[Forget]) -> None:
        """Expect no more what goes with forgets of others' records that had to be joined."""
        if len(forgets) < FEW.author_notice_count - 1:
            return
        own, covers = self.cores.engines[node].authorship.epochs(ANA.id), covering(forgets)
        held = self.items(node)
        for other in range(DEVICES + 1):
            for record in self.records(other):
                if record.epoch not in own and covers(*record.slot):
                    self.stands -= {each.item for each in record.interactions} - held

    def _forget(self, node: int, item: str) -> None:
        authorship, most = self.cores.engines[node].authorship, FEW.author_notice_count
        held, lost = self.records(node), self._lost_out_of_force(node)
        slots = {each.slot for each in held if _has(each, item)}
        made = plan(held, item, self.cores.wall_ms, most, lost, authorship.epochs(ANA.id))
        knows = covering(
            chain.from_iterable(
                chain(
                    self.cores.engines[each].authorship.lost_forgets(ANA.id),
                    self.cores.engines[each].intake.tombstones.of(ANA.id),
                )
                for each in range(DEVICES)
            )
        )
        elsewhere = {
            each.slot
            for other in range(DEVICES + 1)
            for each in self.records(other)
            if _has(each, item) and not knows(*each.slot)
        }
        if not self._say(node, made.forgets, made.again):
            return
        self.stands.discard(item)
        if elsewhere <= slots and self._is_newest(node):
            self.gone[item], self.taken[item] = node, slots

    def _rotate(self, node: int, *, stolen: bool) -> None:
        cores, authorship = self.cores, self.cores.engines[node].authorship
        lineage = self.newest.lineage
        if not self._is_newest(node) or (lineage and len(lineage.steps) == 4):
            return
        before = lineage.steps[-1].cut if lineage else (0, 0)
        cut = before if stolen else max(before, authorship.last_slot(ANA.id))
        said_here = self._said_here(node)
        lost = authorship.lost_forgets(ANA.id)
        held = [each for each in without(self.records(node), lost) if stolen or each.slot <= cut]
        forgets, again = handed_over(
            held, cut, said_here, cores.wall_ms, FEW.author_notice_count, lost,
            authorship.epochs(ANA.id),
        )  # fmt: skip
        ours = [
            said
            for each in self.records(node)
            if not stolen or each.id in said_here
            for said in each.notices
        ]
        knows = covering((*lost, *(s for s in ours if isinstance(s, Forget))))
        for item in [each for each in self.gone if not all(knows(*s) for s in self.taken[each])]:
            self._excuse(item)
        self.stands &= self.items(node)
        number = len(lineage.steps) + 2 if lineage else 2
        key = secret("ana next") if lineage is None else secret(f"ana {number - 1}")
        self.newest = self.newest.rotated(key, secret(f"ana {number}"), cut)
        cores.homes[node].signer = self.newest
        cores.tell(node, inputs.Rotated(self.newest, cores.wall_ms, forgets))
        if again:
            self._say(node, (), again)

    def bring_key(self, node: int) -> None:
        if not self._is_newest(node):
            self.cores.homes[node].signer = self.newest
            self.cores.start(node)

    def _restore(self, node: int, backup: Home) -> None:
        lineage = self.newest.lineage
        self.stands &= {
            said.item
            for other in range(DEVICES + 1)
            for record in self.records(other)
            # The rest goes once somebody hears of the newest key, which said it again on this one.
            if other != node and (not lineage or lineage.holds(record.lineage, record.slot))
            for said in record.interactions
        }
        for item in [each for each, by in self.gone.items() if by == node]:
            self._excuse(item)  # nobody says that again
        self.cores.homes[node] = backup.copy()
        self.cores.start(node, copied=True)

    def pass_time(self, for_ms: int) -> None:
        for _ in range(for_ms // MINUTE_MS):
            for node in range(DEVICES):  # not all at once: of one date the latest epoch's stay
                self.cores.pass_time(MINUTE_MS // DEVICES)
                self._rejoin(node)

    def _rejoin(self, node: int) -> None:
        authorship = self.cores.engines[node].authorship
        if not authorship.losing or not self._lost_out_of_force(node):
            return
        share = authorship.rejoining(ANA.id, self.cores.now_ms)
        if share is None:
            return
        lost = authorship.lost_forgets(ANA.id)
        held = without(self.records(node), lost)
        most, epochs = FEW.author_notice_count, authorship.epochs(ANA.id)
        here, wall_ms = self._said_here(node), self.cores.wall_ms
        forgets, again = rejoined(held, lost, here, wall_ms, most, share, epochs)
        if forgets:
            self._say(node, forgets, again)

    # --- what is there ---------------------------------------------------------------------

    def records(self, node: int) -> list[Record]:
        ids, store = self.cores.engines[node].window.records_of(ANA.id), self.cores.stores[node]
        return [codec.parse(store[each], NETWORK, FEW) for each in ids]

    def items(self, node: int) -> set[str]:
        return {said.item for each in self.records(node) for said in each.interactions}

    def _said_here(self, node: int) -> set[bytes]:
        return {each.record_id for each in self.cores.homes[node].rows.values() if each.said_here}

    def _lost_out_of_force(self, node: int) -> tuple[Forget, ...]:
        engine = self.cores.engines[node]
        lost = engine.authorship.lost_forgets(ANA.id)
        return tuple(uncovered(lost, engine.intake.tombstones.of(ANA.id)))

    def _is_newest(self, node: int) -> bool:
        return self.cores.homes[node].signer is self.newest

    def _excuse(self, item: str) -> None:
        del self.gone[item], self.taken[item]

    def check(self) -> None:
        """Have all meet, with the newest key, and look at what they hold."""
        self.away.clear()
        self.pass_time(HOUR_MS)
        for node in range(DEVICES):
            self.bring_key(node)
        self.pass_time(5 * HOUR_MS)
        for node in range(DEVICES + 1):
            items = self.items(node)
            assert items == self.items(0)
            assert self.stands <= items, ("lost", self.stands - items)
            assert not self.gone.keys() & items, ("came back", self.gone.keys() & items)


def _has(record: Record, item: str) -> bool:
    return any(said.item == item for said in record.interactions)


@pytest.mark.slow
@settings(max_examples=20)
@given(
    st.lists(
        st.tuples(st.integers(0, DEVICES - 1), st.sampled_from(STEPS), st.integers(0, 99)),
        min_size=20,
        max_size=60,
    )
)
def test_devices_that_have_been_apart_agree_lose_nothing_and_bring_nothing_back(
    steps: list[tuple[int, Step, int]],
) -> None:
    ana = Ana()
    for node, step, number in steps:
        ana.do(node, step, number)
    ana.check()


def test_what_an_older_device_took_back_takes_nothing_back_of_a_key_that_comes_later() -> None:
    """What the first new key said there is void, and the forget of it is not."""
    ana = Ana()
    before: tuple[Step, ...] = ("rotate", "listen", "listen", "wait")
    for step in before:
        ana.do(1, step, 0)
    ana.do(0, "forget", 0)
    after: tuple[Step, ...] = ("wait", "disown", "wait")
    for step in after:
        ana.do(1, step, 0)
    assert len(ana.stands) == 1
    ana.check()
