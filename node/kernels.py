"""The compiled kernels of a process that serves: made ready beside what it does.

With the extra `fast`, whoever ranks or walks for the first time on a machine waits half a minute
for numba to compile; later processes load what it left in a second. A node must answer meanwhile.
So its walks are numpy's at first, the same to the bit, and who asks for a list waits for a thread
that makes one for three invented people. (Rankings do not fall back on scipy: its sums are the same
only to rounding, and what somebody is shown must not depend on when he asks.)
"""

import asyncio
import importlib.util

import numpy as np

from tastemesh.gossip import inputs
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import Endorsement, Interaction, Said
from tastemesh.gossip.signer import Signer
from tastemesh.node.core import Core
from tastemesh.ranking import compiling
from tastemesh.ranking.forward import spread_forward
from tastemesh.ranking.largest import kth_largest
from tastemesh.reputation.adoption import Arrivals
from tastemesh.reputation.graph import EndorsementGraph
from tastemesh.reputation.introducers import bridge_ratio
from tastemesh.reputation.luck import skilled
from tastemesh.reputation.parameters import WalkParameters
from tastemesh.reputation.walks import counted, trace_walks

_HAS_NUMBA = importlib.util.find_spec("numba") is not None
_NOW_MS = 1_700_000_000_000


class Kernels:
    """What is compiled in this process."""

    def __init__(self) -> None:
        self._are_compiled = not _HAS_NUMBA

    def postpone(self) -> None:
        """Keep the compiler out of this thread, unless its work is done."""
        if not self._are_compiled:
            compiling.postpone(True)

    @property
    def are_ready(self) -> bool:
        """Whether they may be used without waiting."""
        return self._are_compiled

    async def ready(self) -> None:
        """Return once they may be used; they are compiled in another thread."""
        if not self._are_compiled:
            await asyncio.to_thread(_compile)
            self._are_compiled = True
            compiling.postpone(False)


KERNELS = Kernels()


def _compile() -> None:
    people = [Signer(bytes([n]) * 32, bytes([n + 8]) * 32) for n in range(3)]
    core = Core(
        node=people[0], signers=tuple(people), network="kernels", limits=Limits(), seed=bytes(32)
    )
    core.handle(inputs.Started(_NOW_MS), 0)
    for number, who in enumerate(people):
        said: list[Said] = [
            Interaction("everybody's", "listen", 10_000),
            Interaction(f"only {number}", "listen", 10_000),
        ]
        if number < 2:  # the third trusts nobody: his list is made in another way
            said.append(Endorsement(people[1 - number].id, 10_000))
        core.handle(inputs.Recorded(who.id, tuple(said), _NOW_MS), 0)
    core.recommend_many([each.id for each in people], 10, _NOW_MS)
    core.recommend(people[0].id, 10, _NOW_MS)  # one alone takes other kernels
    graph = EndorsementGraph()
    graph.endorse(people[0].id, people[1].id, 1.0, epoch=0, seq=1)
    nobody = np.empty(0, np.int32)
    trace = trace_walks(
        graph.csr(), 0, walls=nobody, seed=b"", parameters=WalkParameters(), compiled=True
    )
    bridge_ratio(counted(trace, nobody, 2, 1), compiled=True)
    held = core.view.matrix(0).reference
    voices, at_items = (np.ones(count) for count in held.by_user.shape)
    arrivals = Arrivals.of(held, core.view.firsts(), core.view.rises())
    # Who is behind nobody listens to no order.
    spread_forward(held.by_user, arrivals.time_s, at_items, voices, compiled=True)
    holders = np.ones(len(at_items), np.int64)
    skilled(arrivals, [0], at_items, holders, voices > 0, compiled=True)
    kth_largest(voices[None], 1, compiled=True)  # the lists above sought theirs by numpy
