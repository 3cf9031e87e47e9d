"""Record numbers run out after 2^31 and are dealt out anew; and room for what stays private."""

import pytest

from tastemesh.errors import UsageError
from tastemesh.gossip import inputs
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import Endorsement, Interaction
from tastemesh.node.core import Core
from tastemesh.node.record_book import PRIVATE_ROW_BYTES
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


def test_what_stays_private_has_room_as_long_as_the_disk_has_and_is_refused_whole() -> None:
    limits = Limits(private_bytes=5 * (PRIVATE_ROW_BYTES + 6), private_interaction_count=3)
    core = Core(
        node=person("node"), signers=(ANA, BEN), network=NETWORK, limits=limits, seed=b"seed"
    )

    def keep(author: bytes, *items: str) -> None:
        said = tuple(listen(item) for item in items)
        core.handle(inputs.Recorded(author, said, WALL_MS, private=True), 0)

    def counts() -> tuple[int, int]:
        return core.private_count(ANA.id, None), core.private_count(BEN.id, None)

    keep(ANA.id, "item 1", "item 2", "item 3")
    keep(BEN.id, "item 1")
    with pytest.raises(UsageError, match=r"has room for 0\.0: raise it"):
        keep(BEN.id, "item 2", "item 3")
    assert counts() == (3, 1)
    keep(BEN.id, "item 2")
    with pytest.raises(UsageError, match="or forget some"):
        keep(BEN.id, "")
    keep(ANA.id, "item 4")  # who has all that he may have: his first one goes for it
    assert counts() == (3, 2)
    core.handle(inputs.ForgotPrivate(ANA.id, None), 0)
    keep(BEN.id, "item 3")
    assert counts() == (0, 3)
