"""What happened in a cluster, as a node has seen it: events, each of which it notes once.

It owns the events of a moment's facts, their bound, and how the lists of several nodes become one. It must
never look at anything itself: callers pass in the facts.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

MOST_EVENTS = 1000
"""The events that a node keeps: the oldest go first. With TEXT_CHARS each, that is one MB at most."""
TEXT_CHARS = 500
"""The characters of an event's text that are kept."""
TOGETHER_MS = 30_000
"""Nodes see the same within this time."""
REFUSALS_MS = 60_000
"""Refusals are counted together for so long."""
Found = tuple[str, str, str]
"""An event's kind, the node that it happened to, and its text."""
_NUMBERS = re.compile(r"\d+(\.\d+)?")


@dataclass(frozen=True, slots=True)
class ClusterEvent:
    """Something that happened."""

    at_ms: int
    """When a node saw it first, ms since 1970 by its clock."""
    kind: str
    """restart, member, state, epoch, problem or refusal."""
    node_url: str
    """The node that it happened to; empty: the cluster."""
    text: str
    seen_by: tuple[str, ...] = ()
    """The nodes that saw it, by URL."""


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """The cluster at one moment, as a node knows it."""

    epoch: int
    topology: str
    """What that epoch changes, in words."""
    conditions: Mapping[str, str]
    """The condition of each member, by URL."""
    generations: Mapping[str, int]
    """The start of each node's process, ms since 1970, by URL; 0: unknown."""
    problems: tuple[str, ...] = ()
    """The node's own problems."""
    refusals: Mapping[str, int] = field(default_factory=dict)
    """How much the node has refused since its start, by the reason."""


class EventLog:
    """The events that one node has seen. own_url: its URL."""

    def __init__(self, own_url: str) -> None:
        self._own_url = own_url
        self._events: deque[ClusterEvent] = deque(maxlen=MOST_EVENTS)
        self._before: ClusterFacts | None = None
        self._problems: dict[str, str] = {}
        self._counted: Mapping[str, int] = {}
        self._refusals_at = 0

    def events(self, since_ms: int) -> list[ClusterEvent]:
        """The events after a moment, the oldest first."""
        return [event for event in self._events if event.at_ms > since_ms]

    def take(self, facts: ClusterFacts, at_ms: int) -> None:
        """Note what has changed since the facts before."""
        before, self._before = self._before, facts
        self._note(at_ms, self._starts(facts, before))
        if before is not None:
            self._note(at_ms, _memberships(facts, before))
            self._note(at_ms, _states(facts, before))
        self._note(at_ms, self._troubles(facts))
        self._note(at_ms, self._refusals(facts, at_ms))

    def _note(self, at_ms: int, found: Iterable[Found]) -> None:
        for kind, url, text in found:
            self._events.append(ClusterEvent(at_ms, kind, url, text[:TEXT_CHARS], (self._own_url,)))

    def _starts(self, facts: ClusterFacts, before: ClusterFacts | None) -> Iterator[Found]:
        """Nodes that were started: the own one at first, others once they were known before."""
        known = before.generations if before else {}
        for url, generation in sorted(facts.generations.items()):
            is_new = before is None and url == self._own_url
            if is_new or 0 < known.get(url, 0) < generation:
                yield "restart", url, f"{url} was started"

    def _troubles(self, facts: ClusterFacts) -> Iterator[Found]:
        """Problems that began or ended: a text whose numbers change is the same problem."""
        now = {_NUMBERS.sub("#", text): text for text in facts.problems}
        for name in now.keys() - self._problems.keys():
            yield "problem", self._own_url, now[name]
        for name in self._problems.keys() - now.keys():
            yield "problem", self._own_url, f"over: {self._problems[name]}"
        self._problems = now

    def _refusals(self, facts: ClusterFacts, at_ms: int) -> Iterator[Found]:
        if at_ms - self._refusals_at < REFUSALS_MS:
            return
        before, self._counted, self._refusals_at = self._counted, dict(facts.refusals), at_ms
        for reason, count in sorted(facts.refusals.items()):
            if (more := count - before.get(reason, 0)) > 0:
                yield "refusal", self._own_url, f"{more} refused: {reason}"


def _memberships(facts: ClusterFacts, before: ClusterFacts) -> Iterator[Found]:
    if facts.epoch != before.epoch:
        yield "epoch", "", f"epoch {facts.epoch}: {facts.topology}"
    for url in sorted(facts.conditions.keys() - before.conditions.keys()):
        yield "member", url, f"{url} is a member"
    for url in sorted(before.conditions.keys() - facts.conditions.keys()):
        yield "member", url, f"{url} is no longer a member"


def _states(facts: ClusterFacts, before: ClusterFacts) -> Iterator[Found]:
    for url, condition in sorted(facts.conditions.items()):
        if before.conditions.get(url, condition) != condition:
            yield "state", url, f"{url} is {condition}, was {before.conditions[url]}"


def merged(lists: Iterable[Iterable[ClusterEvent]], most: int = MOST_EVENTS) -> list[ClusterEvent]:
    """The events of several nodes, the newest first: what more than one saw is one event, at the time of the
    first that saw it. most: the newest that are kept.
    """
    whole: list[ClusterEvent] = []
    last: dict[tuple[str, str, str], int] = {}
    for event in sorted((event for events in lists for event in events), key=lambda event: event.at_ms):
        name = (event.kind, event.node_url, event.text)
        place = last.get(name)
        if place is not None and event.at_ms - whole[place].at_ms <= TOGETHER_MS:
            seen = tuple(sorted({*whole[place].seen_by, *event.seen_by}))
            whole[place] = replace(whole[place], seen_by=seen)
        else:
            last[name] = len(whole)
            whole.append(event)
    return whole[::-1][:most]
