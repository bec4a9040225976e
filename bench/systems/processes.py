"""The processes of one system: started in order, stopped in reverse, each with a log.

It owns processes and ports. It must never know what runs in them.
"""

import random
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.waiting import wait_until

LOOPBACK = "127.0.0.1"
_PORTS = range(20_000, 32_000)  # below those that the kernel gives to outgoing connections


def steady_port() -> int:
    """A free port that no outgoing connection takes between two starts."""
    for _ in range(100):
        port = random.choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise SystemExit(f"no free port from {_PORTS.start} to {_PORTS.stop - 1}")


class Processes:
    """Processes that stop together."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._running.values()]

    def start(self, name: str, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        """Start one; its output goes to NAME.log in the folder."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        self._running[name] = process

    def wait_listening(self, *ports: int) -> None:
        """Wait until all ports answer. SystemExit: a process has ended, or it takes too long."""
        for port in ports:
            wait_until(lambda port=port: self._is_listening(port), 20, f"port {port} answers")  # type: ignore[misc]

    def _is_listening(self, port: int) -> bool:
        for name, process in self._running.items():
            if process.poll() is not None:
                lines = (self._folder / f"{name}.log").read_text(errors="replace").splitlines()
                raise SystemExit(f"{name} has ended: {lines[-1] if lines else process.returncode}")
        with socket.socket() as probe:
            return probe.connect_ex((LOOPBACK, port)) == 0

    def stop(self) -> None:
        """Stop them, by force after 20 s."""
        for process in reversed(self._running.values()):
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()


def why_missing(name: str) -> str:
    """Return why a program can't be run from the PATH; empty: it can."""
    return "" if shutil.which(name) else f"{name} is not installed: run `make bench-tools`"
