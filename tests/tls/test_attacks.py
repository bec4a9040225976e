"""Every RPC of every service, called by everybody who may not, at each door of a cluster that is closed as
far as it can be: TLS, certificates of clients, tokens.

The table is made from the protos: a new RPC is in it, and fails `test_each_rpc_has_a_case_and_a_rule`
(tests/scenarios/test_access_rules.py) until somebody has decided who may call it. Plain clusters, and what
each role may do: there. Each call sends what is no message: who refuses it has not looked at it.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor

from limedb.access.tokens import new_token
from limedb.rpc.addressee import HEADER as MEANT
from limedb.rpc.caller import HEADER as CLAIM
from limedb.tls.bearer import bearer
from limedb.tls.dialling import open_channel
from limedb.tls.target import ClientTls, Target
from tests.scenarios.access_table import CASES, methods, name_of
from tests.support.certificates import Pki
from tests.support.certified import Certified, certified_cluster

pytestmark = pytest.mark.cluster

GARBAGE = b"\xff\xff\xff\xff"
SECONDS = 10.0
METHODS = {f"{m.containing_service.full_name}/{m.name}": m for m in methods()}
ELSEWHERE = "http://localhost:1"
UNREACHED, NO, NOT, UNKNOWN = "UNAVAILABLE", "UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED"
DOORS = ("clients", "peers")


class Attacker(NamedTuple):
    """Somebody who calls. who: the certificate. metadata: what else is shown. code: with which each RPC is
    refused; for_nodes: those for nodes, if they differ.
    """

    who: str
    metadata: Any
    code: str
    for_nodes: str = ""


class World(NamedTuple):
    """The channels of all certificates, by door and holder, and the attackers at nodes and at Envoy."""

    channels: Mapping[tuple[str, str], grpc.Channel]
    attackers: Mapping[str, Attacker]
    at_envoy: Mapping[str, Any]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("attacks")
    with certified_cluster(folder, nodes=1) as cluster, ExitStack() as stack:
        yield World(
            channels(cluster, Pki(folder / "other", "LimeDB CA"), stack),
            attackers(cluster),
            at_envoy(cluster),
        )


def channels(cluster: Certified, other: Pki, stack: ExitStack) -> dict[tuple[str, str], grpc.Channel]:
    """Those of each holder at each door."""
    ca = cluster.folder.ca
    cluster.add_user("thief", "admin", "operator")
    cluster.add_user("reader", "read")
    revoked, lost = cluster.client("thief"), cluster.node(ELSEWHERE, "lost")
    holders = {
        "nobody": ClientTls(ca),
        "another CA": other.node(ELSEWHERE),
        "another CA's client": other.client("reader"),
        "expired": expired(cluster),
        "revoked client": revoked,
        "revoked node": lost,
        "client": cluster.client("client-without-user"),
        "reader": cluster.client("reader"),
        "node": cluster.node(ELSEWHERE, "elsewhere"),
    }
    assert revoked.cert is not None
    assert lost.cert is not None
    cluster.folder.revoke([revoked.cert, lost.cert])
    doors = {"clients": cluster.cluster.nodes[0].address, "peers": cluster.peers_at(0)}
    made = {
        (door, who): stack.enter_context(open_channel(Target(address, ClientTls(ca, tls.cert, tls.key)), ()))
        for door, address in doors.items()
        for who, tls in holders.items()
    }
    for door, address in doors.items():
        made[door, "no TLS"] = stack.enter_context(grpc.insecure_channel(address))
    made["envoy", ""] = stack.enter_context(open_channel(Target(cluster.envoy, ClientTls(ca)), ()))
    wait_revoked(made["clients", "revoked client"])
    return made


def expired(cluster: Certified) -> ClientTls:
    """The files of a node whose time is over, by the cluster's own CA."""
    from limedb.tls.authority import Made, issue, node_holder
    from tests.support.certificates import LONG_AGO

    folder = cluster.folder
    ca = Made(folder.ca.read_bytes(), folder.key("ca").read_bytes())
    made = issue(ca, node_holder(ELSEWHERE, ["localhost"]), 1, now=LONG_AGO)
    folder.cert("expired").write_bytes(made.cert)
    folder.key("expired").write_bytes(made.key)
    return cluster.files("expired")


def attackers(cluster: Certified) -> dict[str, Attacker]:
    """All who may do nothing at a node."""
    root, foreign = bearer(cluster.root.read_text().strip()), bearer(new_token("reader"))
    old = cluster.add_user("leaver", "admin", "operator")
    cluster.limedb("admin", "user", "delete", "leaver", tls=cluster.files("client"), token=cluster.root)
    own = cluster.cluster.nodes[0].url.encode()
    meant = ((MEANT, own),)
    return {
        "no certificate": Attacker("nobody", root, UNREACHED),
        "no TLS": Attacker("no TLS", root, UNREACHED),
        "another CA": Attacker("another CA", ((CLAIM, ELSEWHERE.encode()),), UNREACHED),
        "another CA's client": Attacker("another CA's client", (), UNREACHED),
        "an expired certificate": Attacker("expired", ((CLAIM, ELSEWHERE.encode()),), UNREACHED),
        "a revoked client": Attacker("revoked client", (), NO),
        "a revoked client with a token": Attacker("revoked client", root, NO, NOT),
        "a revoked node": Attacker("revoked node", ((CLAIM, ELSEWHERE.encode()), *meant), NO),
        "a client without a user": Attacker("client", (), NO),
        "a client that claims to be a node": Attacker("client", ((CLAIM, own), *meant), NO),
        "a user": Attacker("reader", (), "", NOT),
        "another node's name": Attacker("node", ((CLAIM, own), *meant), NO),
        "a node's certificate, and no claim": Attacker("node", meant, NO),
        "a revoked token": Attacker("client", bearer(old), NO),
        "a token of another cluster": Attacker("client", foreign, NO),
        "the root token": Attacker("client", root, "", NOT),
    }


def at_envoy(cluster: Certified) -> dict[str, Any]:
    """What all who may do nothing show to Envoy."""
    proof = ((MEANT, cluster.cluster.nodes[0].url.encode()), ("limedb-proof-bin", b"x" * 32))
    return {
        "nothing": (),
        "a token of another cluster": bearer(new_token("reader")),
        "a certificate in a header": (("x-forwarded-client-cert", "URI=limedb://user/reader"),),
        "a node's name": ((CLAIM, cluster.cluster.nodes[0].url.encode()),),
        "a node's proof": proof,
    }


def wait_revoked(channel: grpc.Channel) -> None:
    """Until the node has read the list."""
    from tests.support.waiting import wait_for

    method = METHODS["limedb.v1.AccessService/WhoAmI"]
    wait_for("the list", lambda: code_of(channel, method, ()) == NO)


def code_of(channel: grpc.Channel, method: MethodDescriptor, metadata: Any) -> str:
    """The code with which a call without a message ends."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    options = {"timeout": SECONDS, "metadata": metadata}
    try:
        if method.client_streaming:
            for _ in channel.stream_stream(path)(iter([GARBAGE]), **options):
                break
        elif method.server_streaming:
            for _ in channel.unary_stream(path)(GARBAGE, **options):
                break
        else:
            channel.unary_unary(path)(GARBAGE, **options)
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


@pytest.mark.parametrize("path", METHODS)
def test_no_node_hears_who_may_not_call(world: World, path: str) -> None:
    method, needs = METHODS[path], CASES[name_of(METHODS[path])].needs
    for door in DOORS:
        for name, attacker in world.attackers.items():
            expected = (attacker.for_nodes if needs == "node" else "") or attacker.code
            if not expected or (needs == "public" and expected != UNREACHED):
                continue  # others hold what users may do, and who reads what is public
            found = code_of(world.channels[door, attacker.who], method, attacker.metadata)
            # A revoked one's connection may have been ended just now.
            fits = {expected, UNREACHED} if "revoked" in attacker.who else {expected}
            assert found in fits, f"{name} at the port of {door}"


@pytest.mark.parametrize("path", METHODS)
def test_no_call_passes_envoy_of_who_may_not_call(world: World, path: str) -> None:
    method, case = METHODS[path], CASES[name_of(METHODS[path])]
    for name, metadata in world.at_envoy.items():
        found = code_of(world.channels["envoy", ""], method, metadata)
        if not case.is_at_envoy:
            assert found == UNKNOWN, name
        elif case.needs != "public":
            assert found == NO, name
