"""A range that is deleted page by page, on a real node."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from limedb.client import connect_sync
from limedb.core.quorum import Level
from limedb.errors import LimeDBError
from limedb.operator.calls import NodeClient, node_client
from limedb.operator.scans import ScanClient, ScanRange, scan_client
from limedb.operator.sweeps import PAGE_SIZE, sweep
from tests.support.clusters import running_cluster

pytestmark = pytest.mark.cluster
MANY = PAGE_SIZE + 20


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("sweeps")
    with running_cluster(folder, nodes=1, env={"STORE": "memory"}, envoy=False) as running:
        yield running.nodes[0].address


@pytest.fixture
def clients(address: str) -> Iterator[tuple[ScanClient, NodeClient]]:
    with ExitStack() as opened:
        yield opened.enter_context(scan_client(address, 30)), opened.enter_context(node_client(address, 30))


def test_all_keys_of_the_range_are_deleted_and_no_others(
    address: str, clients: tuple[ScanClient, NodeClient]
) -> None:
    with connect_sync(address) as db:
        db.set_many({f"gone/{number:04}": "x" for number in range(MANY)} | {"gone": "x", "gone0": "x"})
        pages = list(sweep(*clients, ScanRange("gone/")))
        assert [page.deleted for page in pages if page.deleted] == [PAGE_SIZE, MANY - PAGE_SIZE]
        assert not any(page.changed or page.failed for page in pages)
        assert [entry.key for entry in db.scan(prefix="gone")] == ["gone", "gone0"]


def test_what_is_written_after_the_scan_saw_it_is_left(
    address: str, clients: tuple[ScanClient, NodeClient]
) -> None:
    scans, node = clients
    with connect_sync(address) as db:
        db.set_many({f"raced/{number}": "old" for number in range(5)})

        class Late(NodeClient):
            def check_conditions(self) -> None:
                """Nothing: the node of this test has conditions."""

            def delete_versions(
                self, versions: Sequence[tuple[str, int]], level: Level | None = None
            ) -> list[LimeDBError | None]:
                db.set("raced/1", "new")
                db.delete("raced/2")
                return node.delete_versions(versions, level)

        late = object.__new__(Late)
        (page,) = [page for page in sweep(scans, late, ScanRange("raced/")) if page.deleted or page.changed]
        assert (page.deleted, page.changed, page.failed) == (3, 2, ())
        assert [(entry.key, entry.value) for entry in db.scan(prefix="raced/")] == [("raced/1", "new")]


def test_a_sweep_continues_at_its_cursor(address: str, clients: tuple[ScanClient, NodeClient]) -> None:
    with connect_sync(address) as db:
        db.set_many({f"again/{number:04}": "x" for number in range(MANY)})
        pages = sweep(*clients, ScanRange("again/"))
        first = next(pages)
        pages.close()
        db.set("again/0000", "written behind the cursor")
        rest = sum(page.deleted for page in sweep(*clients, ScanRange("again/"), first.after))
        assert (first.deleted, rest) == (PAGE_SIZE, MANY - PAGE_SIZE)
        assert [entry.key for entry in db.scan(prefix="again/")] == ["again/0000"]


def test_many_values_are_read_in_a_call(address: str, clients: tuple[ScanClient, NodeClient]) -> None:
    _, node = clients
    with connect_sync(address) as db:
        db.set("many/text", "a")
        db.set("many/bytes", b"\xff", ttl=1000)
    text, none, raw = node.get_many(["many/text", "many/none", "many/bytes"])
    assert none is None
    assert [getattr(found, "value", None) for found in (text, raw)] == ["a", b"\xff"]
    assert getattr(raw, "expires_at_ms", 0) > 0
