"""The system's Redis, which acknowledges a write once it is on disk (appendfsync always)."""

import socket
from pathlib import Path

from bench import names
from bench.systems.processes import LOOPBACK, Processes, steady_port, why_missing
from bench.waiting import wait_until


class Redis:
    """One redis-server with its default settings otherwise, but without snapshots: the log has all keys."""

    def __init__(self, folder: Path) -> None:
        self.name = names.REDIS
        self.folder = folder
        self._port = steady_port()
        self._processes = Processes(folder)

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self._port}"

    @property
    def pids(self) -> list[int]:
        return self._processes.pids

    def missing(self) -> str:
        return why_missing("redis-server") or why_missing("redis-benchmark")

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = {"bind": LOOPBACK, "port": str(self._port), "dir": str(self.folder), "save": ""}
        settings |= {"appendonly": "yes", "appendfsync": "always"}
        options = [part for name, value in settings.items() for part in (f"--{name}", value)]
        self._processes.start("redis", ["redis-server", *options])
        self._processes.wait_listening(self._port)
        wait_until(self._has_loaded, 60, "Redis has read its log")

    def _has_loaded(self) -> bool:
        with socket.create_connection((LOOPBACK, self._port), 5) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(100) == b"+PONG\r\n"

    def stop(self) -> None:
        self._processes.stop()
