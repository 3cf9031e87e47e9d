"""When what has aged leaves, whatever the clock was before it was set right."""

from tastemesh.gossip import inputs
from tastemesh.gossip.limits import DAY_MS
from tests.gossip.cores import WALL_MS, Cores, listen, person

MINUTE_MS = 60_000


def test_after_a_start_in_1970_records_age_as_ever() -> None:
    cores = Cores([person("ana"), person("ben")])
    (ana,) = cores.engines[0].authorship.authors
    cores.tell(0, inputs.TimerFired("expire", MINUTE_MS))  # no battery, and no network yet
    cores.tell(0, inputs.Recorded(ana, (listen("old"),), MINUTE_MS))
    cores.pass_time(MINUTE_MS)
    cores.say(0, listen("new"))
    aged_ms = WALL_MS + cores.now_ms + 31 * DAY_MS
    assert len(cores.held(0)) == 2
    for minute in range(25 * 60):  # half a day for each, at sixty times the speed of time
        cores.now_ms += MINUTE_MS
        cores.tell(0, inputs.TimerFired("expire", aged_ms + minute * MINUTE_MS))
    assert not cores.held(0)
