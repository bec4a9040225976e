"""Settings of access: tokens required node by node, reserved keys without them, and what ends the start."""

import base64
import json
from pathlib import Path

import grpc
import pytest

from limedb.access.tokens import new_secret, write_secret
from limedbpb.v1 import kv_pb2, kv_pb2_grpc
from tests.scenarios.test_access import USER, refused
from tests.support.clusters import limedb
from tests.support.ports import free_ports
from tests.support.serving import running_node, starting_node
from tests.support.waiting import wait_for


def test_tokens_can_be_required_node_by_node(tmp_path: Path) -> None:
    """A node that has the secret proves itself, though it asks nobody yet."""
    for name in ("root", "cluster"):
        write_secret(tmp_path / name, new_secret())
    token = (tmp_path / "root").read_text().strip()
    secrets = {
        "CLUSTER_SECRET_FILE": str(tmp_path / "cluster"),
        "ROOT_TOKEN_FILE": str(tmp_path / "root"),
        "GOSSIP_INTERVAL": "500ms",
    }
    with free_ports(2) as (port, other):
        urls = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{other}"
        first = {"NODE_URL": urls[0], "NODE_PEERS": urls[1], "AUTH": "required", **secrets}
        second = {"NODE_URL": urls[1], "NODE_PEERS": urls[0], "AUTH": "off", **secrets}
        with (
            starting_node(tmp_path / "first", port, first) as asks,
            running_node(tmp_path / "second", other, second) as open_,
        ):
            shown = {"LIMEDB_TOKEN": token}
            limedb("admin", "user", "add", "early", "--role", "read", "--target", open_, env=shown)
            everywhere = ("--consistency", "all", "--target")
            wait_for("both", lambda: limedb("set", "a", "1", *everywhere, open_).stdout == "OK\n")
            assert "needs a token" in limedb("set", "a", "2", *everywhere, asks).stderr
            known = limedb("set", "a", "2", *everywhere, asks, env=shown)
            assert known.stdout == "OK\n", known.stderr
            assert limedb("get", "a", "--target", open_).stdout == "2\n"
            users = limedb("admin", "user", "list", "-o", "json", "--target", asks, env=shown)
            assert [user["name"] for user in json.loads(users.stdout)] == ["early"]


def test_reserved_keys_are_refused_without_authentication_too(tmp_path: Path) -> None:
    """Otherwise users could be planted before it is required."""
    with free_ports(1) as (port,), running_node(tmp_path / "node", port, {}) as address:
        with grpc.insecure_channel(address) as channel:
            stub = kv_pb2_grpc.KVServiceStub(channel)
            assert "LimeDB's own" in refused(lambda: stub.Set(kv_pb2.SetRequest(key=USER, value="x")))
            own = kv_pb2.BatchWrite(key=USER, value="x")
            assert "LimeDB's own" in refused(lambda: stub.BatchSet(kv_pb2.BatchSetRequest(writes=[own])))
            stub.Set(kv_pb2.SetRequest(key="a", value="1"))
        assert "needs a token" in limedb("admin", "user", "list", "--target", address).stderr


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"AUTH": "required"}, "CLUSTER_SECRET_FILE"),
        ({"ROOT_TOKEN_FILE": "open"}, "chmod 600"),
        ({"CLUSTER_SECRET_FILE": "short"}, "32 characters"),
        ({"ROOT_TOKEN_FILE": "missing"}, "No such file"),
        ({"JWT_KEYS_FILE": "short", "JWT_ISSUER": "i"}, "JWT_AUDIENCE"),
        ({"JWT_KEYS_FILE": "short", "JWT_ISSUER": "i", "JWT_AUDIENCE": "a"}, "PEM or JWKS"),
        ({"AUDIT_LOG": "missing/folder/file"}, "AUDIT_LOG"),
    ],
    ids=str,
)
def test_a_bad_setting_ends_the_start_without_its_content(
    tmp_path: Path, settings: dict[str, str], text: str
) -> None:
    secret = base64.b64encode(bytes(30)).decode()
    (tmp_path / "open").write_text(secret)
    (tmp_path / "open").chmod(0o644)
    (tmp_path / "short").touch(0o600)
    (tmp_path / "short").write_text("too-short")
    env = {
        name: str(tmp_path / value) if "_FILE" in name or name == "AUDIT_LOG" else value
        for name, value in settings.items()
    }
    done = limedb("serve", env={"DATA_DIR": str(tmp_path / "data"), "STORE": "memory", **env})
    assert done.returncode == 2
    assert text in done.stderr
    assert secret not in done.stderr
    assert "too-short" not in done.stderr
