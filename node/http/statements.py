"""Routes by which a local user says something; each answers once it is committed to the disk."""

from tastemesh.node.forgetting import Forgotten
from tastemesh.node.http.bodies import (
    History,
    KeyChange,
    NewEndorsement,
    NewEndorsements,
    NewInteraction,
    Said,
    Withdrawal,
)
from tastemesh.node.http.commits import committed
from tastemesh.node.http.operation import post
from tastemesh.node.node import Node


@post("/v1/interactions", "Record an interaction")
async def record(node: Node, body: NewInteraction) -> Said:
    """Sign it, commit it, publish it; answers once it is committed."""
    saying = node.record(
        body.item,
        kind=body.kind,
        weight=body.weight,
        time_s=body.time_s,
        private=body.private,
        identity=body.identity,
    )
    return Said(await committed(node, saying))


@post("/v1/interactions/many", "Record several interactions")
async def record_many(node: Node, body: History) -> Said:
    """Sign them in one record, commit it, publish it; all of them or none."""
    saying = node.record_many(body.plays, private=body.private, identity=body.identity)
    return Said(await committed(node, saying))


@post("/v1/endorsements", "Endorse somebody")
async def endorse(node: Node, body: NewEndorsement) -> Said:
    """State trust in somebody's taste; the latest statement counts."""
    saying = node.endorse(body.peer, body.weight, identity=body.identity)
    return Said(await committed(node, saying))


@post("/v1/endorsements/many", "Endorse several people")
async def endorse_many(node: Node, body: NewEndorsements) -> Said:
    """State trust in several people's taste: what is new of it, all of it or none."""
    saying = node.endorse_many(body.weights, identity=body.identity)
    return Said(await committed(node, saying))


@post("/v1/forget", "Take interactions back")
async def forget(node: Node, body: Withdrawal) -> Forgotten:
    """Delete them here, and have every node delete and refuse them."""
    forgetting = node.forget(body.item, everything=body.everything, identity=body.identity)
    return await committed(node, forgetting)


@post("/v1/rotate", "Put the next key in force")
async def rotate(node: Node, body: KeyChange) -> Said:
    """Sign with the user's next key from now on; his id stays."""
    return Said(await committed(node, node.rotate(stolen=body.stolen, identity=body.identity)))
