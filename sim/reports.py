"""What the processes of a company tell each other at the end of each span of virtual time."""

import msgspec

from tastemesh.sim.company import Company
from tastemesh.sim.network import Deed
from tastemesh.sim.reading import Made, Signatures


class _Report(msgspec.Struct, frozen=True, array_like=True):
    """One process's span.

    Attributes:
        next_ms: when something happens next, as far as it knows.
        deeds: what its stations were told and did.
        made: the signatures that they made.
    """

    next_ms: int
    deeds: list[Deed]
    made: list[Made]


_encoder = msgspec.msgpack.Encoder()
_reports = msgspec.msgpack.Decoder(_Report)


class Reports:
    """A process's reports, and those that it is given.

    Args:
        company: the processes.
        signatures: those that nodes make here, and learn of; None if each is to be checked.
    """

    def __init__(self, company: Company, signatures: Signatures | None) -> None:
        self._company = company
        self._signatures = signatures

    def share(self, next_ms: int, deeds: list[Deed]) -> tuple[int, list[Deed]]:
        """Tell the others of a span; return when anybody has something next, and all deeds.

        Args:
            next_ms: when something happens here next.
            deeds: what the stations here were told and did.

        Raises:
            ProcessError: another process has ended.
        """
        if self._company.size == 1:
            return next_ms, deeds
        made = self._signatures.untold() if self._signatures else []
        self._company.post(_encoder.encode(_Report(next_ms, deeds, made)))
        for frame in self._company.collect():
            report = _reports.decode(frame)
            next_ms = min(next_ms, report.next_ms)
            deeds += report.deeds
            if self._signatures is not None:
                for each in report.made:
                    self._signatures.learn(each)
        return next_ms, deeds
