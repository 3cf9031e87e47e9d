"""What a daemon's users have said."""

from tastemesh.node.client.speaker import Speaker
from tastemesh.node.history import InteractionPage, SaidEndorsement
from tastemesh.node.http.bodies import EndorsementList
from tastemesh.node.identities import DEFAULT_IDENTITY


class RemoteJournal:
    """What local users have said; `SyncJournal` over HTTP.

    Args:
        speaker: asks the daemon.
    """

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker

    def page(self, after: str, limit: int, *, identity: str = DEFAULT_IDENTITY) -> InteractionPage:
        """See `Journal.page`; of 1,000 interactions at most."""
        return self._speaker.get(
            "/v1/interactions", InteractionPage, after=after, limit=limit, identity=identity
        )

    def endorsements(self, *, identity: str = DEFAULT_IDENTITY) -> list[SaidEndorsement]:
        """See `Journal.endorsements`."""
        told = self._speaker.get("/v1/endorsements", EndorsementList, identity=identity)
        return told.endorsements
