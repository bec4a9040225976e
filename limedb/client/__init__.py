"""The client library: `connect` for asyncio, `connect_sync` for everything else.

    async with limedb.connect("node1:8484,node2:8484") as db:
        await db.set("greeting", "hello", ttl=60)
        print(await db.get("greeting"))

See docs/client.md.
"""

from limedb.client import life  # noqa: F401 (before gRPC is loaded)
from limedb.client.arguments import Consistency, Duration, Value, tls_of
from limedb.client.client import Client
from limedb.client.counters import Counter, SyncCounter
from limedb.client.feeds import Feed, Watch
from limedb.client.leases import Lease, LeaseStatus
from limedb.client.locks import Leader, Lock
from limedb.client.outcomes import Entry
from limedb.client.routing import Follow
from limedb.client.sync import SyncClient
from limedb.client.sync_feeds import SyncFeed, SyncWatch
from limedb.client.sync_locks import SyncLeader, SyncLease, SyncLock
from limedb.client.transactions import SyncTransaction, Transaction, TransactionResult
from limedb.client.watches import Change
from limedb.core.receipt import Receipt
from limedb.tls.bearer import Token
from limedb.tls.target import PathText

__all__ = [
    "Change",
    "Client",
    "Counter",
    "Entry",
    "Feed",
    "Leader",
    "Lease",
    "LeaseStatus",
    "Lock",
    "Receipt",
    "SyncClient",
    "SyncCounter",
    "SyncFeed",
    "SyncLeader",
    "SyncLease",
    "SyncLock",
    "SyncTransaction",
    "SyncWatch",
    "Token",
    "Transaction",
    "TransactionResult",
    "Value",
    "Watch",
    "connect",
    "connect_sync",
]

DEFAULT_TIMEOUT_SECONDS = 10.0
"""The time for a call, including all its tries."""


def connect(
    addresses: str,
    *,
    consistency: Consistency = None,
    timeout: Duration = DEFAULT_TIMEOUT_SECONDS,
    follow_ring: Follow = "auto",
    idempotent: bool = False,
    patient: bool = False,
    cluster_id: str = "",
    tls_ca: PathText | None = None,
    tls_cert: PathText | None = None,
    tls_key: PathText | None = None,
    token: Token | None = None,
) -> Client:
    """Return a client of the cluster behind the addresses of nodes or of Envoy, "host:port,host:port". Use it
    with `async with`, or call `open` and `close`.

    consistency: the level of calls that name none; None: the nodes' default. timeout: seconds, or a
    timedelta, for calls that name none. follow_ring: "auto": the client sends calls straight to a key's
    replicas if it can reach them, otherwise through the addresses; True: the same, but it is an error if it
    can reach no node directly; False: it sends calls only through the addresses. idempotent: writes carry a
    key, so that nodes apply each once, and the client retries one whose outcome is unknown; each write costs
    the nodes a round of agreement. patient: the client retries a call that every node refused, because too
    few replicas are up or the nodes are too busy, until its timeout, instead of failing at once; a slow node
    has 10 s to answer a ping, instead of 0.5 s. cluster_id: the cluster's, 16 hex digits; empty: that of the
    first node that answers. The client sends no calls to nodes of another cluster, whatever their names and
    addresses.

    tls_ca: the file (PEM) of the CAs that the nodes' certificates must come from: the client then uses TLS.
    It also does so with addresses such as https://host:port; without tls_ca, their certificates must come
    from a public CA. tls_cert, tls_key: the client's own certificate, where nodes ask for one. After a change
    of the files, new connections use the new ones.

    token: by which nodes recognise the caller, where they ask for one; or a function that returns it. The
    client calls the function for each call and each new session, so it must be quick, and may return a newer
    token before the last one expires.
    """
    tls = tls_of(addresses, tls_ca, tls_cert, tls_key)
    return Client(addresses, consistency, timeout, follow_ring, idempotent, patient, cluster_id, tls, token)


def connect_sync(
    addresses: str,
    *,
    consistency: Consistency = None,
    timeout: Duration = DEFAULT_TIMEOUT_SECONDS,
    follow_ring: Follow = "auto",
    idempotent: bool = False,
    patient: bool = False,
    cluster_id: str = "",
    tls_ca: PathText | None = None,
    tls_cert: PathText | None = None,
    tls_key: PathText | None = None,
    token: Token | None = None,
) -> SyncClient:
    """Return the same for code without asyncio. Use it with `with`, from any number of threads."""
    tls = tls_of(addresses, tls_ca, tls_cert, tls_key)
    return SyncClient(
        lambda: Client(
            addresses, consistency, timeout, follow_ring, idempotent, patient, cluster_id, tls, token
        )
    )
