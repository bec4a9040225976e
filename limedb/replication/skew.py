"""What time the cluster has, and which versions are too far ahead of it.

It owns the refusal. It must never find out whose clock is off: `cluster` does, and says it here.

A version that is far in the future would win over every write of the years until then; so it is refused
before it is merged, by replicas and by coordinators alike.
"""

from collections.abc import Callable

from limedb.core.hlc import COUNTER_BITS, wall_ms_of
from limedb.errors import ClockSkewError, UnavailableError
from limedb.ports import Clock

RECHECK_SECONDS = 0.2
"""How long an opinion of the own clock is kept: asking for it looks at all peers."""
JUMP_MS = 20.0
"""A wall clock that leaves the monotonic one by so much is judged at once."""


class ClockGuard:
    """Judges versions by the cluster's time.

    limit_ms: MAX_CLOCK_SKEW, milliseconds. skew_ms: what to add to the own wall clock for the cluster's time,
    0 unless the own clock is known to be off. problem: what is wrong with the own clock, in words for the
    client; empty while nothing is. is_alone: whether there is no other node, so that whatever is ahead was
    given by the own clock, which was set back since.
    """

    def __init__(
        self,
        clock: Clock,
        limit_ms: int,
        skew_ms: Callable[[], int] = lambda: 0,
        problem: Callable[[], str] = lambda: "",
        is_alone: Callable[[], bool] = lambda: False,
    ) -> None:
        self._clock, self._limit, self._is_alone = clock, limit_ms, is_alone
        self._ask_skew_ms, self._ask_problem = skew_ms, problem
        self._skew_ms, self._problem = 0, ""
        self._due, self._lead = float("-inf"), 0.0

    @property
    def limit_ms(self) -> int:
        """How far ahead a version may be, milliseconds."""
        return self._limit

    def now_ms(self) -> int:
        """The cluster's time, milliseconds since 1970."""
        wall = self._clock.wall_ms()
        now = self._clock.monotonic()
        lead = wall - now * 1000
        if now >= self._due or not -JUMP_MS < lead - self._lead < JUMP_MS:
            self._due, self._lead = now + RECHECK_SECONDS, lead
            self._skew_ms, self._problem = self._ask_skew_ms(), self._ask_problem()
        return wall + self._skew_ms

    def is_ahead(self, version: int, now_ms: int) -> bool:
        """Whether a version is too far ahead of the cluster's time."""
        return (version >> COUNTER_BITS) - now_ms > self._limit and not self._is_alone()

    def check_version(self, version: int) -> None:
        """ClockSkewError: a version is too far ahead."""
        now = self.now_ms()
        if self.is_ahead(version, now):
            raise ClockSkewError("the version of a record", wall_ms_of(version) - now, self._limit)

    def check_own(self) -> int:
        """The cluster's time, as now_ms. UnavailableError: the own clock is too far off to give versions."""
        now = self.now_ms()
        if self._problem:
            raise UnavailableError(self._problem)
        return now
