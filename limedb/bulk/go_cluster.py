"""The keys of a running Go LimeDB: of all its nodes, found from some, each read page by page over its REST.

It owns the search for the nodes, and the choice of the value where they differ. It must never take a node
that doesn't answer for one without keys.

The nodes list their own keys only, without versions. Where copies of a key differ (its owner changed and a
copy stayed behind, or a replica missed a write), it asks the cluster itself for the key, as clients do.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import TypeVar

import xxhash

from limedb.bulk.go_rest import GoRest, GoRestError
from limedb.bulk.items import Content, Item, Line, Place, checked
from limedb.errors import BadItemError, BulkError

PASSES = 3
"""How many times the keys of a node are read at most, if it has more than were found: writes move the pages.
"""
TRIES, PAUSE_SECONDS = 3, 1.0

_T = TypeVar("_T")


@dataclass(slots=True)
class GoNode:
    """A node that answers."""

    name: str
    """Its NODE_URL."""
    rest: GoRest
    total: int
    """How many keys it holds, by its last answer."""
    keys: set[int] = field(default_factory=set)
    """A hash of each key that was read."""


class GoCluster:
    """A Go LimeDB to read from. urls: of one node, or of several with commas between; the nodes that they
    know are found, too.

    nodes, silent: those that answer; and the reason why not, by name, of all others. read_count: keys that
    were yielded.
    """

    def __init__(self, urls: str) -> None:
        self._urls = [_root(url) for url in urls.split(",") if url.strip()]
        self.nodes: list[GoNode] = []
        self.silent: dict[str, str] = {}
        self.read_count = 0
        self._values: dict[str, int] = {}  # by key, a hash of the value that was yielded
        self._differing: dict[str, None] = {}
        self._stopped = Event()

    @property
    def total(self) -> int:
        """How many keys the nodes hold, copies included."""
        return sum(node.total for node in self.nodes)

    def stop(self) -> None:
        """Let `read` end soon."""
        self._stopped.set()

    def find(self) -> None:
        """Find all nodes. BulkError: none of those given answers, or one isn't a Go LimeDB."""
        waiting, met = deque(self._urls), set[str]()
        while waiting:
            url = waiting.popleft()
            if url not in met | {node.name for node in self.nodes}:
                met.add(url)
                waiting += self._meet(GoRest(url))
        if not self.nodes:
            why = "; ".join(f"{url}: {reason}" for url, reason in self.silent.items())
            raise BulkError(f"no node of a Go LimeDB answers: {why}")
        for node in self.nodes:  # a name that doesn't lead to it from here
            self.silent.pop(node.name, None)

    def read(self) -> Iterator[Line]:
        """Yield each key once, and those whose copies differ once more, with the value that counts."""
        for node in self.nodes:
            yield from self._read_node(node)
        for key in self._differing:
            if self._stopped.is_set():
                return
            yield self._line(self._current(key))

    def _meet(self, rest: GoRest) -> list[str]:
        """Ask a node for its name; the URLs of its peers."""
        try:
            state = rest.state()
            if all(node.name != state.name for node in self.nodes):
                self.nodes.append(GoNode(state.name, rest, rest.total()))
        except GoRestError as error:
            self.silent[rest.url] = str(error)
            return []
        return list(state.peers)

    def _read_node(self, node: GoNode) -> Iterator[Line]:
        try:
            for _ in range(PASSES):
                yield from self._pass(node)
                node.total = self._retried(node.rest.total)
                if len(node.keys) >= node.total or self._stopped.is_set():
                    return
            self.silent[node.name] = (
                f"{node.total - len(node.keys)} of its keys were not found: stop its writers"
            )
        except GoRestError as error:
            self.silent[node.name] = f"after {len(node.keys)} of {node.total} keys: {error}"

    def _pass(self, node: GoNode) -> Iterator[Line]:
        number, page = 0, [("", "")]
        while page and not self._stopped.is_set():
            number += 1
            page = self._retried(partial(node.rest.page, number))
            for key, value in page:
                node.keys.add(xxhash.xxh64_intdigest(key.encode()))
                yield from self._entry(node.name, key, value)

    def _entry(self, name: str, key: str, value: str) -> Iterator[Line]:
        hashed = xxhash.xxh64_intdigest(value.encode())
        if key not in self._values:
            self._values[key] = hashed
            yield self._line(_content(key, value, name))
        elif self._values[key] != hashed:
            self._differing[key] = None

    def _line(self, content: Content) -> Line:
        self.read_count += 1
        return Line(self.read_count, Place(self.read_count, self.read_count), content)

    def _current(self, key: str) -> Content:
        """The cluster's answer for a key."""
        reasons = []
        for node in self.nodes:
            try:
                return _content(key, node.rest.get(key), node.name)
            except GoRestError as error:
                reasons.append(str(error))
        return BadItemError(
            f"key {key!r} has different values on several nodes, and the cluster doesn't answer which one"
            f" counts ({reasons[0]}); that of the first node was stored"
        )

    def _retried(self, ask: Callable[[], _T]) -> _T:
        for _ in range(TRIES - 1):
            try:
                return ask()
            except GoRestError:
                self._stopped.wait(PAUSE_SECONDS)
        return ask()


def _root(url: str) -> str:
    """The base of the REST paths."""
    return url.strip().rstrip("/").removesuffix("/api/v1").rstrip("/")


def _content(key: str, value: str, name: str) -> Content:
    """The item to store. name: of the node that has it, for the error."""
    try:
        return checked(Item(key, value))
    except BadItemError as error:
        return BadItemError(f"key {key[:64]!r} of node {name}: {error}")
