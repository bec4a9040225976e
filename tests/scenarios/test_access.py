"""Users, tokens and the audit log on real nodes, and the keys that are LimeDB's own.

Tests limedb/rpc/server/access_service.py, limedb/node/access.py, limedb/operator/users.py and
limedb/cli/users.py.
"""

import json
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import httpx
import psutil
import pytest

from limedb.client import Client, connect
from limedb.core.reserved import PREFIX
from limedb.errors import PermissionDeniedError, TokenFunctionError, UnauthenticatedError
from limedb.operator.console_values import Sample
from limedb.tls.bearer import bearer, with_token
from limedb.tls.target import Target
from limedb.tui.drafts import Draft
from limedb.tui.session import TuiSession
from limedbpb.v1 import cluster_pb2, cluster_pb2_grpc, kv_pb2, kv_pb2_grpc
from tests.support.clusters import RunningCluster, limedb, running_cluster
from tests.support.ports import free_ports
from tests.support.serving import starting_node
from tests.support.waiting import wait_for

SECONDS = 10.0
USER = f"{PREFIX}users/shop"
NAMED = {
    "name": "shop",
    "roles": ["admin", "operator"],
    "sha256": "00" * 32,
    "createdAtMs": 1,
    "expiresAtMs": 0,
}


class Asking:
    """A cluster that asks for tokens, its root token's file, and the file of a user that may use shop/."""

    def __init__(self, cluster: RunningCluster, folder: Path) -> None:
        self.cluster, self.folder = cluster, folder
        self.root = cluster.folder / "root.token"
        self.audit = folder / "audit.log"
        self.shop = folder / "shop.token"
        self.shop.write_text(self.limedb("admin", "user", "add", "shop", "--role", "admin:shop/"))

    def limedb(self, *arguments: str, token: Path | None = None, code: int = 0) -> str:
        options = ["--target", self.cluster.nodes[0].address, "--token-file", str(token or self.root)]
        done = limedb(*arguments, *options)
        assert done.returncode == code, done.stderr + done.stdout
        return done.stdout if code == 0 else done.stderr

    def token(self, file: Path | None = None) -> str:
        return (file or self.root).read_text().strip()


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    folder = tmp_path_factory.mktemp("asking")
    env = {"AUDIT_LOG": str(folder / "audit.log")}
    with running_cluster(folder, nodes=3, env=env, auth=True) as running:
        yield Asking(running, folder)


@pytest.fixture
def root(asking: Asking) -> Iterator[dict[str, kv_pb2_grpc.KVServiceStub]]:
    """Stubs of the root token's holder, by door."""
    doors = {"node": asking.cluster.nodes[1].address, "envoy": asking.cluster.envoy_address}
    with ExitStack() as stack:
        yield {
            door: kv_pb2_grpc.KVServiceStub(
                with_token(stack.enter_context(grpc.insecure_channel(address)), asking.token())
            )
            for door, address in doors.items()
        }


def refused(call: object) -> str:
    """The reason for which a call is refused as nonsense."""
    with pytest.raises(grpc.RpcError) as error:
        call()  # type: ignore[operator]
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    return str(error.value.details())


@pytest.mark.parametrize("door", ["node", "envoy"])
def test_nobody_reaches_reserved_keys(
    asking: Asking, root: dict[str, kv_pb2_grpc.KVServiceStub], door: str
) -> None:
    """Whatever door they try: not even the holder of the root token, who may do everything with keys."""
    stub = root[door]
    forged = json.dumps(NAMED)
    own = kv_pb2.BatchWrite(key=USER, value=forged)
    calls = [
        lambda: stub.Get(kv_pb2.GetRequest(key=USER)),
        lambda: stub.Set(kv_pb2.SetRequest(key=USER, value=forged)),
        lambda: stub.Delete(kv_pb2.DeleteRequest(key=USER)),
        lambda: stub.BatchGet(kv_pb2.BatchGetRequest(keys=["a", USER])),
        lambda: stub.BatchSet(kv_pb2.BatchSetRequest(writes=[own])),
        lambda: stub.BatchSet(kv_pb2.BatchSetRequest(writes=[kv_pb2.BatchWrite(key="a", value="1"), own])),
        lambda: [*stub.Scan(kv_pb2.ScanRequest(prefix=PREFIX))],
        lambda: [*stub.Scan(kv_pb2.ScanRequest(start=USER))],
        lambda: [*stub.Watch(kv_pb2.WatchRequest(key=USER), timeout=SECONDS)],
        lambda: [*stub.Watch(kv_pb2.WatchRequest(prefix=PREFIX), timeout=SECONDS)],
    ]
    if door == "node":  # Envoy doesn't publish it
        calls.append(lambda: stub.SetDirect(kv_pb2.SetDirectRequest(key=USER, value=forged)))
    for call in calls:
        assert "LimeDB's own" in refused(call)
    requests = [
        kv_pb2.SessionRequest(id=1, get=kv_pb2.GetRequest(key=USER)),
        kv_pb2.SessionRequest(id=2, set=kv_pb2.SetRequest(key=USER, value=forged)),
        kv_pb2.SessionRequest(id=3, delete=kv_pb2.DeleteRequest(key=USER)),
        kv_pb2.SessionRequest(id=4, batch_get=kv_pb2.BatchGetRequest(keys=[USER])),
        kv_pb2.SessionRequest(id=5, batch_set=kv_pb2.BatchSetRequest(writes=[own])),
    ]
    answers = [*stub.Session(iter(requests), timeout=SECONDS)]
    assert {answer.id for answer in answers if "LimeDB's own" in answer.error.message} == {1, 2, 3, 4, 5}


def test_views_of_all_keys_leave_reserved_ones_out(
    asking: Asking, root: dict[str, kv_pb2_grpc.KVServiceStub]
) -> None:
    """Also around them: keys that sort before and behind."""
    stub = root["node"]
    near = ["\0", "\0limed", "\0limedb", "\0limedb0", "a"]
    watch = stub.Watch(kv_pb2.WatchRequest(), timeout=30)
    next(watch)  # type: ignore[call-overload]
    asking.limedb("admin", "user", "add", "watched", "--role", "read")
    for key in near:
        stub.Set(kv_pb2.SetRequest(key=key, value="x"), timeout=SECONDS)
    asking.limedb("admin", "user", "delete", "watched")
    scanned = [e.key for page in stub.Scan(kv_pb2.ScanRequest()) for e in page.entries]
    small = [e.key for page in stub.Scan(kv_pb2.ScanRequest(page_size=1)) for e in page.entries]
    local = [e.key for page in stub.Scan(kv_pb2.ScanRequest(local=True)) for e in page.entries]
    beside = [e.key for page in stub.Scan(kv_pb2.ScanRequest(prefix="\0limedb")) for e in page.entries]
    seen: list[str] = []
    while "a" not in seen:
        seen += [event.key for event in next(watch).events]  # type: ignore[call-overload]
    watch.cancel()  # type: ignore[attr-defined]
    for keys in (scanned, small, local, beside, seen):
        assert not [key for key in keys if key.startswith(PREFIX)]
    assert [key for key in scanned if key in near] == near
    assert small == scanned == local
    assert beside == ["\0limedb", "\0limedb0"]
    whole = stub.ListKeys(kv_pb2.ListKeysRequest(page_size=100))
    assert [entry.key for entry in whole.keys] == scanned
    assert whole.total == len(scanned)
    paged = [
        entry.key
        for page in range(1, len(scanned) + 2)
        for entry in stub.ListKeys(kv_pb2.ListKeysRequest(page=page, page_size=1)).keys
    ]
    assert paged == scanned


def test_reserved_keys_can_not_be_located_or_exported(asking: Asking, tmp_path: Path) -> None:
    with grpc.insecure_channel(asking.cluster.nodes[0].address) as channel:
        cluster = cluster_pb2_grpc.ClusterServiceStub(with_token(channel, asking.token()))
        assert "LimeDB's own" in refused(lambda: cluster.LocateKey(cluster_pb2.LocateKeyRequest(key=USER)))
    file = tmp_path / "all.jsonl"
    asking.limedb("export", str(file))
    assert "users/" not in file.read_text()


def test_no_file_or_process_shows_a_token(asking: Asking) -> None:
    """Neither logs nor the audit log, cluster.json, the commands of processes, nor data on disk."""
    secrets = [
        asking.token(),
        asking.token(asking.shop),
        asking.token(asking.cluster.folder / "cluster.secret"),
    ]
    secrets += [secret.rpartition(".")[2] for secret in secrets]
    asking.limedb("get", "shop/none", token=asking.shop, code=3)
    own = {asking.root, asking.shop, asking.cluster.folder / "cluster.secret"}
    for file in (f for f in asking.folder.rglob("*") if f.is_file() and f not in own):
        data = file.read_bytes()
        assert not [secret for secret in secrets if secret.encode() in data], file
    for process in psutil.process_iter(["cmdline", "environ"]):
        shown = f"{process.info['cmdline']} {process.info['environ']}"
        assert not [secret for secret in secrets if secret in shown]
    for file in own - {asking.shop}:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_user_is_made_rotated_and_removed(asking: Asking, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(asking.limedb("admin", "user", "add", "bob", "--role", "write:b/", "--role", "operator"))
    listed = json.loads(asking.limedb("admin", "user", "list", "-o", "json"))
    assert [user["roles"] for user in listed if user["name"] == "bob"] == [["write:b/", "operator"]]
    assert json.loads(asking.limedb("whoami", "-o", "json", token=token))["name"] == "bob"
    assert "there is such a user" in asking.limedb("admin", "user", "add", "bob", "--role", "read", code=2)
    fresh = tmp_path / "fresh"
    fresh.write_text(asking.limedb("admin", "user", "rotate", "bob"))
    asking.limedb("set", "b/1", "x", token=fresh)
    assert "not valid" in asking.limedb("set", "b/1", "x", token=token, code=1)
    asking.limedb("admin", "user", "delete", "bob")
    assert "not valid" in asking.limedb("set", "b/1", "x", token=fresh, code=1)
    assert "no such user" in asking.limedb("admin", "user", "delete", "bob", code=2)


def test_an_administrator_of_a_prefix_manages_users_within_it_alone(asking: Asking) -> None:
    def user(*arguments: str, code: int = 0) -> str:
        return asking.limedb("admin", "user", *arguments, token=asking.shop, code=code)

    asking.limedb("admin", "user", "add", "stranger", "--role", "read:other/")
    asking.limedb("admin", "user", "add", "mixed", "--role", "read:shop/", "--role", "operator")
    user("add", "clerk", "--role", "read:shop/eu/", "--role", "admin:shop/")
    for role in ("read", "read:sho", "admin:other/"):
        assert "lacks the role admin" in user("add", "thief", "--role", role, code=1)
    assert "lacks the role operator" in user("add", "thief", "--role", "operator", code=1)
    for other, lacking in (("stranger", "admin"), ("mixed", "operator")):
        assert f"lacks the role {lacking}" in user("rotate", other, code=1)
        assert f"lacks the role {lacking}" in user("delete", other, code=1)
    assert {each["name"] for each in json.loads(user("list", "-o", "json"))} == {"shop", "clerk"}
    user("delete", "clerk")


def test_a_token_expires_and_a_new_one_lasts_for_as_long_as_is_said(asking: Asking, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(asking.limedb("admin", "user", "add", "guest", "--role", "read", "--ttl", "4s"))
    headers = dict(bearer(asking.token(token)))
    url = f"{asking.cluster.envoy_url}/api/v1/get/nothing"
    assert httpx.get(url, headers=headers).status_code in (404, 401)
    ended = wait_for("it ends", lambda: (a := httpx.get(url, headers=headers)).status_code == 401 and a)
    assert "expired" in ended.json()["message"]
    rotate = ("admin", "user", "rotate", "guest")
    assert "give the new token a later one" in asking.limedb(*rotate, code=2)
    token.write_text(asking.limedb(*rotate, "--ttl", "1h"))
    left = json.loads(asking.limedb("whoami", "-o", "json", token=token))["expiresAtMs"] / 1000 - time.time()
    assert 3500 < left <= 3600
    both = ("--ttl", "1h", "--expires-at", "2030-01-31T12:00:00Z")
    assert "not both" in asking.limedb(*rotate, *both, code=2)


def test_what_was_refused_and_changed_is_written_down(asking: Asking) -> None:
    asking.limedb("admin", "user", "add", "noted", "--role", "read:n/")
    asking.limedb("get", "elsewhere", token=asking.shop, code=1)
    asking.limedb("admin", "decommission", "http://nowhere:1", code=2)

    def lines() -> list[dict[str, str]]:
        return [json.loads(line) for line in asking.audit.read_text().splitlines()]

    def noted(**wanted: str) -> list[dict[str, str]]:
        return [line for line in lines() if wanted.items() <= line.items()]

    wait_for(
        "a user", lambda: noted(who="root", what="AccessService/AddUser", subject="'noted'", outcome="OK")
    )
    wait_for(
        "a refusal",
        lambda: noted(who="shop", what="KVService/Get", subject="'elsewhere'", outcome="PERMISSION_DENIED"),
    )
    wait_for("a change that failed", lambda: noted(who="root", what="AdminService/Decommission"))
    assert stat.S_IMODE(asking.audit.stat().st_mode) == 0o600


async def test_the_library_shows_a_token_and_a_newer_one_when_the_first_ends(asking: Asking) -> None:
    address = asking.cluster.envoy_address
    with pytest.raises(UnauthenticatedError, match="needs a token"):
        async with connect(address, timeout=SECONDS):
            pass
    with pytest.raises(UnauthenticatedError, match="not valid"):
        async with connect(address, timeout=SECONDS, token="limedb_shop.wrong"):
            pass
    tokens = [asking.limedb("admin", "user", "add", "worker", "--role", "admin:w/").strip()]
    async with connect(address, timeout=SECONDS, token=lambda: tokens[-1]) as db:
        await db.set("w/1", "one")
        with pytest.raises(PermissionDeniedError):
            await db.get("elsewhere")
        tokens.append(asking.limedb("admin", "user", "rotate", "worker").strip())
        for _ in range(3):
            assert await db.get("w/1") == "one"
        await wait_known(db, "w/1")
    async with connect(address, timeout=SECONDS, token=tokens[-1]) as db:
        assert await db.get("w/1") == "one"
        asking.limedb("admin", "user", "delete", "worker")
        with pytest.raises(UnauthenticatedError):
            await read_until_refused(db, "w/1")


async def read_until_refused(db: Client, key: str, by_scan: bool = False) -> None:
    """Read until that fails, for half a minute at most. by_scan: by calls of their own."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if by_scan:
            [entry async for entry in db.scan(key)]
        else:
            await db.get(key, timeout=3)


async def wait_known(db: Client, key: str) -> None:
    """Read for longer than nodes keep an identity: the old token has certainly ended by then."""
    end = time.monotonic() + 6
    while time.monotonic() < end:
        assert await db.get(key) == "one"


def test_the_load_tester_and_files_show_a_token(asking: Asking, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"key": "shop/imported", "value": "1"}\n')
    asking.limedb("import", str(tmp_path / "in.jsonl"), token=asking.shop)
    asking.limedb("export", str(tmp_path / "out.jsonl"), "--prefix", "shop/", token=asking.shop)
    assert "shop/imported" in (tmp_path / "out.jsonl").read_text()
    load = ("bench", "mixed", "-n", "200", "--keys", "10")
    asking.limedb(*load, "--prefix", "shop/", token=asking.shop)
    through = ("--target", asking.cluster.envoy_address, "--token-file", str(asking.shop))
    done = limedb(*load, "--rest", "--prefix", "shop/", *through)
    assert done.returncode == 0, done.stdout + done.stderr


async def test_the_console_shows_a_token(asking: Asking) -> None:
    session = TuiSession(Target(asking.cluster.nodes[0].address, token=asking.token()), SECONDS)
    try:
        await session.set(Draft("console", "1"))
        found = await session.get("console", None)
        assert found is not None
        assert found.value == "1"
        page = await session.page("console", None)
        assert [row.key for row in page.entries] == ["console"]
        sample = await anext(session.follow())
        assert isinstance(sample, Sample)
    finally:
        await session.close()


def test_a_stranger_to_the_secret_is_no_peer(asking: Asking, tmp_path: Path) -> None:
    """A node with another secret joins nothing."""
    (tmp_path / "other.secret").touch(0o600)
    (tmp_path / "other.secret").write_text("x" * 40)
    peer = asking.cluster.nodes[0].url
    with free_ports(1) as (port,):
        settings = {
            "NODE_URL": f"http://127.0.0.1:{port}", "NODE_PEERS": peer, "REPLICATION_FACTOR": "3",
            "AUTH": "off", "CLUSTER_SECRET_FILE": str(tmp_path / "other.secret"),
        }  # fmt: skip
        with (
            starting_node(tmp_path / "stranger", port, settings) as address,
            grpc.insecure_channel(address) as channel,
        ):
            stub = cluster_pb2_grpc.ClusterServiceStub(channel)
            state = wait_for(
                "it answers",
                lambda: stub.GetState(cluster_pb2.GetStateRequest(), timeout=SECONDS),
                ignore=grpc.RpcError,
            )
            assert state.status == "starting"
    members = json.loads(asking.limedb("admin", "status", "-o", "json"))
    assert len(members["members"]) == 3
    assert not members.get("others")


async def test_a_token_function_that_fails_says_so_and_may_recover(asking: Asking) -> None:
    """At the start, and while the client is open, which follows the cluster by calls of its own."""
    works = False

    def token() -> str:
        if works:
            return asking.token()
        raise RuntimeError("the vault is sealed")

    address = asking.cluster.nodes[0].address
    with pytest.raises(TokenFunctionError, match="RuntimeError: the vault is sealed"):
        async with connect(address, timeout=SECONDS, token=token):
            pass
    works = True
    async with connect(address, timeout=SECONDS, token=token, follow_ring=True) as db:
        await db.set("f/1", "x")
        works = False
        with pytest.raises(TokenFunctionError, match="the vault is sealed"):
            await read_until_refused(db, "f/1", by_scan=True)
        works = True
        assert [entry.key async for entry in db.scan("f/")] == ["f/1"]
        assert await db.get("f/1") == "x"


def test_a_token_that_was_made_is_written_down_with_its_roles(asking: Asking) -> None:
    asking.limedb("admin", "user", "add", "rolled", "--role", "read:r/", "--role", "write:r/")
    asking.limedb("get", "elsewhere", token=asking.shop, code=1)

    def noted(**wanted: object) -> bool:
        lines = [json.loads(line) for line in asking.audit.read_text().splitlines()]
        return any(all(line.get(name) == value for name, value in wanted.items()) for line in lines)

    wait_for("the roles", lambda: noted(roles=["read:r/", "write:r/"], subject="'rolled'"))
    wait_for("the reason", lambda: noted(who="shop", reason="lacks read"))
