"""A node whose files are damaged, gone or another's serves again with all keys, or says why it doesn't.

Of one node, killed or stopped, some files are changed; then it is started again, and each key is read through
each node. TORTURE_DAMAGE=1 (`make torture`) takes all cases, else a few.

Tests limedb/node/process.py.
"""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from random import Random

import pytest

from limedb.storage.folder_state import read_state
from limedbpb.v1 import kv_pb2
from tests.scenarios.history import Outcome
from tests.scenarios.load import Load, complaints, nodes, write_one
from tests.scenarios.members import ONE, fill, is_settled, is_whole, locate, missing, status
from tests.support.clusters import RunningCluster, limedb
from tests.support.processes import is_gone
from tests.support.served import served
from tests.support.waiting import wait_for

PAGE = 4096
TRIES = 20
PATIENCE = 15.0
"""Seconds that a client waits for an answer, on a machine that is busy."""
KEYS = [f"file-{i}" for i in range(400)]
Damage = Callable[[Path, Random], None]
"""Damages a node's data; given its .lmdb folder, beside which stand its other folders."""


def zero_pages(folder: Path, rng: Random) -> None:
    data = bytearray((folder / "data.mdb").read_bytes())
    for page in range(2, len(data) // PAGE, 2):
        data[page * PAGE : (page + 1) * PAGE] = bytes(PAGE)
    (folder / "data.mdb").write_bytes(data)


def swap_pages(folder: Path, rng: Random) -> None:
    data = (folder / "data.mdb").read_bytes()
    pages = [data[at : at + PAGE] for at in range(2 * PAGE, len(data), PAGE)]
    (folder / "data.mdb").write_bytes(data[: 2 * PAGE] + b"".join(reversed(pages)))


def cut(folder: Path, rng: Random) -> None:
    os.truncate(folder / "data.mdb", 5 * PAGE)


def empty(folder: Path, rng: Random) -> None:
    os.truncate(folder / "data.mdb", 0)


def flip_meta(folder: Path, rng: Random) -> None:
    flip(folder / "data.mdb", PAGE * rng.randrange(2) + 16 + 128)


def remove_data(folder: Path, rng: Random) -> None:
    (folder / "data.mdb").unlink()


def take_anothers(folder: Path, rng: Random) -> None:
    other = next(path for path in sorted(folder.parent.parent.rglob("data.mdb")) if is_other(path, folder))
    shutil.copyfile(other, folder / "data.mdb")


def remove_all(folder: Path, rng: Random) -> None:
    for path in folder.iterdir():
        path.unlink()


def remove_log(folder: Path, rng: Random) -> None:
    for path in folder.glob("log-*"):
        path.unlink()


def cut_log(folder: Path, rng: Random) -> None:
    for path in folder.glob("log-*"):
        os.truncate(path, max(8, path.stat().st_size - 30))


def flip_log(folder: Path, rng: Random) -> None:
    path = max(folder.glob("log-*"))
    flip(path, rng.randrange(8, path.stat().st_size))


def lose_small_files(folder: Path, rng: Random) -> None:
    """What the node does without: it keeps its data."""
    (folder / "node.json").unlink()
    (folder / "state").unlink()
    (folder / "lock.mdb").write_bytes(b"\xff" * 100)
    flip(beside(folder, ".hints") / "data.mdb", 40)
    shutil.rmtree(beside(folder, ".operations"))


def flip_small_files(folder: Path, rng: Random) -> None:
    flip(folder / "node.json", rng.randrange((folder / "node.json").stat().st_size))
    flip(folder / "state", rng.randrange(48))
    flip(beside(folder, ".operations") / "data.mdb", 40)


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)


def beside(folder: Path, suffix: str) -> Path:
    return folder.with_name(folder.name.removesuffix(".lmdb") + suffix)


def is_other(path: Path, folder: Path) -> bool:
    return path.parent.name.endswith(".lmdb") and path.parent.name != folder.name


# Each with the signal that ends the node before, and whether it is to come back as a new node.
CASES: list[tuple[Damage, signal.Signals, bool]] = [
    (zero_pages, signal.SIGKILL, True),
    (lose_small_files, signal.SIGTERM, False),
    (cut_log, signal.SIGKILL, True),
    (remove_data, signal.SIGTERM, True),
    (swap_pages, signal.SIGTERM, True),
    (cut, signal.SIGTERM, True),
    (empty, signal.SIGTERM, True),
    (flip_meta, signal.SIGTERM, True),
    (take_anothers, signal.SIGKILL, True),
    (remove_all, signal.SIGTERM, True),
    (remove_log, signal.SIGKILL, True),
    (flip_log, signal.SIGKILL, True),
    (flip_small_files, signal.SIGTERM, False),
]
CHOSEN = CASES if os.environ.get("TORTURE_DAMAGE") else CASES[:3]


@pytest.mark.parametrize(
    ("damage", "ends_by", "is_new"), CHOSEN, ids=lambda value: getattr(value, "__name__", "")
)
async def test_a_node_with_damaged_files_serves_again_with_every_key(
    breakable: RunningCluster, damage: Damage, ends_by: signal.Signals, is_new: bool
) -> None:
    three, rng, victim = breakable, Random(damage.__name__), breakable.nodes[1]
    async with nodes([node.address for node in three.nodes]) as addressed:
        folder = folder_of(three, victim.url)
        before = {*folder.parent.glob("*.damaged-*")}
        for _ in range(TRIES):
            await fill(addressed, KEYS)
            end(three, victim.name, ends_by)
            if ends_by is signal.SIGTERM or has_log(folder):
                break
            three.restart(victim.name)  # all of it had come into the tables
        damage(folder, rng)
        three.restart(victim.name)
        aside = {path.name for path in {*folder.parent.glob("*.damaged-*")} - before}
        wait_for("the cluster to settle", lambda: is_settled(three.nodes[0], three.nodes), 60)
        for node in three.nodes:
            assert await missing(addressed, node.address, KEYS) == []
        assert await missing(addressed, victim.address, KEYS, ONE) == []
    if damage is not remove_all:
        assert any(".lmdb.damaged-" in name for name in aside) == is_new, aside
    said = victim.log.read_text()
    assert ("Task was destroyed" in said, "Traceback" in said) == (False, False)
    if not is_new:
        return
    wait_for("three replicas", lambda: all(map(is_whole, locate(three.nodes[0], *KEYS[:20]))), 60)


async def test_no_write_is_in_doubt_while_a_node_rejoins_in_its_own_place(
    breakable: RunningCluster,
) -> None:
    """The two others are enough. Only they are asked: what the node itself was asked when it died, nobody
    knows.
    """
    victim, stop, load = breakable.nodes[1], asyncio.Event(), Load()
    async with nodes([node.address for node in breakable.nodes]) as addressed:
        others = [node.address for node in breakable.nodes if node is not victim]

        async def write(writer: int) -> None:
            for number in count():
                key, address = f"rejoin-{writer}-{number}", others[number % 2]
                load.note(await write_one(addressed, writer, address, key, "x", timeout=PATIENCE))
                if stop.is_set():
                    return

        async with asyncio.TaskGroup() as group:
            for writer in range(2):
                group.create_task(write(writer))
            try:
                await asyncio.to_thread(end, breakable, victim.name, signal.SIGKILL)
                remove_data(folder_of(breakable, victim.url), Random(1))
                await asyncio.to_thread(breakable.restart, victim.name)
            finally:
                stop.set()
        assert [done.error for done in load.operations if done.outcome is Outcome.UNKNOWN] == []
        assert await complaints(addressed, load.ledger) == []


async def test_no_write_is_refused_when_a_node_dies_while_it_rejoins_in_its_own_place(
    breakable: RunningCluster,
) -> None:
    """Nor those with an idempotency key, of which a newcomer can't know."""
    victim = breakable.nodes[1]
    first, second = (node for node in breakable.nodes if node is not victim)
    async with nodes([node.address for node in breakable.nodes]) as addressed:
        await fill(addressed, [f"many-{number}" for number in range(20_000)])
        for _ in range(TRIES):
            end(breakable, victim.name, signal.SIGKILL)
            remove_data(folder_of(breakable, victim.url), Random(1))
            restarting = asyncio.create_task(asyncio.to_thread(start_again, breakable, victim.name))
            while status(first).phase == "steady" and not restarting.done():  # noqa: ASYNC110 (it is short)
                await asyncio.sleep(0)
            end(breakable, victim.name, signal.SIGKILL)
            await restarting
            if status(first).phase == "streaming":
                break
        for number in range(20):
            for node in first, second:
                key = f"without-{victim.name}-{number}"
                request = kv_pb2.SetRequest(key=key, value="x")
                await addressed.stubs[node.address].Set(request, timeout=PATIENCE)
                request.idempotency_key = int(time.time() * 1000).to_bytes(6, "big") + os.urandom(10)
                await addressed.stubs[node.address].Set(request, timeout=PATIENCE)
        assert status(first).phase == "streaming"
        breakable.restart(victim.name)
        wait_for("the cluster to settle", lambda: is_settled(first, breakable.nodes), 60)


def start_again(cluster: RunningCluster, name: str) -> None:
    """Start a node, which is killed before it is ready."""
    with suppress(AssertionError):
        cluster.restart(name)


async def test_a_node_refuses_the_folder_of_another_member_and_changes_nothing(
    breakable: RunningCluster,
) -> None:
    """With it the node would have the identity of that member, and count as a replica of what it lacks."""
    victim, other = breakable.nodes[1], breakable.nodes[2]
    async with nodes([node.address for node in breakable.nodes]) as addressed:
        await fill(addressed, KEYS)
        folder = folder_of(breakable, victim.url)
        end(breakable, victim.name, signal.SIGTERM)
        own = folder.rename(folder.with_name("its-own"))
        shutil.copytree(folder_of(breakable, other.url), folder)
        before = {path: path.read_bytes() for path in folder.iterdir()}
        with pytest.raises(
            AssertionError, match=rf"belongs to {other.url} .*not to {victim.url}: nothing was"
        ):
            breakable.restart(victim.name)
        assert {path: path.read_bytes() for path in folder.iterdir()} == before
        shutil.rmtree(folder)
        own.rename(folder)
        breakable.restart(victim.name)
        for node in breakable.nodes:
            assert await missing(addressed, node.address, KEYS) == []


def has_log(folder: Path) -> bool:
    """Whether the log holds what the tables don't, all of which was acknowledged: the end of a write that
    the kill met half-way may be lost.
    """
    size, noted = max(folder.glob("log-*")).stat().st_size, read_state(folder)
    return size > 8 + 30 and noted is not None and noted.end == size


def end(cluster: RunningCluster, name: str, by: signal.Signals) -> None:
    """End a node and wait until it is gone."""
    pid = cluster.pid(name)
    os.kill(pid, by)
    wait_for(f"{name} to end", lambda: is_gone(pid))


def folder_of(cluster: RunningCluster, url: str) -> Path:
    """Where a node keeps its records."""
    return next(cluster.folder.rglob(url.replace("/", "%2F") + ".lmdb"))


def test_the_only_copy_is_never_set_aside(tmp_path: Path) -> None:
    with served(tmp_path) as node:
        node.process.terminate()
        assert node.process.wait(30) == 0
        for damage in zero_pages, remove_data:
            copy = tmp_path / damage.__name__
            shutil.copytree(node.data, copy)
            damage(next(copy.glob("*.lmdb")), Random(1))
            names = {path.name for path in copy.rglob("*")}
            done = limedb("serve", env={**node.env, "DATA_DIR": str(copy)})
            assert done.returncode != 0
            assert (
                "this node doesn't start, and nothing was changed: the other members (none) are too few"
                in done.stderr
            )
            assert "Traceback" not in done.stderr
            assert {path.name for path in copy.rglob("*")} == names
