"""The nodes that were seen to have done their part of a change.

It owns their list, which the change driver and the approval of a node share. It must never ask a node.

Tested in tests/cluster/topology/test_handover.py.
"""

from collections.abc import Iterable

from limedb.core.topology import Fence, Topology


class Seen:
    """The nodes that were seen to have done their part of the newest epoch."""

    def __init__(self) -> None:
        self._fence: Fence | None = None
        self._urls: set[str] = set()

    def of(self, topology: Topology) -> frozenset[str]:
        """Those of an epoch, by URL."""
        return frozenset(self._urls) if self._fence == topology.fence else frozenset()

    def note(self, topology: Topology, urls: Iterable[str]) -> None:
        """Remember nodes; this forgets those of other epochs. A late answer of an older epoch changes
        nothing.
        """
        last = self._fence
        if last is not None and last.cluster_id == topology.cluster_id and last.epoch > topology.epoch:
            return
        self._urls = {*self.of(topology), *urls}
        self._fence = topology.fence
