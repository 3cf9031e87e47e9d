"""The fuzzer's targets on Hypothesis' inputs, so that every run of the tests fuzzes a little."""

from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.targets import decoders, handle


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_decoders_refuse_or_accept_and_nothing_else(data: bytes) -> None:
    decoders(data)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
def test_a_core_outlives_any_script_within_its_limits(data: bytes) -> None:
    handle(data)
