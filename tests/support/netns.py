"""Network namespaces: each node of a test on a machine of its own, as far as the network goes.

It owns that nothing of them outlives the test, nor the run before it that was killed. All nodes hang on a
bridge in a namespace of its own, so that the machine's packet filter has no say in what passes between them;
the test reaches the nodes over a wire to that bridge. What doesn't pass is dropped in the nodes' namespaces.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

PREFIX = "limedb-test-"
FOLDER = Path("/run/netns")
TOOLS = ("ip", "iptables")
OWN_HOST = 254  # the number of the test's end of the wire
TRIES = 100


class NetworkError(Exception):
    """A command that makes namespaces failed; the text has its words."""


class Lan:
    """Namespaces on one bridge. Nodes are numbered from 1 to 250, and node n has the address `address(n)`."""

    def __init__(self, name: str, wire: str, subnet: str) -> None:
        """name: starts the names of the namespaces; wire: of the network interfaces; subnet: as "10.1.2"."""
        self._name, self._wire, self._subnet = name, wire, subnet
        self._count = 0

    @property
    def nodes(self) -> range:
        """The numbers of the nodes."""
        return range(1, self._count + 1)

    def address(self, node: int) -> str:
        """The IP address of a node."""
        return f"{self._subnet}.{node}"

    def inside(self, node: int) -> list[str]:
        """What to put before a command so that it runs in the node's namespace, as the same process."""
        return ["ip", "netns", "exec", self._namespace(node)]

    def add_node(self) -> int:
        """Make another namespace; its number."""
        self._count += 1
        self._connect(self._namespace(self._count), self._count)
        return self._count

    def cut(self, source: int, target: int) -> None:
        """Let nothing pass from one node to another; the other way is open."""
        _run(*self.inside(target), *_iptables("-A", "INPUT", "-s", self.address(source), "-j", "DROP"))

    def partition(self, *groups: Iterable[int]) -> None:
        """Let nothing pass between groups of nodes."""
        sides = [list(group) for group in groups]
        for here in sides:
            for there in sides:
                for source, target in ((a, b) for a in here for b in there if here is not there):
                    self.cut(source, target)

    def heal(self) -> None:
        """Let everything pass."""
        for node in self.nodes:
            _run(*self.inside(node), *_iptables("-F", "INPUT"))

    def set_up(self) -> None:
        """Make the bridge, and the wire to it."""
        hub, wire, inner = self._hub, f"{self._wire}h", f"{self._wire}i"
        _run("ip", "netns", "add", hub)
        _run("ip", "-n", hub, "link", "add", "bridge", "type", "bridge")
        _run("ip", "-n", hub, "link", "set", "bridge", "up")
        _run("ip", "link", "add", wire, "type", "veth", "peer", "name", inner, "netns", hub)
        _run("ip", "-n", hub, "link", "set", inner, "master", "bridge", "up")
        _run("ip", "address", "add", f"{self._subnet}.{OWN_HOST}/24", "dev", wire)
        _run("ip", "link", "set", wire, "up")

    def take_down(self) -> None:
        """Remove all of it; the interfaces go with their namespaces, the test's own at once."""
        subprocess.run(
            ["ip", "link", "delete", f"{self._wire}h"], capture_output=True, timeout=60, check=False
        )
        for namespace in (*map(self._namespace, self.nodes), self._hub):
            subprocess.run(["ip", "netns", "delete", namespace], capture_output=True, timeout=60, check=False)

    @property
    def _hub(self) -> str:
        return f"{self._name}-hub"

    def _namespace(self, node: int) -> str:
        return f"{self._name}-{node}"

    def _connect(self, namespace: str, node: int) -> None:
        plug = f"{self._wire}n{node}"
        _run("ip", "netns", "add", namespace)
        _run("ip", "-n", namespace, "link", "set", "lo", "up")
        _run("ip", "-n", self._hub, "link", "add", plug, "type", "veth", "peer", "eth0", "netns", namespace)
        _run("ip", "-n", self._hub, "link", "set", plug, "master", "bridge", "up")
        _run("ip", "-n", namespace, "address", "add", f"{self.address(node)}/24", "dev", "eth0")
        _run("ip", "-n", namespace, "link", "set", "eth0", "up")


@contextmanager
def lan(nodes: int) -> Iterator[Lan]:
    """A network of that many nodes for the time of the block. It skips the test where that can't be."""
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        pytest.skip(f"needs {' and '.join(missing)} (make system-tools)")
    if os.geteuid() != 0:
        pytest.skip("needs root, for network namespaces")
    _sweep()
    with ExitStack() as stack:
        made = _first_free(stack)
        for _ in range(nodes):
            made.add_node()
        yield made


def _first_free(stack: ExitStack) -> Lan:
    """A network whose names and addresses nobody has."""
    pid = os.getpid()
    for attempt in range(TRIES):
        subnet = f"10.{100 + (pid + attempt) % 150}.{(pid >> 4) % 256}"
        name = f"{PREFIX}{pid}-{attempt}"
        if (FOLDER / f"{name}-hub").exists() or f" {subnet}." in _run("ip", "-4", "address"):
            continue
        made = Lan(name, f"l{pid}{chr(ord('a') + attempt % 26)}", subnet)
        stack.callback(made.take_down)
        try:
            made.set_up()
        except NetworkError as error:
            pytest.skip(f"needs the right to make network namespaces: {error}")
        return made
    raise NetworkError(f"no free subnet in {TRIES} tries")


def _sweep() -> None:
    """Remove what test runs left that were killed."""
    for path in FOLDER.glob(f"{PREFIX}*") if FOLDER.exists() else ():
        found = re.match(rf"{PREFIX}(\d+)-", path.name)
        if found and not psutil.pid_exists(int(found[1])):
            subprocess.run(["ip", "netns", "delete", path.name], capture_output=True, timeout=60, check=False)


def _iptables(*rule: str) -> list[str]:
    return ["iptables", "--wait", *rule]


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise NetworkError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
