"""Envoy with LimeDB's own configuration, in front of LimeDB or of the bare echo."""

import os
from typing import Protocol
from urllib.error import HTTPError
from urllib.request import urlopen

from bench import names
from bench.systems import System
from bench.systems.processes import LOOPBACK, Processes, steady_port
from bench.waiting import wait_until
from limedb.errors import LaunchError
from limedb.launch import envoy
from limedb.launch.addresses import Address
from limedb.wire import descriptors


class _WithPorts(System, Protocol):
    ports: list[int]


class BehindEnvoy:
    """A system behind an Envoy of its own, which has as many workers as `limedb cluster` gives it."""

    def __init__(self, system: _WithPorts) -> None:
        self.name = system.name + names.THROUGH_ENVOY
        self.folder = system.folder
        self._system = system
        self._port = steady_port()
        self._processes = Processes(system.folder)

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self._port}"

    @property
    def pids(self) -> list[int]:
        return self._system.pids + self._processes.pids

    def missing(self) -> str:
        try:
            envoy.find_envoy()
        except LaunchError as error:
            return str(error)
        return self._system.missing()

    def start(self) -> None:
        self._system.start()
        config = self.folder / "envoy.yaml"
        config.write_text(envoy.render(self._options()))
        workers = str(max(1, (os.cpu_count() or 1) // 2))
        command = [str(envoy.find_envoy()), "-c", str(config), "--disable-hot-restart"]
        self._processes.start("envoy", [*command, "--log-level", "warning", "--concurrency", workers])
        self._processes.wait_listening(self._port)
        wait_until(self._is_healthy, 20, "Envoy finds the node healthy")

    def _options(self) -> envoy.EnvoyOptions:
        return envoy.EnvoyOptions(
            nodes=tuple(
                envoy.Upstream(f"http://{LOOPBACK}:{port}", LOOPBACK, port) for port in self._system.ports
            ),
            listen=Address(LOOPBACK, self._port),
            descriptor=str(descriptors.path()),
        )

    def _is_healthy(self) -> bool:
        """Whether a request gets through: any answer but 503."""
        try:
            urlopen(f"http://{self.address}/api/v1/get/key", timeout=5).close()
        except HTTPError as error:
            return error.code != 503
        return True

    def stop(self) -> None:
        self._processes.stop()
        self._system.stop()
