"""Leases of the client, against real nodes: kept alive, lost, revoked.

Tests limedb/client/leases.py, limedb/client/lease_calls.py and limedb/client/sync_coordination.py.
"""

import asyncio
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

import limedb
from limedb.client import Lease
from limedb.errors import InvalidRequestError, LeaseLostError, LeaseNotFoundError
from tests.support.clusters import RunningCluster
from tests.support.keys import new_key
from tests.support.waiting import wait_for

ANNOUNCE = """
import asyncio, sys, limedb

async def main():
    async with limedb.connect(sys.argv[1]) as db, db.lease(1.5) as lease:
        await db.set(sys.argv[2], "here", lease=lease)
        print("announced", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_a_key_is_there_as_long_as_the_block_runs(cluster: RunningCluster) -> None:
    key = new_key()
    async with limedb.connect(cluster.nodes[0].address) as db:
        async with db.lease(1) as lease:
            assert lease.is_held
            await db.set(key, "here", lease=lease)
            shown = await db.lease_status(lease.id)
            assert (shown.id, shown.ttl, shown.keys) == (lease.id, 1, (key,))
            assert 0 < shown.left <= 1
            await asyncio.sleep(2.5)  # more than two lives
            assert await db.get(key, consistency="linearizable") == "here"
            id_ = lease.id
        assert await db.get(key, consistency="linearizable") is None
        assert lease.id == 0
        with pytest.raises(LeaseNotFoundError):
            await db.renew_lease(id_)
        with pytest.raises(LeaseLostError):
            lease.check()


async def test_the_key_of_a_process_that_dies_goes_and_of_one_that_stood_still_too(
    cluster: RunningCluster, tmp_path: Path
) -> None:
    (tmp_path / "announce.py").write_text(ANNOUNCE)
    async with limedb.connect(cluster.nodes[1].address) as db:
        for ends, signal_ in ((True, signal.SIGKILL), (False, signal.SIGSTOP)):
            key = new_key()
            command = (sys.executable, str(tmp_path / "announce.py"), cluster.nodes[0].address, key)
            process = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
            )
            try:
                assert process.stdout is not None
                assert await process.stdout.readline() == b"announced\n"
                assert await db.get(key) == "here"
                process.send_signal(signal_)
                await _gone(db, key)
                if not ends:
                    process.send_signal(signal.SIGCONT)
                    _, errors = await asyncio.wait_for(process.communicate(), 60)
                    assert b"LeaseLostError: lease" in errors
            finally:
                if process.returncode is None:
                    process.kill()
                await process.wait()


async def _gone(db: limedb.client.Client, key: str) -> None:
    end = time.monotonic() + 60
    while await db.get(key, consistency="linearizable") is not None:
        assert time.monotonic() < end, f"{key} is there still"
        await asyncio.sleep(0.05)


async def test_a_lease_that_is_revoked_elsewhere_is_lost_and_says_so(cluster: RunningCluster) -> None:
    lost = asyncio.Event()
    async with limedb.connect(cluster.nodes[0].address) as db:
        lease = db.lease(1.5, on_lost=lost.set)

        async def work() -> None:
            async with lease:
                await db.revoke_lease(lease.id)
                await asyncio.sleep(60)

        with pytest.raises(LeaseLostError, match="was revoked") as caught:
            await work()
        id_ = caught.value.lease
        assert lost.is_set()
        with pytest.raises(LeaseNotFoundError):
            await db.set(new_key(), "x", lease=id_)


async def test_of_many_that_announce_themselves_one_is_first_and_the_next_follows(
    cluster: RunningCluster,
) -> None:
    key = new_key()
    async with limedb.connect(cluster.nodes[2].address) as db:
        first, second = db.lease(5), db.lease(5)
        await asyncio.gather(first.acquire(), second.acquire())
        await db.set(key, "first", if_absent=True, lease=first)
        with pytest.raises(limedb.errors.ConditionFailedError):
            await db.set(key, "second", if_absent=True, lease=second)
        await first.release()
        await db.set(key, "second", if_absent=True, lease=second.id)
        await db.set(key, "own")
        await second.release()
        assert await db.get(key, consistency="linearizable") == "own"


def test_a_client_without_asyncio_has_leases(cluster: RunningCluster) -> None:
    key = new_key()
    with limedb.connect_sync(cluster.nodes[0].address) as db:
        with db.lease(5) as lease:
            db.set(key, "here", lease=lease)
            assert (lease.is_held, db.get(key)) == (True, "here")
            wait_for("a renewal", lambda: lease.id)
        assert db.get(key, consistency="linearizable") is None


def test_a_lease_is_kept_by_hand(cluster: RunningCluster) -> None:
    key = new_key()
    with limedb.connect_sync(cluster.nodes[0].address) as db:
        lease = db.grant_lease(timedelta(seconds=600))
        db.set(key, "here", lease=lease)
        assert 0 < db.renew_lease(lease) <= 600
        status = db.lease_status(lease)
        assert (status.id, status.ttl, status.keys) == (lease, 600, (key,))
        assert 500 < status.left <= 600
        assert db.append(key, "!") == 5
        assert db.revoke_lease(lease) == 1
        assert db.get(key, consistency="linearizable") is None
        for use in (db.renew_lease, db.revoke_lease, db.lease_status):
            with pytest.raises(LeaseNotFoundError):
                use(lease)


async def test_what_is_no_lease_is_refused(node: str) -> None:
    async with limedb.connect(node) as db:
        for ttl in (0, 0.5, 100_000, "10", -1, float("nan"), None, True):
            with pytest.raises(InvalidRequestError, match="a lease lives for 1 s to 24 h"):
                db.lease(ttl)  # type: ignore[arg-type]
            with pytest.raises(InvalidRequestError, match="a lease lives for 1 s to 24 h"):
                await db.grant_lease(ttl)  # type: ignore[arg-type]
        ended: Lease = db.lease(5)
        for wrong in (0, -1, "5", True, 1.5, 1 << 63, ended):
            with pytest.raises(InvalidRequestError, match="isn't a lease"):
                await db.set("k", "v", lease=wrong)  # type: ignore[arg-type]
        async with db.lease(5) as lease:
            with pytest.raises(InvalidRequestError, match="held by this object already"):
                await lease.acquire()
            with pytest.raises(InvalidRequestError, match="give one"):
                await db.set("k", "v", 5, lease=lease)
            with pytest.raises(InvalidRequestError, match="has a tag"):
                await db.set("{a}k", "v", lease=lease)
