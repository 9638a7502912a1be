"""Places ready tasks: reads the heads of the lanes, and lets `core.scheduling.placement` decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain

from taskyard.core.clock import Clock
from taskyard.core.ids import is_id
from taskyard.core.models import Lane
from taskyard.core.redis.ports import LeaderPort
from taskyard.core.redis.quarantine import Odd
from taskyard.core.redis.wakes import Wake
from taskyard.core.scheduling.matching import Matching
from taskyard.core.scheduling.placement import MAX_SCORE, Candidate, Placed, Rotation, place
from taskyard.worker.dispatch.batch import Batch
from taskyard.worker.dispatch.hedging import Hedging, conclude
from taskyard.worker.dispatch.leader_state import LeaderState
from taskyard.worker.dispatch.term import Term
from taskyard.worker.dispatch.transaction_parts import CLAIMS
from taskyard.worker.dispatch.unprocessable import ESCAPES, reason_of

MAX_LOOKED_AT = 2_000  # ids of a lane in one tick
MAX_TOLD = 50  # tasks that are placed as submitters told, without a look into their lanes
MAX_INPUTS_BYTES = 8 << 20  # of a lane in one tick, by the largest inputs of its type


class Placing:
    """Places ready tasks. `policy_of(queue)` names a queue's placement policy."""

    def __init__(
        self, broker: LeaderPort, clock: Clock, policy_of: Callable[[str], str], matching: Matching | None = None
    ) -> None:
        self._broker = broker
        self._clock = clock
        self._policy_of = policy_of
        self._rotation = Rotation()
        self._matching = matching
        self.hedging = Hedging()
        self._heads: dict[Lane, dict[bytes, bytes]] = {}  # scores by id that submitters told, of lanes that were empty

    def wake(self, term: Term, wakes: Sequence[Wake]) -> None:
        """Takes what submitters have added; the next `place` looks at it."""
        for one in wakes:
            if one.lane is None:
                term.next_due = 0.0
            elif one.head and one.lane not in term.leader_state.hot_lanes:
                self._heads.setdefault(one.lane, {}).update([one.head])
            else:
                term.leader_state.hot_lanes.add(one.lane)

    def place(self, term: Term, batch: Batch) -> None:
        """Adds to a batch the claims of what can be placed now, then second attempts for slots that stay idle.

        Raises redis-py's errors.
        """
        self._place(term, batch)
        if not term.committer.pauses.is_paused(CLAIMS, self._clock.monotonic()):
            self.hedging.choose(term.leader_state, batch)
        conclude(term.leader_state, batch)

    def _place(self, term: Term, batch: Batch) -> None:
        leader_state = term.leader_state
        told, self._heads = self._heads, {}
        if term.committer.pauses.is_paused(CLAIMS, self._clock.monotonic()):
            leader_state.hot_lanes.update(told)
            return  # nothing could be claimed
        now = term.database_now(self._clock)
        wanted = leader_state.wanted(term.cover_seconds, MAX_LOOKED_AT, MAX_INPUTS_BYTES)
        is_due = term.next_due is not None and term.next_due <= now
        if told and (wanted or is_due or not self._is_all(leader_state, told)):
            leader_state.hot_lanes.update(told)
            told = {}
            wanted = leader_state.wanted(term.cover_seconds, MAX_LOOKED_AT, MAX_INPUTS_BYTES)
        if told:
            wanted = {lane: len(scores) for lane, scores in told.items()}
            heads = {lane: list(chain.from_iterable(scores.items())) for lane, scores in told.items()}
        elif wanted or is_due:
            moved, term.next_due, heads = self._broker.peek(now, wanted)
            leader_state.hot_lanes.update(moved)
        else:
            return
        candidates: list[Candidate] = []
        size = 0.0
        for lane, flat in heads.items():
            if len(flat) < 2 * wanted[lane]:
                leader_state.hot_lanes.discard(lane)
            if size > MAX_INPUTS_BYTES:
                leader_state.hot_lanes.add(lane)  # for the next tick
                continue
            found = self._candidates(term, lane, flat)
            candidates += found
            size += len(found) * leader_state.durations.sizes.get(lane.type, 0.0)
        if not candidates:
            return
        placed = self._placed(term, candidates, batch)
        batch.claims += placed
        for candidate, _ in placed:
            leader_state.claiming[candidate.id] = candidate.lane
        leader_state.hot_lanes.note_served({candidate.lane for candidate, _ in placed})
        if len(placed) < len(candidates):
            leader_state.hot_lanes.update({candidate.lane for candidate in candidates})
        batch.has_unclaimable = any(candidate.id in term.unclaimable for candidate, _ in placed)

    @staticmethod
    def _is_all(leader_state: LeaderState, told: Mapping[Lane, Mapping[bytes, bytes]]) -> bool:
        """Returns True if lanes hold what submitters told and nothing else, and all of it may be placed at once."""
        lanes, holds, at_once = leader_state.hot_lanes, leader_state.holds, leader_state.durations.at_once
        few = sum(map(len, told.values())) <= MAX_TOLD
        return few and not any(
            lane in lanes or holds.of_lane(lane) is not None or len(scores) > at_once(lane.type, MAX_INPUTS_BYTES)
            for lane, scores in told.items()
        )

    def offer(self, term: Term, batch: Batch) -> None:
        """Adds to a batch what room agents have left for tasks that its transaction may free.

        A task that waited for another one is thus claimed as it is freed, without a way through Redis.
        """
        expected = term.freed_lanes.expected(batch.ends())
        if not expected or term.committer.pauses.is_paused(CLAIMS, self._clock.monotonic()):
            return
        leader_state = term.leader_state
        candidates = [
            Candidate("", lane, 0.0, leader_state.durations.expected(lane.type))
            for lane, count in expected.items()
            if leader_state.holds.of_lane(lane) is None
            for _ in range(min(count, leader_state.durations.at_once(lane.type, MAX_INPUTS_BYTES)))
        ]
        try:
            batch.offers = place(candidates, leader_state.crews, self._policy_of, self._rotation, term.cover_seconds)
        except ESCAPES:
            batch.offers = []  # what causes it is found where these tasks wait then, in their lanes

    def _candidates(self, term: Term, lane: Lane, flat: Sequence[bytes]) -> list[Candidate]:
        """Returns the tasks at the head of a lane; removes invalid members."""
        expected = term.leader_state.durations.expected(lane.type)
        scores = iter(flat)
        found, odd = [], []
        for member, place_in_lane in zip(scores, scores, strict=True):
            task_id, score = member.decode(errors="replace"), float(place_in_lane)
            if not is_id(task_id) or not -MAX_SCORE < score < MAX_SCORE:
                odd.append(member)
            elif task_id not in term.leader_state.claiming:
                found.append(Candidate(task_id, lane, score, expected))
        if odd:
            self._broker.set_aside(Odd("member", f"ready:{lane}", "invalid task id or time", member) for member in odd)
            self._broker.drop_members(lane, odd)
            term.leader_state.hot_lanes.add(lane)  # the tasks behind them were not read
        return found

    def _placed(self, term: Term, candidates: list[Candidate], batch: Batch) -> Placed:
        """Returns the placements. If that fails it is repeated in halves, and a task that causes it is quarantined."""
        crews = term.leader_state.crews
        try:
            return place(candidates, crews, self._policy_of, self._rotation, term.cover_seconds, self._matching)
        except ESCAPES as error:
            if len(candidates) == 1:
                [candidate] = candidates
                batch.odd.append(Odd("member", f"ready:{candidate.lane}", reason_of(error), candidate.id.encode()))
                self._broker.drop_members(candidate.lane, [candidate.id.encode()])
                return []
        middle = len(candidates) // 2
        halves = candidates[:middle], candidates[middle:]
        return [pair for half in halves for pair in self._placed(term, half, batch)]
