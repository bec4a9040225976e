"""`limedb admin` on real clusters; and WatchCluster and LocateKey, as a dashboard asks them."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from limedb.errors import LimeDBError
from limedbpb.v1 import cluster_pb2, cluster_pb2_grpc
from tests.scenarios.members import SECONDS, is_settled, status, stored
from tests.support.children import join
from tests.support.clusters import Node, RunningCluster, limedb, running_cluster
from tests.support.keys import new_key
from tests.support.waiting import wait_for

QUICK = {"GOSSIP_INTERVAL": "200ms"}
CHANGE_SECONDS = 60.0


def admin(asked: Node, *arguments: str) -> tuple[int, list[str], str]:
    """Run `limedb admin` against a node: exit code, lines, and what went to stderr."""
    done = limedb("admin", *arguments, "--target", asked.address, timeout=CHANGE_SECONDS)
    return done.returncode, done.stdout.splitlines(), done.stderr


# --- a cluster that nothing happens to


def test_status_reports_every_member_and_its_share(replicated: RunningCluster) -> None:
    code, (head, *rows), err = admin(replicated.nodes[0], "status")
    assert (code, err) == (0, "")
    assert head.startswith("cluster ")
    assert re.search(
        r", epoch \d+ \(steady\), 3 replicas of each key, founded \d{4}-[\d-]+ [\d:]+ UTC$", head
    )
    assert [row.split()[:3] for row in rows] == [[node.url, "normal", "active"] for node in replicated.nodes]
    assert abs(sum(float(row.split()[3].rstrip("%")) for row in rows) - 300) < 0.1
    told = json.loads("\n".join(admin(replicated.nodes[1], "status", "-o", "json")[1]))
    assert (told["nodeUrl"], told["phase"], told["problems"]) == (replicated.nodes[1].url, "steady", [])
    assert abs(sum(member["share"] for member in told["members"]) - 3) < 1e-6


def test_plans_report_what_would_move_and_change_nothing(replicated: RunningCluster) -> None:
    asked, url = replicated.nodes[0], "http://127.0.0.1:9"
    epoch = status(asked).epoch
    code, (head, *moves), _ = admin(asked, "join-plan", url)
    assert (code, head.startswith(f"{url} joins (nothing was changed); ")) == (0, True)
    assert [move.split()[0] for move in moves] == sorted([url, *(node.url for node in replicated.nodes)])
    assert next(move for move in moves if move.startswith(url)).split()[1:3] == ["0.00%", "->"]
    leaving = replicated.nodes[1].url
    code, (head, *moves), _ = admin(asked, "decommission", leaving, "--dry-run")
    assert (code, head.startswith(f"{leaving} leaves (nothing was changed); ")) == (0, True)
    assert next(move for move in moves if move.startswith(leaving)).split()[-1] == "0.00%"
    assert status(asked).epoch == epoch


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (["remove", "{living}"], 1, "is alive: decommission it, so that it hands its data over"),
        (["remove", "{living}", "--dry-run"], 1, "is alive"),
        (["cancel"], 1, "no change runs: there is nothing to cancel"),
        (["cancel", "--dry-run"], 1, "no change runs"),
        (["decommission", "http://127.0.0.1:9"], 2, "isn't a member of the cluster; its members are http://"),
        (["join-plan", "{living}"], 2, "is a member already"),
        (["decommission", "node1"], 2, "url='node1'"),
    ],
)
def test_what_can_not_be_done_is_one_line_and_an_exit_code(
    replicated: RunningCluster, arguments: list[str], code: int, why: str
) -> None:
    living = replicated.nodes[1].url
    ended, lines, err = admin(replicated.nodes[0], *(text.format(living=living) for text in arguments))
    assert (ended, lines, len(err.splitlines())) == (code, [], 1)
    assert err.startswith("Error: ")
    assert why in err


def test_repair_ends_with_figures(replicated: RunningCluster) -> None:
    code, lines, err = admin(replicated.nodes[0], "repair")
    assert (code, err) == (0, "")
    assert lines[-1].split(" ranges compared, ")[1].endswith(" pushed")


def test_locate_key_reports_every_owner_through_rest(replicated: RunningCluster) -> None:
    key = f"{new_key()}/with a slash"
    with httpx.Client(base_url=replicated.envoy_url, timeout=20) as rest:
        rest.post(
            "/api/v1/set", json={"key": key, "value": "four", "consistency": "CONSISTENCY_ALL"}
        ).raise_for_status()
        answer = rest.get(f"/api/v1/replicas/{key}")
        assert answer.status_code == 200
        told = answer.json()
        assert (told["key"], len(told["owners"])) == (key, 3)
        assert int(told["epoch"]) == status(replicated.nodes[0]).epoch
        assert {owner["url"] for owner in told["owners"]} < {node.url for node in replicated.nodes}
        assert len({owner["version"] for owner in told["owners"]}) == 1
        for owner in told["owners"]:
            assert (owner["role"], owner["status"], owner["reachable"]) == ("current", "active", True)
            assert (owner["hasRecord"], owner["size"], owner["tombstone"]) == (True, 4, False)
        rest.delete(f"/api/v1/del/{key}", params={"consistency": "CONSISTENCY_ALL"}).raise_for_status()
        told = rest.get(f"/api/v1/replicas/{key}").json()
        assert [owner["tombstone"] for owner in told["owners"]] == [True] * 3


# --- a cluster that changes


class Watch:
    """The messages of a stream so far. text: why it ended, empty while it runs."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.error = ""

    def phases(self) -> list[tuple[int, str]]:
        """Epochs and phases, each once, in the order told."""
        return list(dict.fromkeys((int(one["epoch"]), one["phase"]) for one in self.told))

    def standings(self, url: str) -> list[str]:
        """The states of a node as a member, in the order reported."""
        found = (node["standing"] for one in self.told for node in one["nodes"] if node["url"] == url)
        return list(dict.fromkeys(found))


@contextmanager
def watching_grpc(node: Node) -> Iterator[Watch]:
    """WatchCluster of a node, for the time of the block."""
    watch = Watch()
    with grpc.insecure_channel(node.address) as channel:
        stub = cluster_pb2_grpc.ClusterServiceStub(channel)
        stream = stub.WatchCluster(cluster_pb2.WatchClusterRequest(interval_ms=200))

        def follow() -> None:
            try:
                for one in stream:
                    nodes = [{"url": node.url, "standing": node.standing} for node in one.nodes]
                    watch.told.append(
                        {
                            "epoch": one.epoch,
                            "phase": one.phase,
                            "nodes": nodes,
                            "change": one.change.what,
                            "progress": [(p.url, p.spans) for p in one.change.progress],
                        }
                    )
            except grpc.RpcError as error:
                watch.error = str(error)

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield watch
        finally:
            stream.cancel()
            join(thread)


@contextmanager
def watching_rest(url: str) -> Iterator[Watch]:
    """WatchCluster through Envoy, a JSON object a line, for the time of the block."""
    watch, stop = Watch(), threading.Event()

    def follow() -> None:
        with (
            httpx.Client(base_url=url, timeout=SECONDS) as rest,
            rest.stream("GET", "/api/v1/cluster/watch", params={"interval_ms": 200}) as answer,
        ):
            for line in answer.iter_lines():
                if line.strip("[], "):
                    watch.told.append(json.loads(line.strip("[], ")))
                if stop.is_set():
                    return

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        stop.set()
        join(thread)


def until_members(asked: Node, members: tuple[Node, ...]) -> None:
    """Wait until these are the members and nothing changes."""
    wait_for("the change is done", lambda: is_settled(asked, members), CHANGE_SECONDS, LimeDBError)


def test_watchers_see_a_node_join_and_leave(tmp_path: Path) -> None:
    with running_cluster(tmp_path, nodes=3, env=QUICK) as running:
        first = running.nodes[0]
        with watching_grpc(first) as by_grpc, watching_rest(running.envoy_url) as by_rest:
            wait_for("both hear of the cluster", lambda: by_grpc.told and by_rest.told)
            epoch = by_grpc.phases()[0][0]  # a node that was slow to start joined after the founding
            new = running.add()
            until_members(first, (*running.nodes, new))
            code, lines, err = admin(first, "decommission", new.url)
            assert (code, err, lines[-1]) == (0, "", f"{new.url} is no longer a member")
            assert lines[0].startswith(f"{new.url} leaves (begun in epoch {epoch + 4}); ")
            for watch in (by_grpc, by_rest):
                wait_for("it hears of the end", lambda watch=watch: (epoch + 6, "steady") in watch.phases())
        for watch in (by_grpc, by_rest):
            assert watch.phases()[0] == (epoch, "steady")
            assert {phase for _, phase in watch.phases()} >= {"steady", "streaming"}
            assert watch.phases() == sorted(watch.phases())
            assert [s for s in watch.standings(new.url) if s] == ["joining", "normal", "leaving"]
        changes = [one for one in by_grpc.told if one["change"]]
        assert any(f"{new.url} is joining" in one["change"] for one in changes)
        assert any(url == new.url and spans > 0 for one in changes for url, spans in one["progress"])


@pytest.mark.long
def test_a_dead_node_is_removed_on_request(tmp_path: Path) -> None:
    with running_cluster(tmp_path, nodes=4, env=QUICK, envoy=False) as running:
        *staying, dead = running.nodes
        for _ in range(5):
            assert limedb("set", new_key(), "v", "--target", staying[0].address).returncode == 0
        running.kill(dead.name)
        wait_for("it is taken for dead", lambda: f"! {dead.url} is dead" in admin(staying[0], "status")[1])
        code, lines, _ = admin(staying[0], "remove", dead.url, "--dry-run")
        assert (code, lines[0].startswith(f"{dead.url} is removed (nothing was changed); ")) == (0, True)
        code, lines, err = admin(staying[0], "remove", dead.url)
        assert (code, err, lines[-1]) == (0, "", f"{dead.url} is no longer a member")
        until_members(staying[1], tuple(staying))
        wait_for("each key is on all that are left", lambda: [stored(node) for node in staying] == [5] * 3)
        code, _, err = admin(staying[0], "remove", dead.url)
        assert (code, "isn't a member of the cluster" in err) == (2, True)


def test_a_repair_mends_what_a_node_missed_and_says_who_was_away(tmp_path: Path) -> None:
    with running_cluster(tmp_path, nodes=3, env=QUICK, envoy=False) as running:
        first, second, third = running.nodes
        limedb("set", "k", "v", "--consistency", "all", "--target", first.address)
        running.kill(third.name)
        code, _, err = admin(first, "repair")
        assert (code, third.url in err, "repair again when they are back" in err) == (1, True, True)
        running.restart(third.name)

        def repaired() -> list[str]:  # both others compare, and either may see the third a moment later
            code, lines, err = admin(first, "repair")
            assert (code, third.url in err) in ((0, False), (1, True))
            return lines if code == 0 else []

        lines = wait_for("both see it again", repaired)
        assert lines[-1].endswith(" 0 records pulled, 0 pushed")
        assert stored(second) == 1
