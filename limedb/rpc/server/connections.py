"""Keeps descriptors free for the node's own files and peers, however many connections come.

It owns the choice of the connections to close. It must never close one while there is room. It is needed
because gRPC accepts all connections, up to the last descriptor of the process, after which the store could
open no file.

Connections that have sent least go first, and among equals the newest: so a client that works keeps its
connection when another opens a thousand and leaves them idle.

It also keeps the queues before gRPC's doors short. gRPC asks the kernel for 4,096 places (somaxconn), accepts
until nobody waits, and only then sees that a client has gone again. So a client that connects, calls and
disconnects without end took nearly all of the thread that reads from sockets: others waited for 5 s, and the
peers considered the node dead. With a short queue the kernel makes such a client wait: it drops the
handshake, which TCP repeats after a second. 128 was Linux's own length until 2019.

Tested in tests/scenarios/test_lesser_troubles.py and tests/rpc/server/test_connections.py.
"""

import asyncio
import ipaddress
import logging
import math
import os
import resource
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from struct import Struct

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
RESERVED = 128
"""Descriptors that stay free: for log segments, peers, files of the dashboard, and connections accepted
before the next look.
"""
LOG_SECONDS = 10.0
BACKLOG = 128
"""Connections to a port that the kernel holds until gRPC accepts them."""
_SOCKET, _IS_LISTENING = socket.SOL_SOCKET, socket.SO_ACCEPTCONN
_TCP_INFO = Struct("=120xQQ")  # linux/tcp.h: bytes_acked and bytes_received follow after 120 bytes


@dataclass(frozen=True, slots=True)
class _Connection:
    """A connection that a client opened."""

    descriptor: int
    received: int
    """Bytes that came on it."""


def raise_descriptor_limit() -> None:
    """Let the process open as many files as the system allows; the soft limit is often only 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # a sandbox may forbid it: then the soft limit stays
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def shorten_queues(ports: Collection[int]) -> int:
    """Let the kernel hold no more than BACKLOG connections to each of these ports, on which this process
    listens, until they are accepted; how many sockets that are.
    """
    count = 0
    for descriptor in _descriptors(resource.getrlimit(resource.RLIMIT_NOFILE)[0]):
        with suppress(OSError, IndexError, TypeError), _borrowed(descriptor) as listening:
            if listening.getsockname()[1] in ports and listening.getsockopt(_SOCKET, _IS_LISTENING):
                listening.listen(BACKLOG)
                count += 1
    return count


class Connections:
    """Limits the connections to some ports. limit: descriptors that the process may open; None: the limit in
    force. most: connections; 0: as many as descriptors allow.
    """

    def __init__(self, ports: Collection[int], limit: int | None = None, most: int = 0) -> None:
        self._ports, self._most = ports, most or math.inf
        self._limit = limit or resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._ended = 0
        self._log_at = 0.0

    async def run(self) -> None:
        """Check periodically, until cancelled."""
        while True:
            self._ended += self.end_surplus()
            self._report(asyncio.get_running_loop().time())
            await asyncio.sleep(LOOK_SECONDS)

    def end_surplus(self) -> int:
        """Close the surplus connections, and return how many. It opens no file for that."""
        most = self._limit - RESERVED
        if _lowest_free() < min(most, self._most):
            return 0
        descriptors = _descriptors(self._limit)
        found = [c for d in descriptors if (c := _connection(d, self._ports)) is not None]
        victims = sorted(found, key=lambda c: (c.received, -c.descriptor))
        surplus = int(max(0, len(descriptors) - most, len(found) - self._most))
        return sum(_end(victim.descriptor) for victim in victims[:surplus])

    def _report(self, now: float) -> None:
        if self._ended and now >= self._log_at:
            log.warning(
                "%d connections were ended: this process may open %d files, of which %d are kept for the"
                " store and the peers, and have %s connections (MAX_CONNECTIONS); raise the limit"
                " (ulimit -n), or find the clients that connect",
                self._ended,
                self._limit,
                RESERVED,
                "any number of" if math.isinf(self._most) else self._most,
            )
            self._log_at, self._ended = now + LOG_SECONDS, 0


def end_from(ports: Collection[int], peers: Collection[str]) -> int:
    """Close the connections to some ports from these callers, as gRPC names them; return how many."""
    found = connected(ports)
    return sum(_end(found[peer]) for peer in peers if peer in found)


def connected(ports: Collection[int]) -> dict[str, int]:
    """The callers that are connected to some ports, as gRPC names them, and their descriptors."""
    found = {}
    for descriptor in _descriptors(resource.getrlimit(resource.RLIMIT_NOFILE)[0]):
        with suppress(OSError, IndexError, TypeError, ValueError), _borrowed(descriptor) as connection:
            if connection.getsockname()[1] in ports:
                found[_named(connection.getpeername())] = descriptor
    return found


def _named(address: tuple[object, ...]) -> str:
    """A caller's address as gRPC writes it."""
    host, port = ipaddress.ip_address(str(address[0]).partition("%")[0]), address[1]
    if isinstance(host, ipaddress.IPv6Address) and host.ipv4_mapped:
        host = host.ipv4_mapped
    if isinstance(host, ipaddress.IPv4Address):
        return f"ipv4:{host}:{port}"
    scope = f"%25{str(address[0]).partition('%')[2]}" if "%" in str(address[0]) else ""
    return f"ipv6:%5B{host}{scope}%5D:{port}"


def _lowest_free() -> float:
    """The number of the next descriptor, about the number of open ones; infinite: none is left."""
    try:
        descriptor = os.dup(2)
    except OSError:
        return math.inf
    os.close(descriptor)
    return descriptor


def _descriptors(limit: int) -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:  # no descriptor is left to read the list
        return [d for d in range(limit) if _is_open(d)]


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _connection(descriptor: int, ports: Collection[int]) -> _Connection | None:
    """The connection of a descriptor; None: it isn't a connection to one of the ports."""
    try:
        with _borrowed(descriptor) as connection:
            if connection.getsockname()[1] not in ports or not connection.getpeername():
                return None
            info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
    except (OSError, IndexError, TypeError):  # a file, a listening socket, or closed meanwhile
        return None
    return _Connection(descriptor, _TCP_INFO.unpack(info)[1] if len(info) == _TCP_INFO.size else 0)


def _end(descriptor: int) -> bool:
    """Shut a connection down, as its client may do; gRPC then closes it."""
    with suppress(OSError), _borrowed(descriptor) as connection:
        connection.shutdown(socket.SHUT_RDWR)
        return True
    return False


@contextmanager
def _borrowed(descriptor: int) -> Iterator[socket.socket]:
    """A socket object for another owner's descriptor, which stays open. OSError: it isn't a socket."""
    borrowed = socket.socket(fileno=descriptor)
    try:
        yield borrowed
    finally:
        borrowed.detach()
