"""Scans of a cluster: which nodes must answer, what stands, and what happens in the middle of one."""

import pytest

from limedb.core.hlc import version_at
from limedb.core.key_range import KeyRange, key_range
from limedb.core.quorum import Level
from limedb.core.record import Record
from limedb.core.topology import finish, hand_over, join
from limedb.errors import InvalidRequestError, RangeUnreachableError, RequestTimeoutError
from limedb.replication.scan.scanner import Scan
from tests.replication.nodes import A, B, C, D, Nodes, Seat, member, virtual

KEYS = [f"key{i:03}" for i in range(60)]


def begin(
    seat: Seat, keys: KeyRange | None = None, level: Level | None = Level.QUORUM, first: int = 4
) -> Scan:
    return seat.scanner.scan(keys or KeyRange(), level, first, lambda: 1.0 + seat.clock.monotonic())


async def rest(scan: Scan) -> list[str]:
    """The keys that a scan still finds."""
    found: list[str] = []
    while records := await scan.page():
        found += [record.key for record in records]
    return found


async def fill(nodes: Nodes, keys: list[str] = KEYS, at: tuple[str, ...] = ()) -> None:
    """Store keys at all of their owners, or at some nodes."""
    for key in keys:
        await nodes.put(
            Record(key, "v", version_at(1)), *(at or nodes.places[A].layout.of_key(key).write_set)
        )


@virtual
async def test_a_scan_reports_each_key_of_the_cluster_once_in_order() -> None:
    nodes = Nodes(A, B, C, D, replication_factor=2)
    await fill(nodes)
    assert await rest(begin(nodes.coordinator())) == KEYS
    part = begin(nodes.coordinator(), key_range("key0", after="key010", end="key020"))
    assert await rest(part) == KEYS[11:20]
    assert await rest(begin(nodes.coordinator(), KeyRange("x", "a"))) == []


@virtual
async def test_the_newest_version_stands_and_what_is_dead_is_not_told() -> None:
    nodes = Nodes(A, B, C)
    await nodes.put(Record("new", "old", 1), A, B)
    await nodes.put(Record("new", "new", 2), C)
    await nodes.put(Record("deleted", "v", 1), A, B)
    await nodes.put(Record("deleted", None, 2), C)
    await nodes.put(Record("expired", "v", 1, expires_at=1), A, B, C)
    seat = nodes.coordinator()
    assert await begin(seat, level=Level.ALL, first=100).page() == [Record("new", "new", 2)]


@virtual
async def test_a_record_of_a_node_that_does_not_own_its_key_does_not_count() -> None:
    nodes = Nodes(A, B, C, D, replication_factor=2)
    strayed = nodes.key(lambda current, _: A not in current)
    await nodes.put(Record(strayed, "stale", 1), A)
    assert await rest(begin(nodes.coordinator())) == []


@virtual
async def test_an_acknowledged_write_is_found_whichever_node_is_down() -> None:
    nodes = Nodes(A, B, C)
    await fill(nodes, at=(A, B))
    for down in (A, B, C):
        seat = nodes.coordinator()
        seat.fail(down, is_down=True)
        assert await rest(begin(seat)) == KEYS


@pytest.mark.parametrize("fault", [{"is_down": True}, {"refuses": True}, {"swallows": True}])
@virtual
async def test_too_few_owners_are_named_before_anything_is_reported(fault: dict[str, bool]) -> None:
    nodes = Nodes(A, B, C)
    await fill(nodes)
    seat = nodes.coordinator()
    seat.fail(B, C, **fault)
    with pytest.raises(RangeUnreachableError, match=r"http://b:1.*http://c:1") as caught:
        await begin(seat).page()
    assert [*caught.value.missing] == [B, C]
    assert await rest(begin(seat, level=Level.ONE)) == KEYS


@virtual
async def test_a_scan_continues_when_a_node_fails_in_its_middle_and_ends_at_the_second() -> None:
    nodes = Nodes(A, B, C)
    await fill(nodes)
    seat = nodes.coordinator()
    scan = begin(seat)
    found = [record.key for record in await scan.page()]
    seat.fail(B, error=RequestTimeoutError(1.0, B))
    found += [record.key for record in await scan.page()]
    assert found == KEYS[: len(found)]
    seat.fail(C, refuses=True)
    with pytest.raises(RangeUnreachableError):
        await rest(scan)


@virtual
async def test_a_scan_leaves_out_a_node_with_a_slow_disk_and_waits_for_it_where_it_is_needed() -> None:
    nodes = Nodes(A, B, C)
    await fill(nodes)
    seat = nodes.coordinator()
    seat.fail(B, delay=0.9)
    scan, began = begin(seat), seat.clock.monotonic()
    found = [record.key for record in await scan.page()]
    found += [record.key for record in await scan.page()]
    assert seat.clock.monotonic() - began < 0.5
    assert found == KEYS[: len(found)]
    seat.fail(C, refuses=True)
    assert [*found, *await rest(scan)] == KEYS
    seat = nodes.coordinator()
    seat.fail(B, delay=0.9)
    seat.fail(C, refuses=True)
    assert await rest(begin(seat)) == KEYS
    seat = nodes.coordinator()
    seat.fail(B, delay=0.9)
    began = seat.clock.monotonic()
    assert await rest(begin(seat, level=Level.ALL, first=100)) == KEYS
    assert seat.clock.monotonic() - began >= 0.9


@virtual
async def test_what_only_late_nodes_got_is_seen_all_the_same() -> None:
    """Of an acknowledged write one of any two owners has heard: whoever is late, a scan finds it."""
    nodes = Nodes(A, B, C)
    for number, pair in enumerate(((A, B), (B, C), (A, C))):
        await fill(nodes, [f"k{number}"], at=pair)
    for late in ((A,), (B,), (C,), (A, B), (B, C), (A, C)):
        seat = nodes.coordinator()
        seat.fail(*late, delay=0.9)
        assert await rest(begin(seat)) == ["k0", "k1", "k2"]


@virtual
async def test_a_scan_follows_the_topology_behind_what_it_told() -> None:
    """The keys move to a node that was not asked at first, and the old owners drop them."""
    nodes = Nodes(A, B, C, replication_factor=1)
    await fill(nodes)
    seat = nodes.coordinator()
    scan = begin(seat)
    found = [record.key for record in await scan.page()]
    streaming = join(nodes.topology, member(D))
    nodes.start(D)
    steady = finish(hand_over(streaming))
    nodes.spread(steady, B, C, D)
    for key in KEYS:
        await nodes.put(Record(key, "v", version_at(1)), *nodes.places[B].layout.of_key(key).natural)
    nodes.replicas[A]._placement.adopt(steady)
    found += await rest(scan)
    assert found == KEYS
    assert seat.place.layout.topology.epoch == steady.epoch
    assert D in {url for kind, url, _ in seat.wire.calls if kind == "range"}


@virtual
async def test_pages_are_asked_for_as_they_are_taken_and_grow() -> None:
    nodes = Nodes(A, B, C)
    await fill(nodes)
    seat = nodes.coordinator()
    scan = begin(seat, first=2)
    assert seat.wire.calls == []
    assert len(await scan.page()) == 2
    assert len(seat.wire.called("range")) == 3
    assert len(await scan.page()) == 4


@virtual
async def test_a_scan_can_not_be_linearizable_but_a_node_whose_default_is_that_scans() -> None:
    nodes = Nodes(A, B, C)
    await fill(nodes)
    seat = nodes.coordinator(level=Level.LINEARIZABLE)
    with pytest.raises(InvalidRequestError, match="linearizable"):
        begin(seat, level=Level.LINEARIZABLE)
    assert await rest(begin(seat, level=None)) == KEYS


@virtual
async def test_a_scan_of_the_own_store_asks_nobody() -> None:
    nodes = Nodes(A, B, C, D, replication_factor=1)
    await fill(nodes, KEYS[:30], (A,))
    await nodes.put(Record(KEYS[3], None, version_at(2)), A)
    seat = nodes.coordinator()
    scan = seat.scanner.scan_own(KeyRange())
    found = [record.key for record in await scan.page()]
    assert found == [key for key in KEYS[:30] if key != KEYS[3]]
    assert (await scan.page(), seat.wire.calls) == ([], [])
