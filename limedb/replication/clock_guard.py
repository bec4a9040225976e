"""The cluster's time, and the versions that are too far ahead of it.

It owns the refusal. It must never determine whose clock is off, nor by how much the cluster's time leads its
clocks: `cluster` does, and reports it here.

A version that is far in the future would win over every write of the years until then; so replicas and
coordinators refuse it before it is merged. Two things justify a version that is further ahead: the cluster's
time itself, which continues from where it was when clocks that were ahead are set right; and the records
stored here, since a write slightly above one of them makes nothing worse, and otherwise nobody could write
that key until the clocks have caught up. Records more than a day ahead of that time justify nothing: a single
one, from a peer with a bug, must not draw the time along.

The node records its time on disk (`time_keeper.py`), which justifies a lead of any length after a restart: a
majority had that time, and values expired by it.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from limedb.core.hlc import COUNTER_BITS, wall_ms_of
from limedb.core.idempotency import MARGIN_MS, MAX_AGE_MS
from limedb.core.problems import Problem
from limedb.core.slewed_time import MAX_LEAD_MS, RATE, SlewedTime
from limedb.errors import ClockSkewError, UnavailableError
from limedb.ports import Clock, SeenTime

RECHECK_SECONDS = 0.2
"""How long an opinion of the own clock is kept: asking for it looks at all peers."""
JUMP_MS = 20.0
"""A wall clock that differs from the monotonic one by this much is judged at once."""
ABOVE_MS = 10
"""Milliseconds of version by which a record may be above all that are stored: 655,360 writes."""
BRIDGED_MS = 24 * 3600 * 1000
"""A day: versions further ahead vouch for nothing by themselves."""
NEVER_SEEN = SeenTime(0, 0)


class ClockSkewGuard:
    """Judges versions by the cluster's time.

    limit_ms: MAX_CLOCK_SKEW, milliseconds. skew_ms: what to add to the own wall clock to get the clock that
    the cluster agrees on, 0 unless the own one is known to be off. problem: the fault of the own clock, in
    words for the client; empty: there is none. agree: the lead over the clock that the node is to have
    (`cluster/gossip/clock_lead.py`), given its own and the clock's time. mark: the greatest version that is
    stored here. is_settled: the others had enough time to report theirs. seen: the time that the node had
    before its start. on_drop: called with the time when it is lowered, since only this node had the lead.
    time_class: of the time that doesn't step back.
    """

    time_class = SlewedTime

    def __init__(
        self,
        clock: Clock,
        limit_ms: int,
        skew_ms: Callable[[], int] = lambda: 0,
        problem: Callable[[], str] = lambda: "",
        agree: Callable[[float, float], float] = lambda own, now_ms: own,
        mark: Callable[[], int] = lambda: 0,
        is_settled: Callable[[], bool] = lambda: True,
        seen: SeenTime = NEVER_SEEN,
    ) -> None:
        self.on_drop: Callable[[int], None] = lambda now_ms: None
        self._clock, self._limit, self._agree = clock, limit_ms, agree
        self._mark, self._seen = mark, seen
        self._ask_skew_ms, self._ask_problem, self._is_settled = skew_ms, problem, is_settled
        self._skew_ms, self._problem = 0, ""
        self._due, self._ahead = float("-inf"), 0.0
        self._is_established = False
        now = clock.wall_ms() + skew_ms()
        lead = self._first_lead(now)
        self._time = self.time_class(now, clock.elapsed(), lead)
        self._clients = self.time_class(now, clock.elapsed(), _small(lead))

    @property
    def limit_ms(self) -> int:
        """How far ahead a version may be, milliseconds."""
        return self._limit

    def now_ms(self) -> int:
        """The cluster's time, milliseconds since 1970. It doesn't go back when clocks do."""
        wall, at = self._clock.wall_ms(), self._clock.elapsed()
        ahead = wall - at * 1000
        is_sound = self._is_established and not self._problem  # else each call checks whether it is by now
        is_due = not is_sound or at >= self._due or not -JUMP_MS < ahead - self._ahead < JUMP_MS
        if is_due:
            self._due, self._ahead = at + RECHECK_SECONDS, ahead
            self._skew_ms, self._problem = self._ask_skew_ms(), self._ask_problem()
        now = wall + self._skew_ms
        lead = self._time.lead(now, at)
        if not self._is_established:  # no other node had the time of a wrong clock since the start
            lead = self._first_lead(now)
        own = lead
        if is_due:
            lead = self._agree(own, now)
            self._is_established = self._is_established or (self._is_settled() and not self._problem)
        now += int(lead)
        self._time.set(now, at)
        if lead < own:
            self.on_drop(now)
        return now

    @property
    def is_established(self) -> bool:
        """Whether the time is that of the cluster, and the own clock agrees with it."""
        return self._is_established and not self._problem

    @property
    def lead_ms(self) -> int:
        """By how many ms the cluster's time leads the clock."""
        now = self.now_ms()
        return max(0, now - self._clock.wall_ms() - self._skew_ms)

    def clients_ms(self) -> int:
        """The time for judging the beginnings of clients' operations, milliseconds since 1970.

        Clients whose clocks are right would find all their idempotency keys too old while the cluster's time
        leads, by hours perhaps. So a large lead is left out: this time steps back with the clocks, by more
        than MAX_AGE_MS and MARGIN_MS or not at all (`idempotency/ownership_history.py` says why).
        """
        cluster_ms, at = self.now_ms(), self._clock.elapsed()
        now = self._clock.wall_ms() + self._skew_ms
        now = min(cluster_ms, now + _small(self._clients.lead(now, at)))
        self._clients.set(now, at)
        return now

    def is_ahead(self, version: int, now_ms: int) -> bool:
        """Whether a version is too far ahead of the cluster's time, and of all stored versions."""
        at = version >> COUNTER_BITS
        if at - now_ms <= self._limit:
            return False
        mark = self._mark() >> COUNTER_BITS
        return not (at <= mark + ABOVE_MS and mark - now_ms <= BRIDGED_MS)

    def is_about_now(self, version: int) -> bool:
        """Whether a version is no further ahead of the cluster's time than clocks may differ."""
        return (version >> COUNTER_BITS) - self.now_ms() <= self._limit

    def check_version(self, version: int) -> None:
        """ClockSkewError: a version is too far ahead."""
        now = self.now_ms()
        if self.is_ahead(version, now):
            raise ClockSkewError("the version of a record", wall_ms_of(version) - now, self._limit)

    def check_stored(self, version: int) -> None:
        """ClockSkewError: a replica's version is so far ahead that no write may go above it."""
        now = self.now_ms()
        if (version >> COUNTER_BITS) - now > BRIDGED_MS:
            raise ClockSkewError("the stored record", wall_ms_of(version) - now, BRIDGED_MS, _TOO_FAR)

    def check_own(self) -> int:
        """The cluster's time, as now_ms. UnavailableError: the own clock is too far off to give versions."""
        now = self.now_ms()
        if not self.is_established:
            raise UnavailableError(self._problem or _STARTING)
        return now

    def problems(self) -> Iterator[Problem]:
        """The problems of the cluster's time, for the operator."""
        self.now_ms()
        if not (self._problem or self._is_established):
            yield Problem(_STARTING, stops_serving=True)
        if (lead := self.lead_ms) > self._limit:
            end = self._clock.wall_ms() + int(lead / (1 - RATE))
            yield Problem(
                f"the cluster's time is {_duration(lead)} ahead of its clocks, which were ahead and were set"
                f" right: they catch up until {_moment(end)}; values with a time to live last a ninth longer"
                f" meanwhile, and all else is as usual{_WAY_OUT if lead > BRIDGED_MS else ''}"
            )
        if (over := (self._mark() >> COUNTER_BITS) - self.now_ms()) > BRIDGED_MS:
            yield Problem(
                f"records are stored here whose versions are up to {_duration(over)} ahead of the clocks:"
                f" keys that have them refuse writes until {_moment(self.now_ms() + over)}. To write them"
                " earlier, export all keys, start the nodes with empty data folders, and import them"
            )

    def _first_lead(self, now_ms: int) -> float:
        """By how many ms the time leads the clock at first: that of the last run, and of what is stored."""
        ahead, stored = self._seen.ms - now_ms, (self._mark() >> COUNTER_BITS) - now_ms
        of_seen = ahead + self._seen.slack_ms if self._limit < ahead <= MAX_LEAD_MS else 0
        return float(max(of_seen, stored if self._limit < stored <= BRIDGED_MS else 0))


_TOO_FAR = "(a day): no write goes above it until then; `limedb admin status` has the way out"
_WAY_OUT = "; to end it earlier, export all keys, start the nodes with empty data folders, and import them"
_STARTING = (
    "this node has just started, and its data is ahead of its clock: it waits for its peers to report"
    " the cluster's time"
)


def _small(lead_ms: float) -> int:
    """The lead by which operations are judged; 0: it is too large."""
    return int(lead_ms) if lead_ms <= MAX_AGE_MS + MARGIN_MS else 0


def _duration(ms: float) -> str:
    seconds = round(ms / 1000)
    hours, minutes = divmod(seconds // 60, 60)
    return (
        f"{hours} h {minutes} min"
        if hours
        else f"{minutes} min {seconds % 60} s"
        if minutes
        else f"{seconds} s"
    )


def _moment(ms: int) -> str:
    try:
        return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return "a time beyond the calendar"
