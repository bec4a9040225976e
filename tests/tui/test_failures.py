"""What the terminal UI shows when nodes of a real cluster fail."""

import re
from pathlib import Path

import pytest

from limedb.core.quorum import Level
from limedb.tui.dialogs import SetDialog
from limedb.tui.drafts import Draft
from tests.support.clusters import RunningCluster, limedb, running_cluster
from tests.tui.conftest import FAST
from tests.tui.screens import LARGE, Screen, live


async def test_a_killed_node_is_shown_dead_and_then_active_again(broken: RunningCluster) -> None:
    victim = broken.nodes[2]
    async with live(broken.nodes[0].address, LARGE) as shown:
        broken.kill(victim.name)
        await shown.until("the node dead", lambda: shown.nodes()[victim.url]["status"] == "dead", limit=30)
        assert f"{victim.address} is dead: no heartbeat for" in shown.pane("events")
        assert "2/3 nodes" in shown.headline
        broken.restart(victim.name)
        await shown.until(
            "the node active", lambda: shown.nodes()[victim.url]["status"] == "active", limit=30
        )
        assert f"{victim.address} is active again" in shown.pane("events")
        assert f"{victim.address} was restarted" in shown.pane("events")


async def test_a_node_that_stands_still_has_no_figures_and_a_line_says_since_when(
    broken: RunningCluster,
) -> None:
    victim = broken.nodes[2]
    async with live(broken.nodes[0].address, LARGE) as shown:
        broken.pause(victim.name)
        await shown.until("the node unreachable", lambda: not_there(shown, victim.url), limit=30)
        row = shown.nodes()[victim.url]
        assert {row[name] for name in ("keys", "get/s", "set/s", "ms", "cpu%", "memory", "disk")} == {"-"}
        assert re.search(rf"{victim.address}: no data since \d\d:\d\d:\d\d", shown.everything())
        assert "2/3 nodes" in shown.headline
        broken.resume(victim.name)
        await shown.until("the node active", lambda: shown.nodes()[victim.url]["status"] == "active")
        assert "no data since" not in shown.everything()


async def test_a_lost_connection_claims_nothing(broken: RunningCluster) -> None:
    async with live(broken.nodes[0].address, LARGE) as shown:
        for node in broken.nodes:
            broken.pause(node.name)
        await shown.until("the loss", lambda: "no data since" in shown.headline, limit=30)
        assert "3/3" not in shown.headline
        assert {row["status"] for row in shown.nodes().values()} == {"unknown"}
        assert {row["keys"] for row in shown.nodes().values()} == {"-"}
        for node in broken.nodes:
            broken.resume(node.name)
        await shown.until("all nodes", lambda: "3/3 nodes" in shown.headline, limit=30)


def not_there(shown: Screen, url: str) -> bool:
    return shown.nodes()[url]["status"] in ("unreachable", "dead")


async def test_it_goes_on_through_another_node_when_its_own_is_killed(broken: RunningCluster) -> None:
    own = broken.nodes[0]
    async with live(own.address, LARGE) as shown:
        assert shown.headline.endswith(f"via {own.address}")
        broken.kill(own.name)
        await shown.until("another node's view", lambda: f"via {own.address}" not in shown.headline)
        await shown.until("its own node dead", lambda: shown.nodes()[own.url]["status"] == "dead", limit=30)
        events = shown.pane("events")
        assert f"lost {own.address}: nothing answers; trying others" in events
        assert "now following 127.0.0.1:" in events
        await shown.open_set()
        await shown.press("k", "enter", "v", "ctrl+s")
        await shown.until("a value, written without that node", lambda: shown.value == "v")


async def test_a_node_that_hangs_is_left_for_another(broken: RunningCluster) -> None:
    own = broken.nodes[0]
    async with live(own.address, LARGE, seconds=2) as shown:
        broken.pause(own.name)
        await shown.until("another node's view", lambda: f"via {own.address}" not in shown.headline)
        assert f"lost {own.address}: silent for 3 s; trying others" in shown.pane("events")
        broken.resume(own.name)


async def test_what_a_level_asks_for_decides_whether_it_can_be_done(broken: RunningCluster) -> None:
    victim = broken.nodes[2]
    async with live(broken.nodes[0].address, LARGE) as shown:
        broken.kill(victim.name)
        await shown.until("the node dead", lambda: shown.nodes()[victim.url]["status"] == "dead", limit=30)
        await shown.press("s", "k", "enter", "v", *["ctrl+l"] * 3, "ctrl+s")
        await shown.until("why not at ALL", lambda: "at level all" in shown.everything())
        assert isinstance(shown.app.screen, SetDialog)
        assert shown.app.screen.draft == Draft("k", "v", level=Level.ALL)
        await shown.press("ctrl+l", "ctrl+s")
        await shown.until("it stored", lambda: "2 of 3 replicas have it" in shown.everything())
        await shown.until("it read", lambda: shown.value == "v")
        assert "nothing was written" not in shown.everything()
        await shown.press("g", *["ctrl+l"] * 4, "enter")
        await shown.until("why it can't be read", lambda: "at level all" in shown.value)
        await shown.press("g", "ctrl+l", "enter")
        await shown.until("it read", lambda: shown.value == "v")
        await shown.press("d", *["ctrl+l"] * 4, "y")  # of what is shown: a majority decides, at any level
        await shown.until("it deleted", lambda: "'k' is deleted" in shown.everything())


@pytest.mark.cluster
async def test_a_cluster_that_was_made_anew_is_named_and_written_only_when_asked(tmp_path: Path) -> None:
    with running_cluster(tmp_path, nodes=1, env=FAST, envoy=False) as cluster:
        async with live(cluster.nodes[0].address, LARGE, nodes=1) as shown:
            await shown.open_set()
            await shown.press("k", "enter", "v", "ctrl+s")
            await shown.until("it stored", lambda: shown.value == "v")
            cluster.kill("node1")
            cluster.restart("node1")  # it had its data in memory
            await shown.until("the other cluster", lambda: "another cluster: c continues" in shown.headline)
            await shown.open_set()
            await shown.press("k", "enter", "w", "ctrl+s")
            await shown.until("why not", lambda: "press c to continue with it" in shown.everything())
            assert limedb("get", "k", "--target", cluster.nodes[0].address).returncode == 3
            await shown.press("escape", "c")
            await shown.until("its own cluster", lambda: "another cluster" not in shown.headline)
            await shown.open_set()
            await shown.press("k", "enter", "w", "ctrl+s")
            await shown.until("it stored there", lambda: shown.value == "w")
