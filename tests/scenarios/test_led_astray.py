"""Peers' traffic that is led to another node, as by an IP address that was given anew, counts for nothing."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc

from limedb.errors import LimeDBError
from limedb.operator.remote_cluster import fetch_state
from limedbpb.v1 import kv_pb2, kv_pb2_grpc
from tests.scenarios.load import QUORUM
from tests.support.clusters import QUICK
from tests.support.delaying import delaying_proxy
from tests.support.keys import new_key
from tests.support.ports import free_ports
from tests.support.serving import starting_node
from tests.support.waiting import wait_for

SECONDS = 5.0


def is_whole(address: str) -> bool:
    """Whether a node sees both alive, as members."""
    try:
        state = fetch_state(address, SECONDS)
    except LimeDBError:
        return False
    return state.total_nodes == state.active_nodes == 2 and state.is_settled


@contextmanager
def calls_to(address: str) -> Iterator[kv_pb2_grpc.KVServiceStub]:
    with grpc.insecure_channel(address) as channel:
        yield kv_pb2_grpc.KVServiceStub(channel)


def acknowledged(kv: kv_pb2_grpc.KVServiceStub, key: str) -> int:
    """How many replicas acknowledged a write at QUORUM; 0: it failed."""
    request = kv_pb2.SetRequest(key=key, value="v", consistency=QUORUM)
    try:
        return kv.Set(request, timeout=SECONDS).receipt.acked
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
        return 0


def test_one_node_never_acknowledges_in_the_place_of_another(tmp_path: Path) -> None:
    """Of two replicas both are a majority. The address of the second leads to the first for a while."""
    with ExitStack() as stack:
        port, other, way = stack.enter_context(free_ports(3))
        first, second = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{way}"
        apart = {"ADVERTISE_ADDRESS": f"127.0.0.1:{way}", "NODE_URL": second, "NODE_PEERS": first}
        with delaying_proxy(way, f"127.0.0.1:{other}", 0.0):
            own = {"NODE_URL": first, "NODE_PEERS": second}
            address = stack.enter_context(starting_node(tmp_path / "first", port, QUICK | own))
            stack.enter_context(starting_node(tmp_path / "second", other, QUICK | apart))
            wait_for("they are a cluster", lambda: is_whole(address), 30)
        kv = stack.enter_context(calls_to(address))
        with delaying_proxy(way, f"127.0.0.1:{port}", 0.0):
            assert [acknowledged(kv, new_key("astray")) for _ in range(20)] == [0] * 20
        with delaying_proxy(way, f"127.0.0.1:{other}", 0.0):
            wait_for("both take writes again", lambda: acknowledged(kv, new_key("back")) == 2, 30)
