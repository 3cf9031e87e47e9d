"""Record numbers run out after 2^31, and those that are held are numbered anew."""

from tastemesh.gossip import inputs
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import Endorsement, Interaction
from tastemesh.node.core import Core
from tastemesh.ranking.columns import NUMBER_MAX
from tests.gossip.cores import NETWORK, WALL_MS, listen, person

ANA, BEN = person("ana"), person("ben")


def test_a_node_goes_on_after_its_last_number() -> None:
    core = Core(
        node=person("node"), signers=(ANA, BEN), network=NETWORK, limits=Limits(), seed=b"seed"
    )

    def say(author: bytes, *said: Interaction | Endorsement, private: bool = False) -> None:
        core.handle(inputs.Recorded(author, said, WALL_MS, private=private), 0)

    say(ANA.id, listen("a"), Interaction("refused", "skip", 10_000))
    say(BEN.id, listen("a"), listen("refused"), listen("b"))
    say(ANA.id, listen("mine"), private=True)
    say(ANA.id, Endorsement(BEN.id, 10_000))
    core._book._next = NUMBER_MAX
    for item in ("c", "d", "e", "mine"):
        say(BEN.id, listen(item))
    lines = core.recommend(ANA.id, 9, WALL_MS)
    assert sorted(line.item for line in lines) == ["b", "c", "d", "e"]
    named = [record_id for line in lines for record_id in line.reasons[0].record_ids]
    assert all(core.holds(bytes.fromhex(each)) for each in named)
    assert len(set(named)) == 4
    core.handle(inputs.ForgotPrivate(ANA.id, None), 0)
    assert "mine" in [line.item for line in core.recommend(ANA.id, 9, WALL_MS)]
