"""Signatures checked ahead are those that the core would find, and nobody's work is wasted long."""

from collections.abc import Iterator

import pytest

from tastemesh.gossip import codec
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import Interaction
from tastemesh.gossip.signatures import verify
from tastemesh.gossip.signer import Signer
from tastemesh.node.ahead import MIN_COUNT, REST_COUNT, Ahead

LIMITS = Limits()
COUNT = 4 * MIN_COUNT


def envelopes() -> list[bytes]:
    signer = Signer(bytes(32), bytes(32))
    return [
        codec.sign_record(
            signer, "main", 0, seq, b"", 1_000, (Interaction(f"item {seq}", "listen", 1),), LIMITS
        ).envelope
        for seq in range(1, COUNT + 1)
    ]


ENVELOPES = envelopes()
PAYLOADS = [codec.pack_bundles([each], LIMITS)[0] for each in ENVELOPES]


def signed(envelope: bytes) -> codec.Signed:
    return codec.signed_parts(codec.open_envelope(envelope, LIMITS))


@pytest.fixture
def ahead() -> Iterator[Ahead]:
    checker = Ahead(LIMITS, lambda _: False)
    yield checker
    checker.close()


def wait(ahead: Ahead) -> None:
    """Let the thread end what it was given."""
    ahead._thread.submit(lambda: None).result()


def test_what_it_says_is_what_the_check_says(ahead: Ahead) -> None:
    forged = ENVELOPES[-1][:-5] + bytes(4) + ENVELOPES[-1][-1:]
    payloads = [*PAYLOADS[:-1], codec.pack_bundles([forged], LIMITS)[0], b"rubbish"]
    for waits in (False, True):
        ahead.begin(payloads)
        if waits:
            wait(ahead)
        for place, envelope in enumerate([*ENVELOPES[:-1], forged]):
            ahead.place = place
            said = ahead.verify(*signed(envelope))
            assert said == verify(*signed(envelope)) == (envelope != forged)
    assert ahead._found == {}  # each answer is given once


def test_it_begins_at_the_end_and_leaves_out_what_is_known_or_large() -> None:
    known = {codec.open_envelope(each, LIMITS).record_id for each in ENVELOPES[1::2]}
    ahead = Ahead(LIMITS, known.__contains__)
    large = codec.pack_bundles(ENVELOPES[:20], LIMITS)[0]
    ahead.begin([*PAYLOADS, large])
    ahead._thread.submit(lambda: None).result()
    places = [ENVELOPES.index(e) for key in ahead._found for e in ENVELOPES if signed(e) == key]
    assert places == list(range(COUNT - 2, 0, -2))  # the first is the core's own
    ahead.close()


def test_it_rests_after_working_for_nothing(ahead: Ahead) -> None:
    ahead.begin(PAYLOADS)
    wait(ahead)
    assert len(ahead._found) == COUNT - 1
    for turn in range(REST_COUNT):
        ahead.begin(PAYLOADS)
        wait(ahead)
        assert bool(ahead._found) == (turn == REST_COUNT - 1)


def test_a_few_are_not_worth_it(ahead: Ahead) -> None:
    ahead.begin(PAYLOADS[: MIN_COUNT - 1])
    wait(ahead)
    assert ahead._found == {}
