"""Reading a Go LimeDB that runs, of which tests/support/go_limedb.py is a stand-in.

Of limedb/bulk/go_rest.py.
"""

import pytest

from limedb.bulk import go_cluster as module
from limedb.bulk.go_cluster import GoCluster
from limedb.bulk.items import Item
from limedb.errors import BadItemError, BulkError
from tests.support.go_limedb import GoNode, StandInCluster, go_cluster


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.0)


def found(urls: str) -> GoCluster:
    cluster = GoCluster(urls)
    cluster.find()
    return cluster


def values(cluster: GoCluster) -> dict[str, str | bytes]:
    """What an import would store: the later line wins."""
    lines = list(cluster.read())
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    return {line.content.key: line.content.value for line in lines if isinstance(line.content, Item)}


def filled(go: StandInCluster, each: int = 250) -> dict[str, str]:
    for number, node in enumerate(go.nodes):
        node.keys.update({f"{number}/ü {n:03d}": f"v{n}" for n in range(each)})
    return {key: value for node in go.nodes for key, value in node.keys.items()}


def test_all_keys_of_all_nodes_come_from_one_url_each_once() -> None:
    with go_cluster(3) as go:
        expected = filled(go)
        go.nodes[1].keys["0/ü 000"] = "v0"  # a replica
        cluster = found(go.nodes[2].url + "/")
        assert (len(cluster.nodes), cluster.total, cluster.silent) == (3, 751, {})
        assert values(cluster) == expected
        assert (cluster.read_count, cluster.silent) == (750, {})


def test_where_copies_differ_the_one_counts_that_the_cluster_answers() -> None:
    with go_cluster(3) as go:
        for number, node in enumerate(go.nodes):
            node.keys["a/b c"] = str(number)
        go.owners["a/b c"] = go.nodes[1]
        assert values(found(go.nodes[0].url)) == {"a/b c": "1"}


def test_copies_that_differ_and_that_the_cluster_doesn_t_find_are_reported() -> None:
    with go_cluster(3) as go:
        go.nodes[0].keys["a"], go.nodes[1].keys["a"] = "0", "1"
        go.owners["a"] = go.nodes[2]
        cluster = found(go.nodes[0].url)
        first, second = (line.content for line in cluster.read())
        assert first == Item("a", "0")
        assert isinstance(second, BadItemError)
        assert "status 404: key not found); that of the first node was stored" in str(second)


def test_a_node_that_is_down_is_named_and_the_others_are_read() -> None:
    with go_cluster(3) as go:
        filled(go)
        gone = GoNode(go)
        gone.stop()
        go.gossips = [gone.name]
        cluster = found(go.nodes[0].url)
        assert cluster.silent == {gone.name: "Connection refused"}
        assert len(values(cluster)) == 750


def test_a_node_that_fails_on_the_way_is_named_with_how_far_it_came() -> None:
    with go_cluster(2) as go:
        filled(go)
        go.nodes[1].answers_left = 2
        cluster = found(go.nodes[0].url)
        assert len(values(cluster)) == 450
        assert cluster.silent == {go.nodes[1].name: "after 200 of 250 keys: status 500: it broke"}


def test_a_short_failure_costs_nothing() -> None:
    with go_cluster(1) as go:
        expected = filled(go)
        go.nodes[0].fails_once = {1, 3}
        cluster = found(go.nodes[0].url)
        assert (values(cluster), cluster.silent) == (expected, {})


def test_pages_that_move_while_clients_delete_lose_no_key() -> None:
    with go_cluster(1) as go:
        expected = filled(go)
        (node,) = go.nodes

        def delete() -> None:
            if len(node.asked) == 4:  # after the first page
                for key in list(expected)[:50]:
                    del node.keys[key], expected[key]

        cluster = found(node.url)
        go.on_page = delete  # type: ignore[method-assign]
        assert expected.items() <= values(cluster).items()
        assert len(expected) == 200
        assert cluster.silent == {}


def test_a_node_whose_own_name_leads_nowhere_is_read_under_the_given_url() -> None:
    with go_cluster(2) as go:
        expected = filled(go)
        for number, node in enumerate(go.nodes):
            node.name = f"http://{number}.invalid:8484"
        cluster = found(go.nodes[0].url)
        assert list(cluster.silent) == ["http://1.invalid:8484"]
        cluster = found(", ".join(node.url for node in go.nodes))
        assert (cluster.silent, values(cluster)) == ({}, expected)


def test_nothing_that_answers_is_an_error() -> None:
    with go_cluster(1) as go:
        url = go.nodes[0].url
    with pytest.raises(BulkError, match=f"no node of a Go LimeDB answers: {url}: Connection refused"):
        found(url)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"nodeUrl": "x", "clusterId": "1"}, "isn't a Go LimeDB but a LimeDB like this one: .*limedb export"),
        ({"hello": 1}, "its answer isn't that of a Go LimeDB"),
        ([], "its answer isn't a JSON object"),
        ("<html>", "Expecting value"),
    ],
)
def test_another_program_is_refused(state: object, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with go_cluster(1) as go:
        monkeypatch.setattr(go.nodes[0], "answer", lambda _path: (200, state))
        with pytest.raises(BulkError, match=words):
            found(go.nodes[0].url)


def test_keys_that_no_node_of_ours_takes_are_bad() -> None:
    with go_cluster(1) as go:
        go.nodes[0].keys.update({"": "v", "k" * 5000: "v", "good": "v"})
        contents = [line.content for line in found(go.nodes[0].url).read()]
        assert [type(content) for content in contents] == [BadItemError, Item, BadItemError]


def test_a_stop_ends_the_reading_soon() -> None:
    with go_cluster(1) as go:
        filled(go, 1000)
        cluster = found(go.nodes[0].url)
        reader = cluster.read()
        next(reader)
        cluster.stop()
        assert sum(1 for _ in reader) < 100
