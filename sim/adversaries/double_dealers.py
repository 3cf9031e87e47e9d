"""Attackers with valid keys who break what keys stand for: slots, dates, forgets, rotations."""

from tastemesh.gossip.authorship import Authorship
from tastemesh.gossip.codec import sign_record
from tastemesh.gossip.effects import Send
from tastemesh.gossip.record import WEIGHT_SCALE, Forget, Interaction, Record, Rotation, Said
from tastemesh.gossip.signer import Signer
from tastemesh.sim.adversaries.intruder import Intruder, Means

_POST_DATED_MS = (100_000, 3_600_000, 86_400_000)  # within the skew allowed, and beyond
_FORGOTTEN = 1 << 40  # a forget reaches as far as it likes


class _Turns(Intruder):
    """Its identities act in turn, each for as long as the budget lasts."""

    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._turn = 0

    def act(self, now_ms: int, wall_ms: int, begun: bool, room: int) -> list[Send]:
        """See `Intruder.act`."""
        said: list[Send] = []
        while begun and len(said) < room:
            number = self._turn % len(self.means.signers)
            said += self.step(number, self._turn // len(self.means.signers), wall_ms)
            self._turn += 1
        return said

    def step(self, number: int, round_number: int, wall_ms: int) -> list[Send]:
        """Return what one identity publishes in one round; at least one message."""
        raise NotImplementedError

    def sign(
        self, signer: Signer, epoch: int, seq: int, wall_ms: int, said: tuple[Said, ...]
    ) -> Record:
        """Sign a record under any slot and date."""
        network, limits = self.means.network, self.means.limits
        return sign_record(signer, network, epoch, seq, b"", wall_ms, said, limits)

    def listened(self, *items: str) -> tuple[Interaction, ...]:
        """Return statements that these items, and the target, were listened to."""
        wanted = (self.means.target, *items)
        return tuple(Interaction(item, "listen", WEIGHT_SCALE) for item in wanted)


class Equivocator(_Turns):
    """Signs two records under one number, and tells each to whoever hears it first."""

    def step(self, number: int, round_number: int, wall_ms: int) -> list[Send]:
        """See `_Turns.step`."""
        signer = self.means.signers[number]
        pair = [
            self.sign(signer, 0, round_number + 1, wall_ms, self.listened(side))
            for side in ("one face", "another face")
        ]
        return [each for record in pair for each in self.bundles(signer.id, [record.envelope])]


class PostDater(_Turns):
    """Dates its records ahead, to stay in windows for longer."""

    def step(self, number: int, round_number: int, wall_ms: int) -> list[Send]:
        """See `_Turns.step`."""
        signer = self.means.signers[number]
        ahead_ms = _POST_DATED_MS[round_number % len(_POST_DATED_MS)]
        record = self.sign(signer, 0, round_number + 1, wall_ms + ahead_ms, self.listened())
        return self.bundles(signer.id, [record.envelope])


class Forgetter(_Turns):
    """Says, takes everything back and says it again, to keep nodes busy and tables full."""

    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._pens = Authorship(means.signers, means.network, means.limits)

    def step(self, number: int, round_number: int, wall_ms: int) -> list[Send]:
        """See `_Turns.step`."""
        author = self.means.signers[number].id
        epoch, last = self._pens.last_slot(author)
        if round_number % 2:
            said: tuple[Said, ...] = (
                Forget(epoch, 1, max(1, last)),
                Forget(epoch + 1, 1, _FORGOTTEN),
            )
        else:
            said = self.listened(f"round {round_number}")
        _, records = self._pens.write(author, said, wall_ms)
        return self.bundles(author, [record.envelope for record in records])


class Rotator(_Turns):
    """Rotates keys as often as it may, forks its lineage, and goes on signing with old keys."""

    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._chains: list[list[Signer]] = [[signer] for signer in means.signers]
        self._secrets = [means.rng.bytes(32) for _ in range(means.limits.rotation_count + 3)]
        # The first keys commit to secrets that are known here.
        self._chains = [[Signer(means.rng.bytes(32), self._secrets[0])] for _ in means.signers]

    @property
    def authors(self) -> tuple[bytes, ...]:
        """Return its identities: fresh ones, as it must know every next key."""
        return tuple(chain[0].id for chain in self._chains)

    def step(self, number: int, round_number: int, wall_ms: int) -> list[Send]:
        """See `_Turns.step`."""
        chain = self._chains[number]
        steps = len(chain) - 1
        newest = chain[-1]
        epoch = steps
        if round_number % 3 == 0 and steps < self.means.limits.rotation_count:
            after = self._secrets[steps + 1]
            chain.append(newest.rotated(self._secrets[steps], after, (epoch, 1_000)))
            record = self.sign(chain[-1], epoch + 1, 1, wall_ms, (Rotation(steps + 1),))
        elif round_number % 3 == 1 and steps:  # the same step with another cut: a fork
            after = self._secrets[steps]
            fork = chain[-2].rotated(self._secrets[steps - 1], after, (epoch - 1, 2_000))
            record = self.sign(fork, epoch, round_number + 2, wall_ms, self.listened("fork"))
        else:  # a key that no longer holds
            record = self.sign(chain[0], epoch + 1, round_number + 2, wall_ms, self.listened("old"))
        return self.bundles(chain[0].id, [record.envelope])
