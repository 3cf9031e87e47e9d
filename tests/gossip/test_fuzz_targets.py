"""The fuzzer's targets on Hypothesis' inputs, so that every run of the tests fuzzes a little."""

from hashlib import sha256

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.targets import TIGHT, decoders, handle
from tastemesh.errors import UsageError
from tastemesh.gossip.limits import Limits

# Not those of the wire: with others than all have, a core does not even hear a genuine record.
_SAID = str(Limits.__doc__)
LOCAL = [name for name in Limits.__struct_fields__ if f"        {name}: local" in _SAID]


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_decoders_refuse_or_accept_and_nothing_else(data: bytes) -> None:
    decoders(data)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
def test_a_core_outlives_any_script_within_its_limits(data: bytes) -> None:
    handle(data)


@pytest.mark.parametrize("name", LOCAL)
def test_a_core_outlives_a_script_with_any_limit_as_low_as_it_may_be(name: str) -> None:
    lowest = TIGHT
    for value in (1, 0):
        try:
            lowest = msgspec.structs.replace(TIGHT, **{name: value})
        except UsageError as error:
            assert str(error) == f"{name} 0; expected 1 or more"
    for number in range(8):
        script = b"".join(sha256(f"{number} {part}".encode()).digest() for part in range(16))
        handle(script, lowest)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("peer_age_ms", -1),
        ("reserved_share", 1.5),
        ("author_rate_per_s", float("nan")),
        ("record_bytes", 1.5),
        ("record_bytes", True),
        ("record_bytes", "16 KiB"),
        ("reserved_share", None),
        ("statement_count", float("inf")),
    ],
)
def test_a_limit_out_of_range_is_refused(name: str, value: object) -> None:
    with pytest.raises(UsageError, match=name):
        msgspec.structs.replace(Limits(), **{name: value})
