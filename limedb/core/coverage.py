"""Whether some nodes together include enough owners of every range, at a level.

It owns that rule, which scans and watches follow. It must never know which nodes are alive.
"""

from collections.abc import Collection

from limedb.core.layout import Layout
from limedb.core.quorum import Level, needed


class Coverage:
    """The owners of all ranges under one layout. NotMemberError: the node belongs to no cluster yet."""

    def __init__(self, layout: Layout) -> None:
        layout.of(0)
        self.layout = layout
        self._kinds = {(frozenset(owners.natural), owners.replicas) for _, owners in layout.segments()}
        self._known: dict[tuple[frozenset[str], Level], bool] = {}
        self.nodes = frozenset(url for current, _ in self._kinds for url in current)

    def is_enough(self, nodes: Collection[str], level: Level) -> bool:
        """Whether the nodes include, of every range, at least as many current owners as the level needs."""
        asked = (frozenset(nodes) & self.nodes, level)
        found = self._known.get(asked)
        if found is None:
            found = self._known[asked] = all(
                len(current & asked[0]) >= needed(level, replicas) for current, replicas in self._kinds
            )
        return found
