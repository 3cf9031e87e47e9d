"""What a user keeps to himself: checked as if it were published, stored, never sent."""

from tastemesh.errors import RemoteProtocolError, UsageError
from tastemesh.gossip import effects, inputs
from tastemesh.gossip.effects import Effect
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import Interaction
from tastemesh.gossip.statements import check_statement


def kept(event: inputs.Recorded, limits: Limits) -> list[Effect]:
    """Return what stores private interactions.

    Args:
        event: of a local identity.
        limits: of statements.

    Raises:
        UsageError: a statement is no interaction, or a value is out of range; none is stored.
    """
    done: list[Effect] = []
    for statement in event.statements:
        if not isinstance(statement, Interaction):
            raise UsageError("private: only interactions can be private, not endorsements")
        try:
            check_statement(statement, limits)
        except RemoteProtocolError as error:
            raise UsageError(error.detail) from None
        done.append(effects.PersistPrivate(event.author, statement, event.wall_ms))
        done.append(effects.AcceptedPrivate(event.author, statement, event.wall_ms))
    return done
