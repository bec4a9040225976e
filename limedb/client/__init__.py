"""The client library: `connect` for asyncio, `connect_sync` for everything else.

    async with limedb.connect("node1:8484,node2:8484") as db:
        await db.set("greeting", "hello", ttl=60)
        print(await db.get("greeting"))

See docs/client.md.
"""

from limedb.client.arguments import Consistency, Duration, Value
from limedb.client.client import Client
from limedb.client.outcomes import Receipt
from limedb.client.routing import Follow
from limedb.client.scans import Entry
from limedb.client.sync import SyncClient
from limedb.client.watches import Change

__all__ = ["Change", "Client", "Entry", "Receipt", "SyncClient", "Value", "connect", "connect_sync"]

DEFAULT_TIMEOUT = 10.0
"""Seconds that a call has, with all its tries."""


def connect(
    addresses: str,
    *,
    consistency: Consistency = None,
    timeout: Duration = DEFAULT_TIMEOUT,
    follow_ring: Follow = "auto",
    idempotent: bool = False,
    patient: bool = False,
) -> Client:
    """A client of the cluster behind some addresses, "host:port,host:port": of nodes, or of Envoy. To be
    used by `async with`, or between `open` and `close`.

    consistency: the level of calls that name none; None: the nodes' default. timeout: seconds, or a
    timedelta, of calls that name none. follow_ring: "auto": calls go straight to a key's replicas where
    these can be reached, else through the addresses; True: as "auto", but it is an error when no node can
    be reached; False: through the addresses only. idempotent: writes are marked, so that nodes take each
    once, and one whose outcome is unknown is tried again; it costs the nodes an agreement a write. patient:
    a call that every node refused, since too few replicas live or nodes have too much to do, is tried again
    until its timeout, instead of failing at once; a slow node has 10 s to answer a ping, instead of 0.5 s.
    """
    return Client(addresses, consistency, timeout, follow_ring, idempotent, patient)


def connect_sync(
    addresses: str,
    *,
    consistency: Consistency = None,
    timeout: Duration = DEFAULT_TIMEOUT,
    follow_ring: Follow = "auto",
    idempotent: bool = False,
    patient: bool = False,
) -> SyncClient:
    """As `connect`, for code without asyncio: to be used by `with`, from any number of threads."""
    return SyncClient(lambda: Client(addresses, consistency, timeout, follow_ring, idempotent, patient))
