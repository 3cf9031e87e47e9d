"""The vectors in the documentation are those of the code."""

import json

from tastemesh.gossip import codec
from tests.gossip.vectors import FILE, LIMITS, NETWORK, vectors


def test_the_file_is_what_the_code_makes() -> None:
    """After a change of the wire format on purpose: python -m tests.gossip.vectors."""
    assert json.loads(FILE.read_text()) == vectors()


def test_every_record_in_the_file_is_accepted() -> None:
    for vector in json.loads(FILE.read_text())["records"]:
        record = codec.decode(bytes.fromhex(vector["envelope"]), NETWORK, LIMITS)
        assert record.id.hex() == vector["id"], vector["name"]


def test_an_exchange_finds_every_difference() -> None:
    exchange = json.loads(FILE.read_text())["reconciliation"]
    ours, theirs = ({i for _, i in exchange[who]} for who in ("initiator", "responder"))
    found = exchange["learned_from_each_frame"]
    assert {i for turn in found[0::2] for i in turn["have"]} == theirs - ours
    assert {i for turn in found[1::2] for i in turn["have"]} == ours - theirs
    assert {i for turn in found[0::2] for i in turn["need"]} == {i[:32] for i in ours - theirs}
    assert {i for turn in found[1::2] for i in turn["need"]} == {i[:32] for i in theirs - ours}
