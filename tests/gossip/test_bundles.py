"""Bundles: what is packed comes out, and what cannot be an envelope refuses the whole."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip.bundles import pack_bundles, unpack_bundle
from tastemesh.gossip.codec import LEAST_ENVELOPE_BYTES
from tastemesh.gossip.limits import Limits, RejectReason

LIMITS = Limits()
SHORTEST = bytes(LEAST_ENVELOPE_BYTES)
WHOLE = bytes(300)


@given(
    st.lists(st.binary(min_size=LEAST_ENVELOPE_BYTES, max_size=LIMITS.record_bytes), max_size=12)
)
def test_bundles_hold_everything_in_order_within_the_payload(envelopes: list[bytes]) -> None:
    bundles = pack_bundles(envelopes, LIMITS)
    assert all(len(bundle) <= LIMITS.payload_bytes for bundle in bundles)
    unpacked = [e for bundle in bundles for e in unpack_bundle(bundle, LIMITS)]
    assert unpacked == envelopes


@given(st.binary(max_size=200))
def test_any_payload_unpacks_or_gives_a_reason(payload: bytes) -> None:
    try:
        unpack_bundle(payload, LIMITS)
    except RemoteProtocolError as error:
        assert error.reason in (RejectReason.MALFORMED, RejectReason.OVERSIZED)


def test_the_shortest_envelope_there_can_be_is_unpacked() -> None:
    assert unpack_bundle(msgspec.msgpack.encode([SHORTEST]), LIMITS) == [SHORTEST]


@given(st.binary(max_size=LEAST_ENVELOPE_BYTES - 1))
def test_nothing_shorter_is_an_envelope(envelope: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="1 of 3 envelopes below 184 bytes"):
        unpack_bundle(msgspec.msgpack.encode([WHOLE, envelope, WHOLE]), LIMITS)


def test_a_bundle_of_nothing_is_one_refusal() -> None:
    with pytest.raises(RemoteProtocolError, match="32000 of 32000"):
        unpack_bundle(msgspec.msgpack.encode([b""] * 32_000), LIMITS)


def test_what_a_disk_has_cut_is_left_out_of_bundles() -> None:
    (bundle,) = pack_bundles([WHOLE[:40], WHOLE, WHOLE[:100]], LIMITS)
    assert unpack_bundle(bundle, LIMITS) == [WHOLE]
    assert pack_bundles([WHOLE[:40]], LIMITS) == []
