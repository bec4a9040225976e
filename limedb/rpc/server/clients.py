"""The client of a call: its connection, its address, and its user if one is signed in.

It owns the way from a call to these, and the trust in the addresses that proxies report. It must never decide
what a client may have: budgets (`memory.py`) and limits (`limits.py`) do.

The header x-forwarded-for counts only where the connection comes from a proxy that the node trusts
(`proxies.py`): anybody can send it, and would then be as many clients as they like. Envoy appends the address
of its own peer, so the last one named is the one that Envoy saw.

An address of IPv6 stands for its /64: one host has as many addresses as it likes there.
"""

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Protocol
from urllib.parse import unquote

from limedb.core.rights import Identity

FORWARDED = "x-forwarded-for"
MAX_ADDRESS = 64
"""Characters of an address; longer ones are cut."""

CALLER: ContextVar[Identity | None] = ContextVar("caller", default=None)
"""The caller of the call that a task serves; None: it isn't identified. Each call runs in a task of its own,
and the tasks that it starts inherit the caller.
"""


class Context(Protocol):
    """A caller, as gRPC knows it."""

    def peer(self) -> str:
        """The caller's address."""

    def invocation_metadata(self) -> Iterable[tuple[str, str | bytes]] | None:
        """The headers of the call: pairs of name and value."""

    def time_remaining(self) -> float | None:
        """Seconds that the caller waits; None: it set no limit."""


class Client(str):
    """A client: the address that a trusted proxy names, otherwise the connection. address: without a port.
    user: the one signed in; empty: nobody is.
    """

    __slots__ = ("address", "keys", "user")
    address: str
    user: str
    keys: tuple[str, str]
    """The names that are counted: its identity, and all users of its address together, in words."""


@lru_cache(maxsize=4096)
def client(name: str, address: str, user: str) -> Client:
    """A client with these facts. address: as gRPC or a proxy reports it."""
    made = Client(name)
    made.address, made.user = network_of(address), user
    identity = f"user {user}" if user else f"address {made.address}"
    made.keys = identity, f"all users at {made.address}"
    return made


def is_loopback(address: str) -> bool:
    """Whether an address is of this machine itself."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return not address  # a socket of the file system


class Clients:
    """Finds the client of a call. is_trusted: whether the proxy at an address names clients truthfully."""

    def __init__(self, is_trusted: Callable[[str], bool] = is_loopback) -> None:
        self._is_trusted = is_trusted

    def of(self, context: Context) -> Client:
        """The client of a call."""
        peer = context.peer()
        address, caller = address_of_peer(peer), CALLER.get()
        user = caller.name if caller is not None else ""
        named: object = None
        for name, value in context.invocation_metadata() or ():
            if name == FORWARDED:
                named = value
        if named is not None and self._is_trusted(address):
            last = str(named).rpartition(",")[2].strip()[:MAX_ADDRESS]
            return client(last, last, user)
        return client(peer, address, user)


@lru_cache(maxsize=4096)
def address_of_peer(peer: str) -> str:
    """The address in gRPC's name of a connection (ipv4:10.0.0.7:4321, ipv6:%5B::1%5D:4321); empty: it has
    none.
    """
    kind, _, rest = unquote(peer).partition(":")
    if kind not in ("ipv4", "ipv6"):
        return ""
    address = rest.rpartition(":")[0].strip("[]").partition("%")[0]
    return address.removeprefix("::ffff:") if "." in address else address


def network_of(address: str) -> str:
    """The address to count, for an address: of IPv6 its /64."""
    try:
        found = ip_address(address)
    except ValueError:
        return address[:MAX_ADDRESS]
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(found) if found.is_loopback else str(ip_network((found, 64), strict=False))
