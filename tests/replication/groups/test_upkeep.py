"""What changes of groups leave behind is ended by the owners of their registers."""

from collections.abc import Sequence

from limedb.core.groups import register_of
from limedb.core.hlc import version_at
from limedb.core.key_range import KeyRange
from limedb.core.record import Record
from limedb.errors import UnavailableError
from limedb.replication.groups.upkeep import OVERDUE_MS, PAGE, QUIET_MS, GroupUpkeep
from tests.cluster.virtual import START_MS, VirtualClock
from tests.replication.nodes import A, B, C, Nodes, virtual


class Cleared:
    """Notes what is to be cleared. fails: of which it can't be."""

    def __init__(self, *fails: str) -> None:
        self.registers: list[str] = []
        self._fails = fails

    async def clear(self, register: str, version: int, deadline: float) -> None:
        if register in self._fails:
            raise UnavailableError("too few nodes answer")
        self.registers.append(register)


def upkeep(nodes: Nodes, cleared: Cleared, age_ms: int, at: str = A) -> GroupUpkeep:
    """That of a node, at a time after START_MS."""
    read = nodes.replicas[at].own_range
    return GroupUpkeep(at, nodes.places[at], cleared, read, VirtualClock(), lambda: START_MS + age_ms)


async def store(nodes: Nodes, *tags: str) -> None:
    """Give registers a change at START_MS."""
    for tag in tags:
        await nodes.put(Record(register_of(tag), b"change", version_at(START_MS)), *nodes.stores)


def first_of(nodes: Nodes, at: str, tags: Sequence[str]) -> set[str]:
    layout = nodes.places[at].layout
    return {register_of(tag) for tag in tags if layout.of_key(register_of(tag)).natural[0] == at}


@virtual
async def test_a_change_that_is_old_is_ended_by_the_first_owner_and_then_by_any() -> None:
    nodes, tags = Nodes(A, B, C), [f"t{i}" for i in range(20)]
    await store(nodes, *tags)
    for at in (A, B, C):
        young, due, overdue = Cleared(), Cleared(), Cleared()
        await upkeep(nodes, young, QUIET_MS - 1, at).look()
        await upkeep(nodes, due, QUIET_MS, at).look()
        await upkeep(nodes, overdue, OVERDUE_MS, at).look()
        assert young.registers == []
        assert {*due.registers} == first_of(nodes, at, tags)
        assert {*overdue.registers} == {*map(register_of, tags)}


@virtual
async def test_an_empty_register_is_left_and_one_that_fails_holds_up_no_other() -> None:
    nodes, cleared = Nodes(A, B, C), Cleared(register_of("a"))
    await store(nodes, "a", "b")
    await nodes.put(Record(register_of("c"), None, version_at(START_MS)), A)
    await nodes.put(Record("{c}key", "value", version_at(START_MS)), A)
    await upkeep(nodes, cleared, OVERDUE_MS).look()
    assert cleared.registers == [register_of("b")]


@virtual
async def test_many_registers_are_looked_at_page_by_page_and_then_from_the_start() -> None:
    nodes, cleared = Nodes(A), Cleared()
    tags = [f"{i:05}" for i in range(PAGE + 3)]
    await store(nodes, *tags)
    assert (await nodes.replicas[A].own_range(KeyRange("\0"), PAGE * 2)).is_end
    looking = upkeep(nodes, cleared, OVERDUE_MS)
    for count in (PAGE, PAGE + 3, 2 * PAGE + 3):
        await looking.look()
        assert len(cleared.registers) == count
    assert {*cleared.registers} == {*map(register_of, tags)}
