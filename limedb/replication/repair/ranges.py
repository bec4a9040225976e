"""How a node's ranges are divided for repair.

It owns the division. It must never send anything.

Tested in tests/replication/repair/test_anti_entropy.py.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from limedb.core.digest import leaves
from limedb.core.layout import Layout, Owners, Span

SECTION_LEAVES = 512
"""Leaves of a section: one message to each peer, about 50,000 keys."""


@dataclass(frozen=True, slots=True)
class Section:
    """Leaves, in order, with the same owners. urls: the nodes to be asked about them."""

    urls: tuple[str, ...]
    leaves: tuple[Span, ...]


def owned(layout: Layout, own_url: str, keys: int) -> list[Section]:
    """The ranges for which reads ask a node, with the other nodes that they ask. keys: roughly how many it
    holds.
    """
    spans = [span for span, owners in layout.segments() if own_url in owners.natural]
    size = sum(span.size for span in spans)

    def others(owners: Owners) -> tuple[str, ...] | None:
        return tuple(u for u in owners.natural if u != own_url) if own_url in owners.natural else None

    return list(_sections(layout.segments(), others, keys / size if size else 0.0))


def foreign(layout: Layout, own_url: str, density: float) -> list[Section]:
    """The ranges that a node doesn't own in any way, with the nodes that reads ask for them. density: keys
    per token.
    """

    def owners_of(owners: Owners) -> tuple[str, ...] | None:
        return owners.natural if own_url not in owners.write_set else None

    return list(_sections(layout.segments(), owners_of, density))


def gained(layout: Layout, own_url: str, density: float) -> list[Section]:
    """The ranges that a node must fetch again, with the nodes that reads ask for them."""

    def owners_of(owners: Owners) -> tuple[str, ...] | None:
        return owners.natural if own_url in owners.pending else None

    return list(_sections(layout.ranges_to_stream(own_url), owners_of, density))


def _sections(
    segments: Iterable[tuple[Span, Owners]],
    whom: Callable[[Owners], tuple[str, ...] | None],
    density: float,
) -> Iterator[Section]:
    """Sections of the segments for which `whom` names nodes, or none by an empty tuple."""
    groups: dict[tuple[str, ...], list[Span]] = {}
    for span, owners in segments:
        if (urls := whom(owners)) is not None:
            groups.setdefault(tuple(sorted(urls)), []).append(span)
    for urls, spans in groups.items():
        pieces = tuple(leaves(spans, density))
        for start in range(0, len(pieces), SECTION_LEAVES):
            yield Section(urls, pieces[start : start + SECTION_LEAVES])
