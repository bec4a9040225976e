"""The bare grpc.aio echo under uvloop: the least cost of a unary call."""

import sys
from pathlib import Path

import grpc

from bench import names
from bench.load import wait_serving
from bench.systems.processes import LOOPBACK, Processes, steady_port


class Echo:
    """One process of `bench.echo`. It stores nothing."""

    def __init__(self, folder: Path) -> None:
        self.name = names.ECHO
        self.folder = folder
        self.ports = [steady_port()]
        self._processes = Processes(folder)

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.ports[0]}"

    @property
    def pids(self) -> list[int]:
        return self._processes.pids

    def missing(self) -> str:
        return ""

    def start(self) -> None:
        port = self.ports[0]
        self._processes.start("echo", [sys.executable, "-m", "bench.echo", str(port)])
        self._processes.wait_listening(port)
        with grpc.insecure_channel(self.address) as channel:
            wait_serving(channel)

    def stop(self) -> None:
        self._processes.stop()
