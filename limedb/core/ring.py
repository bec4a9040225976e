"""The consistent-hash ring: which node owns a token.

It owns tokens, points and ranges. It must never know which nodes are alive.

A ring is immutable and replaced as a whole, so readers need no lock. Source: Karger et al. 1997, "Consistent
Hashing and Random Trees"; virtual nodes as in DeCandia et al. 2007, "Dynamo".
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import xxhash

TOKENS = 1 << 64


def token_of(key: str) -> int:
    """The token of a key: xxh64 with seed 0 of its UTF-8, 0 to 2**64 - 1."""
    return token_of_name(key.encode())


def token_of_name(name: bytes) -> int:
    """The token of a key, given as UTF-8."""
    return xxhash.xxh64_intdigest(name)


@dataclass(frozen=True, slots=True)
class TokenRange:
    """The tokens after `start`, up to and including `end`; the range wraps around zero when end <= start."""

    start: int
    end: int

    @property
    def size(self) -> int:
        """How many tokens it holds, 1 to 2**64."""
        return (self.end - self.start) % TOKENS or TOKENS

    def __contains__(self, token: int) -> bool:
        return (token - self.start - 1) % TOKENS < self.size


class Ring:
    """Points of nodes on the circle of tokens.

    nodes: URLs, all with virtual_nodes points, or each with its own number. The points are at
    xxh64("{url}:{i}"); with 0 there is one at xxh64(url). The first point at or after a token owns it,
    wrapping around. A point that two nodes hit goes to the smaller URL. A node added to N takes about 1/(N+1)
    of the tokens, and none move between old nodes.
    """

    __slots__ = ("_owners", "_points", "nodes", "virtual_nodes")

    def __init__(self, nodes: Iterable[str] | Mapping[str, int] = (), virtual_nodes: int = 256) -> None:
        counts = nodes if isinstance(nodes, Mapping) else dict.fromkeys(nodes, virtual_nodes)
        self.nodes = tuple(sorted(counts))
        self.virtual_nodes = {url: counts[url] for url in self.nodes}
        placed: dict[int, str] = {}
        for url in self.nodes:  # in order, so that the smaller URL keeps a shared point
            for point in points_of(url, self.virtual_nodes[url]):
                placed.setdefault(point, url)
        self._points = sorted(placed)
        self._owners = [placed[point] for point in self._points]

    @property
    def points(self) -> Sequence[int]:
        """The tokens of all points, in order."""
        return self._points

    def add(self, url: str, virtual_nodes: int = 256) -> "Ring":
        """This ring with one more node; the same ring if it has the node already."""
        return self if url in self.virtual_nodes else Ring({**self.virtual_nodes, url: virtual_nodes})

    def remove(self, url: str) -> "Ring":
        """This ring without a node; the same ring if it doesn't have the node."""
        left = {node: count for node, count in self.virtual_nodes.items() if node != url}
        return Ring(left) if url in self.virtual_nodes else self

    def owner(self, token: int) -> str:
        """The URL of the node that owns a token. LookupError: the ring is empty."""
        if not self._owners:
            raise LookupError("the ring has no node")
        return self._owners[bisect_left(self._points, token) % len(self._points)]

    def preference_list(self, token: int) -> Iterator[str]:
        """All nodes, each once, clockwise from a token: the owner first, then its successors."""
        first = bisect_left(self._points, token)
        seen: set[str] = set()
        for i in range(len(self._points)):
            url = self._owners[(first + i) % len(self._owners)]
            if url not in seen:
                seen.add(url)
                yield url

    def ranges(self) -> Iterator[tuple[str, TokenRange]]:
        """Each point's owner and range, by rising end; the ranges cover every token once."""
        before = self._points[-1] if self._points else 0
        for point, url in zip(self._points, self._owners, strict=True):
            yield url, TokenRange(before, point)
            before = point

    def __len__(self) -> int:
        """How many points it has."""
        return len(self._points)


def points_of(url: str, virtual_nodes: int) -> list[int]:
    """The points of a node, as tokens, in the order of their numbers."""
    if virtual_nodes == 0:
        return [token_of(url)]
    return [token_of(f"{url}:{i}") for i in range(virtual_nodes)]
