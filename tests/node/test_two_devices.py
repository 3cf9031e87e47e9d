"""Two devices of one user: what either took back stays so, however little they heard each other."""

import asyncio
import shutil
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from msgspec import structs

import tastemesh
from tastemesh.errors import UsageError
from tastemesh.gossip import codec, effects, inputs
from tastemesh.gossip.bundles import pack_bundles
from tastemesh.gossip.limits import DAY_MS, Limits, RejectReason
from tastemesh.gossip.lineage import Lineage, Step
from tastemesh.gossip.record import Endorsement, Forget, Interaction, Record
from tastemesh.gossip.retractions import LAST_WAIT_MS, Retractions
from tastemesh.gossip.signer import Signer
from tastemesh.gossip.tombstones import covering, uncovered
from tastemesh.gossip.topics import records_topic, shard_of
from tastemesh.node import voices
from tastemesh.node.forgetting import handed_over, plan, rejoined, without
from tastemesh.node.settings import NodeConfig
from tests.brokers import BrokerProcess
from tests.gossip.cores import NETWORK, Cores, listen, person, secret
from tests.gossip.counting import calls_of

ANA = person("ana")
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
# Periods long enough that hours pass in a second.
FEW = Limits(
    author_notice_count=8,
    sync_period_ms=300_000,
    presence_period_ms=300_000,
    peer_age_ms=900_000,
    interest_period_ms=300_000,
    relay_spread_ms=60_000,
)


class Devices:
    """Some devices of one user, somebody else's node, and what was said and taken back."""

    def __init__(self, count: int = 2, limits: Limits = FEW) -> None:
        self.count, self.most = count, limits.author_notice_count
        self.cores = Cores([*[ANA] * count, person("ben")], limits)
        for node in range(1, count):
            self.cores.tell(node, inputs.Restored((), (), (), self.cores.wall_ms, copied=True))
        self.stands: set[str] = set()
        self.taken_back: set[tuple[int, int]] = set()
        self.rejoined_ms: list[int] = []

    def listen(self, node: int, item: str) -> None:
        self.stands.add(item)
        self.cores.say(node, listen(item))

    def forget(self, node: int, item: str) -> None:
        self.stands.remove(item)
        held, lost = self.records(node), self._held(node)[1]
        lost = self.out_of_force(node, lost)
        self.taken_back |= {each.slot for each in held if _has(each, item)}
        epochs = self.cores.engines[node].authorship.epochs(ANA.id)
        made = plan(held, item, self.cores.wall_ms, self.most, lost, epochs)
        self.cores.say(node, *made.statements)

    def pass_time(self, for_ms: int) -> None:
        """Let time pass, and each device see to what it took back, as `Voices.keep` does."""
        for _ in range(for_ms // MINUTE_MS):
            self.cores.pass_time(MINUTE_MS)
            for node in range(self.count):
                self.rejoin(node)

    def rejoin(self, node: int) -> None:
        authorship, (held, lost) = self.cores.engines[node].authorship, self._held(node)
        if not self.out_of_force(node, lost):
            return
        share = authorship.rejoining(ANA.id, self.cores.now_ms)
        if share is None:
            return
        done = self.cores.done[node]
        here = {each.record.id for each in done if isinstance(each, effects.Persist) and each.own}
        wall_ms, epochs = self.cores.wall_ms, authorship.epochs(ANA.id)
        forgets, again = rejoined(held, lost, here, wall_ms, self.most, share, epochs)
        if forgets:
            self.rejoined_ms.append(self.cores.now_ms)
            self.cores.say(node, *forgets, *again)

    def records(self, node: int) -> list[Record]:
        ids, store = self.cores.engines[node].window.records_of(ANA.id), self.cores.stores[node]
        return [codec.parse(store[each], NETWORK, self.cores.limits) for each in ids]

    def items(self, node: int) -> list[str]:
        return sorted(said.item for each in self.records(node) for said in each.interactions)

    def out_of_force(self, node: int, forgets: tuple[Forget, ...]) -> tuple[Forget, ...]:
        return tuple(uncovered(forgets, self.cores.engines[node].intake.tombstones.of(ANA.id)))

    def _held(self, node: int) -> tuple[list[Record], tuple[Forget, ...]]:
        lost = self.cores.engines[node].authorship.lost_forgets(ANA.id)
        return without(self.records(node), lost), lost

    def check(self) -> None:
        """Check that all nodes hold the same, and nothing that was taken back."""
        for node in range(self.count + 1):
            assert self.cores.held(node) == self.cores.held(0)
            records = self.records(node)
            assert not self.taken_back.intersection(each.slot for each in records)
            assert sum(len(each.notices) for each in records) <= self.most


def _has(record: Record, item: str) -> bool:
    return any(said.item == item for said in record.interactions)


def without_nodes(*away: int) -> Callable[..., bool]:
    return lambda sender, reader, *_: not {sender, reader}.intersection(away)


@pytest.mark.slow
def test_what_two_devices_took_back_apart_stays_so_when_they_meet() -> None:
    """More than the quota between them, and somebody has not heard any of it."""
    devices = Devices(limits=Limits())
    cores = devices.cores
    for n in range(80):
        cores.now_ms += 1_000
        for node in (0, 1):
            devices.listen(node, f"{node}/{n}")
    devices.pass_time(HOUR_MS // 2)
    cores.carry = lambda *_: False
    for n in range(0, 80, 2):
        cores.now_ms += 1_000
        for node in (0, 1):
            devices.forget(node, f"{node}/{n}")
    cores.carry = without_nodes(2)
    devices.pass_time(HOUR_MS // 2)
    cores.carry = lambda *_: True
    devices.pass_time(2 * HOUR_MS)
    devices.check()
    assert devices.items(2) == sorted(devices.stands)
    assert len(devices.rejoined_ms) == 2


@pytest.mark.parametrize(("seed", "count"), [(0, 2), (1, 2), (2, 3), (3, 3)])
@pytest.mark.parametrize("crosses", [False, True], ids=["own", "any"])
def test_devices_that_come_and_go_take_back_for_hours_and_come_to_an_end(
    seed: int, count: int, crosses: bool
) -> None:
    """Each what was said on it, or on any of them."""
    rng, away = Random(seed), set[int]()
    devices = Devices(count)
    cores = devices.cores
    cores.carry = lambda sender, reader, *_: not away & {sender, reader}
    for n in range(120):
        if rng.random() < 0.3:
            devices.pass_time(MINUTE_MS * rng.choice((1, 10)))
        cores.now_ms += 1_000 * rng.randrange(2)  # some in one millisecond
        if rng.random() < 0.08:
            away = {each for each in range(count + 1) if rng.random() < 0.6}
        node = rng.randrange(count)
        held = [each for each in devices.items(node) if each in devices.stands]
        if not crosses:
            held = [each for each in held if each.startswith(f"{node}/")]
        if rng.random() < 0.6 or not held:
            devices.listen(node, f"{node}/{n}")
        else:
            devices.forget(node, rng.choice(held))
    away = set()
    devices.pass_time(4 * HOUR_MS)
    said_count = len(devices.rejoined_ms)
    devices.pass_time(4 * HOUR_MS)
    devices.check()
    if not crosses:  # or one device says again what another takes back at that time
        assert devices.items(count) == sorted(devices.stands)
    assert said_count == len(devices.rejoined_ms) <= 16


def test_a_device_whose_quota_another_one_has_filled_gets_half_of_it() -> None:
    devices = Devices()
    cores = devices.cores
    for n in range(0, 32, 2):
        for node in (0, 1):
            devices.listen(node, f"{node}/{n}")
            devices.listen(node, f"{node}/{n + 1}")
    cores.carry = lambda *_: False
    for node in (0, 1):
        for n in range(0, 32, 2):
            cores.now_ms += 1_000
            devices.forget(node, f"{node}/{n}")
    cores.carry = lambda *_: True
    devices.pass_time(2 * HOUR_MS)
    devices.check()
    assert devices.items(2) == sorted(devices.stands)
    notices = [said for each in devices.records(2) for said in each.notices]
    of_epochs = [said.epoch for said in notices if isinstance(said, Forget)]
    assert sorted(of_epochs.count(epoch) for epoch in set(of_epochs)) == [4, 4]


def test_what_was_taken_back_in_an_epoch_that_a_device_has_left_is_joined_all_the_same() -> None:
    devices, ben = Devices(), person("ben").id
    cores = devices.cores
    for node, weight_q in ((1, 10_000), (0, 5_000)):
        devices.listen(node, f"{node}")
        cores.say(node, Endorsement(ben, weight_q))
    for n in range(17):
        for node in (0, 1):
            devices.listen(node, f"{node}/{n}")
    devices.pass_time(HOUR_MS // 2)
    cores.carry = lambda *_: False
    for n in range(0, 16, 2):
        for node in (0, 1):
            cores.now_ms += 1_000
            devices.forget(node, f"{node}/{n}")
    cores.say(1, Endorsement(ben, 1_000))  # above what the other says in a later epoch
    assert len(cores.engines[1].authorship.epochs(ANA.id)) == 2
    cores.carry = lambda *_: True
    devices.pass_time(4 * HOUR_MS)
    said_count = len(devices.rejoined_ms)
    devices.pass_time(8 * HOUR_MS)
    devices.check()
    assert devices.items(2) == sorted(devices.stands)
    assert said_count == len(devices.rejoined_ms) <= 3


def test_what_a_thief_took_back_is_not_said_again_with_what_he_pushed_out() -> None:
    devices = Devices(1)
    cores = devices.cores
    for n in range(40):
        devices.listen(0, f"{n}")
    devices.forget(0, "0")
    cores.now_ms += 1_000
    theirs = tuple(Forget(0, seq, seq) for seq in range(10, 10 + 2 * devices.most, 2))
    stolen = codec.sign_record(ANA, NETWORK, 1, 1, b"", cores.wall_ms, theirs, cores.limits)
    (bundle,) = pack_bundles([stolen.envelope], cores.limits)
    cores.hear(0, records_topic(NETWORK, shard_of(ANA.id)), bundle)
    devices.pass_time(10 * MINUTE_MS)
    assert len(devices.rejoined_ms) == 1
    said = [each.record for each in cores.done[0] if isinstance(each, effects.Persist) and each.own]
    assert {s for each in said for s in each.notices} == {Forget(0, 1, 1)}


def test_what_was_pushed_out_outlasts_a_clock_that_is_wrong_for_a_minute() -> None:
    """As the window does."""
    devices = Devices(1)
    cores = devices.cores
    devices.listen(0, "0")
    devices.forget(0, "0")
    cores.now_ms += 1_000
    theirs = tuple(Forget(9, seq, seq) for seq in range(1, 2 * devices.most, 2))
    other = codec.sign_record(ANA, NETWORK, 1, 1, b"", cores.wall_ms, theirs, cores.limits)
    (bundle,) = pack_bundles([other.envelope], cores.limits)
    cores.hear(0, records_topic(NETWORK, shard_of(ANA.id)), bundle)
    devices.pass_time(MINUTE_MS)
    before = dict(cores.aside[0])
    cores.tell(0, inputs.TimerFired("expire", cores.wall_ms + 60 * DAY_MS))
    assert before == cores.aside[0] != {}


def test_what_a_thief_covers_with_a_forget_of_all_is_handed_over_to_the_next_key() -> None:
    devices = Devices(1)
    cores = devices.cores
    devices.listen(0, "0")
    devices.forget(0, "0")
    cores.now_ms += 1_000
    theirs = (Forget(0, 1, 2**40), *(Forget(9, seq, seq) for seq in range(1, 2 * devices.most, 2)))
    stolen = [theirs[start : start + 4] for start in (0, 4)]
    for seq, said in enumerate(stolen, start=1):
        record = codec.sign_record(ANA, NETWORK, 1, seq, b"", cores.wall_ms, said, cores.limits)
        (bundle,) = pack_bundles([record.envelope], cores.limits)
        cores.hear(0, records_topic(NETWORK, shard_of(ANA.id)), bundle)
    devices.pass_time(10 * MINUTE_MS)
    assert devices.rejoined_ms == []  # it is in force
    lost = cores.engines[0].authorship.lost_forgets(ANA.id)
    assert lost == (Forget(0, 1, 1),)
    forgets, _ = handed_over(devices.records(0), (0, 2), (), cores.wall_ms, devices.most, lost)
    assert forgets == lost


def refused() -> Devices:
    """Device 0 took "0" back as device 1 filled the quota: of one date the newer epoch's stay."""
    devices = Devices()
    for n in range(16):
        devices.listen(1, f"1/{n}")
    devices.listen(0, "0")
    for n in range(0, 16, 2):
        devices.forget(1, f"1/{n}")
    devices.forget(0, "0")
    return devices


def test_a_forget_that_finds_no_room_beside_what_another_device_says_is_said_again() -> None:
    devices = refused()
    assert devices.items(0) != sorted(devices.stands)
    devices.pass_time(HOUR_MS)
    devices.check()
    assert devices.items(2) == sorted(devices.stands)


def test_a_device_whose_key_was_rotated_elsewhere_has_nothing_to_say_again() -> None:
    devices = refused()
    cores = devices.cores
    authorship = cores.engines[0].authorship
    assert authorship.losing == (ANA.id,)
    newer = ANA.rotated(secret("ana next"), secret("after"), (0, 2))
    said = (listen("b"),)
    record = codec.sign_record(newer, NETWORK, 1, 1, b"", cores.wall_ms, said, cores.limits)
    (bundle,) = pack_bundles([record.envelope], cores.limits)
    cores.hear(0, records_topic(NETWORK, shard_of(ANA.id)), bundle)
    assert record.id in cores.engines[0].window
    assert not authorship.losing


def test_a_start_knows_what_was_said_here() -> None:
    devices = Devices()
    cores = devices.cores
    for n in range(20):
        devices.listen(0, f"{n}")
    devices.forget(0, "3")
    again = Cores([ANA], cores.limits)
    said = [each for each in cores.done[0] if isinstance(each, effects.Persist)]
    stored = tuple(
        inputs.Stored(each.record.envelope, each.first_seen_ms, each.record.id, each.own)
        for each in said
        if each.record.id in cores.stores[0]
    )
    again.tell(0, inputs.Restored(stored, ((ANA.id, 0, 65),), (), cores.wall_ms))
    theirs = tuple(Forget(1, seq, seq) for seq in range(1, 2 * devices.most, 2))
    record = codec.sign_record(ANA, NETWORK, 2, 1, b"", cores.wall_ms + 1, theirs, cores.limits)
    (bundle,) = pack_bundles([record.envelope], cores.limits)
    again.now_ms = cores.now_ms + 1_000
    again.hear(0, records_topic(NETWORK, shard_of(ANA.id)), bundle)
    assert again.engines[0].authorship.lost_forgets(ANA.id) == (Forget(0, 4, 4),)


def test_what_came_back_goes_at_a_start_that_finds_room_for_the_forget_of_it() -> None:
    devices = Devices()
    cores = devices.cores
    cores.carry = without_nodes(2)
    devices.listen(0, "0")
    (said,) = devices.records(0)
    devices.forget(0, "0")
    rows = [
        inputs.Stored(each.record.envelope, each.first_seen_ms, each.record.id, each.own)
        for each in cores.done[0]
        if isinstance(each, effects.Persist) and each.record.notices
    ]
    again = Cores([ANA], cores.limits)
    rows.append(inputs.Stored(said.envelope, cores.wall_ms, said.id))
    again.tell(0, inputs.Restored(tuple(rows), (), (), cores.wall_ms))
    assert effects.Evict((said.id,), effects.EvictReason.FORGOTTEN) in again.done[0]
    assert said.id not in again.engines[0].window


@pytest.mark.broker
async def test_two_nodes_of_one_user_say_again_what_each_has_the_other_push_out(
    any_broker: BrokerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voices, "REJOIN_S", 0.1)
    joined, gone = await _apart(tmp_path, any_broker)
    async with tastemesh.open_node(joined[0]) as node, tastemesh.open_node(joined[1]) as other:
        await asyncio.gather(node.connected(), other.connected())
        async with asyncio.timeout(60):
            while not all([_cover(await _said(each), gone) for each in (node, other)]):
                await asyncio.sleep(0.1)


@pytest.mark.broker
async def test_what_was_pushed_out_of_a_node_is_said_again_by_its_next_start(
    nats_broker: BrokerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voices, "REJOIN_S", 3_600.0)
    joined, gone = await _apart(tmp_path, nats_broker)
    async with tastemesh.open_node(joined[0]) as node, tastemesh.open_node(joined[1]) as other:
        async with asyncio.timeout(60):
            while not any(each._live.core.engine.authorship.losing for each in (node, other)):
                await asyncio.sleep(0.1)
    monkeypatch.setattr(voices, "REJOIN_S", 0.1)
    async with tastemesh.open_node(joined[0]) as node, tastemesh.open_node(joined[1]) as other:
        async with asyncio.timeout(60):
            while not all([_cover(await _said(each), gone) for each in (node, other)]):
                await asyncio.sleep(0.1)


async def test_a_key_that_is_rotated_elsewhere_while_its_user_says_something_again_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voices, "REJOIN_S", 0.0)
    async with tastemesh.open_node(NodeConfig(home=tmp_path, offline=True)) as node:
        await node.record("before")
        signer, authorship = node._live.keys.signer("me"), node._live.core.engine.authorship
        pushed_out = Record(bytes(32), signer.id, 0, 9, b"", 1_000, (Forget(0, 7, 7),), b"")
        authorship.note_refused(pushed_out, RejectReason.AUTHOR_QUOTA)
        turn = node._live.voices._turn(signer.id)
        while not turn.locked():
            await asyncio.sleep(0)
        authorship.note_rotated(_elsewhere(signer))
        while turn.locked():
            await asyncio.sleep(0)
        assert not authorship.losing
        assert node.status()["internal_errors"] == 0


async def test_what_is_private_goes_from_a_device_whose_key_was_rotated_elsewhere(
    tmp_path: Path,
) -> None:
    async with tastemesh.open_node(NodeConfig(home=tmp_path, offline=True)) as node:
        await node.record("published")
        await node.record("private", private=True)
        keys, core = node._live.keys, node._live.core
        core.engine.authorship.note_rotated(_elsewhere(keys.signer("me")))
        with pytest.raises(UsageError, match="rotated on another device"):
            await node.forget(everything=True)
        assert core.private_count(keys.signer("me").id, None) == 0


def _elsewhere(signer: Signer) -> Lineage:
    return Lineage(signer.public.key, signer.public.next_digest, (Step(b"", b"", 0, 1, b""),))


@pytest.mark.parametrize("imports", [False, True])
async def test_what_came_back_is_taken_back_at_once_and_counts_for_no_history(
    imports: bool, tmp_path: Path
) -> None:
    async with tastemesh.open_node(NodeConfig(home=tmp_path, offline=True)) as node:
        await node.record("0", time_s=1_600_000_000.0)
        (came_back,) = await _said(node)
        taken = (Forget(*came_back.slot, came_back.seq),)
        pushed_out = Record(bytes(32), came_back.author, 0, 9, b"", 1_000, taken, b"")
        node._live.core.engine.authorship.note_refused(pushed_out, RejectReason.AUTHOR_QUOTA)
        if imports:
            play = tastemesh.Play(item="0", time_s=1_600_000_000.0)
            assert len((await node.import_history([play])).records) == 1
            await node._live.voices.rejoin(came_back.author)
            assert [said.item for said in (await node.export()).interactions] == ["0"]
        else:
            assert (await node.forget("0")).records == 1
        assert came_back.slot not in {each.slot for each in await _said(node)}


async def test_what_many_users_have_lost_is_looked_at_a_user_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is in force, as another device says it too: of 10,000 users it took a second."""
    monkeypatch.setattr(voices, "REJOIN_S", 0.0)
    async with tastemesh.open_node(NodeConfig(home=tmp_path, offline=True)) as node:
        engine, count = node._live.core.engine, 50
        for user in await node.add_identities([f"user-{n}" for n in range(count)]):
            author = bytes.fromhex(user.id)
            said = Record(bytes(32), author, 0, 9, b"", 1_000, (Forget(0, 7, 7),), b"")
            engine.intake.tombstones.add(said)
            engine.authorship.note_refused(said, RejectReason.AUTHOR_QUOTA)
        assert len(engine.authorship.losing) == count
        with calls_of() as calls:
            for _ in range(20):
                await asyncio.sleep(0)
        assert calls.count < 20 * 10 * count


async def _apart(
    folder: Path, broker: BrokerProcess
) -> tuple[list[NodeConfig], set[tuple[int, int]]]:
    """Have two homes of one user take back apart more than the quota; return them, and what."""
    limits = Limits(author_notice_count=4)
    alone = [NodeConfig(home=folder / n, limits=limits, offline=True) for n in ("a", "b")]
    async with tastemesh.open_node(alone[0]) as node:
        await node.record("before")
    shutil.copytree(alone[0].home, alone[1].home)
    gone = set[tuple[int, int]]()
    for config in alone:
        async with tastemesh.open_node(config) as node:
            for n in range(8):
                await node.record(f"{n}")
            gone |= {each.slot for each in await _said(node) if _has_any(each, "1", "3", "5")}
            for n in (1, 3, 5):
                await node.forget(f"{n}")
    urls = (broker.url,)
    return [structs.replace(each, offline=False, brokers=urls) for each in alone], gone


async def _said(node: tastemesh.Node) -> list[Record]:
    exported = await node.export()
    return [codec.parse(b64decode(each), "main", Limits()) for each in exported.records]


def _has_any(record: Record, *items: str) -> bool:
    return any(_has(record, item) for item in items)


def _cover(records: list[Record], slots: set[tuple[int, int]]) -> bool:
    covers = covering(s for each in records for s in each.notices if isinstance(s, Forget))
    return all(covers(*slot) for slot in slots)


def test_whoever_pushes_out_what_is_said_again_has_it_said_once_an_hour_at_most() -> None:
    kept, now_ms, said = Retractions(), 0, list[tuple[int, int]]()
    while now_ms < 2 * DAY_MS:
        share = kept.turn(64, now_ms)
        if share is not None:
            said.append((now_ms, share))
        now_ms += MINUTE_MS
    assert [share for _, share in said[:8]] == [32, 16, 8, 4, 2, 1, 0, 0]
    assert len(said) <= 5 + 2 * DAY_MS // LAST_WAIT_MS
    assert kept.turn(64, now_ms + 2 * DAY_MS) == 32


def test_what_is_pushed_out_again_and_again_is_set_aside_once() -> None:
    kept, said = Retractions(), (Forget(0, 7, 7),)
    for n in range(9):
        kept.add(Record(bytes([n]) * 32, ANA.id, 1, n, b"", n, said, b""))
        assert kept.let_go(bytes([n]) * 32, n, True, FEW)
        assert kept.still_lost() == said
    assert list(kept.lost) == [bytes([8]) * 32]
    assert len(kept.over) == 8  # for the store to delete


def test_what_came_back_meanwhile_is_not_said_again_beside_what_is_taken_back_next() -> None:
    def said(seq: int, *items: str) -> Record:
        of = tuple(Interaction(item, "listen", 10_000) for item in items)
        return Record(bytes([seq]) * 32, ANA.id, 0, seq, b"", 1_000, of, b"")

    lost = (Forget(0, 1, 1),)
    records = [said(1, "gone", "stays"), said(2, "stays")]
    made = plan(records, "stays", 2_000, 64, lost)
    assert made.statements == (Forget(0, 1, 2),)
    assert plan(without(records, lost), "other", 2_000, 64, lost).statements == ()
    assert plan(records, "gone", 2_000, 64, lost).statements == lost
    assert plan(records, None, 2_000, 64, lost).statements == (Forget(0, 1, 2),)
    forgets, again = handed_over(without(records, lost), (0, 1), (), 2_000, 64, lost)
    assert (forgets, again) == (lost, (Interaction("stays", "listen", 10_000, 1_000),))
