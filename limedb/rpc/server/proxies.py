"""The proxies that may name the client of a call: this machine's, those of TRUSTED_PROXIES, and those on the
hosts of the cluster's members.

It owns the addresses behind these names, which it looks up again every so often. It must never trust a new
name that can't be looked up; known addresses count until a name gets others.
"""

import asyncio
import socket
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from limedb.rpc.server.clients import is_loopback

LOOK_SECONDS = 10.0
"""The time between two look-ups: a container that restarts may get another address."""
MOST_NAMES = 256
"""Names that are looked up; more members than these are trusted as proxies only where TRUSTED_PROXIES has
their network.
"""


class Proxies:
    """named: addresses, networks and host names. members: returns the hosts of the members."""

    def __init__(self, named: Iterable[str], members: Callable[[], Iterable[str]]) -> None:
        self._names: list[str] = []
        self._networks = []
        for each in named:
            try:
                self._networks.append(ip_network(each))
            except ValueError:
                self._names.append(each)
        self._members = members
        self._found: dict[str, frozenset[str]] = {}

    def is_trusted(self, address: str) -> bool:
        """Whether a proxy at an address names clients truthfully."""
        if is_loopback(address) or any(address in found for found in self._found.values()):
            return True
        try:
            known = _plain(address)
        except ValueError:
            return False
        return any(known.version == network.version and known in network for network in self._networks)

    async def run(self) -> None:
        """Look names up until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Look all names up once."""
        names = [*dict.fromkeys((*self._names, *self._members()))][:MOST_NAMES]
        self._found = {name: found for name in names if (found := await self._addresses(name))}

    async def _addresses(self, name: str) -> frozenset[str]:
        try:
            answers = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except OSError:
            return self._found.get(name, frozenset())
        return frozenset(str(_plain(str(address[0]))) for *_, address in answers)


def _plain(address: str) -> IPv4Address | IPv6Address:
    """An address without a zone; one of IPv4 as such. ValueError: it isn't an address."""
    found = ip_address(address.partition("%")[0])
    return (isinstance(found, IPv6Address) and found.ipv4_mapped) or found
