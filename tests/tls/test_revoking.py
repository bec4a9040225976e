"""Certificates of users, and revoked certificates, on a real cluster.

Tests limedb/rpc/server/certified.py, limedb/rpc/server/gate.py and limedb/node/encryption.py.
"""

import queue
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import grpc
import pytest

import limedb
from limedb.errors import PermissionDeniedError
from limedb.rpc.caller import HEADER
from limedb.tls.bearer import bearer
from limedb.tls.certificates import read
from limedb.tls.target import ClientTls
from limedbpb.v1 import (
    access_pb2,
    access_pb2_grpc,
    cluster_pb2,
    cluster_pb2_grpc,
    kv_pb2,
    kv_pb2_grpc,
    topology_pb2,
    topology_pb2_grpc,
)
from tests.support.certified import Certified, certified_cluster
from tests.support.clusters import limedb as limedb_command
from tests.support.waiting import wait_for

pytestmark = pytest.mark.cluster

SECONDS = 10.0


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Certified]:
    with certified_cluster(tmp_path_factory.mktemp("certified")) as made:
        made.add_user("alice", "admin:alice/")
        yield made


def name_at(certified: Certified, address: str, tls: ClientTls, *metadata: tuple[str, str | bytes]) -> str:
    """Whom a node takes a caller for; or the code, and the text."""
    with certified.channel(address, tls) as channel:
        stub = access_pb2_grpc.AccessServiceStub(channel)
        try:
            answer = stub.WhoAmI(access_pb2.WhoAmIRequest(), timeout=SECONDS, metadata=metadata)
        except grpc.RpcError as error:
            return f"{error.code().name}: {error.details()}"  # type: ignore[attr-defined]
    return str(answer.user.name)


def test_a_certificate_is_its_user(certified: Certified) -> None:
    alice = certified.client("alice")
    for address in (certified.cluster.nodes[1].address, certified.peers_at(1)):
        assert name_at(certified, address, alice) == "alice"
    certified.limedb("set", "alice/1", "x", tls=alice)
    assert "lacks the role write" in certified.limedb("set", "other", "x", tls=alice, code=1)
    assert "alice  admin:alice/" in certified.limedb("whoami", tls=alice)


async def test_the_library_needs_no_token_with_a_certificate(certified: Certified) -> None:
    alice = certified.client("alice")
    address = certified.cluster.nodes[0].address
    options = {"tls_ca": alice.ca, "tls_cert": alice.cert, "tls_key": alice.key}
    async with limedb.connect(address, timeout=SECONDS, **options) as db:  # type: ignore[arg-type]
        await db.set("alice/2", "x")
        assert await db.get("alice/2") == "x"
        with pytest.raises(PermissionDeniedError):
            await db.get("other")


def test_a_token_counts_before_the_certificate(certified: Certified) -> None:
    root, alice = certified.root.read_text().strip(), certified.client("alice")
    address = certified.cluster.nodes[0].address
    assert name_at(certified, address, alice, *bearer(root)) == "root"
    assert "UNAUTHENTICATED" in name_at(certified, address, alice, *bearer("limedb_alice.wrong"))


def test_who_is_no_user_is_refused_with_the_reason(certified: Certified) -> None:
    address = certified.cluster.nodes[0].address
    for name in ("nobody", "root", "node", "../alice"):
        found = name_at(certified, address, certified.client(name, "odd"))
        assert found.startswith("UNAUTHENTICATED: without a token the certificate counts"), name
    # A common name makes nobody a user.
    assert "needs a token" in name_at(certified, address, certified.files("envoy"))


@pytest.mark.parametrize(
    "forged",
    [
        ("x-forwarded-client-cert", "URI=limedb://user/alice"),
        ("x-limedb-user", "alice"),
        ("x509_common_name", "alice"),
        ("peer_uri", "limedb://user/alice"),
    ],
    ids=str,
)
def test_no_header_stands_for_a_certificate(certified: Certified, forged: tuple[str, str]) -> None:
    bob = certified.client("bob")
    for address in (certified.cluster.nodes[0].address, certified.envoy):
        assert "UNAUTHENTICATED" in name_at(certified, address, bob, forged)


def test_envoy_is_nobody_whatever_certificate_its_client_has(certified: Certified) -> None:
    alice = certified.client("alice")
    assert "needs a token" in name_at(certified, certified.envoy, alice)


def test_a_removed_user_is_refused_with_its_certificate_too(certified: Certified) -> None:
    certified.add_user("leaver", "read")
    leaver, address = certified.client("leaver"), certified.cluster.nodes[1].address
    assert name_at(certified, address, leaver) == "leaver"
    certified.limedb("admin", "user", "delete", "leaver", tls=certified.files("client"), token=certified.root)
    wait_for("the end", lambda: "doesn't have the user" in name_at(certified, address, leaver))


def certs(certified: Certified, *arguments: str) -> str:
    """What a command prints."""
    done = limedb_command("certs", *arguments, "--dir", str(certified.folder.path))
    assert done.returncode == 0, done.stderr
    return done.stdout


def end_of(answers: object) -> grpc.StatusCode:
    """The code with which a stream ends that nobody sends anything to."""
    try:
        for _ in answers:  # type: ignore[attr-defined]
            pass
    except grpc.RpcError as error:
        return error.code()  # type: ignore[attr-defined, no-any-return]
    return grpc.StatusCode.OK


def test_idle_streams_of_a_revoked_token_end(certified: Certified) -> None:
    token = certified.add_user("idle", "read", "watch")
    with certified.channel(certified.cluster.nodes[1].address, certified.files("client"), token) as channel:
        stub = kv_pb2_grpc.KVServiceStub(channel)
        watch = stub.Watch(kv_pb2.WatchRequest(prefix="nothing/"))
        next(watch)  # type: ignore[call-overload]
        asked: queue.Queue[kv_pb2.SessionRequest] = queue.Queue()
        asked.put(kv_pb2.SessionRequest(id=1, get=kv_pb2.GetRequest(key="a")))
        session = stub.Session(iter(asked.get, None))
        next(session)  # type: ignore[call-overload]
        command = ("admin", "user", "rotate", "idle")
        certified.limedb(*command, tls=certified.files("client"), token=certified.root)
        ends: queue.Queue[grpc.StatusCode] = queue.Queue()
        for answers in (watch, session):
            Thread(target=lambda a=answers: ends.put(end_of(a)), daemon=True).start()  # type: ignore[misc]
        assert [ends.get(timeout=30) for _ in range(2)] == [grpc.StatusCode.UNAUTHENTICATED] * 2


def test_a_revoked_client_ends_and_others_stay(certified: Certified) -> None:
    certified.add_user("thief", "admin")
    thief, alice = certified.client("thief"), certified.client("alice")
    address = certified.cluster.nodes[1].address
    with certified.channel(address, alice) as channel, certified.channel(address, thief) as stolen:
        watches = [
            kv_pb2_grpc.KVServiceStub(each).Watch(kv_pb2.WatchRequest(prefix="alice/"))
            for each in (channel, stolen)
        ]
        for watch in watches:
            next(watch)  # type: ignore[call-overload]
        assert "TLS_REVOKED" in certs(certified, "revoke", str(thief.cert))
        ends: queue.Queue[grpc.StatusCode] = queue.Queue()
        Thread(target=lambda: ends.put(end_of(watches[1])), daemon=True).start()
        assert ends.get(timeout=30) in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAUTHENTICATED)
        certified.limedb("set", "alice/3", "seen", tls=alice)
        events = (event.key for answer in watches[0] for event in answer.events)  # type: ignore[attr-defined]
        assert next(events) == "alice/3"
        watches[0].cancel()  # type: ignore[attr-defined]
    root = bearer(certified.root.read_text().strip())
    for extra in ((), root):  # with a token, too: whose key is stolen shows nothing
        assert name_at(certified, address, thief, *extra).startswith("UNAUTHENTICATED: the certificate was")


def ping(certified: Certified, address: str, tls: ClientTls, url: str) -> str:
    """The code of a node's call, and its text."""
    with certified.channel(address, tls) as channel:
        stub = topology_pb2_grpc.TopologyServiceStub(channel)
        try:
            stub.Ping(topology_pb2.PingRequest(), timeout=SECONDS, metadata=((HEADER, url.encode()),))
        except grpc.RpcError as error:
            return f"{error.code().name}: {error.details()}"  # type: ignore[attr-defined]
    return "OK"


def test_a_stolen_node_certificate_is_revoked_as_the_docs_say(certified: Certified, tmp_path: Path) -> None:
    """The commands of SECURITY.md, while the thief is connected, and the node lives on with a new one."""
    node, peers = certified.cluster.nodes[2], certified.peers_at(0)
    own, name = certified.files(node.name), "stolen"
    for path, suffix in ((own.cert, "pem"), (own.key, "key")):
        assert path is not None
        (tmp_path / f"{name}.{suffix}").write_bytes(path.read_bytes())
    stolen = ClientTls(own.ca, tmp_path / f"{name}.pem", tmp_path / f"{name}.key")
    assert ping(certified, peers, stolen, node.url) == "OK"

    with certified.channel(peers, stolen) as channel:
        meant = ((HEADER, node.url.encode()),)
        ping_ = topology_pb2_grpc.TopologyServiceStub(channel).Ping
        ping_(topology_pb2.PingRequest(), timeout=SECONDS, metadata=meant)  # so it is connected
        certs(certified, "revoke", str(own.cert))
        certs(certified, "renew", str(own.cert))
        wait_for("the refusal", lambda: "revoked" in ping(certified, peers, stolen, node.url))
        log = certified.cluster.nodes[0].log
        wait_for("the end of connections", lambda: "connections were ended" in log.read_text())
    assert read(own.cert.read_bytes()) != read((tmp_path / "stolen.pem").read_bytes())  # type: ignore[union-attr]

    def is_whole() -> bool:
        with certified.channel(certified.cluster.nodes[0].address, certified.files("client")) as channel:
            stub = cluster_pb2_grpc.ClusterServiceStub(channel)
            root = bearer(certified.root.read_text().strip())
            state = stub.GetState(cluster_pb2.GetStateRequest(), timeout=SECONDS, metadata=root)
        return state.active_nodes == len(certified.cluster.nodes)

    wait_for("the node with its new certificate", is_whole, limit=30)
    command = ("set", "after", "x", "--consistency", "all")
    wait_for(
        "a write on all nodes",
        lambda: certified.limedb(*command, tls=certified.files("client"), token=certified.root),
        ignore=AssertionError,
    )
