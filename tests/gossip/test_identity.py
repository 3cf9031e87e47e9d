"""Identities: what an id commits to, and how it is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemesh.errors import UsageError
from tastemesh.gossip.identity import PublicIdentity, format_id, parse_id
from tastemesh.gossip.signer import Signer

SIGNER = Signer(b"\x01" * 32, b"\x02" * 32)


def test_an_id_commits_to_the_key_and_its_successor() -> None:
    public = SIGNER.public
    assert SIGNER.id == public.id
    assert PublicIdentity(public.key, bytes(32)).id != SIGNER.id
    assert PublicIdentity(bytes(32), public.next_digest).id != SIGNER.id
    assert Signer(b"\x01" * 32, b"\x03" * 32).id != SIGNER.id


def test_secrets_of_another_length_are_refused_by_name() -> None:
    with pytest.raises(UsageError, match="next_secret has 3 bytes; expected 32"):
        Signer(bytes(32), b"abc")


@given(st.binary(min_size=32, max_size=32))
def test_ids_round_trip_as_text(identity: bytes) -> None:
    assert parse_id(format_id(identity)) == identity


@pytest.mark.parametrize("text", ["", "zz", "ab" * 31, "ab" * 33, "é" * 64])
def test_other_text_is_not_an_id(text: str) -> None:
    with pytest.raises(UsageError, match="is not 64 hex digits"):
        parse_id(text)
