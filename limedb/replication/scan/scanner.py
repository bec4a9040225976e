"""Scans: the newest records of a range's keys, in their order, across the cluster.

It owns the choice of nodes that a scan asks, and its reaction when one of them fails or the topology changes.
It holds a page of each node at most, and must never run ahead of its reader.

It asks all current owners that can be reached; of every range at least as many as the level needs must
answer, up to the same key, so that a scan at QUORUM sees every write that was acknowledged before it began. A
scan doesn't show one moment, and mends nothing: it leaves replicas that differ to reads and repair.

It leaves out a late node for the rest of the scan if the others are enough: a page waits for a checkpoint,
and a slow disk takes seconds for one. That doesn't change the rule above. If the others are no longer enough
later, the scan begins again behind the last record taken, and waits for all.
"""

import asyncio
from asyncio import FIRST_COMPLETED
from collections.abc import Callable, Collection
from typing import Protocol

from limedb.core.coverage import Coverage
from limedb.core.key_range import KeyRange, behind
from limedb.core.layout import Layout
from limedb.core.quorum import Level
from limedb.core.range_merge import RangeMerge
from limedb.core.record import Record
from limedb.errors import InvalidRequestError, LimeDBError, RangeUnreachableError, StaleEpochError
from limedb.ports import Placement, RangePage, Replicas
from limedb.replication.replica_errors import failure_text
from limedb.replication.requests import MAX_RESTARTS
from limedb.replication.stale_epoch import follow_topology

MAX_FETCH = 512
"""Records that a node is asked for at once: more take their time on its event loop."""
LATE_SECONDS = 0.25
"""After this long without a further page, nodes that still owe theirs are late."""
LATE = "it was late"


class OwnStore(Protocol):
    """The node's own records."""

    async def own_range(self, keys: KeyRange, limit: int) -> RangePage:
        """The first page of a range."""


class Scanner:
    """Starts scans. own: the node's replica. now_ms: the cluster's time. default: the level of scans that
    name none.
    """

    def __init__(
        self,
        placement: Placement,
        replicas: Replicas,
        own: OwnStore,
        now_ms: Callable[[], int],
        default: Level,
    ) -> None:
        self._placement, self._replicas, self._own, self._now_ms = placement, replicas, own, now_ms
        self._default = Level.QUORUM if default is Level.LINEARIZABLE else default
        self._coverage: Coverage | None = None

    def scan(
        self,
        keys: KeyRange,
        level: Level | None,
        first: int,
        deadline: Callable[[], float],
        keys_only: bool = False,
    ) -> "Scan":
        """Begin a scan. first: how many records are likely wanted at first. deadline: called for each page.
        keys_only: the scan reports only the sizes of values.

        InvalidRequestError: the level is LINEARIZABLE.
        """
        if level is Level.LINEARIZABLE:
            raise InvalidRequestError("consistency=linearizable: a scan can't be; ask for one, quorum or all")
        return Scan(self, keys, level or self._default, min(first, MAX_FETCH), deadline, keys_only)

    def scan_own(self, keys: KeyRange) -> "OwnScan":
        """Begin a scan of the node's own records, whether it owns them or not."""
        return OwnScan(self._own, keys, self.live)

    @property
    def coverage(self) -> Coverage:
        """The owners of all ranges under the newest topology. NotMemberError."""
        layout = self._placement.layout
        if self._coverage is None or self._coverage.layout is not layout:
            self._coverage = Coverage(layout)
        return self._coverage

    def follow(self, stale: StaleEpochError, known: Layout) -> None:
        """Adopt a newer topology that a node knows. StaleEpochError: it isn't newer, or not proven."""
        if not follow_topology(self._placement, stale, known):
            raise stale

    def is_reachable(self, node_url: str) -> bool:
        """Whether a node is worth asking."""
        return self._replicas.is_reachable(node_url)

    def absence(self, node_url: str) -> str:
        """Why it isn't."""
        return self._replicas.absence(node_url)

    async def ask(
        self, node_url: str, keys: KeyRange, limit: int, coverage: Coverage, deadline: float, keys_only: bool
    ) -> RangePage:
        """A node's page."""
        fence = coverage.layout.topology.fence
        return await self._replicas.at(node_url).scan_range(keys, limit, fence, deadline, keys_only)

    def live(self, records: list[Record]) -> list[Record]:
        """Those that have a value now."""
        now_ms = self._now_ms()
        return [record for record in records if record.is_live(now_ms)]


class Scan:
    """One scan, from `Scanner.scan`."""

    def __init__(
        self,
        scanner: Scanner,
        keys: KeyRange,
        level: Level,
        fetch: int,
        deadline: Callable[[], float],
        keys_only: bool,
    ) -> None:
        self._scanner, self._keys, self._level, self._keys_only = scanner, keys, level, keys_only
        self._fetch, self._deadline = fetch, deadline
        self._merge: RangeMerge | None = None
        self._missing: dict[str, str] = {}
        self._restarts = 0
        self._is_patient = level is Level.ALL  # waits for those that are late

    async def page(self) -> list[Record]:
        """The next live records, in the order of their keys; none: there are no more.

        RangeUnreachableError: too few owners of some range answer; NotMemberError, StaleEpochError: the node
        can't follow the topology.
        """
        while not self._keys.is_empty:
            merge = self._merge = self._merge or self._begin()
            if merge.is_done:
                break
            try:
                is_fed = await self._feed(merge)
            except StaleEpochError as stale:
                self._follow(stale)
                is_fed = False
            if not is_fed:
                self._keys, self._merge = self._keys.begin_at(merge.start), None
                continue
            records = merge.take()
            self._restarts = 0 if records else self._restarts
            if live := self._scanner.live(records):
                return live
        return []

    def _begin(self) -> RangeMerge:
        self._coverage = self._scanner.coverage
        layout = self._coverage.layout
        nodes = [url for url in sorted(self._coverage.nodes) if self._scanner.is_reachable(url)]
        away = [url for url in sorted(self._coverage.nodes) if url not in nodes]
        self._missing = {url: self._scanner.absence(url) for url in away}
        self._check(nodes)
        return RangeMerge(self._keys, nodes, lambda key: layout.of_key(key).natural)

    async def _feed(self, merge: RangeMerge) -> bool:
        """Ask those whose next page is needed, all at once; False: the scan must begin again."""
        answers = await self._answers(merge)
        self._fetch = min(MAX_FETCH, 2 * self._fetch)
        for node, answer in answers.items():
            if isinstance(answer, StaleEpochError):
                raise answer
            if isinstance(answer, LimeDBError):
                self._missing[node] = failure_text(answer)
                merge.drop(node)
            else:
                merge.feed(node, answer.records, answer.is_end)
        for node in merge.needs_page.keys() - answers.keys():
            self._missing[node] = LATE
            merge.drop(node)
        if LATE in self._missing.values() and not self._is_enough(merge.nodes):
            self._is_patient = True
            return False
        self._check(merge.nodes)
        return True

    async def _answers(self, merge: RangeMerge) -> dict[str, RangePage | LimeDBError]:
        """The pages of those that were asked, without the late ones while the others are enough."""
        asked = {
            node: asyncio.create_task(self._ask(node, self._keys.begin_at(start)))
            for node, start in merge.needs_page.items()
        }
        fed = merge.nodes - asked.keys()
        try:
            while waiting := [task for task in asked.values() if not task.done()]:
                found, _ = await asyncio.wait(
                    waiting, timeout=None if self._is_patient else LATE_SECONDS, return_when=FIRST_COMPLETED
                )
                come = [n for n, t in asked.items() if t.done() and not isinstance(t.result(), LimeDBError)]
                if not found and self._is_enough({*fed, *come}):
                    break
            return {node: task.result() for node, task in asked.items() if task.done()}
        finally:
            for task in asked.values():
                task.cancel()
            await asyncio.gather(*asked.values(), return_exceptions=True)

    async def _ask(self, node: str, keys: KeyRange) -> RangePage | LimeDBError:
        try:
            deadline = self._deadline()
            return await self._scanner.ask(node, keys, self._fetch, self._coverage, deadline, self._keys_only)
        except LimeDBError as error:
            return error

    def _is_enough(self, nodes: Collection[str]) -> bool:
        return self._coverage.is_enough(nodes, self._level)

    def _check(self, nodes: Collection[str]) -> None:
        if not self._is_enough(nodes):
            raise RangeUnreachableError("a scan", self._level.value, self._missing)

    def _follow(self, stale: StaleEpochError) -> None:
        """Adopt the newer topology that a node knows."""
        self._restarts += 1
        if self._restarts >= MAX_RESTARTS:
            raise stale
        self._scanner.follow(stale, self._coverage.layout)


class OwnScan:
    """A scan of the own store, from `Scanner.scan_own`. live: chooses the records that have a value."""

    def __init__(self, own: OwnStore, keys: KeyRange, live: Callable[[list[Record]], list[Record]]) -> None:
        self._own, self._keys, self._live = own, keys, live
        self._is_end = keys.is_empty

    async def page(self) -> list[Record]:
        """As Scan.page."""
        while not self._is_end:
            records, self._is_end = await self._own.own_range(self._keys, MAX_FETCH)
            if records:
                self._keys = self._keys.begin_at(behind(records[-1].key))
            if live := self._live(records):
                return live
        return []
