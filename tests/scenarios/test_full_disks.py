"""A node whose disk is full and gets room again has all writes soon after, those that it refused too.

Tests limedb/replication/repair/refused.py.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from limedb.storage.lmdb.env import free_space
from tests.scenarios.load import Nodes, nodes
from tests.scenarios.members import status, stored
from tests.storage.disks import mounted
from tests.support.clusters import Node, RunningCluster, limedb, running_cluster
from tests.support.processes import is_gone
from tests.support.served import SECONDS, served
from tests.support.waiting import wait_for

pytestmark = pytest.mark.root
PATIENCE = 20.0
SOON = 60.0
"""Seconds in which it is noticed on a busy machine; the next usual repair is ten minutes away."""


@asynccontextmanager
async def small_disk(tmp_path: Path) -> AsyncIterator[tuple[RunningCluster, Nodes, Path]]:
    """Three nodes, of which the second has a small disk; its folder."""
    (tmp_path / "cluster").mkdir()
    folder = tmp_path / "cluster" / "node2"
    with mounted(folder, "24m"), running_cluster(tmp_path, 3, envoy=False) as cluster:
        async with nodes([node.address for node in cluster.nodes]) as addressed:
            yield cluster, addressed, folder


def fill_up(folder: Path) -> Path:
    """Leave no room in a folder; the file that takes it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        while file.write(bytes(1 << 16)) and free_space(folder):
            pass
    return filler


async def write(addressed: Nodes, through: Node, keys: list[str]) -> None:
    """At QUORUM, which holds without the full node. It keeps no hints for itself, and the others do."""
    for key in keys:
        await addressed.set(through.address, key, key, timeout=PATIENCE)


def lacks(node: Node) -> str:
    """What status says of it."""
    return " ".join(text for text in status(node).problems if "refused writes" in text)


async def test_what_a_full_disk_refused_is_there_soon_after_it_has_room(tmp_path: Path) -> None:
    async with small_disk(tmp_path) as (cluster, addressed, folder):
        other, full, _ = cluster.nodes
        before = stored(full)
        filler = fill_up(folder)
        for through in full, other:
            await write(addressed, through, [f"{through.name}-{number}" for number in range(50)])
        assert "make room" in wait_for("a word", lambda: lacks(full))
        assert full.url in wait_for("another node names it", lambda: lacks(other))
        assert stored(full) == before
        filler.unlink()
        wait_for("all keys", lambda: stored(full) == before + 100, SOON)
        wait_for("no word any longer", lambda: not lacks(full), SOON)
        assert not list(folder.glob("*.refused"))


async def test_what_a_full_disk_refused_is_there_soon_after_a_restart_with_more_room(tmp_path: Path) -> None:
    async with small_disk(tmp_path) as (cluster, addressed, folder):
        full = cluster.nodes[1]
        before = stored(full)
        filler = fill_up(folder)
        await write(addressed, full, [f"key-{number}" for number in range(50)])
        pid = cluster.pid(full.name)
        os.kill(pid, 15)
        wait_for("its end", lambda: is_gone(pid))
        filler.unlink()
        cluster.restart(full.name)
        wait_for("all keys", lambda: stored(full) == before + 50, SOON)
        wait_for("no word any longer", lambda: not lacks(full), SOON)


def test_a_start_on_a_full_disk_ends_with_one_line_and_no_signal(tmp_path: Path) -> None:
    """LMDB makes its lock file by the length alone, and its first write there died of SIGBUS."""
    with mounted(tmp_path / "data", "8m"), served(tmp_path) as node:
        node.process.terminate()
        assert node.process.wait(SECONDS) == 0
        for lock in node.data.rglob("lock.mdb"):
            lock.unlink()
        filler = fill_up(node.data)
        done = limedb("serve", env={**node.env, "LOG_LEVEL": "WARNING"})
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert "the disk is full; make room" in done.stderr
        filler.unlink()
        with served(tmp_path, env=node.env, is_awaited=False):
            assert wait_for("a value", lambda: node.get("first"), ignore=grpc.RpcError) == "first"
