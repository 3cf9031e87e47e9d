"""What a simulation remembers of reading: never an answer that the bytes would not give."""

import pytest

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.presence import sign_presence
from tastemesh.gossip.signatures import verify
from tastemesh.sim.reading import NotedSigner, SharedReader, Signatures


def test_a_noted_signature_fits_its_own_key_and_message_only() -> None:
    noted = Signatures()
    ana, ben = (NotedSigner(bytes([n]) * 32, bytes([n + 1]) * 32, noted) for n in (1, 3))
    signature = ana.sign(b"said")
    for key in (ana.public.key, ben.public.key):
        for message in (b"said", b"else"):
            for shown in (signature, signature[::-1], b""):
                assert noted.fits(key, message, shown) == verify(key, message, shown)
    assert noted.fits(ana.public.key, b"said", signature)


def test_a_presence_that_was_tampered_with_is_refused_every_time() -> None:
    noted = Signatures()
    reader = SharedReader("sim", Limits(), noted.fits)
    said = sign_presence(NotedSigner(b"1" * 32, b"2" * 32, noted), "sim", 1_000)
    reader.authenticate_presence(said)
    for _ in range(2):
        with pytest.raises(RemoteProtocolError, match="does not fit"):
            reader.authenticate_presence(said[:-1] + bytes([said[-1] ^ 1]))
    reader.authenticate_presence(said)
