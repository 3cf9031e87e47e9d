"""Why an item was recommended, in signed records that anybody can check without trusting the node.

Evidence has, for each contact behind an item, the records of holders who say that they took it up,
and the chain of endorsements that leads from ego over the contact to each of them. It proves who
said what; that nobody said otherwise, and what it is worth, it cannot prove.
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence

import msgspec

from tastemesh.errors import RemoteProtocolError, UsageError
from tastemesh.gossip import codec
from tastemesh.gossip.envelope import authenticate
from tastemesh.gossip.identity import format_id, parse_id
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.lineage import Lineages
from tastemesh.gossip.record import REJECTION_KINDS, Record


class Witness(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One record behind an item.

    Attributes:
        record: the envelope in which a holder names the item, base64.
        path: envelopes of the endorsements that lead from ego to the holder, in order, base64;
            empty where none do.
    """

    record: str
    path: list[str]


class Ground(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One contact's part in a recommendation.

    Attributes:
        contact: id as hex; empty for those whom no endorsement of ego's reaches.
        share: of the item's score, 0 to 1; the node's word, not proved.
        witnesses: the records, heaviest first.
    """

    contact: str
    share: float
    witnesses: list[Witness]


class Evidence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one recommendation rests on.

    Attributes:
        network: network id that the records are signed for.
        ego: whom it was recommended to, as hex.
        item: its id.
        grounds: heaviest first.
    """

    network: str
    ego: str
    item: str
    grounds: list[Ground]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What checking one witness found.

    Attributes:
        contact: through whom, as hex, or empty.
        holder: who signed that he took the item up, as hex; empty where that does not hold.
        record: the record's id as hex, or empty.
        people: those whom the endorsements lead over, ego and holder included, as hex.
        problem: what does not hold; empty if all does.
    """

    contact: str
    holder: str
    record: str
    people: tuple[str, ...]
    problem: str


def witness(record: bytes, path: Sequence[bytes]) -> Witness:
    """Return signed envelopes as evidence has them."""
    return Witness(record=_text(record), path=[_text(envelope) for envelope in path])


def decode_evidence(text: bytes) -> list[Evidence]:
    """Return the evidence in a JSON document: a list, or one alone.

    Raises:
        UsageError: it is no evidence.
    """
    try:
        return msgspec.json.decode(text, type=list[Evidence])
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        return [msgspec.json.decode(text, type=Evidence)]
    except (msgspec.DecodeError, RecursionError) as error:
        raise UsageError(f"not evidence as `recommend --evidence` writes it: {error}") from None


def verify(evidence: Evidence, limits: Limits) -> list[Finding]:
    """Check everything in a piece of evidence that can be checked offline.

    Each record is well-formed, for this network, and signed by the key of the identity that it
    names (or by a later key of it, whose succession is signed); it names the item, and not as
    something rejected; the endorsements are positive and lead, each from where the last one ended,
    from ego over the contact to the record's author.

    Args:
        evidence: from anybody.
        limits: the network's wire limits.

    Returns:
        A finding for each witness, in order.
    """
    return [
        _checked(evidence, ground.contact, each, limits)
        for ground in evidence.grounds
        for each in ground.witnesses
    ]


def _checked(evidence: Evidence, contact: str, said: Witness, limits: Limits) -> Finding:
    people: list[str] = []
    holder = record_id = ""
    try:
        record = _opened(said.record, evidence.network, limits)
        record_id = format_id(record.id)
        if not any(
            each.item == evidence.item and each.kind not in REJECTION_KINDS
            for each in record.interactions
        ):
            raise UsageError("the record does not say that its author took the item up")
        holder = format_id(record.author)
        if contact:
            people = _walk(evidence, contact, record, said.path, limits)
    except RemoteProtocolError as error:
        return _finding(contact, holder, record_id, people, f"{error.reason}: {error.detail}")
    except UsageError as error:
        return _finding(contact, holder, record_id, people, str(error))
    return _finding(contact, holder, record_id, people, "")


def _walk(
    evidence: Evidence, contact: str, record: Record, path: list[str], limits: Limits
) -> list[str]:
    """Follow the endorsements from ego to the record's author; return everybody on the way."""
    people = [parse_id(evidence.ego)]
    onward = [_opened(each, evidence.network, limits) for each in path]
    authors = [each.author for each in onward] + [record.author]
    for number, (endorsing, following) in enumerate(zip(onward, authors[1:], strict=True), 1):
        if endorsing.author != people[-1]:
            raise UsageError(f"endorsement {number} is not signed by whom the last one ended at")
        stated = [e.weight_q for e in endorsing.endorsements if e.subject == following]
        if not stated or stated[-1] <= 0:
            raise UsageError(f"endorsement {number} does not vouch for the next person")
        people.append(following)
    if people[-1] != record.author or len(people) < 2:
        raise UsageError("no endorsements lead from the user to the record's author")
    if people[1] != parse_id(contact):
        raise UsageError("the endorsements do not lead over the contact")
    return [format_id(each) for each in people]


def _opened(text: str, network: str, limits: Limits) -> Record:
    """Return the record in an envelope, signature and succession of keys checked."""
    try:
        envelope = b64decode(text, validate=True)
    except (Base64Error, ValueError):
        raise UsageError("a record is not base64") from None
    record = codec.parse(envelope, network, limits)
    Lineages(limits).check(record.author, record.lineage, record.slot)
    authenticate(record, limits)
    return record


def _finding(contact: str, holder: str, record: str, people: list[str], problem: str) -> Finding:
    return Finding(
        contact=contact, holder=holder, record=record, people=tuple(people), problem=problem
    )


def _text(envelope: bytes) -> str:
    return b64encode(envelope).decode()
