"""What a node that asks for tokens reports of itself, and to whom: health is for everybody, and so its texts
name no files.

Tests limedb/core/problems.py and limedb/rpc/server/cluster.py.
"""

from collections.abc import Iterator
from typing import NamedTuple

import grpc
import pytest

from limedb.core.problems import HIDDEN
from limedb.tls.bearer import with_token
from limedb.tls.dialling import open_channel
from limedb.tls.target import ClientTls, Target
from limedbpb.v1 import admin_pb2, admin_pb2_grpc, cluster_pb2, cluster_pb2_grpc
from tests.support.certificates import Pki, settings_of
from tests.support.clusters import QUICK, limedb
from tests.support.ports import free_ports
from tests.support.serving import starting_node
from tests.support.waiting import wait_for

pytestmark = pytest.mark.process

SECONDS = 10


class Reporting(NamedTuple):
    """A node that has something to report. texts: what only operators may read."""

    channel: grpc.Channel
    tokens: dict[str, str | None]
    texts: tuple[str, ...]


@pytest.fixture(scope="module")
def reporting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reporting]:
    folder = tmp_path_factory.mktemp("reporting")
    root = folder / "root.token"
    assert limedb("admin", "new-secret", str(root)).returncode == 0
    with free_ports(2) as ports:
        port, peers = sorted(ports)
        url = f"http://127.0.0.1:{port}"
        files = Pki(folder / "pki").node(url)
        assert files.key is not None
        files.key.chmod(0o644)
        own = {
            "NODE_URL": url,
            "PEER_PORT_OFFSET": str(peers - port),
            "STORE": "lmdb",
            "AUTH": "required",
            "ROOT_TOKEN_FILE": str(root),
            **settings_of(files),
            **QUICK,
        }
        with (
            starting_node(folder / "data", port, own) as address,
            open_channel(Target(address, ClientTls(files.ca)), ()) as channel,
        ):
            shown = ("--target", address, "--ca", str(files.ca), "--token-file", str(root))
            wait_for("it serves", lambda: limedb("health", *shown).returncode == 0)
            tokens: dict[str, str | None] = {"nobody": None, "root": root.read_text().strip()}
            for name, role in (("reader", "read:a/"), ("watchful", "operator")):
                made = limedb("admin", "user", "add", name, "--role", role, *shown)
                assert made.returncode == 0, made.stderr
                tokens[name] = made.stdout.strip()
            yield Reporting(channel, tokens, (str(files.key), str(folder / "data")))


def reports(reporting: Reporting, who: str) -> list[str]:
    """All that a caller is shown, as text, of each RPC that it may call."""
    stub = cluster_pb2_grpc.ClusterServiceStub(with_token(reporting.channel, reporting.tokens[who]))
    found = [stub.GetHealth(cluster_pb2.GetHealthRequest(), timeout=SECONDS)]
    if who != "nobody":
        found.append(stub.GetState(cluster_pb2.GetStateRequest(), timeout=SECONDS))
        watch = stub.WatchCluster(cluster_pb2.WatchClusterRequest(), timeout=SECONDS)
        found.append(next(watch))  # type: ignore[call-overload]
        watch.cancel()  # type: ignore[attr-defined]
    return [*map(str, found)]


@pytest.mark.parametrize("who", ["nobody", "reader"])
def test_those_who_are_no_operators_see_that_something_is_wrong_and_no_file(
    reporting: Reporting, who: str
) -> None:
    for report in reports(reporting, who):
        assert HIDDEN in report
        assert not [text for text in reporting.texts if text in report]


@pytest.mark.parametrize("who", ["root", "watchful"])
def test_operators_see_which_file_it_is(reporting: Reporting, who: str) -> None:
    key, data = reporting.texts
    health, *others = reports(reporting, who)
    assert data in health
    for report in (health, *others):
        assert f"chmod 600 {key}" in report
    admin = admin_pb2_grpc.AdminServiceStub(with_token(reporting.channel, reporting.tokens[who]))
    assert f"chmod 600 {key}" in str(admin.GetStatus(admin_pb2.GetStatusRequest(), timeout=SECONDS))
