"""The stream of changes in a peer's store, for watches.

It owns the call and the meaning of its failure. It must never ask again: the watching side does that.

Tested in tests/rpc/peer/test_remote_replica.py.
"""

import asyncio
from collections.abc import AsyncGenerator

import grpc

from limedb.aio.whole_reads import whole
from limedb.core.selection import WatchFilter
from limedb.core.topology import Fence
from limedb.errors import LimeDBError, ReplicaUnreachableError
from limedb.ports import ChangeBatch
from limedb.rpc.peer.links import PeerLink
from limedb.wire import replica as convert_replica
from limedb.wire.status import peer_error
from limedbpb.v1 import replica_pb2, replica_pb2_grpc


async def changes_of(
    link: PeerLink, what: WatchFilter, since_ms: int | None, fence: Fence
) -> AsyncGenerator[ChangeBatch, None]:
    """As ports.Replica.watch, of the peer behind a link."""
    await link.wait_ready()
    call = link.stub(_stub).WatchChanges(convert_replica.watch_request(what, since_ms, fence))
    try:
        while isinstance(message := await whole(call.read()), replica_pb2.WatchChangesResponse):
            yield convert_replica.change_batch_from(message)
        raise ReplicaUnreachableError(link.node_url, "it ended the stream of changes")
    except grpc.aio.AioRpcError as error:
        raise _failure(link, error) from None
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise ReplicaUnreachableError(link.node_url, "the link was closed") from None
    finally:
        call.cancel()


def _failure(link: PeerLink, error: grpc.aio.AioRpcError) -> LimeDBError:
    lost = ReplicaUnreachableError(link.node_url, f"{error.code().name}, {error.details()}")
    return peer_error(link.node_url, error) or lost


def _stub(channel: grpc.aio.Channel) -> "replica_pb2_grpc.ReplicaServiceAsyncStub":
    return replica_pb2_grpc.ReplicaServiceStub(channel)
