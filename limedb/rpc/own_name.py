"""Whether a node may take its own name: nobody else answers under it, and it can be looked up.

It owns these questions, asked once at the start. It must never change anything.
"""

import asyncio
import socket
from collections.abc import Sequence
from typing import Protocol

from limedb.config import address_of
from limedb.core.membership import Ack, Digest
from limedb.errors import ConfigError, LimeDBError, NameTakenError

TRIES = 12
"""Times that the other process is asked, while it may be about to end: a restart may overlap."""
LOOK_UPS = 3
PAUSE = 0.25
"""Seconds between two tries."""
CONNECT_SECONDS = 0.5
ASK_SECONDS = 1.0


class Dialler(Protocol):
    """Who can ask an address who is there: ports.GossipTransport."""

    async def dial(self, node_url: str, address: str, digests: Sequence[Digest], timeout: float) -> Ack:
        """See ports.GossipTransport."""


async def check_own_name(dialler: Dialler, node_url: str, advertised: str) -> None:
    """Return when the node may start. It must not listen yet.

    advertised: host:port that peers dial. NameTakenError: a living process answers under the name, and wins.
    ConfigError: nobody can look the host up.
    """
    await _check_host(advertised, "ADVERTISE_ADDRESS" if advertised != address_of(node_url) else "NODE_URL")
    for address in dict.fromkeys((advertised, address_of(node_url))):
        await _check_free(dialler, node_url, address)


async def _check_free(dialler: Dialler, node_url: str, address: str) -> None:
    holder = ""
    for _ in range(TRIES):
        found = await _holder(dialler, node_url, address)
        if found is None:
            return
        holder = found
        await asyncio.sleep(PAUSE)
    raise NameTakenError(node_url, address, holder)


async def _holder(dialler: Dialler, node_url: str, address: str) -> str | None:
    """The node_id of who answers under the name; None: nobody does."""
    if not await _listens(address):
        return None
    try:
        ack = await dialler.dial(node_url, address, (), ASK_SECONDS)
    except LimeDBError:
        return None
    said = next((state for state in ack.updates if state.url == node_url), None)
    is_it = ack.name == node_url or (not ack.name and said is not None)  # older nodes tell no name
    return (said.node_id if said else "") if is_it else None


async def _listens(address: str) -> bool:
    """Whether a connection is taken at once."""
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def _check_host(address: str, setting: str) -> None:
    host = address.rpartition(":")[0].strip("[]")
    for _ in range(LOOK_UPS):
        try:
            await asyncio.get_running_loop().getaddrinfo(host, None)
        except socket.gaierror:
            await asyncio.sleep(PAUSE)
        else:
            return
    raise ConfigError(setting, address, f"a host that can be looked up: {host!r} is known to no name service")
