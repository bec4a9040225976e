"""Channels of clients, with TLS and without, and the errors where they fail.

Tests limedb/tls/diagnosis.py, limedb/tls/target.py and limedb/tls/serving.py too.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from limedb.config import load
from limedb.errors import ConfigError
from limedb.rpc.server.server import Listener
from limedb.tls.authority import Holder
from limedb.tls.diagnosis import why
from limedb.tls.dialling import open_aio_channel
from limedb.tls.keyring import Keyring
from limedb.tls.paths import paths_of
from limedb.tls.serving import server_credentials
from limedb.tls.target import ClientTls, Target, client_tls
from limedb.wire.channels import CHANNEL_OPTIONS
from limedbpb.v1 import topology_pb2, topology_pb2_grpc
from tests.rpc.peers import FakeReplica, new_server, servicers
from tests.support.certificates import Pki, asked, settings_of
from tests.support.ports import free_port

URL = "http://localhost:8484"


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path / "pki")


def keyring(tls: ClientTls) -> Keyring:
    paths, _ = paths_of(load(settings_of(tls)))
    assert paths is not None
    return Keyring(paths)


@asynccontextmanager
async def served(keys: Keyring | None, asks: bool = False) -> AsyncIterator[str]:
    """The address of a server, which shows a certificate unless it speaks without TLS."""
    with free_port() as port:
        credentials = server_credentials(keys, asks) if keys else None
        server = new_server(*servicers(FakeReplica()))
        await server.start([Listener(f"127.0.0.1:{port}", credentials)])
        try:
            yield f"localhost:{port}"
        finally:
            await server.stop(0.1)


async def ping(target: Target) -> None:
    async with open_aio_channel(target, CHANNEL_OPTIONS) as channel:
        stub = topology_pb2_grpc.TopologyServiceStub(channel)
        await stub.Ping(topology_pb2.PingRequest(), timeout=5)


async def refusal(target: Target) -> str:
    """Why a call fails; empty: nobody knows. It fails if the call doesn't."""
    with pytest.raises(grpc.aio.AioRpcError):
        await ping(target)
    return await asyncio.to_thread(why, target)


async def test_a_client_with_the_ca_gets_an_answer(pki: Pki) -> None:
    async with served(keyring(pki.node(URL))) as address:
        await ping(asked(address, pki.ca))
        assert await asyncio.to_thread(why, asked(address, pki.ca)) == ""


async def test_a_server_that_asks_wants_a_certificate_of_its_ca(pki: Pki, tmp_path: Path) -> None:
    other = Pki(tmp_path / "other", "another CA").client()
    async with served(keyring(pki.node(URL)), asks=True) as address:
        await ping(Target(address, pki.client()))
        assert "it wants a certificate" in await refusal(asked(address, pki.ca))
        wrong = Target(address, ClientTls(pki.ca, other.cert, other.key))
        assert "it doesn't accept the certificate" in await refusal(wrong)


async def test_the_words_say_what_is_wrong_with_the_server(pki: Pki, tmp_path: Path) -> None:
    other = Pki(tmp_path / "other", "another CA")
    async with served(keyring(pki.node(URL))) as address:
        assert "unable to get local issuer" in await refusal(asked(address, other.ca))
        assert await refusal(Target(address)) == "it speaks TLS: its CA is needed"
    async with served(keyring(pki.files(Holder("server", "far", ("far",)), "far"))) as address:
        assert "mismatch" in await refusal(asked(address, pki.ca))
    async with served(None) as address:
        assert await refusal(asked(address, pki.ca)) == "it doesn't speak TLS"


async def test_where_nothing_listens_there_are_no_words(pki: Pki) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        assert await refusal(asked(address, pki.ca)) == ""
        assert await refusal(Target(address)) == ""


async def test_a_new_certificate_is_shown_to_new_connections_and_breaks_no_old_one(pki: Pki) -> None:
    keys = keyring(pki.node(URL))
    async with served(keys) as address, open_aio_channel(asked(address, pki.ca), CHANNEL_OPTIONS) as old:
        stub = topology_pb2_grpc.TopologyServiceStub(old)
        await stub.Ping(topology_pb2.PingRequest(), timeout=5)
        before = await asyncio.to_thread(shown_at, address, pki.ca)
        pki.node(URL)
        keys.look()
        assert await asyncio.to_thread(shown_at, address, pki.ca) != before
        assert await asyncio.to_thread(shown_at, address, pki.ca) == keys_der(keys)
        assert old.get_state() is grpc.ChannelConnectivity.READY
        await stub.Ping(topology_pb2.PingRequest(), timeout=5)


def shown_at(address: str, ca: Path) -> bytes | None:
    """The certificate that a server shows now, in DER."""
    host, _, port = address.rpartition(":")
    context = ssl.create_default_context(cafile=ca)
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection((host, int(port)), 5) as connection,
        context.wrap_socket(connection, server_hostname=host) as encrypted,
    ):
        return encrypted.getpeercert(binary_form=True)


def keys_der(keys: Keyring) -> bytes:
    return ssl.PEM_cert_to_DER_cert(keys.current.cert.decode())


def test_files_that_do_not_go_together_are_refused() -> None:
    assert client_tls(None, None, None) is None
    assert client_tls(None, None, None, is_https=True) == ClientTls()
    assert client_tls("a", None, None) == ClientTls(Path("a"))
    for cert, key in (("c", None), (None, "k")):
        with pytest.raises(ConfigError, match="go together"):
            client_tls("a", cert, key)


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"tls_ca=.*none: must be a file that can be read: No such file"):
        ClientTls(tmp_path / "none").read()


def test_a_target_moves_on_to_other_addresses_with_the_same_files() -> None:
    tls = ClientTls(Path("a"), Path("c"), Path("k"))
    other = Target("a:1", tls).at("b:2")
    assert (str(other), other.url, other.tls) == ("b:2", "https://b:2", tls)
    assert other.files == {"tls_ca": tls.ca, "tls_cert": tls.cert, "tls_key": tls.key, "token": None}
    assert Target("a:1").url == "a:1"


@pytest.mark.parametrize("name", ["tls_ca", "tls_cert", "tls_key"])
def test_an_empty_path_does_not_mean_in_the_clear(name: str) -> None:
    files = {"tls_ca": None, "tls_cert": None, "tls_key": None, name: ""}
    with pytest.raises(ConfigError, match=f"{name}.*leave it out"):
        client_tls(files["tls_ca"], files["tls_cert"], files["tls_key"])
