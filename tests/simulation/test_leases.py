"""Keys that are attached to a lease are there as long as it lives, and gone when it has ended, whatever
fails.

Tests limedb/core/leases.py.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any

import pytest

from limedb.core.leases import Lease, split
from limedb.core.record import Record
from limedb.replication.conditional.operation import ConditionalWrite, Content, Operation
from limedb.replication.conditional.proposer import ConditionalProposer
from limedb.replication.coordinator import Coordinator
from limedb.replication.leases.leases import Leases
from limedb.replication.leases.operation import Removal
from tests.simulation.clusters import form_of, start_cluster
from tests.simulation.conditional_faults import coordinating
from tests.simulation.faults import Fault, engine_with
from tests.simulation.leases import LeaseBook, use_leases
from tests.simulation.nemesis import USUAL, Nemesis
from tests.simulation.search import search
from tests.simulation.seeds import seeds_of
from tests.simulation.sim import Sim, run_sim
from tests.simulation.workloads import beside


async def leases(sim: Sim, *, kinds: tuple[str, ...] = USUAL, **settings: Any) -> LeaseBook:
    """Leases that clients renew and let end, while nodes, disks, clocks and the network fail."""
    await start_cluster(sim, form_of(sim), **settings)
    book = LeaseBook()
    await beside(Nemesis(sim, kinds), use_leases(sim, book))
    return book


@pytest.mark.parametrize("seed", seeds_of("leases", share=4))
def test_keys_are_there_as_long_as_their_lease_whatever_fails(seed: int) -> None:
    book, _ = run_sim(seed, leases)
    assert book.there + book.revoked + book.expired


class _RenewsTheLeaseAlone(Leases):
    async def renew(self, lease: int, deadline: float) -> Lease:
        found = await self.find(lease, deadline)
        until_ms = self._now_ms() + found.ttl_ms
        await self._rewrite(found, found.keys, until_ms, deadline)
        return found._replace(expires_at=until_ms)


class _LeavesTheKeys(Leases):
    async def _each(self, operations: Iterable[Operation], deadline: float) -> list[bool]:
        return await super()._each((each for each in operations if not isinstance(each, Removal)), deadline)


class _Detaching(ConditionalWrite):
    def next(self, newest: Record | None, now_ms: int) -> Content | None:
        content = super().next(newest, now_ms)
        return None if content is None else content._replace(outcome=split(content.outcome)[1])


class _DetachesByAnAppend(ConditionalProposer):
    write_class = _Detaching


def _leasing(kind: type[Leases]) -> Fault:
    return engine_with(coordinator_class=type("FaultyCoordinator", (Coordinator,), {"leases_class": kind}))


@pytest.mark.parametrize(
    ("fault", "shows"),
    [
        (_leasing(_RenewsTheLeaseAlone), "is gone, and its lease"),
        (_leasing(_LeavesTheKeys), "is there, and its lease"),
        (coordinating(_DetachesByAnAppend), "is gone, and its lease"),
    ],
    ids=["renews the lease alone", "leaves the keys", "detaches by an append"],
)
def test_a_planted_fault_is_found(fault: Fault, shows: str) -> None:
    search(partial(leases, **fault), shows=shows)
