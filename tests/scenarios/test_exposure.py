"""Nodes that listen beyond loopback: what they need, what they say, and what an Envoy in front of them does.

Tests limedb/node/exposure.py.
"""

import re
import shlex
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import grpc
import httpx
import pytest

from limedb.launch import envoy
from limedb.launch.addresses import Address
from limedb.launch.envoy import EnvoyOptions, EnvoyTls, Shown
from limedb.tls.authority import Holder
from limedb.wire import descriptors
from limedbpb.v1 import cluster_pb2, cluster_pb2_grpc, kv_pb2, kv_pb2_grpc
from tests.envoy.gateway import running_envoy
from tests.support.certificates import Pki, settings_of
from tests.support.clusters import QUICK, READY, read_cluster
from tests.support.clusters import limedb as command
from tests.support.own_address import own_address
from tests.support.ports import free_port, free_ports
from tests.support.serving import running_node, starting_node
from tests.support.waiting import wait_for

pytestmark = pytest.mark.process

SECONDS = 20


def refusal(folder: Path, settings: Mapping[str, str], *flags: str) -> str:
    """The one line with which a node ends that must not start."""
    done = command("serve", *flags, env={"DATA_DIR": str(folder / "data"), "OTEL_ENDPOINT": "", **settings})
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert not (folder / "data").exists(), "it touched its data"
    return line


def warnings(channel: grpc.Channel) -> list[str]:
    stub = cluster_pb2_grpc.ClusterServiceStub(channel)
    return list(stub.GetState(cluster_pb2.GetStateRequest(), timeout=SECONDS).warnings)


def test_three_commands_lead_from_the_refusal_to_a_node_that_is_safe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with free_ports(2) as ports:
        port, peers = sorted(ports)
        url = f"http://{own_address()}:{port}"
        own = {"SERVER_PORT": str(port), "NODE_URL": url, "PEER_PORT_OFFSET": str(peers - port)}
        line = refusal(tmp_path, own)
        assert f"{url} would listen at [::]:{port}, which other machines reach, without TLS and auth" in line
        assert "INSECURE=true" in line
        assert "docs/security.md" in line
        printed = []
        commands = re.findall(r"limedb (?:certs|admin) [^;]*?(?=; |\. Then)", line)
        assert len(commands) == 3
        for each in commands:
            done = command(*shlex.split(each)[1:])
            assert done.returncode == 0, (each, done.stderr)
            printed += done.stdout.splitlines()
        settings = dict(text.split("=", 1) for text in printed if re.match("[A-Z_]+=", text))
        assert settings.keys() == {"TLS_CA", "TLS_CERT", "TLS_KEY"}
        assert "authentication" in (lacking := refusal(tmp_path, {**own, **settings}))
        assert "certs init" not in lacking
        settings |= dict(pair.split("=") for pair in re.findall(r"AUTH=\w+|ROOT_TOKEN_FILE=[\w.]+", line))
        with starting_node(tmp_path / "data", port, {**QUICK, **own, **settings}):
            target = ("--target", url.removeprefix("http://"), "--ca", settings["TLS_CA"])
            wait_for("it serves", lambda: command("health", *target).returncode == 0)
            assert "needs a token" in command("set", "a", "1", *target).stderr
            token = ("--token-file", settings["ROOT_TOKEN_FILE"])
            assert command("set", "a", "1", *target, *token).stdout == "OK\n"
            assert "INSECURE" not in command("admin", "status", *target, *token).stdout


@pytest.mark.parametrize(
    ("settings", "lacks"),
    [
        ({}, "without TLS and authentication"),
        ({"AUTH": "required", "ROOT_TOKEN_FILE": "root"}, "without TLS"),
        ({"TLS_CERT": "cert", "TLS_KEY": "key", "TLS_CA": "ca"}, "without authentication"),
        ({"PEER_TLS_CERT": "cert", "PEER_TLS_KEY": "key", "PEER_TLS_CA": "ca"}, "without TLS and authentic"),
    ],
    ids=["nothing", "tokens", "certificates", "certificates for peers"],
)
def test_half_of_it_is_refused(tmp_path: Path, settings: dict[str, str], lacks: str) -> None:
    url = "http://node1:8484"
    files = Pki(tmp_path / "pki").node(url)
    root = tmp_path / "root"
    root.write_text("t" * 43)
    root.chmod(0o600)
    secret = {"CLUSTER_SECRET_FILE": str(tmp_path / "secret")} if "AUTH" in settings else {}
    (tmp_path / "secret").write_text("s" * 43)
    (tmp_path / "secret").chmod(0o600)
    paths = {"root": str(root), "cert": str(files.cert), "key": str(files.key), "ca": str(files.ca)}
    given = {name: paths.get(value, value) for name, value in settings.items()}
    line = refusal(tmp_path, {"NODE_URL": url, **secret, **given})
    assert re.search(rf"{lacks}[\w ]*\. Run", line), line


def test_a_name_is_no_loopback_though_it_begins_like_an_address_of_it(tmp_path: Path) -> None:
    assert "would listen at" in refusal(tmp_path, {"NODE_URL": "http://127.example.com:8484"})


def test_the_override_starts_it_and_warns_in_the_log_and_in_its_state(tmp_path: Path) -> None:
    with free_port() as port:
        settings = {"NODE_URL": f"http://{own_address()}:{port}", "INSECURE": "true"}
        with running_node(tmp_path, port, settings) as address, grpc.insecure_channel(address) as channel:
            (warning,) = warnings(channel)
            assert f"listens at [::]:{port}" in warning
            assert "anyone who reaches it can read, write and change everything" in warning
            health = cluster_pb2_grpc.ClusterServiceStub(channel)
            assert warning in str(health.GetHealth(cluster_pb2.GetHealthRequest(), timeout=SECONDS))
    assert warning in (tmp_path / "node.log").read_text()


@pytest.mark.parametrize("flag", [("--insecure",), ("--insecure", "true"), ("--insecure=true",)])
def test_the_flag_is_the_same_as_the_setting(tmp_path: Path, flag: tuple[str, ...]) -> None:
    """It is past the rule when it refuses a name that nobody can look up."""
    own = {"DATA_DIR": str(tmp_path / "data"), "OTEL_ENDPOINT": "", "NODE_URL": "http://node.invalid:8484"}
    done = command("serve", *flag, env=own)
    assert "can be looked up" in done.stderr.splitlines()[-1]


def test_certificates_of_clients_are_authentication_too(tmp_path: Path) -> None:
    with free_ports(2) as ports:
        port, peers = sorted(ports)
        url = f"http://{own_address()}:{port}"
        files = Pki(tmp_path / "pki").node(url)
        own = {
            "NODE_URL": url,
            "PEER_PORT_OFFSET": str(peers - port),
            **settings_of(files),
            "TLS_CLIENT_CERT": "required",
            **QUICK,
        }
        with starting_node(tmp_path / "data", port, own) as address:
            shown = ("--ca", str(files.ca), "--cert", str(files.cert), "--key", str(files.key))
            target = ("--target", address, *shown)
            wait_for("it serves", lambda: command("health", *target).returncode == 0)
            assert "INSECURE" not in command("admin", "status", *target).stdout


# --- an Envoy that listens beyond loopback


@contextmanager
def envoy_beyond(folder: Path, node: str, insecure: bool = False) -> Iterator[httpx.Client]:
    """A client of an Envoy that listens everywhere, with TLS, in front of one node on loopback."""
    files = Pki(folder / "pki").files(Holder("server", "envoy", ("localhost",)), "envoy")
    assert files.cert
    assert files.key
    with free_port() as port:
        options = EnvoyOptions(
            (envoy.parse_node(node),),
            Address("0.0.0.0", port),
            str(descriptors.path()),
            tls=EnvoyTls(Shown(str(files.cert), str(files.key))),
            insecure=insecure,
        )
        context = ssl.create_default_context(cafile=str(files.ca))
        url = f"https://localhost:{port}"
        with (
            running_envoy(folder, envoy.render(options)),
            httpx.Client(base_url=url, verify=context, timeout=10) as client,
        ):
            wait_for("Envoy answers", lambda: client.get("/api/v1/get/a"), ignore=httpx.HTTPError)
            yield client


def test_an_envoy_beyond_loopback_uses_no_node_that_asks_nobody(tmp_path: Path) -> None:
    with free_port() as port:
        url = f"http://127.0.0.1:{port}"
        with (
            running_node(tmp_path / "node", port, {"NODE_URL": url, **QUICK}) as address,
            grpc.insecure_channel(address) as channel,
        ):
            kv_pb2_grpc.KVServiceStub(channel).Set(kv_pb2.SetRequest(key="a", value="1"))
            with envoy_beyond(tmp_path, url) as client:
                wait_for("the node notices", lambda: bool(warnings(channel)))
                assert "set AUTH=required on all nodes" in warnings(channel)[0]
                answer = client.get("/api/v1/get/a")
                assert (answer.status_code, answer.json()["code"]) == (503, 14)
            with envoy_beyond(tmp_path, url, insecure=True) as client:
                wait_for("Envoy finds the node", lambda: client.get("/api/v1/get/a").is_success)


def test_an_envoy_beyond_loopback_uses_a_node_that_asks_for_tokens(tmp_path: Path) -> None:
    secrets = {name: tmp_path / name for name in ("CLUSTER_SECRET_FILE", "ROOT_TOKEN_FILE")}
    for path in secrets.values():
        assert command("admin", "new-secret", str(path)).returncode == 0
    with free_port() as port:
        url = f"http://127.0.0.1:{port}"
        own = {"NODE_URL": url, "AUTH": "required", **{name: str(path) for name, path in secrets.items()}}
        with running_node(tmp_path / "node", port, {**QUICK, **own}), envoy_beyond(tmp_path, url) as client:
            wait_for("Envoy finds the node", lambda: client.get("/api/v1/get/a").status_code == 401)
            shown = {"authorization": f"Bearer {secrets['ROOT_TOKEN_FILE'].read_text().strip()}"}
            assert client.get("/api/v1/get/a", headers=shown).status_code == 404


def test_a_local_cluster_is_reached_at_the_addresses_of_its_machine(tmp_path: Path) -> None:
    folder = tmp_path / "cluster"
    with free_ports(3) as ports:
        options = ["--nodes", "1", "--port", str(ports[0]), "--base-port", str(ports[1])]
        options += ["--host", "0.0.0.0", "--tls", "--auth", "-e", f"PEER_PORT_OFFSET={ports[2] - ports[1]}"]
        try:
            done = command("cluster", "start", "--detach", "--data-dir", str(folder), *READY, *options)
            assert done.returncode == 0, done.stderr
            assert read_cluster(folder).envoy_url == f"https://127.0.0.1:{ports[0]}"
            trusted = ssl.create_default_context(cafile=folder / "certs" / "ca.pem")
            for host in ("127.0.0.1", own_address()):
                answer = httpx.get(f"https://{host}:{ports[0]}/api/v1/get/k", verify=trusted)
                assert answer.status_code == 401, answer.text
        finally:
            command("cluster", "stop", "--data-dir", str(folder))
