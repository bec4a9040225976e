"""Whose word counts on who calls."""

import pytest

from limedb.rpc.server.proxies import Proxies


def proxies(*named: str, members: tuple[str, ...] = ()) -> Proxies:
    return Proxies(named, lambda: members)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.9", "::1", ""])
def test_this_machine_is_trusted(address: str) -> None:
    assert proxies().is_trusted(address)


@pytest.mark.parametrize("address", ["10.0.0.7", "2001:db8::1", "not an address"])
def test_nobody_else_is_trusted_unless_named(address: str) -> None:
    assert not proxies("10.1.0.0/16", "192.0.2.1").is_trusted(address)


@pytest.mark.parametrize("address", ["10.1.2.3", "192.0.2.1", "2001:db8::7"])
def test_addresses_and_networks_are_trusted(address: str) -> None:
    assert proxies("10.1.0.0/16", "192.0.2.1/32", "2001:db8::/64").is_trusted(address)


async def test_hosts_of_members_and_named_hosts_are_looked_up() -> None:
    known = proxies("localhost", members=("192.0.2.9", "no-such-host.invalid"))
    assert not known.is_trusted("192.0.2.9")
    await known.look()
    assert known.is_trusted("192.0.2.9")
    assert not known.is_trusted("192.0.2.8")


async def test_a_member_that_has_left_is_no_longer_trusted() -> None:
    members = ["192.0.2.9"]
    known = Proxies((), lambda: members)
    await known.look()
    members.clear()
    await known.look()
    assert not known.is_trusted("192.0.2.9")
