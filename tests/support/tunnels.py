"""A tunnel to a node, as a port forward makes one, which may lead elsewhere later.

It owns its connections: they end when the tunnel leads elsewhere, and with the block.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.support.children import join


class Tunnel:
    """Listens at a port and joins each connection with one to a target, host:port."""

    def __init__(self, port: int, target: str) -> None:
        self.address, self._target = f"127.0.0.1:{port}", target
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", port))
        self._start(self._accept)

    def lead_to(self, target: str) -> None:
        """Lead to another target from now on; connections break."""
        with self._lock:
            self._target = target
            broken, self._sockets = self._sockets, set()
        for each in broken:
            _end(each)

    def close(self) -> None:
        """End it."""
        _end(self._listener)
        self.lead_to("")
        for thread in self._threads:
            join(thread)

    def _start(self, run: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=run, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._join(near)

    def _join(self, near: socket.socket) -> None:
        with self._lock:
            host, _, port = self._target.rpartition(":")
            try:
                far = socket.create_connection((host, int(port)), timeout=20)
            except (OSError, ValueError):
                near.close()
                return
            far.settimeout(None)
            self._sockets |= {near, far}
        self._start(_copy, near, far)
        self._start(_copy, far, near)


@contextmanager
def tunnel(port: int, target: str) -> Iterator[Tunnel]:
    """A tunnel for the time of the block."""
    made = Tunnel(port, target)
    try:
        yield made
    finally:
        made.close()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    for each in (source, sink):
        _end(each)


def _end(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
