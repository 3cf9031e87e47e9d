"""One peer, composed and pure: protocol, trust and ranking behind one `handle`.

`Core.handle` passes every input to the protocol and keeps the ranking's view in step with what the
protocol accepts and lets go. Questions (`recommend`, `explain`, `status`) change nothing. Both the
daemon and the simulator run this class as a peer, and nothing else.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.errors import InternalError
from tastemesh.gossip import effects, inputs
from tastemesh.gossip.effects import Effect
from tastemesh.gossip.engine import GossipEngine
from tastemesh.gossip.identity import format_id
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.reader import Reader
from tastemesh.gossip.record import REJECTION_KINDS, WEIGHT_SCALE, Endorsement, Interaction, Record
from tastemesh.gossip.signer import Signer
from tastemesh.node.advice import Advisor
from tastemesh.node.answers import Advice, SybilBound
from tastemesh.node.holders import holder_counts
from tastemesh.node.reach import Reach
from tastemesh.node.reached import STEP_MS, SWEEP_PERIOD_MS, Reached
from tastemesh.node.record_book import RecordBook, Rejection
from tastemesh.node.scorer import ScorerParameters, private_shadow
from tastemesh.node.vouching import Vouching
from tastemesh.node.wish import Wish
from tastemesh.ranking.columns import NUMBER_MAX
from tastemesh.ranking.view import View
from tastemesh.ranking.workers import ONE_WORKER, Workers
from tastemesh.reputation.graph import EndorsementGraph, EndorsementLimits
from tastemesh.reputation.paths import shortest_path

# Local users whose bound `status` reports, the first ones: each costs a ranking.
BOUNDED_EGOS = 16
_REACHED_TIMER = "reached"


class Core:
    """One peer.

    Args:
        node: the node's own key.
        signers: the local identities.
        network: network id.
        limits: wire and local limits.
        seed: keys the protocol's random choices.
        reader: decodes and checks signatures; a plain one where None.
        ranking: the rule of its lists; the measured defaults where None.
        view: takes the interactions, empty; a plain one where None.
        workers: make several users' lists together.

    Raises:
        UsageError: the network id cannot stand in a topic.
    """

    __slots__ = (
        "_advisor", "_book", "_engine_handle", "_reached", "_receive", "_said", "_sweep_due_ms",
        "_vouching", "disowned_revision", "endorsements", "engine", "revision", "view",
    )  # fmt: skip

    def __init__(
        self,
        *,
        node: Signer,
        signers: tuple[Signer, ...],
        network: str,
        limits: Limits,
        seed: bytes,
        reader: Reader | None = None,
        ranking: ScorerParameters | None = None,
        view: View | None = None,
        workers: Workers = ONE_WORKER,
    ) -> None:
        self.engine = GossipEngine(node, signers, network, limits, seed, reader)
        self.view = View() if view is None else view
        edge_limit = limits.window_statement_count + limits.statement_count
        self.endorsements = EndorsementGraph(EndorsementLimits(edge_limit=edge_limit))
        self._vouching = Vouching(self.engine.window, self.endorsements, limits)
        self._book = RecordBook()
        self._advisor = Advisor(self.view, self.endorsements, self._book, ranking, workers)
        self.revision = 0
        """Rises whenever anything changes that a list depends on."""
        self.disowned_revision = 0
        """`revision` as of the last record that left because it must not be used, not for room."""
        self._said: dict[bytes, int] = {}
        self._reached = Reached(self._advisor.reached, self.engine.window.record_count)
        self._sweep_due_ms = 0
        self._engine_handle, self._receive = self.engine.handle, self.engine.receive

    # --- facts -----------------------------------------------------------------------------

    def handle(self, event: inputs.Input, now_ms: int) -> list[Effect]:
        """Take one input and return what is to be done, in order.

        Args:
            event: any member of `tastemesh.gossip.inputs`.
            now_ms: monotonic clock, milliseconds, never falling.

        Raises:
            UsageError: a local caller's value is wrong (`Recorded`, `ForgotPrivate`, `Rotated`);
                nothing has changed then.
            InternalError: a fault of ours, half way through an input.
        """
        if type(event) is inputs.Received:  # the commonest by far, and mostly nothing comes of it
            try:
                done = self._receive(event, now_ms)
            except InternalError as error:
                self._follow(error.done)
                raise
            if done:
                self._follow(done)
            return done
        if isinstance(event, inputs.TimerFired) and event.timer == _REACHED_TIMER:
            self._reached.step()
            return self._tell_window(now_ms)
        if isinstance(event, inputs.Recorded) and event.author in self.engine.authorship:
            completed = self._vouching.complete(event)
            if completed is None:
                return []
            event = completed
            if event.private:
                self._book.check_private(event.author, event.statements, self.engine.limits)
        try:
            done = self._engine_handle(event, now_ms)
        except InternalError as error:
            self._follow(error.done)
            raise
        self._follow(done)
        try:
            self._look_further(event, done, now_ms)
        except Exception as error:  # of ours; the protocol has done its part
            if self._reached.is_busy:  # or no other sweep would ever begin
                done.append(effects.SetTimer(_REACHED_TIMER, STEP_MS))
            raise InternalError(done) from error
        return done

    def _look_further(self, event: inputs.Input, done: list[Effect], now_ms: int) -> None:
        """Add what follows from an input for local users and for whom their trust reaches."""
        if isinstance(event, inputs.Recorded | inputs.ForgotPrivate):
            self._said[event.author] = self.revision
        if isinstance(event, inputs.Recorded):
            if event.private:
                done.extend(self._trim_private(event.author))
            said = any(isinstance(each, Endorsement) for each in event.statements)
            has_timer = self._reached.is_busy
            self._reached.look_at(event.author, has_endorsed=said)
            done.extend(self._tell_window(now_ms, has_timer=has_timer))
            return
        if isinstance(event, inputs.Restored) and event.is_last:
            for author in self.engine.authorship.authors:
                done.extend(self._trim_private(author))
        if now_ms >= self._sweep_due_ms and self._is_trust_due(event):
            self._reached.sweep(self.engine.authorship.authors, self.endorsements.version)
            if self._reached.is_busy:
                self._sweep_due_ms = now_ms + SWEEP_PERIOD_MS
                self._reached.step()
                done.extend(self._tell_window(now_ms))

    def _follow(self, done: list[Effect]) -> None:
        """Keep view and endorsements in step with the window.

        Raises:
            InternalError: a fault of ours; the window has changed all the same.
        """
        outlived: list[Rejection] = []
        try:
            for effect in done:
                follow = self._FOLLOWERS.get(type(effect))
                if follow is not None:
                    self.revision += 1
                    outlived += follow(self, effect) or ()
            if outlived:
                done.extend(self._keep(outlived))
        except Exception as error:
            raise InternalError(done) from error

    def _keep(self, rejections: list[Rejection]) -> list[Effect]:
        """Keep what local users said no to in private, now that the window has no room for it."""
        done: list[Effect] = []
        for no in rejections:
            done.append(effects.PersistPrivate(no.author, no.said, no.date_ms))
            done.append(effects.AcceptedPrivate(no.author, no.said, no.date_ms))
        self._follow(done)
        for author in dict.fromkeys(no.author for no in rejections):
            done.extend(self._trim_private(author))
        return done

    def _is_trust_due(self, event: inputs.Input) -> bool:
        if isinstance(event, inputs.TimerFired):
            return not self._reached.is_busy
        return isinstance(event, inputs.Restored) and event.is_last

    def add_identity(self, signer: Signer) -> None:
        """Take in one more local identity."""
        self.engine.authorship.add(signer)

    def _take(self, accepted: effects.Accepted) -> None:
        record = accepted.record
        if record.endorsements:
            self._vouch(record)
        if record.interactions:  # of others the view has nothing, and needs no number for them
            held_ms = min(record.created_ms, accepted.first_seen_ms)
            self._make_numbers()
            number = self._book.enter(record.id)
            self._hold(record.author, number, record.interactions, held_ms, accepted.own)

    def _vouch(self, record: Record) -> None:
        self.endorsements.endorse_record(record)
        self._book.note_endorsements(record.id, record.author, record.slot)

    def _take_private(self, accepted: effects.AcceptedPrivate) -> None:
        shadow = private_shadow(accepted.author)
        self._advisor.note_private(shadow)
        said = accepted.interaction
        date_ms = accepted.wall_ms - said.ago_ms
        self._make_numbers()
        number = self._book.enter_private(accepted.author, said.item, date_ms)
        self._hold(accepted.author, number, (said,), accepted.wall_ms, True, shadow)

    def _make_numbers(self) -> None:
        if self._book.is_full:
            self.view.renumber(np.array(self._book.renumber(), np.int32))

    def _trim_private(self, author: bytes) -> list[Effect]:
        """Keep an identity's private interactions within their bound."""
        keep = self.engine.limits.private_interaction_count
        gone = self._book.trim_private(author, keep)
        self.view.remove_records(gone)
        return [effects.TrimPrivate(author, keep)] if gone else []

    def _hold(
        self,
        author: bytes,
        number: int,
        said: Sequence[Interaction],
        date_ms: int,
        own: bool,
        holder: bytes = b"",
    ) -> None:
        if len(said) == 1 and said[0].kind not in REJECTION_KINDS:  # the commonest by far
            time_s = _seconds(date_ms - said[0].ago_ms)
            weight = said[0].weight_q / WEIGHT_SCALE
            self.view.append(holder or author, (said[0].item,), weight, time_s, number)
            return
        held = said
        if not REJECTION_KINDS.isdisjoint([s.kind for s in said]):
            held = [s for s in said if s.kind not in REJECTION_KINDS]
        if held:
            ages_ms = [s.ago_ms for s in held]
            units = [s.weight_q for s in held]
            times_s: int | list[int] = _seconds(date_ms)
            weights: float | list[float] = units[0] / WEIGHT_SCALE
            if any(ages_ms):  # most are said at once, and with one weight
                times_s = [_seconds(date_ms - ago_ms) for ago_ms in ages_ms]
            if units.count(units[0]) != len(units):
                weights = [unit / WEIGHT_SCALE for unit in units]
            self.view.append(holder or author, [s.item for s in held], weights, times_s, number)
        if own:
            rejected = [s for s in said if s.kind in REJECTION_KINDS]
            self._book.note_rejections(author, number, rejected, date_ms)

    def _let_go(self, evicted: effects.Evict) -> list[Rejection]:
        """Follow what left; return our own rejections in it that nobody took back."""
        outlived: list[Rejection] = []
        if evicted.reason in effects.UNDOING:
            self.disowned_revision = self.revision
        for record_id in evicted.record_ids:
            voucher = self._book.strike_endorsements(record_id)
            if voucher is not None:
                author, (epoch, seq) = voucher
                self.endorsements.remove_range(author, epoch=epoch, first_seq=seq, last_seq=seq)
            if evicted.reason not in effects.UNDOING:
                outlived += self._book.only_rejections(record_id)
            number = self._book.strike(record_id)
            if number is not None:
                self.view.remove_record(number)
        return outlived

    def _purge_private(self, purged: effects.PurgePrivate) -> None:
        self.view.remove_records(self._book.strike_private(purged.author, purged.item))

    def _stop_hearing(self, convicted: effects.Convicted) -> None:
        if not convicted.own:
            self.endorsements.remove_author(convicted.author)

    # Of the class, as in the engine: nodes are no cycles.
    _FOLLOWERS: ClassVar[dict[type, Callable[..., list[Rejection] | None]]] = {
        effects.Accepted: _take,
        effects.AcceptedPrivate: _take_private,
        effects.Evict: _let_go,
        effects.PurgePrivate: _purge_private,
        effects.Convicted: _stop_hearing,
    }

    def _tell_window(self, now_ms: int, *, has_timer: bool = False) -> list[Effect]:
        """Tell the window whom trust reaches, a little of it, and go on later until all is done."""
        gained, lost = self._reached.news()
        change = inputs.TrustChanged(gained, lost)
        done: list[Effect] = self._engine_handle(change, now_ms) if gained or lost else []
        if self._reached.is_busy and not has_timer:
            done.append(effects.SetTimer(_REACHED_TIMER, STEP_MS))
        return done

    # --- questions -------------------------------------------------------------------------

    def recommend(self, ego: bytes, k: int, wall_ms: int) -> list[Advice]:
        """Return the list of one local identity; see `recommend_many`."""
        return self._advisor.recommend(ego, k, wall_ms // 1000)

    def recommend_many(
        self, egos: Sequence[bytes], k: int, wall_ms: int, wishes: Sequence[Wish] = ()
    ) -> list[list[Advice]]:
        """Return the best items that each of some local identities does not have, with reasons.

        Args:
            egos: local identities; of several each costs less.
            k: length of each list; fewer when less is known.
            wall_ms: wall clock, for the age of interactions.
            wishes: of each; default: none.
        """
        return self._advisor.recommend_many(egos, k, wall_ms // 1000, wishes)

    def refresh(self) -> None:
        """Take in what came since the last list, which the next one would do first."""
        self._advisor.refresh()

    def said_revision(self, ego: bytes) -> int:
        """Return `revision` as of the last thing that a local identity said; 0 before."""
        return self._said.get(ego, 0)

    def explain(self, ego: bytes, item: str, wall_ms: int, like: Collection[str]) -> Advice | None:
        """Return an item's score and reasons for `ego`, or None; see `Advisor.explain`."""
        return self._advisor.explain(ego, item, wall_ms // 1000, like)

    def has_reach(self, ego: bytes) -> bool:
        """Tell whether `reach` is known, and costs no walk."""
        return self._advisor.has_reach(ego)

    def reach(self, ego: bytes) -> Reach:
        """Return whom `ego`'s endorsements reach, and how much."""
        return self._advisor.reach(ego)

    def sybil_bound(self, ego: bytes, wall_ms: int) -> SybilBound:
        """Return what hostile identities would need to get onto `ego`'s list."""
        return self._advisor.sybil_bound(ego, wall_ms // 1000)

    def holder_counts(self, items: Sequence[str], without: bytes) -> dict[str, int]:
        """Return how many authors have published that they hold items, one of them left out."""
        shadows = map(private_shadow, self.engine.authorship.authors)
        return holder_counts(self.view, items, [*shadows, without])

    def numbers(self) -> NDArray[np.int32]:
        """Return the view's number of each identity that endorsements name; -1 where none."""
        return self._advisor.numbers()

    def holds(self, record_id: bytes) -> bool:
        """Tell whether the window has this record."""
        return record_id in self.engine.window

    def records_of(self, author: bytes) -> tuple[bytes, ...]:
        """Return the ids of one author's records in the window, oldest first."""
        return self.engine.window.records_of(author)

    def path(self, ego: bytes, contact: bytes, target: bytes) -> list[bytes]:
        """Return the people over whom ego's trust leads to somebody; see `shortest_path`."""
        return shortest_path(self.endorsements, ego, contact, target)

    def room_for_private(self, event: inputs.Recorded) -> AbstractContextManager[None]:
        """Keep room for what a local user keeps to himself, while it is handed in by parts.

        Raises:
            UsageError: there is none.
        """
        return self._book.room_for(event.author, event.statements, self.engine.limits)

    def private_count(self, author: bytes, item: str | None) -> int:
        """Return how many private interactions a local user has, with one item or in all."""
        return self._book.private_count(author, item)

    def cut(self, author: bytes, stolen: bool) -> tuple[int, int]:
        """Return the last slot (epoch, seq) that a local user's older keys shall hold for.

        Args:
            author: a local identity.
            stolen: whether nothing that they signed is to be believed.

        Raises:
            UsageError: another device has rotated them.
        """
        self.engine.authorship.check_key(author, rotates=True)
        lineage = self.engine.authorship.lineage(author)
        before = lineage.steps[-1].cut if lineage else (0, 0)
        if stolen:  # the last cut again: what still older keys signed stays
            return before
        return max(self.engine.authorship.last_slot(author), before)

    def status(self, wall_ms: int, *, bounds: bool = True) -> dict[str, Any]:
        """Return what the peer knows of itself, ready for JSON.

        Args:
            wall_ms: wall clock.
            bounds: with the Sybil bound of the first local users, a ranking each.
        """
        engine = self.engine
        return {
            "node": format_id(engine.node.id),
            "network": engine.network,
            "window": {
                "records": len(engine.window),
                "statements": engine.window.statement_count,
                "authors": engine.window.author_count,
                "bound": engine.limits.window_statement_count,
                "interactions": len(self.view),
                "endorsements": len(self.endorsements),
            },
            "peers": len(engine.peers),
            "rejected": dict(sorted(engine.rejected.items())),
            "convicted": len(engine.intake.proofs),
            "shards": engine.interest.mask.bit_count(),
            "meter": {
                broker: {
                    "connected": report.connected,
                    "expected": report.expected,
                    "coverage": report.coverage,
                    "lateness_ms": report.lateness_ms,
                    "replayed": report.replayed,
                    "withheld": [format_id(author) for author in report.withheld],
                }
                for broker, report in engine.brokers.reports().items()
            },
            "sybil_bound": {
                format_id(ego): msgspec.to_builtins(self.sybil_bound(ego, wall_ms))
                for ego in engine.authorship.authors[: BOUNDED_EGOS if bounds else 0]
            },
        }


def _seconds(date_ms: int) -> int:
    """Return a date as the view keeps it: what is past 2038 is of its last second.

    A clock that runs ahead is enough to come there, and records of one date only lose their order.
    """
    return min(max(0, date_ms) // 1000, NUMBER_MAX)
