"""A cluster is restarted on this tree node by node, and back, while clients use it: nothing is lost.

`make upgrade` runs it (FROM='commit commit': the commits to begin at; by default the last release).
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc
import pytest

from limedbpb.v1 import kv_pb2_grpc
from tests.scenarios.load import CHANNEL_OPTIONS, Nodes, complaints
from tests.upgrade.load import Failure, Load
from tests.upgrade.mixed import Absence, MixedCluster, mixed_cluster
from tests.upgrade.trees import last_release, own_tree, tree_of

OF_A_NODE_THAT_STOPS = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
SETTLE_SECONDS = 2.0
"""Under load between two restarts."""
RECONNECT_SECONDS = 1.5
"""The most between two attempts of a channel to connect."""
SEEN_SECONDS = 60.0
"""The time in which a watch has reported everything, once nothing is written any more."""

pytestmark = [pytest.mark.torture, pytest.mark.cluster]


def commits() -> list[str]:
    """Those to begin at; empty: the last release."""
    return os.environ.get("UPGRADE_FROM", "").split() or [""]


@pytest.mark.parametrize("commit", commits())
async def test_a_rolling_restart_on_this_tree_and_back_loses_nothing(commit: str, tmp_path: Path) -> None:
    commit = commit or await asyncio.to_thread(last_release)
    old, load = await asyncio.to_thread(tree_of, commit), Load()
    with mixed_cluster(tmp_path, old) as cluster:
        async with under_load(cluster, load):
            for tree in own_tree(), old, own_tree():
                for address in cluster.addresses:
                    await asyncio.sleep(SETTLE_SECONDS)
                    await asyncio.to_thread(cluster.restart, address, tree)
        print(  # noqa: T201 (shown by pytest -s)
            f"from {commit}: {load.done} done, {len(load.acknowledged)} keys acknowledged,"
            f" {Counter(failure.code.name for failure in load.failures)} of restarting nodes,"
            f" {len(load.gaps)} gaps: {set(load.gaps)}"
        )


@asynccontextmanager
async def under_load(cluster: MixedCluster, load: Load) -> AsyncIterator[None]:
    """Clients use the cluster meanwhile; at the end all that they saw is judged."""
    async with AsyncExitStack() as stack:
        channels = {
            address: await stack.enter_async_context(grpc.aio.insecure_channel(address, CHANNEL_OPTIONS))
            for address in cluster.addresses
        }
        stubs = {address: kv_pb2_grpc.KVServiceStub(channel) for address, channel in channels.items()}
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(load.watch(cluster.addresses))
            await load.is_watched.wait()
            work = group.create_task(load.run(stop, stubs))
            yield
            stop.set()
            await work
            await wait_seen(load)
            watch.cancel()
        assert load.wrong == []
        assert not (left := unexplained(cluster, load)), f"{len(left)} failures: {left[:5]}"
        assert load.repeated == []
        assert await complaints(Nodes(stubs), load.ledger) == []
        assert all(load.done.get(what, 0) > 100 for what in ("set", "get", "batch set", "batch get"))


async def wait_seen(load: Load) -> None:
    """Return when the watch has reported all that was acknowledged. AssertionError: it has not."""
    limit = asyncio.get_running_loop().time() + SEEN_SECONDS
    while missing := set(load.acknowledged) - load.seen:
        few = sorted(missing)[:5]
        assert asyncio.get_running_loop().time() < limit, f"{len(missing)} not reported, as {few}"
        await asyncio.sleep(0.1)


def unexplained(cluster: MixedCluster, load: Load) -> list[str]:
    """The failures that are not those of a node that was away just then."""
    return [
        f"{failure.what} at {failure.address}: {failure.code.name}, {failure.text}"
        for failure in load.failures
        if not any(explains(absence, failure) for absence in cluster.absences)
    ]


def explains(absence: Absence, failure: Failure) -> bool:
    """Whether a call failed as it may, since its node was away. On a busy machine gRPC cancels calls that it
    has received and the stopping node has not begun (`Server.stop`).
    """
    is_then = failure.end >= absence.since and failure.start <= absence.until + RECONNECT_SECONDS
    return failure.address == absence.address and is_then and failure.code in OF_A_NODE_THAT_STOPS
