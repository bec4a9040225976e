"""All nodes of a cluster lose their data: no empty cluster takes its place unasked, and the steps of
docs/damage.md work.

Tests limedb/launch/records.py.
"""

import os
import shutil
from pathlib import Path

import pytest

from tests.scenarios.load import nodes
from tests.scenarios.members import fill, is_settled, missing, status
from tests.support.clusters import QUICK, READY, RunningCluster, limedb, running_cluster
from tests.support.ports import free_port
from tests.support.serving import running_node
from tests.support.waiting import wait_for

KEYS = [f"lost-{number}" for number in range(60)]
SOON = 60.0
ATTEMPTS = 5
"""A node of a busy machine may not have come to its data before its start is given up."""


def command(cluster: RunningCluster, name: str, *options: str) -> tuple[int, str]:
    """The exit code of a `limedb cluster` command, and its stderr."""
    done = limedb("cluster", name, "--data-dir", str(cluster.folder), *options)
    return done.returncode, done.stderr


def start(cluster: RunningCluster, *options: str) -> tuple[int, str]:
    """Start the cluster again, as it was started."""
    base = cluster.nodes[0].url.rpartition(":")[2]
    settings = [part for name, value in QUICK.items() for part in ("-e", f"{name}={value}")]
    return command(
        cluster, "start", "--detach", "--nodes", "3", "--no-envoy", "--base-port", base, *settings, *options
    )


def folders(cluster: RunningCluster) -> list[Path]:
    """The nodes' .lmdb folders, where they are to be."""
    names = ((node.name, node.url.replace("/", "%2F")) for node in cluster.nodes)
    return [cluster.folder / name / f"{url}.lmdb" for name, url in names]


def damage_all(cluster: RunningCluster) -> None:
    """Stop the nodes and cut their data; a start must set it aside, serve nothing and found nothing."""
    assert command(cluster, "stop") == (0, "")
    for folder in folders(cluster):
        shutil.copyfile(folder / "data.mdb", folder.parent / "sound.mdb")
        os.truncate(folder / "data.mdb", 3 * 4096)
    for _ in range(ATTEMPTS):
        code, said = start(cluster, "--timeout", "12")
        assert (code, "No node served" in said) == (1, True)
        if all(any(folder.parent.glob("*.lmdb.damaged-*")) for folder in folders(cluster)):
            break
    assert "docs/damage.md" in said
    assert all(any(folder.parent.glob("*.lmdb.damaged-*")) for folder in folders(cluster))


def put_back(folder: Path) -> None:
    """Make the data that was set aside sound, and put it in its place."""
    shutil.rmtree(folder)
    (damaged,) = folder.parent.glob("*.lmdb.damaged-*")
    damaged.rename(folder)
    shutil.copyfile(folder.parent / "sound.mdb", folder / "data.mdb")


async def check_whole(cluster: RunningCluster) -> None:
    """All nodes are members, and each answers with every key."""
    wait_for("the cluster to settle", lambda: is_settled(cluster.nodes[0], cluster.nodes), SOON)
    async with nodes([node.address for node in cluster.nodes]) as addressed:
        for node in cluster.nodes:
            assert await missing(addressed, node.address, KEYS) == []


@pytest.mark.parametrize("sound", [2, 1])
async def test_sound_data_is_put_back_and_the_cluster_is_whole_again(tmp_path: Path, sound: int) -> None:
    """Step 1: a majority is enough to start; a minority, once repair-topology has made a cluster of it."""
    with running_cluster(tmp_path, 3, envoy=False) as cluster:
        async with nodes([node.address for node in cluster.nodes]) as addressed:
            await fill(addressed, KEYS)
        damage_all(cluster)
        for folder in folders(cluster)[:sound]:
            put_back(folder)
        if sound == 1:
            paths = [str(folder) for folder in folders(cluster)]
            done = limedb("repair-topology", *paths)
            assert done.returncode == 0, done.stderr
        code, said = start(cluster, *READY)
        assert code == 0, said
        await check_whole(cluster)


async def test_a_cluster_starts_over_only_where_that_is_wanted_and_takes_in_an_older_copy(
    tmp_path: Path,
) -> None:
    """Step 2: a copy of one node's data.mdb is served by itself and exported, and the export is imported."""
    copy, export = tmp_path / "copy", tmp_path / "export.jsonl"
    with running_cluster(tmp_path, 3, envoy=False) as cluster:
        async with nodes([node.address for node in cluster.nodes]) as addressed:
            await fill(addressed, KEYS)
        founded = status(cluster.nodes[0]).founded_ms
        assert founded > 0
        damage_all(cluster)
        for folder in folders(cluster):
            shutil.rmtree(folder)
        code, said = start(cluster)
        assert code == 1
        assert "the data of node1, node2, node3 is gone" in said
        assert "limedb cluster start --empty" in said
        assert not any(map(Path.exists, folders(cluster)))

        with free_port() as port:
            url = f"http://127.0.0.1:{port}"
            alone = copy / f"{url.replace('/', '%2F')}.lmdb"
            alone.mkdir(parents=True)
            shutil.copyfile(folders(cluster)[0].parent / "sound.mdb", alone / "data.mdb")
            with running_node(
                copy, port, {"NODE_URL": url, "REPLICATION_FACTOR": "1", "STORE": "lmdb"}
            ) as address:
                done = limedb("export", "--target", address, str(export))
                assert done.returncode == 0, done.stderr

        code, said = start(cluster, "--empty")
        assert code == 0, said
        assert status(cluster.nodes[0]).founded_ms > founded
        shown = limedb("admin", "status", "--target", cluster.nodes[0].address)
        assert ", founded 20" in shown.stdout
        done = limedb("import", "--target", cluster.nodes[0].address, str(export))
        assert done.returncode == 0, done.stderr
        await check_whole(cluster)
