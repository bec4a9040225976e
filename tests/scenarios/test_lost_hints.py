"""A node that lost the hints for another one compares all ranges as soon as that is back, whoever owns them.

Tests limedb/replication/repair/lost_hints.py.
"""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scenarios.load import nodes
from tests.scenarios.members import locate, status, stored
from tests.support.clusters import Node, running_cluster
from tests.support.processes import is_gone
from tests.support.waiting import wait_for

PATIENCE = 20.0
SOON = 60.0
"""Seconds in which it is noticed on a busy machine; the next usual repair is ten minutes away."""
KEYS = [f"hinted-{number}" for number in range(50)]


def flip(hints: Path) -> None:
    data = bytearray((hints / "data.mdb").read_bytes())
    data[40] ^= 4
    (hints / "data.mdb").write_bytes(data)


def lacks(node: Node) -> str:
    """What status says of it."""
    return " ".join(text for text in status(node).problems if "hints that this node kept" in text)


@pytest.mark.parametrize(
    ("lose", "is_running"),
    [(shutil.rmtree, False), (flip, False), (lambda hints: hints.rename(hints.with_name("moved")), True)],
    ids=["gone before a start", "damaged before a start", "moved while it runs"],
)
async def test_what_lost_hints_held_is_there_soon_after_the_node_is_back(
    tmp_path: Path, lose: Callable[[Path], object], is_running: bool
) -> None:
    with running_cluster(tmp_path, 4, envoy=False) as cluster:
        keeper, _, _, away = cluster.nodes
        before, (hints,) = stored(away), cluster.folder.glob("node1/*.hints")
        owners = [{replica.url for replica in locate(keeper, key)[0]} for key in KEYS]
        missed = sum(away.url in urls for urls in owners)
        assert any(away.url in urls and keeper.url not in urls for urls in owners)
        cluster.kill(away.name)
        async with nodes([keeper.address]) as addressed:
            for key in KEYS:
                await addressed.set(keeper.address, key, key, timeout=PATIENCE)
        if not is_running:
            pid = cluster.pid(keeper.name)
            os.kill(pid, signal.SIGTERM)
            wait_for("its end", lambda: is_gone(pid), SOON)
        lose(hints)
        if not is_running:
            cluster.restart(keeper.name)
        waits = f"it does so once {away.url} is back, or removed"
        wait_for("a word", lambda: waits in lacks(keeper), SOON)
        wait_for("a mark", lambda: list(cluster.folder.glob("node1/*.lost-hints")), SOON)
        cluster.restart(away.name)
        wait_for("all keys", lambda: stored(away) == before + missed, SOON)
        wait_for("no word any longer", lambda: not lacks(keeper), SOON)
        wait_for("no mark", lambda: not list(cluster.folder.glob("node1/*.lost-hints")), SOON)
