"""Which client a call belongs to, and whose word on that counts."""

import asyncio

import pytest

from limedb.core.rights import Identity
from limedb.rpc.server.clients import CALLER, Clients, address_of_peer, network_of
from tests.rpc.server.callers import Caller

FORWARDED = ("x-forwarded-for", "9.9.9.9, 10.0.0.7")


def test_a_client_is_who_envoy_names_last_else_its_connection() -> None:
    direct = Clients().of(Caller("ipv4:127.0.0.1:5"))
    assert (direct, direct.address, direct.user) == ("ipv4:127.0.0.1:5", "127.0.0.1", "")
    forwarded = Clients().of(Caller("ipv4:127.0.0.1:5", ("user-agent", "x"), FORWARDED))
    assert (forwarded, forwarded.address) == ("10.0.0.7", "10.0.0.7")


@pytest.mark.parametrize(
    "peer", ["ipv4:1.2.3.4:5", "ipv6:%5B2001:db8::1%5D:5", "ipv6:%5B::ffff:1.2.3.4%5D:5"]
)
def test_nobody_but_a_trusted_proxy_names_another_client(peer: str) -> None:
    assert Clients().of(Caller(peer, FORWARDED)) == peer


def test_a_proxy_is_trusted_by_its_address() -> None:
    clients = Clients(lambda address: address == "1.2.3.4")
    assert clients.of(Caller("ipv4:1.2.3.4:5", FORWARDED)) == "10.0.0.7"
    assert clients.of(Caller("ipv4:1.2.3.5:5", FORWARDED)) == "ipv4:1.2.3.5:5"


def test_of_several_headers_the_last_one_counts() -> None:
    spoofed = Caller("ipv4:127.0.0.1:5", ("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "7.7.7.7"))
    assert Clients().of(spoofed) == "7.7.7.7"


async def test_a_signed_in_user_counts_by_name_and_all_at_an_address_together() -> None:
    CALLER.set(Identity("alice", ()))  # of this test's own task
    of = Clients().of(Caller("ipv4:10.0.0.7:5"))
    assert of.keys == ("user alice", "all users at 10.0.0.7")
    assert await asyncio.create_task(_keys()) == of.keys


async def _keys() -> tuple[str, str]:
    return Clients().of(Caller("ipv4:10.0.0.7:5")).keys


def test_without_a_user_the_address_counts() -> None:
    assert Clients().of(Caller("ipv4:10.0.0.7:5")).keys == ("address 10.0.0.7", "all users at 10.0.0.7")


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:10.0.0.7:4321", "10.0.0.7"),
        ("ipv6:%5B2001:db8::1%5D:80", "2001:db8::1"),
        ("ipv6:[fe80::1%25eth0]:80", "fe80::1"),
        ("ipv6:%5B::ffff:10.0.0.7%5D:80", "10.0.0.7"),
        ("unix:/run/limedb", ""),
    ],
)
def test_a_connection_has_an_address(peer: str, address: str) -> None:
    assert address_of_peer(peer) == address


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.7", "10.0.0.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:2", "2001:db8::/64"),
        ("::1", "::1"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("no address", "no address"),
        ("x" * 1000, "x" * 64),
    ],
)
def test_a_host_is_one_client_however_many_addresses_of_ipv6_it_has(address: str, network: str) -> None:
    assert network_of(address) == network
