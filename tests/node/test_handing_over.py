"""A new key goes on to say what its author took back, and nothing that a thief did."""

from base64 import b64decode
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tastemesh
from tastemesh.gossip import codec, effects, inputs
from tastemesh.gossip.bundles import pack_bundles
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import Forget, Interaction, Record, Rotation, Said
from tastemesh.gossip.topics import records_topic, shard_of
from tastemesh.node.forgetting import handed_over, plan
from tastemesh.node.settings import NodeConfig
from tests.gossip.cores import NETWORK, Cores, listen, person, secret

LIMITS = Limits()
HOUR_MS = 60 * 60_000


class User:
    """Who rotates his key and takes things back, on one of some cores."""

    def __init__(self, others: int = 0, name: str = "ana") -> None:
        self.signer = person(name)
        self.node = 0
        self.said_count = 0
        self.stands: set[str] = set()
        self.gone: set[str] = set()
        self._keys = [secret(f"{name} next"), *(secret(f"{name} {n}") for n in range(17))]
        if others:
            people = [self.signer, *(person(f"other {n}") for n in range(others))]
            self.cores = Cores(people)

    def join(self, cores: Cores, node: int) -> None:
        self.cores, self.node = cores, node

    def listen(self, count: int) -> None:
        """Say that so many new items were listened to, all in one record."""
        items = [f"{self.node}/{self.said_count + n}" for n in range(count)]
        self.said_count += count
        self.stands.update(items)
        self.cores.say(self.node, *map(listen, items))

    def records(self, node: int) -> list[Record]:
        window = self.cores.engines[node].window
        store = self.cores.stores[node]
        return [codec.parse(store[i], NETWORK, LIMITS) for i in window.records_of(self.signer.id)]

    def items(self, node: int) -> list[str]:
        return [said.item for record in self.records(node) for said in record.interactions]

    def forget(self, item: str | None) -> None:
        held, wall_ms = self.records(self.node), self.cores.wall_ms
        self.cores.say(self.node, *plan(held, item, wall_ms, LIMITS.author_notice_count).statements)

    def regret(self, rng: Random) -> None:
        item = rng.choice(sorted(self.stands))
        self.stands.remove(item)
        self.gone.add(item)
        self.forget(item)

    def rotate(self, *, stolen: bool = False) -> None:
        authorship, lineage = self.cores.engines[self.node].authorship, self.signer.lineage
        before = lineage.steps[-1].cut if lineage else (0, 0)
        cut = before if stolen else authorship.last_slot(self.signer.id)
        said_here = {
            done.record.id
            for done in self.cores.done[self.node]
            if isinstance(done, effects.Persist) and done.own
        }
        held = [record for record in self.records(self.node) if stolen or record.slot <= cut]
        most = LIMITS.author_notice_count
        forgets, again = handed_over(held, cut, said_here, self.cores.wall_ms, most)
        key, following = self._keys[:2]
        del self._keys[0]
        self.signer = self.signer.rotated(key, following, cut)
        self.cores.tell(self.node, inputs.Rotated(self.signer, self.cores.wall_ms, forgets))
        if again:
            self.cores.say(self.node, *again)

    def steal(self, *said: Said) -> None:
        """Have the first two nodes hear what a thief signs with the key in force."""
        epoch, seq = self.cores.engines[0].authorship.last_slot(self.signer.id)
        record = codec.sign_record(
            self.signer, NETWORK, epoch, seq + 1, b"", self.cores.wall_ms, said, LIMITS
        )
        (bundle,) = pack_bundles([record.envelope], LIMITS)
        for node in (0, 1):
            self.cores.hear(node, records_topic(NETWORK, shard_of(self.signer.id)), bundle)


@pytest.mark.parametrize("item", ["b", None])
@pytest.mark.parametrize("stolen", [0, 1, 3])
@pytest.mark.parametrize("rotations", [1, 2])
def test_what_was_taken_back_stays_so_whatever_key_is_disowned(
    item: str | None, stolen: int, rotations: int
) -> None:
    user = User(2)
    cores = user.cores
    cores.say(0, listen("a"))
    cores.say(0, listen("b"), listen("c"))
    for _ in range(rotations):
        user.rotate()
    cores.carry = lambda sender, reader, *_: 2 not in (sender, reader)
    user.forget(item)
    for _ in range(stolen):
        user.rotate(stolen=True)
    user.rotate()
    cores.carry = lambda *_: True
    cores.pass_time(3 * HOUR_MS)
    left = ["a", "c"] if item else []
    assert [sorted(user.items(node)) for node in range(3)] == [left] * 3
    assert cores.held(0) == cores.held(1) == cores.held(2)


def test_a_rotation_lets_no_forget_go_that_still_counts() -> None:
    """The announcement is a notice, too, and all forgets may stand in one record."""
    user = User(1)
    cores, count = user.cores, LIMITS.author_notice_count + 1
    for n in range(2 * count):
        cores.pass_time(1_000)
        cores.say(0, listen(f"{n}"))
    cores.carry = lambda *_: False
    for n in range(0, 2 * count, 2):
        cores.now_ms += 1_000
        user.forget(f"{n}")
    user.rotate()
    cores.carry = lambda *_: True
    cores.pass_time(3 * HOUR_MS)
    for node in (0, 1):
        assert sorted(user.items(node)) == sorted(f"{n}" for n in range(1, 2 * count, 2))


def test_what_a_thief_took_back_stands_again_and_is_not_said_again() -> None:
    user = User(2)
    cores = user.cores
    cores.say(0, listen("a"))
    cores.say(0, listen("b"))
    user.rotate()
    user.forget("b")
    cores.carry = lambda sender, reader, *_: 2 not in (sender, reader)
    user.steal(Forget(0, 1, 2**40))
    assert [user.items(node) for node in range(3)] == [[], [], ["a"]]
    user.rotate(stolen=True)
    cores.carry = lambda *_: True
    cores.pass_time(3 * HOUR_MS)
    assert [user.items(node) for node in range(3)] == [["a"]] * 3


def test_nothing_is_said_again_that_needs_no_forget() -> None:
    user = User(1)
    user.cores.say(0, listen("a"))
    user.cores.say(0, listen("b"))
    user.forget("a")
    user.rotate(stolen=True)  # the record is as void as the forget
    assert [record.notices for record in user.records(1)] == [(Rotation(1),), ()]
    user.forget("b")
    user.rotate()
    user.rotate(stolen=True)  # the forget stands
    said = [each for record in user.records(1) for each in record.notices]
    assert sum(isinstance(each, Forget) for each in said) == 1


@pytest.mark.parametrize("seed", range(3))
def test_hours_after_many_rotations_all_hold_the_same_and_nothing_that_was_taken_back(
    seed: int,
) -> None:
    """With losses, nodes that come and go, and one home that was copied."""
    rng, away, loss = Random(seed), set[int](), [0.3]
    users = [User(name=f"user {n}") for n in range(4)]
    copied = users[-1]
    cores = Cores([*(each.signer for each in users), copied.signer])
    for node, user in enumerate(users):
        user.join(cores, node)
    cores.tell(4, inputs.Restored((), (), (), cores.wall_ms, copied=True))
    cores.carry = lambda sender, reader, *_: not away & {sender, reader} and rng.random() >= loss[0]
    for _ in range(250):
        cores.pass_time(rng.choice((300, 2_000, 20_000)))
        away ^= {rng.randrange(5)} if rng.random() < 0.15 else set()
        user, what = rng.choice(users), rng.random()
        if what < 0.6 or not user.stands:
            user.listen(rng.choice((1, 1, 1, 20)))
        elif what < 0.8:
            user.regret(rng)
        elif user is copied:
            cores.say(4, listen(f"of the copy {cores.now_ms}"))
        else:
            user.rotate(stolen=what < 0.87)
    away.clear()
    loss[0] = 0.02
    cores.pass_time(2 * HOUR_MS)
    assert all(cores.held(node) == cores.held(0) for node in range(1, 5))
    for user in users[:-1]:
        assert set(user.items(0)) == user.stands
    assert not copied.gone & set(copied.items(0))


slots = st.tuples(st.integers(0, 3), st.integers(1, 12))


@given(st.lists(slots, min_size=1, max_size=30, unique=True), slots, st.integers(2, 20), st.data())
def test_what_is_handed_over_takes_back_what_was_and_no_more_than_the_quota_holds(
    used: list[tuple[int, int]], cut: tuple[int, int], most: int, data: st.DataObject
) -> None:
    records: list[Record] = []
    for n, (epoch, seq) in enumerate(sorted(used)):
        said: Said = Interaction(f"{n}", "listen", 10_000)
        if data.draw(st.booleans()) and (epoch, seq) > min(used):
            of = data.draw(st.sampled_from([each for each in sorted(used) if each < (epoch, seq)]))
            said = Forget(of[0], of[1], of[1])
        records.append(Record(bytes([n]) * 32, b"a" * 32, epoch, seq, b"", 1_000, (said,), b""))
    gone = {
        record.slot
        for record in records
        for forget in records
        for said in forget.notices
        if isinstance(said, Forget) and said.covers(*record.slot) and not record.notices
    }
    held = [record for record in records if record.slot not in gone]
    said_here = {record.id for record in held}
    forgets, again = handed_over(held, cut, said_here, 1_000, most)
    standing = [record for record in held if record.slot <= cut]
    inforce = [*forgets, *(f for r in standing for f in r.notices if isinstance(f, Forget))]
    for slot in gone:
        assert slot > cut or any(each.covers(*slot) for each in inforce)
    kept = [
        record
        for record in held
        if record.slot <= cut and not any(each.covers(*record.slot) for each in inforce)
    ]
    stands = [*_items(kept), *(s.item for s in again if isinstance(s, Interaction))]
    assert sorted(stands) == sorted(_items(held))
    epochs = {each.epoch for each in inforce}
    count = len(forgets) + sum(len(record.notices) for record in standing)
    assert count < most or len(forgets) <= max(most - 1, len(epochs))


def _items(records: Sequence[Record]) -> list[str]:
    return [said.item for record in records for said in record.interactions]


async def test_a_node_says_again_what_its_user_took_back(tmp_path: Path) -> None:
    async with tastemesh.open_node(NodeConfig(home=tmp_path, offline=True)) as node:
        await node.record("a")
        await node.record("b")
        await node.rotate()
        await node.forget("b")
    async with tastemesh.open_node(NodeConfig(home=tmp_path, offline=True)) as node:
        await node.rotate(stolen=True)
        exported = await node.export()
    assert [said.item for said in exported.interactions] == ["a"]
    records = [codec.parse(b64decode(each), "main", LIMITS) for each in exported.records]
    assert (Rotation(2), Forget(0, 2, 2)) in [record.statements for record in records]
