"""Real clusters for tests, through the command line that users have.

It owns that nothing of a cluster outlives its test, and that a failed test shows the ends of the logs.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from limedb.config import SETTINGS
from tests.support.ports import free_ports
from tests.support.waiting import wait_for

QUICK = {"GOSSIP_INTERVAL": "500ms"}
"""What a cluster of a test has besides: to form one takes two intervals, and to take a node for dead four."""
USUAL = {"GOSSIP_INTERVAL": "1s"}
"""As LimeDB has it: for tests under load, where a node may get no processor for a second."""
SETTING_NAMES = {setting.name for setting in SETTINGS}
COMMAND_SECONDS = 120
"""What a command may take on a loaded machine; it costs nothing where all is well."""
READY = ("--timeout", str(COMMAND_SECONDS - 10))
"""Lets a start wait for as long as that."""
TAIL_LINES = 40
FOR_NODES = ("--publish", "direct", "--publish", "gossip")
"""Lets Envoy publish what is for nodes."""


@dataclass(frozen=True)
class Node:
    """A node of a running cluster. address: host:port of its gRPC."""

    name: str
    url: str
    address: str
    log: Path


@dataclass(frozen=True)
class RunningCluster:
    """A cluster that runs. envoy_url: empty without Envoy."""

    folder: Path
    nodes: tuple[Node, ...]
    envoy_url: str

    @property
    def envoy_address(self) -> str:
        """host:port of Envoy."""
        return self.envoy_url.removeprefix("http://")

    def pid(self, name: str) -> int:
        """The process id of a node, as cluster.json has it now."""
        content = json.loads((self.folder / "cluster.json").read_text())
        return next(int(node["pid"]) for node in content["nodes"] if node["name"] == name)

    def kill(self, name: str) -> None:
        """End a node at once (SIGKILL)."""
        self._command("kill", name)

    def pause(self, name: str) -> None:
        """Make a node stand still (SIGSTOP)."""
        self._command("pause", name)

    def resume(self, name: str) -> None:
        """Let a paused node go on (SIGCONT)."""
        self._command("resume", name)

    def restart(self, name: str) -> None:
        """Start a node again; return when it is ready."""
        self._command("restart", name, *READY)

    def mend(self) -> None:
        """Let every node run that was killed or paused; return when Envoy, if there is one, finds a node."""
        done = limedb("cluster", "status", "--data-dir", str(self.folder))
        states = dict(line.split()[:2] for line in done.stdout.splitlines())
        for node in self.nodes:
            if states[node.name] == "paused":
                self.resume(node.name)
            elif states[node.name] == "dead":
                self.restart(node.name)
        if self.envoy_url:
            wait_for("Envoy finds a node", lambda: httpx.get(self.envoy_url).is_success)

    def add(self) -> Node:
        """Start one node more, and return at once: it joins by itself."""
        known = {node.name for node in self.nodes}
        self._command("add")
        return next(node for node in read_cluster(self.folder).nodes if node.name not in known)

    def _command(self, *arguments: str) -> None:
        done = limedb("cluster", *arguments, "--data-dir", str(self.folder))
        assert done.returncode == 0, done.stderr


def limedb(
    *arguments: str, env: Mapping[str, str] | None = None, timeout: float = COMMAND_SECONDS
) -> "subprocess.CompletedProcess[str]":
    """Run the command line to its end, with these variables added to the environment."""
    return subprocess.run(
        [sys.executable, "-m", "limedb", *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env={**os.environ, **(env or {})},
    )


@contextmanager
def running_cluster(
    tmp_path: Path,
    nodes: int = 4,
    env: Mapping[str, str] | None = None,
    envoy: bool = True,
    access: Sequence[str] = (),
    auth: bool = False,
) -> Iterator[RunningCluster]:
    """A cluster in tmp_path/cluster, ready, for the time of the block. env: settings of all nodes, besides
    QUICK; variables that are no settings reach them by the environment. access: options of the command that
    open Envoy further. auth: nodes ask for tokens; root.token in its folder has one.
    """
    folder = tmp_path / "cluster"
    settings = [
        part
        for name, value in (QUICK | dict(env or {})).items()
        if name in SETTING_NAMES
        for part in ("-e", f"{name}={value}")
    ]
    others = {name: value for name, value in (env or {}).items() if name not in SETTING_NAMES}
    with free_ports(nodes + 1) as ports:
        options = ["--nodes", str(nodes), "--port", str(ports[0]), "--base-port", str(ports[1]), *settings]
        options += [*access] if envoy else ["--no-envoy"]
        options += ["--auth"] if auth else []
        try:
            done = limedb(
                "cluster", "start", "--detach", "--data-dir", str(folder), *READY, *options, env=others
            )
            assert done.returncode == 0, done.stderr
            yield read_cluster(folder)
        except BaseException:
            print_logs(folder)
            raise
        finally:
            limedb("cluster", "stop", "--data-dir", str(folder))


def read_cluster(folder: Path) -> RunningCluster:
    """The cluster that runs in a folder."""
    content = json.loads((folder / "cluster.json").read_text())
    nodes = tuple(
        Node(node["name"], node["url"], node["grpc_address"], Path(node["log"])) for node in content["nodes"]
    )
    return RunningCluster(folder, nodes, content["envoy"]["url"] if content["envoy"] else "")


def print_logs(folder: Path) -> None:
    """Print the end of each log, which pytest shows when the test failed."""
    for log in sorted(folder.glob("*.log")):
        lines = log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        print(f"--- {log.name}", *lines, sep="\n")  # noqa: T201 (pytest shows it when the test failed)
