"""Every RPC of every service between nodes, called by everybody who may not. Tests limedb/tls/version.py too.

The table is made from the protos: an RPC that is added there is in it, and a service without a rule fails.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor

from limedb.operator.remote_cluster import fetch_problems
from limedb.rpc.caller import HEADER
from limedb.tls.dialling import open_channel
from limedb.tls.target import ClientTls, Target
from limedbpb.v1 import (
    topology_pb2,
)
from tests.support.certificates import Pki, asked, settings_of
from tests.support.clusters import QUICK
from tests.support.ports import free_ports
from tests.support.services import services
from tests.support.serving import starting_node
from tests.support.waiting import wait_for

pytestmark = pytest.mark.cluster

SERVICES = {service.name: service for service in services()}
OF_CLIENTS = {
    "AccessService",
    "AdminService",
    "ClusterService",
    "DashboardService",
    "KVService",
    "LeaseService",
}
OF_PEERS = {"GossipService", "ReplicaService", "TopologyService"}

GARBAGE = b"\xff\xff\xff\xff"
"""No message at all: a node that refuses to parse it has not looked at it."""
SECONDS = 10


class Caller(NamedTuple):
    """Somebody who calls, and what comes of it. port: at which; claims: the node that it says it is."""

    port: str
    claims: str
    outcome: grpc.StatusCode


REFUSED, UNREACHED = grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAVAILABLE
CALLERS = {
    "no certificate, at the clients' port": Caller("clients", "other", REFUSED),
    "no certificate, at the peers' port": Caller("peers", "other", UNREACHED),
    "no TLS, at the peers' port": Caller("peers", "other", UNREACHED),
    "a certificate of another CA": Caller("peers", "other", UNREACHED),
    "an expired certificate": Caller("peers", "other", UNREACHED),
    "a client's certificate": Caller("peers", "other", REFUSED),
    "a client's certificate, and no claim": Caller("peers", "", REFUSED),
    "another node's name": Caller("peers", "own", REFUSED),
    "a node's certificate, and no claim": Caller("peers", "", REFUSED),
    "a node's certificate, and a claim that is no URL": Caller("peers", "nonsense", REFUSED),
    "a node": Caller("peers", "other", grpc.StatusCode.INVALID_ARGUMENT),
}


class World(NamedTuple):
    """The channels of all callers to a node, and its log. urls: of the node (own) and of another (other).
    target: the node, as its clients ask it.
    """

    channels: Mapping[str, grpc.Channel]
    urls: Mapping[str, str]
    target: Target
    log: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("peers")
    pki, other = Pki(folder / "pki"), Pki(folder / "other", "another CA")
    with ExitStack() as stack:
        port, peer_port = stack.enter_context(free_ports(2))
        own, stranger = f"http://localhost:{port}", "http://localhost:1"
        node = pki.node(own, days=20)
        settings = {"NODE_URL": own, "PEER_PORT_OFFSET": "1", **QUICK, **settings_of(node)}
        stack.enter_context(starting_node(folder / "node", port, settings))
        log = folder / "node" / "node.log"
        # Channels that try before it listens back off, and then for longer and longer.
        wait_for("the node to listen", lambda: log.exists() and f"serving {own}" in log.read_text())

        def channel(port: int, tls: ClientTls) -> grpc.Channel:
            target = Target(f"localhost:{port}", ClientTls(pki.ca, tls.cert, tls.key))
            return stack.enter_context(open_channel(target, ()))

        def showing(tls: ClientTls) -> grpc.Channel:
            return channel(peer_port, tls)

        right, client = showing(pki.node(stranger)), showing(pki.client())
        channels = {
            "no certificate, at the clients' port": channel(port, ClientTls()),
            "no certificate, at the peers' port": channel(peer_port, ClientTls()),
            "no TLS, at the peers' port": stack.enter_context(
                grpc.insecure_channel(f"localhost:{peer_port}")
            ),
            "a certificate of another CA": showing(other.node(stranger)),
            "an expired certificate": showing(pki.expired(stranger)),
            "a client's certificate": client,
            "a client's certificate, and no claim": client,
            "another node's name": right,
            "a node's certificate, and no claim": right,
            "a node's certificate, and a claim that is no URL": right,
            "a node": right,
        }
        urls = {"own": own, "other": stranger, "nonsense": "nonsense", "": ""}
        target = asked(f"localhost:{port}", pki.ca)
        made = World(channels, urls, target, log)
        topology = topology_pb2.DESCRIPTOR.services_by_name["TopologyService"]
        try:
            wait_for("the node to answer", lambda: is_up(made, topology.methods_by_name["Ping"]))
        except AssertionError:
            print(log.read_text())  # noqa: T201 (why it doesn't)
            raise
        yield made


def is_up(world: World, method: MethodDescriptor) -> bool:
    return code_of(world, "a node", method, b"") is None


def code_of(world: World, who: str, method: MethodDescriptor, message: bytes) -> grpc.StatusCode | None:
    """The code that a call ends with; None: OK."""
    url = world.urls[CALLERS[who].claims]
    path = f"/{method.containing_service.full_name}/{method.name}"
    metadata = [(HEADER, url.encode())] if url else []
    channel = world.channels[who]
    options = {"timeout": SECONDS, "metadata": metadata, "wait_for_ready": False}
    try:
        if method.client_streaming:
            for _ in channel.stream_stream(path)(iter([message]), **options):
                break
        elif method.server_streaming:
            for _ in channel.unary_stream(path)(message, **options):
                break
        else:
            channel.unary_unary(path)(message, **options)
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return None


def methods(services: set[str]) -> list[MethodDescriptor]:
    return [method for name in sorted(services) for method in SERVICES[name].methods]


def test_each_service_is_for_clients_or_for_peers() -> None:
    """A service that is added to the protos needs a place here, and in node.py."""
    protos = Path(__file__).parents[2] / "proto" / "limedbpb" / "v1"
    there = {
        name
        for file in protos.glob("*.proto")
        for name in re.findall(r"^service (\w+)", file.read_text(), re.MULTILINE)
    }
    assert there == SERVICES.keys() == OF_CLIENTS | OF_PEERS
    assert not OF_CLIENTS & OF_PEERS


@pytest.mark.parametrize("who", CALLERS)
@pytest.mark.parametrize("method", methods(OF_PEERS), ids=lambda m: f"{m.containing_service.name}.{m.name}")
def test_only_a_node_is_heard(world: World, method: MethodDescriptor, who: str) -> None:
    assert code_of(world, who, method, GARBAGE) is CALLERS[who].outcome


@pytest.mark.parametrize("method", methods(OF_CLIENTS), ids=lambda m: f"{m.containing_service.name}.{m.name}")
def test_a_client_needs_no_certificate(world: World, method: MethodDescriptor) -> None:
    who = "no certificate, at the clients' port"
    # It is about users, and there are none; a new node's request has a token of its own.
    needs_token = method.containing_service.name == "AccessService" and method.name != "Join"
    expected = grpc.StatusCode.UNAUTHENTICATED if needs_token else grpc.StatusCode.INVALID_ARGUMENT
    assert code_of(world, who, method, GARBAGE) is expected


def test_a_certificate_of_its_last_weeks_is_a_warning(world: World) -> None:
    def warnings() -> list[str]:
        return [text for text in fetch_problems(world.target, SECONDS) if "expires in" in text]

    (warning,) = wait_for("the warning", warnings)
    assert "`limedb certs renew`" in warning


def test_a_stranger_can_not_fill_the_log(world: World) -> None:
    method = SERVICES["TopologyService"].methods_by_name["Ping"]
    for who in ("a certificate of another CA", "no TLS, at the peers' port"):
        assert code_of(world, who, method, b"") is UNREACHED
    assert "ssl_transport_security" not in world.log.read_text()
