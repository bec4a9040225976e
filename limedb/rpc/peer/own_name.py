"""Checks whether a node may take its own name: no other process answers under it, and it can be looked up.

It owns these checks, at the start and as long as the node is in no cluster, since the process that has the
name may have stood still at the start. It must never change anything.

Tested in tests/scenarios/test_names.py.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Protocol

from limedb.core.membership import Ack, Digest
from limedb.core.node_urls import address_of
from limedb.errors import ConfigError, LimeDBError, NameTakenError

TRIES = 12
"""How often the other process is asked, since it may be about to exit: restarts may overlap."""
LOOK_UPS = 3
PAUSE_SECONDS = 0.25
"""Seconds between two tries."""
LOOK_SECONDS = 2.0
"""How often a node that is in no cluster asks."""
CONNECT_SECONDS = 0.5
ASK_SECONDS = 1.0


class Dialler(Protocol):
    """Asks which node is at an address: ports.GossipTransport."""

    async def dial(self, node_url: str, address: str, digests: Sequence[Digest], timeout: float) -> Ack:
        """As GossipTransport.dial."""


class NameWatch:
    """The check of a running node that advertises another address than its NODE_URL: whether another process
    answers at that URL.

    node_id: the own one. is_outside: whether the node is in no cluster; a member has the name. fail: called
    with a NameTakenError.
    """

    def __init__(
        self,
        dialler: Dialler,
        node_url: str,
        advertised: str,
        node_id: str,
        is_outside: Callable[[], bool],
        fail: Callable[[Exception], None],
    ) -> None:
        self._dialler, self._node_url, self._node_id = dialler, node_url, node_id
        self._is_outside, self._fail = is_outside, fail
        self._address = address_of(node_url)
        self._is_elsewhere = self._address != advertised

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if not self._is_elsewhere or not self._is_outside():
                continue
            holder = await _holder(self._dialler, self._node_url, self._address)
            if holder and holder != self._node_id:
                self._fail(NameTakenError(self._node_url, self._address, holder))


async def check_own_name(dialler: Dialler, node_url: str, advertised: str) -> None:
    """Return when the node may start. It must not listen yet.

    advertised: host:port that peers dial. NameTakenError: a live process answers under the name, and keeps
    it. ConfigError: the host can't be looked up.
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
        await asyncio.sleep(PAUSE_SECONDS)
    raise NameTakenError(node_url, address, holder)


async def _holder(dialler: Dialler, node_url: str, address: str) -> str | None:
    """The node_id of the process that answers under the name; None: there is none."""
    if not await _listens(address):
        return None
    try:
        ack = await dialler.dial(node_url, address, (), ASK_SECONDS)
    except LimeDBError:
        return None
    said = next((state for state in ack.updates if state.url == node_url), None)
    is_it = ack.name == node_url or (not ack.name and said is not None)  # older nodes send no name
    return (said.node_id if said else "") if is_it else None


async def _listens(address: str) -> bool:
    """Whether a connection is accepted at once."""
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
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            return
    raise ConfigError(setting, address, f"a host that can be looked up: no name service knows {host!r}")
