"""Makes the owners of ranges equal for a node that owns none of them.

It owns that comparison, in which the node only carries messages: it asks one owner after the other, and
brings each the records of the others that it lacks. It must never write to its own store, nor remove
anything.

Repair leaves ranges to their owners. But only the node that lost its hints for others knows of it, and hints
may be of any key (`lost_hints.py`): it can't wait until the owners compare their ranges by themselves.

Records travel as in a comparison of two owners by one of them: none is under way for longer than two messages
may take, 20 s. So the rule under which tombstones are purged (`range_repair.py`) holds.

Tested in tests/replication/repair/test_anti_entropy.py.
"""

from limedb.core.layout import Layout
from limedb.errors import LimeDBError, ReplicaUnreachableError, StaleEpochError
from limedb.ports import Clock, Placement, Replica, Replicas
from limedb.replication.repair.range_repair import RangeRepairResult
from limedb.replication.repair.range_sync import ReplicaCalls, Scope, sync_range
from limedb.replication.repair.ranges import Section
from limedb.replication.stale_epoch import follow_topology


class ForeignRepairer:
    """Visits sections of others. grace: TOMBSTONE_GRACE in seconds."""

    def __init__(self, replicas: Replicas, placement: Placement, clock: Clock, grace: float) -> None:
        self._replicas, self._placement, self._clock = replicas, placement, clock
        self._grace_ms = int(grace * 1000)

    async def visit(self, section: Section, layout: Layout) -> RangeRepairResult:
        """Compare one owner of a section with each other one; once more with those that were compared before
        it was brought something.
        """
        visit = RangeRepairResult()
        first, *others = section.urls
        calls = ReplicaCalls(
            Scope(layout.topology.fence, self._clock.wall_ms() - self._grace_ms), self._clock
        )
        for url in (*others, *others[:-1]):
            try:
                done = await sync_range(
                    own := self._reached(first),
                    self._reached(url),
                    section.leaves,
                    await calls.digests(own, section.leaves),
                    calls,
                )
                visit.pushed += len(done.pulled) + len(done.pushed)
            except StaleEpochError as error:
                visit.is_stale = follow_topology(self._placement, error, layout) or visit.is_stale
                visit.missing[url] = str(error)
            except LimeDBError as error:
                visit.missing[url] = str(error)
        return visit

    def _reached(self, url: str) -> Replica:
        if not self._replicas.is_reachable(url):
            raise ReplicaUnreachableError(url, "it is away")
        return self._replicas.at(url)
