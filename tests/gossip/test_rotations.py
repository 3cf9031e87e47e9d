"""Keys that are rotated on one device and brought to another: no key signs a number twice."""

from itertools import count
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from tastemesh.gossip.authorship import RESERVE_COUNT, Authorship
from tastemesh.gossip.effects import Effect, ReserveSequence
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import Interaction
from tastemesh.gossip.signer import Signer
from tests.gossip.cores import NETWORK, WALL_MS, secret

LIMITS = Limits()

Step = Literal["say", "say much", "start", "rotate", "disown", "disown and crash"]
STEPS: tuple[Step, ...] = ("say", "say much", "start", "rotate", "disown", "disown and crash")


class Devices:
    """Two devices of one user that never hear each other; whichever starts has the newest key."""

    def __init__(self) -> None:
        self._newest = Signer(secret("key 0"), secret("key 1"))
        self._key_count = 0
        self._runs, self._plays = count(), count()
        self._reserved: list[dict[int, int]] = [{}, {}]
        self._signers = [self._newest, self._newest]
        self.signed: dict[tuple[bytes, int, int], bytes] = {}
        self._pens = [self._started(0), self._started(1)]

    def do(self, device: int, step: Step) -> None:
        match step:
            case "say":
                self._say(device)
            case "say much":
                for _ in range(RESERVE_COUNT + 1):
                    self._say(device)
            case "start":
                self._pens[device] = self._started(device)
            case _ if self._key_count < LIMITS.rotation_count:
                self._rotate(device, step)

    def _started(self, device: int) -> Authorship:
        self._signers[device] = self._newest
        pen = Authorship((self._newest,), NETWORK, LIMITS, secret(f"run {next(self._runs)}"))
        for epoch, until in sorted(self._reserved[device].items()):
            pen.resume(self._newest.id, epoch, until)
        self._keep(device, pen.start_epochs(WALL_MS, everybody=False))
        return pen

    def _keep(self, device: int, ordered: list[Effect]) -> None:
        for each in ordered:
            if isinstance(each, ReserveSequence):
                kept = self._reserved[device]
                kept[each.epoch] = max(each.until, kept.get(each.epoch, 0))

    def _say(self, device: int) -> None:
        said = (Interaction(f"{next(self._plays)}", "listen", 10_000),)
        ordered, records = self._pens[device].write(self._newest.id, said, WALL_MS)
        self._keep(device, ordered)
        for record in records:
            slot = (self._signers[device].public.key, *record.slot)
            assert self.signed.setdefault(slot, record.id) == record.id

    def _rotate(self, device: int, step: Step) -> None:
        if self._signers[device] is not self._newest:
            self._pens[device] = self._started(device)  # its key file is brought first
        before = self._newest
        last = before.lineage.steps[-1].cut if before.lineage else (0, 0)
        if step == "rotate":
            last = max(last, self._pens[device].last_slot(before.id))
        self._key_count += 1
        after = secret(f"key {self._key_count}"), secret(f"key {self._key_count + 1}")
        self._newest = before.rotated(*after, last)
        if step == "disown and crash":  # the key file is written, and nothing says so
            self._pens[device] = self._started(device)
            return
        self._pens[device].rotate(self._newest)
        self._signers[device] = self._newest


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from(STEPS)), min_size=20, max_size=40))
def test_no_key_signs_a_number_twice_wherever_it_is_rotated(steps: list[tuple[int, Step]]) -> None:
    devices = Devices()
    for device, step in steps:
        devices.do(device, step)
