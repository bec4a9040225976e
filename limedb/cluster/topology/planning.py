"""The effects of a change of the topology, for people to see before it runs.

It owns the figures of a plan. It must never change anything.

Tested in tests/cluster/topology/test_requests.py.
"""

from dataclasses import replace

from limedb.core.layout import Layout
from limedb.core.report import ChangePlan, Move, Progress
from limedb.core.ring import TOKENS
from limedb.core.topology import MemberState, Phase, Topology


def plan(before: Topology, during: Topology, what: str, epoch: int = 0) -> ChangePlan:
    """The effects of a change from one epoch to one that streams. epoch: 0 for a dry run."""
    streaming = Layout(during)
    handed_over = Layout(replace(during, phase=Phase.HANDOVER))
    old, new = _shares(Layout(before)), _shares(handed_over)
    moves = [Move(url, old.get(url, 0.0), new.get(url, 0.0)) for url in sorted({*old, *new})]
    streamed = sum(span.size * len(owners.pending) for span, owners in streaming.segments()) / TOKENS
    return ChangePlan(what + _warning(during), epoch, tuple(moves), streamed)


def gainers(layout: Layout) -> set[str]:
    """The URLs of those that fetch something while a topology streams."""
    return {url for _, owners in layout.segments() for url in owners.streaming}


def fetching(topology: Topology, layout: Layout) -> set[str]:
    """The URLs of nodes that must be done before reads may move: all that fetch, and those that join."""
    if topology.phase is not Phase.STREAMING:
        return set()
    return gainers(layout) | {m.url for m in topology.members if m.standing is MemberState.JOINING}


def has_fetched(progress: Progress, topology: Topology) -> bool:
    """Whether a node has done its part of this change; a joining node may be in another cluster by now."""
    return progress.is_done and (progress.cluster_id, progress.epoch) == topology.fence


def lacks_sources(during: Topology, living: set[str]) -> float:
    """The share of all tokens that nobody could fetch while a topology streams, for lack of living owners."""
    spans = [
        span.size
        for span, owners in Layout(during).segments()
        if owners.streaming and len(living.intersection(owners.natural)) < owners.sources_needed
    ]
    return sum(spans) / TOKENS


def _shares(layout: Layout) -> dict[str, float]:
    tokens: dict[str, int] = {}
    for span, owners in layout.segments():
        for url in owners.natural:
            tokens[url] = tokens.get(url, 0) + span.size
    return {url: size / TOKENS for url, size in tokens.items()}


def _warning(during: Topology) -> str:
    left, factor = len(during.new_owners), during.replication_factor
    if left >= min(factor, len(during.old_owners)):
        return ""
    return f"; only {left} nodes are left then, so each key has {left} replicas instead of {factor}"
