"""What is read ahead is what the core would find, and nobody's work is wasted long."""

from collections.abc import Iterator

import pytest

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip import codec
from tastemesh.gossip.bundles import pack_bundles
from tastemesh.gossip.envelope import Opened, open_envelope
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.reader import Reader
from tastemesh.gossip.record import Interaction
from tastemesh.gossip.signer import Signer
from tastemesh.node.ahead import MIN_COUNT, REST_COUNT, AheadReader
from tastemesh.node.stages import Stage, Stages

LIMITS = Limits()
COUNT = 4 * MIN_COUNT


def envelopes(network: str, count: int) -> list[bytes]:
    signer = Signer(bytes(32), bytes(32))
    return [
        codec.sign_record(
            signer, network, 0, seq, b"", 1_000, (Interaction(f"item {seq}", "listen", 1),), LIMITS
        ).envelope
        for seq in range(1, count + 1)
    ]


ENVELOPES = envelopes("main", COUNT)
PAYLOADS = [pack_bundles([each], LIMITS)[0] for each in ENVELOPES]
FORGED = ENVELOPES[-1][:-5] + bytes(4) + ENVELOPES[-1][-1:]
(ELSEWHERE,) = envelopes("another", 1)
(MIXED,) = pack_bundles([ENVELOPES[0], FORGED, ELSEWHERE, b"no envelope" * 20], LIMITS)


def ids(seqs: range) -> set[bytes]:
    return {open_envelope(ENVELOPES[seq], LIMITS).record_id for seq in seqs}


@pytest.fixture
def stages() -> Stages:
    return Stages()


@pytest.fixture
def ahead(stages: Stages) -> Iterator[AheadReader]:
    reader = AheadReader("main", LIMITS, stages, lambda _: False)
    yield reader
    reader.close()


def reading(reader: Reader, payload: bytes) -> list[object]:
    """All that a core learns of a payload."""
    try:
        found: list[object] = list(reader.unpack(payload))
    except RemoteProtocolError as error:
        return [error.reason]
    for opened in tuple(found):
        assert isinstance(opened, Opened)
        try:
            found.append(record := reader.parse(opened))
            reader.authenticate(record, opened)
        except RemoteProtocolError as error:
            found.append(error.reason)
    return found


async def test_what_was_read_ahead_is_what_is_read(ahead: AheadReader, stages: Stages) -> None:
    payloads = [*PAYLOADS[:-1], MIXED, b"rubbish", b""]
    plain = [reading(Reader("main", LIMITS), payload) for payload in payloads]
    for is_ahead in (False, True):
        stages.clear()
        if is_ahead:
            await ahead.look_at(payloads)
        assert [reading(ahead, payload) for payload in payloads] == plain
        assert stages.counts[Stage.DECODE] == COUNT - 1 + 4
        assert stages.seconds[Stage.DECODE] > 0 < stages.seconds[Stage.VERIFY]
    assert not ahead._found.opened  # each answer is given once
    assert not ahead._found.records
    assert not ahead._found.fits
    assert [reading(ahead, payload) for payload in payloads] == plain


async def test_what_is_known_or_large_is_left_to_the_core(stages: Stages) -> None:
    known = ids(range(1, COUNT, 2))
    ahead = AheadReader("main", LIMITS, stages, known.__contains__)
    large = pack_bundles(ENVELOPES[:20], LIMITS)[0]
    await ahead.look_at([*PAYLOADS, large])
    assert set(ahead._found.opened) == set(PAYLOADS)
    assert {record.id for record in ahead._found.records.values()} == ids(range(0, COUNT, 2))
    assert len(ahead._found.fits) == COUNT // 2
    ahead.close()


async def test_it_rests_after_working_for_nothing(ahead: AheadReader) -> None:
    await ahead.look_at(PAYLOADS)
    assert len(ahead._found.fits) == COUNT
    for turn in range(REST_COUNT):
        await ahead.look_at(PAYLOADS)
        assert bool(ahead._found.fits) == (turn == REST_COUNT - 1)


async def test_a_few_are_not_worth_it(ahead: AheadReader) -> None:
    await ahead.look_at(PAYLOADS[: MIN_COUNT - 1])
    assert not ahead._found.opened


async def test_a_fault_of_ours_leaves_it_to_the_core(stages: Stages) -> None:
    ahead = AheadReader("main", LIMITS, stages, lambda _: bool(1 // 0))
    await ahead.look_at(PAYLOADS)
    assert [reading(ahead, each) for each in PAYLOADS] == [
        reading(Reader("main", LIMITS), each) for each in PAYLOADS
    ]
    ahead.close()
