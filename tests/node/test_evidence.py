"""Evidence: what holds is found to hold, and nothing else is."""

from base64 import b64decode, b64encode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemesh.gossip.codec import sign_record
from tastemesh.gossip.identity import format_id
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import Endorsement, Interaction, Said
from tastemesh.gossip.signer import Signer
from tastemesh.node.evidence import Evidence, Ground, Witness, verify, witness
from tests.gossip.cores import person

ANA, BEN, CAT, EVE = (person(name) for name in ("ana", "ben", "cat", "eve"))
LIMITS = Limits()


def signed(signer: Signer, *said: Said, network: str = "main") -> bytes:
    return sign_record(signer, network, 0, 1, b"", 1_000, said, LIMITS).envelope


def evidence(*witnesses: Witness, contact: Signer | None = BEN) -> Evidence:
    name = format_id(contact.id) if contact else ""
    ground = Ground(contact=name, share=1.0, witnesses=list(witnesses))
    return Evidence(network="main", ego=format_id(ANA.id), item="song", grounds=[ground])


HELD = signed(CAT, Interaction("other", "listen", 1), Interaction("song", "listen", 1))
TO_BEN = signed(ANA, Endorsement(BEN.id, 10_000))
TO_CAT = signed(BEN, Endorsement(EVE.id, 1), Endorsement(CAT.id, 10))


def test_a_chain_of_endorsements_holds() -> None:
    (found,) = verify(evidence(witness(HELD, [TO_BEN, TO_CAT])), LIMITS)
    assert found.problem == ""
    assert found.holder == format_id(CAT.id)
    assert found.people == tuple(format_id(each.id) for each in (ANA, BEN, CAT))


def test_without_a_contact_only_the_record_is_checked() -> None:
    (found,) = verify(evidence(witness(HELD, []), contact=None), LIMITS)
    assert (found.problem, found.people) == ("", ())


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (witness(HELD, []), "no endorsements lead"),
        (witness(HELD, [TO_BEN]), "endorsement 1 does not vouch for the next person"),
        (witness(HELD, [TO_CAT, TO_BEN]), "endorsement 1 is not signed by whom"),
        (
            witness(HELD, [signed(ANA, Endorsement(CAT.id, 1))]),
            "do not lead over the contact",
        ),
        (
            witness(HELD, [signed(ANA, Endorsement(BEN.id, -1)), TO_CAT]),
            "endorsement 1 does not vouch",
        ),
        (
            witness(HELD, [signed(ANA, Endorsement(BEN.id, 1), Endorsement(BEN.id, 0)), TO_CAT]),
            "endorsement 1 does not vouch",
        ),
        (
            witness(signed(CAT, Interaction("song", "skip", 1)), [TO_BEN, TO_CAT]),
            "does not say that its author took the item up",
        ),
        (
            witness(signed(CAT, Interaction("song", "listen", 1), network="x"), []),
            "wrong-network",
        ),
        (Witness(record="!", path=[]), "not base64"),
        (Witness(record="", path=[]), "malformed"),
    ],
)
def test_what_does_not_hold_is_said(said: Witness, problem: str) -> None:
    (found,) = verify(evidence(said), LIMITS)
    assert problem in found.problem


@given(st.integers(0, len(HELD) - 1), st.integers(1, 255))
def test_no_altered_record_holds(position: int, change: int) -> None:
    altered = bytearray(HELD)
    altered[position] ^= change
    (found,) = verify(evidence(witness(bytes(altered), [TO_BEN, TO_CAT])), LIMITS)
    assert found.problem


def test_it_survives_the_way_through_json() -> None:
    piece = evidence(witness(HELD, [TO_BEN, TO_CAT]))
    assert msgspec.json.decode(msgspec.json.encode(piece), type=Evidence) == piece
    assert b64encode(b64decode(piece.grounds[0].witnesses[0].record)).decode() == (
        piece.grounds[0].witnesses[0].record
    )
