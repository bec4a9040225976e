"""Where the nodes of a local cluster listen: their names and ports.

It owns the reading of these from the cluster's folder. It must never change anything there.

Tested in tests/launch/test_last_start.py.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from limedb.core.node_urls import split_url
from limedb.launch.addresses import LOOPBACK

_NAME = re.compile(r"node([1-9][0-9]{0,5})(\.removed)?")
_DATA = (".lmdb", ".json")


@dataclass(frozen=True, slots=True)
class Place:
    """A node's name, which is that of its folder, and its port on this machine."""

    name: str
    port: int

    @property
    def url(self) -> str:
        """The node's URL."""
        return f"http://{LOOPBACK}:{self.port}"


def places_from(base_port: int, count: int) -> tuple[Place, ...]:
    """The places of so many new nodes: node1.., on consecutive ports."""
    return tuple(Place(f"node{index + 1}", base_port + index) for index in range(count))


def places_with_data(folder: Path) -> tuple[Place, ...]:
    """The places of the nodes whose data is in a cluster's folder, by their numbers. The name of a node's
    data contains its URL, the only one under which the node can use it.
    """
    found = [(number, place) for number, place in _places(folder) if place.name == f"node{number}"]
    return tuple(place for _, place in sorted(found, key=lambda pair: pair[0]))


def next_place(folder: Path, places: tuple[Place, ...]) -> Place:
    """The place of another node: no node here has, or had, its name or its port, as far as is known."""
    numbers = [int(match[1]) for path in folder.glob("node*") if (match := _NAME.fullmatch(path.name))]
    named = [int(match[1]) for place in places if (match := _NAME.fullmatch(place.name))]
    ports = [place.port for place in (*places, *(place for _, place in _places(folder)))]
    return Place(f"node{max([*numbers, *named]) + 1}", max(ports) + 1)


def _places(folder: Path) -> Iterator[tuple[int, Place]]:
    """Every folder of a node, its number first, if it has data of one node."""
    for path in folder.glob("node*"):
        if (match := _NAME.fullmatch(path.name)) and len(ports := _ports(path)) == 1:
            yield int(match[1]), Place(path.name, ports.pop())


def _ports(folder: Path) -> set[int]:
    if not folder.is_dir():
        return set()
    names = [path.name for path in folder.iterdir() if path.suffix in _DATA]
    return {port for name in names if (port := _port(unquote(name.rpartition(".")[0])))}


def _port(url: str) -> int:
    try:
        host, port = split_url(url)
    except ValueError:
        return 0
    return port if host == LOOPBACK else 0
