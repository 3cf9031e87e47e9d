"""Why the HTTP server ended a connection that its client had not, counted for `/metrics`."""

from collections import Counter
from enum import StrEnum


class Ending(StrEnum):
    """What the client did, or did not."""

    SILENT = "silent"
    """It asked nothing for a while."""

    CROWDED = "crowded"
    """It had asked nothing for longest when there were too many."""

    STALLED = "stalled"
    """It took nothing of its answer for a while."""


Endings = Counter[Ending]
